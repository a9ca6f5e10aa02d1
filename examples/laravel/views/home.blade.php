@extends('layout')
@section('body')
<h1>Home</h1>
<table>
@foreach ($rows as $row)
  <tr class="{{ $loop->even ? 'even' : 'odd' }}"><td>{{ $row }}</td><td><a href="{{ url('api/items', $row) }}">Item {{ $row }} of {{ count($rows) }}</a></td></tr>
@endforeach
</table>
@endsection
