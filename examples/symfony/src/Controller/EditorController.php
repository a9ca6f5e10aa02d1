<?php
// SPDX-License-Identifier: Apache-2.0

namespace App\Controller;

use Symfony\Bundle\FrameworkBundle\Controller\AbstractController;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\Security\Http\Authentication\AuthenticationUtils;

/** What only who has logged in may see. */
class EditorController extends AbstractController
{
    public function login(AuthenticationUtils $authentication): Response
    {
        return $this->render('login.html.twig', [
            'name' => $authentication->getLastUsername(),
            'error' => $authentication->getLastAuthenticationError(),
        ]);
    }

    public function desk(): Response
    {
        return $this->render('desk.html.twig');
    }
}
