@extends('layout')
@section('title', 'Guest book')
@section('body')
<h1>Guest book</h1>
@if (session('status'))<p class="status">{{ session('status') }}</p>@endif
@foreach ($errors->all() as $error)<p class="error">{{ $error }}</p>
@endforeach
@forelse ($entries as $entry)<blockquote>{{ $entry['text'] }} <cite>{{ $entry['name'] }}</cite></blockquote>
@empty<p>Nobody wrote yet.</p>
@endforelse
<form method="post" action="{{ route('guestbook') }}">
  @csrf
  <input name="name" value="{{ old('name') }}">
  <textarea name="text">{{ old('text') }}</textarea>
  <button>Write</button>
</form>
@endsection
