# SPDX-License-Identifier: Apache-2.0
"""What end-to-end tests and benchmarks share: real daemons in a temp dir, and clients to talk to them.

    with Workspace() as space:
        fpm = LwcFpm(space, Pool(lwc={"engine": "fork"})).start()
        nginx = Nginx(space, Site(root="/srv/app", fastcgi=fpm.socket)).start()
        answer = HttpClient(nginx.socket).get("/index.php")

Leaving the workspace stops whatever still runs, last started first, and raises Leak when a process is left over.
"""

from .client import Answer, HttpClient, unused_port
from .daemons import LwcFpm, Nginx, PhpFpm, Pool, Site, lwc_binary
from .processes import Leak, NotReady, Service, children_of, descendants_of, open_descriptors
from .workspace import Workspace

__all__ = [
    "Answer", "HttpClient", "Leak", "LwcFpm", "Nginx", "NotReady", "PhpFpm", "Pool", "Service", "Site", "Workspace",
    "children_of", "descendants_of", "lwc_binary", "open_descriptors", "unused_port",
]
