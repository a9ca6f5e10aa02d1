<?php
// SPDX-License-Identifier: Apache-2.0

namespace App;

use Illuminate\Http\Request;
use Illuminate\Routing\Controller;
use Illuminate\Validation\Factory;

/** A form with validation and a CSRF token; entries are kept in the visitor's session. */
class Guestbook extends Controller
{
    public function show(Request $request)
    {
        return view('guestbook', ['entries' => $request->session()->get('entries', [])]);
    }

    public function store(Request $request, Factory $validator)
    {
        $entry = $validator->make($request->all(), ['name' => 'required|max:20', 'text' => 'required|min:3'])->validate();
        $request->session()->push('entries', $entry);

        return redirect()->route('guestbook')->with('status', 'Thank you, ' . $entry['name'] . '.');
    }
}
