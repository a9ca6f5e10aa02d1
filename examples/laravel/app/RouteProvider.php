<?php
// SPDX-License-Identifier: Apache-2.0

namespace App;

use Illuminate\Foundation\Support\Providers\RouteServiceProvider;
use Illuminate\Support\Facades\Route;

class RouteProvider extends RouteServiceProvider
{
    public function boot(): void
    {
        $this->routes(static function (): void {
            Route::middleware('web')->group(base_path('routes/web.php'));
            Route::prefix('api')->group(base_path('routes/api.php'));
        });
    }
}
