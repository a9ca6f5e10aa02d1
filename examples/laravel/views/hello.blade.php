@extends('layout')
@section('title', 'Hello')
@section('body')
<h1>Hello {{ $name }}</h1>
@endsection
