<?php
// SPDX-License-Identifier: Apache-2.0
$conf['title'] = 'Example DokuWiki';
$conf['savedir'] = dirname(DOKU_INC) . '/data';
$conf['useacl'] = 1;
$conf['superuser'] = '@admin';
$conf['userewrite'] = 0;
$conf['updatecheck'] = 0;
