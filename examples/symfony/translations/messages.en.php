<?php
// SPDX-License-Identifier: Apache-2.0

return [
    'home' => 'Home',
    'notes' => 'Notes',
    'note' => 'Note',
    'keep' => 'Keep',
    'kept' => 'Kept.',
    'desk' => 'Desk',
    'desk.of' => 'The desk of %name%',
    'log.in' => 'Log in',
    'log.out' => 'Log out',
];
