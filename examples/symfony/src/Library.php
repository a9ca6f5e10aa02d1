<?php
// SPDX-License-Identifier: Apache-2.0

namespace App;

/** What the pages show: sections with entries, the same on every call. */
class Library
{
    public const SECTIONS = ['articles', 'authors', 'books', 'events', 'groups', 'images', 'places', 'reviews'];

    /** @return list<array{id: int, title: string, text: string, tags: list<string>}> */
    public function entries(string $section, int $count = 20): array
    {
        return array_map(fn (int $id): array => $this->entry($section, $id), range(1, $count));
    }

    public function entry(string $section, int $id): array
    {
        $hash = md5("$section/$id");

        return [
            'id' => $id,
            'title' => ucfirst(substr($section, 0, -1)) . " no. $id",
            'text' => "The text of $section/$id says <$hash> & no more.",
            'tags' => str_split(substr($hash, 0, 12), 4),
        ];
    }
}
