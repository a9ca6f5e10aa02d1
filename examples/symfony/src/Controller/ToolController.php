<?php
// SPDX-License-Identifier: Apache-2.0

namespace App\Controller;

use Symfony\Bundle\FrameworkBundle\Controller\AbstractController;
use Symfony\Component\Form\Extension\Core\Type\FormType;
use Symfony\Component\Form\Extension\Core\Type\SubmitType;
use Symfony\Component\Form\Extension\Core\Type\TextType;
use Symfony\Component\Form\FormFactoryInterface;
use Symfony\Component\HttpFoundation\BinaryFileResponse;
use Symfony\Component\HttpFoundation\Cookie;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\HttpFoundation\StreamedResponse;
use Symfony\Component\Validator\Constraints\Length;
use Symfony\Component\Validator\Constraints\NotBlank;

/** One page for each thing that a front controller has to pass on faithfully. */
class ToolController extends AbstractController
{
    /** A form with validation and a CSRF token; what is sent is kept in the session and shown after a redirect. */
    public function notes(Request $request, FormFactoryInterface $forms): Response
    {
        $session = $request->getSession();
        $form = $forms->createNamedBuilder('', FormType::class, null, ['csrf_field_name' => 'token', 'csrf_token_id' => 'note'])
            ->add('note', TextType::class, ['label' => 'note', 'constraints' => [new NotBlank(), new Length(['max' => 200])]])
            ->add('keep', SubmitType::class, ['label' => 'keep'])
            ->getForm()
            ->handleRequest($request);
        if ($form->isSubmitted() && $form->isValid()) {
            $session->set('notes', [...$session->get('notes', []), $form->get('note')->getData()]);
            $this->addFlash('notice', 'kept');

            return $this->redirectToRoute('notes', [], Response::HTTP_SEE_OTHER);
        }

        return $this->renderForm('notes.html.twig', ['notes' => $session->get('notes', []), 'form' => $form]);
    }

    public function forget(Request $request): Response
    {
        $request->getSession()->invalidate();

        return $this->redirectToRoute('notes');
    }

    /** Shows what of the request arrived, in a stable order. */
    public function request(Request $request): JsonResponse
    {
        return $this->json([
            'method' => $request->getMethod(),
            'path' => $request->getPathInfo(),
            'query' => $request->query->all(),
            'form' => $request->request->all(),
            'cookies' => array_keys($request->cookies->all()),
            'host' => $request->getHost(),
            'agent' => $request->headers->get('User-Agent'),
            'body' => md5($request->getContent()),
            'age' => abs(time() - $request->server->get('REQUEST_TIME')) < 5 ? 'fresh' : 'stale',
        ]);
    }

    public function upload(Request $request): JsonResponse
    {
        $file = $request->files->get('file');

        return $this->json(['name' => $file->getClientOriginalName(), 'size' => $file->getSize(),
            'md5' => md5_file($file->getPathname()), 'type' => $file->getClientMimeType()]);
    }

    public function streamed(): StreamedResponse
    {
        return new StreamedResponse(static function (): void {
            for ($line = 1; $line <= 100; ++$line) {
                echo "line $line\n";
                flush();
            }
        }, 200, ['Content-Type' => 'text/plain']);
    }

    public function download(): BinaryFileResponse
    {
        return $this->file(__FILE__, 'controller.txt');
    }

    public function cookie(): Response
    {
        $response = new Response('A cookie was set.');
        $response->headers->setCookie(Cookie::create('taste', 'sweet', 0, '/', null, null, true, false, 'lax'));

        return $response;
    }

    public function fail(): Response
    {
        throw new \RuntimeException('An error on purpose.');
    }

    public function random(): JsonResponse
    {
        return $this->json([mt_rand(), random_int(0, \PHP_INT_MAX), bin2hex(random_bytes(8)), uniqid(), lcg_value()]);
    }
}
