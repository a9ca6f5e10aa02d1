<?php
// SPDX-License-Identifier: Apache-2.0

use App\Guestbook;
use Illuminate\Http\Request;
use Illuminate\Support\Facades\Route;

Route::get('/', fn () => view('home', ['rows' => range(1, 25)]))->name('home');
Route::get('/hello/{name}', fn (string $name) => view('hello', ['name' => $name]))->where('name', '[a-z<>]+')->name('hello');
Route::get('/guestbook', [Guestbook::class, 'show'])->name('guestbook');
Route::post('/guestbook', [Guestbook::class, 'store']);
Route::get('/moved', fn () => redirect()->route('hello', ['name' => 'moved'], 301));
Route::get('/fail', function () {
    throw new RuntimeException('An error on purpose.');
});
Route::get('/denied', fn () => abort(403, 'Not for you.'));
Route::get('/file', fn () => response()->download(base_path('routes/web.php'), 'routes.txt'));
Route::get('/stream', fn () => response()->stream(function () {
    foreach (range(1, 100) as $line) {
        echo "line $line\n";
        flush();
    }
}, 200, ['Content-Type' => 'text/plain']));
Route::get('/count', function (Request $request) {
    $request->session()->increment('count');

    return 'Count: ' . $request->session()->get('count');
});
