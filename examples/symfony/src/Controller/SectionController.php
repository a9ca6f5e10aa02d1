<?php
// SPDX-License-Identifier: Apache-2.0

namespace App\Controller;

use App\Library;
use Symfony\Bundle\FrameworkBundle\Controller\AbstractController;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Response;

/** Pages of the sections: five routes each. */
class SectionController extends AbstractController
{
    private Library $library;

    public function __construct(Library $library)
    {
        $this->library = $library;
    }

    public function home(): Response
    {
        return $this->render('home.html.twig', ['sections' => Library::SECTIONS]);
    }

    public function index(string $section): Response
    {
        return $this->render('index.html.twig', ['section' => $section, 'entries' => $this->library->entries($section)]);
    }

    public function show(string $section, int $id): Response
    {
        return $this->render('show.html.twig', ['section' => $section, 'entry' => $this->library->entry($section, $id)]);
    }

    public function tag(string $section, string $tag): Response
    {
        $tagged = array_filter($this->library->entries($section), fn (array $entry) => \in_array($tag, $entry['tags'], true));

        return $this->render('index.html.twig', ['section' => $section, 'entries' => $tagged]);
    }

    public function data(string $section, int $id): JsonResponse
    {
        return $this->json($this->library->entry($section, $id));
    }

    public function old(string $section, int $id): Response
    {
        return $this->redirectToRoute("{$section}_show", ['id' => $id], Response::HTTP_MOVED_PERMANENTLY);
    }
}
