<!DOCTYPE html>
<html lang="{{ app()->getLocale() }}">
<head><meta charset="utf-8"><title>@yield('title', config('app.name'))</title></head>
<body>
<nav><a href="{{ route('home') }}">Home</a> <a href="{{ route('guestbook') }}">Guest book</a></nav>
@yield('body')
</body>
</html>
