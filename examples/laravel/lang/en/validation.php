<?php
// SPDX-License-Identifier: Apache-2.0

return [
    'required' => 'The :attribute is missing.',
    'max' => ['string' => 'The :attribute is longer than :max characters.'],
    'min' => ['string' => 'The :attribute is shorter than :min characters.'],
];
