<?php
// SPDX-License-Identifier: Apache-2.0

use Illuminate\Http\Request;
use Illuminate\Support\Facades\Route;
use Illuminate\Support\Str;

Route::get('/items/{id}', fn (int $id) => ['id' => $id, 'name' => "Item $id", 'slug' => Str::slug("Item No. $id")]);
Route::match(['get', 'post', 'put'], '/echo', fn (Request $request) => [
    'method' => $request->method(), 'input' => $request->input(), 'json' => $request->isJson(), 'host' => $request->getHost(),
    'fresh' => abs(time() - $request->server('REQUEST_TIME')) < 5,
]);
Route::post('/upload', fn (Request $request) => [
    'name' => $request->file('file')->getClientOriginalName(), 'md5' => md5_file($request->file('file')->path()),
]);
