# SPDX-License-Identifier: Apache-2.0
"""php-fpm, lwc-fpm and nginx on Unix sockets in a workspace, with the same ini for both daemons."""

import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

from .processes import Service

ROOT = Path(__file__).resolve().parents[3]
PHP_FPM = os.environ.get("PHP_FPM", "/usr/sbin/php-fpm8.2")
PHP_INI = "/etc/php/8.2/fpm/php.ini"
# Where the daemons find their extensions. Fewer of them make a fork cheaper.
PHP_SCAN_DIR = os.environ.get("PHP_SCAN_DIR", "/etc/php/8.2/fpm/conf.d")
USER = "www-data"


def lwc_binary():
    """The lwc-fpm under test: $LWC_FPM, or the one in build/."""
    return os.environ.get("LWC_FPM") or str(ROOT / "build/fcgi-server/lwc-fpm")


@dataclass
class Pool:
    """One pool. `settings` are php-fpm's directives, `lwc` ours without the prefix; a list repeats a key (key[] = ...)."""

    name: str = "www"
    children: int = 2
    listen: str | None = None
    settings: dict = field(default_factory=dict)
    lwc: dict = field(default_factory=dict)


def ini_lines(settings, prefix=""):
    for key, value in settings.items():
        if isinstance(value, (list, tuple)):
            yield from (f"{prefix}{key}[] = {one}" for one in value)
        else:
            yield f"{prefix}{key} = {value}"


class FpmService(Service):
    """What both daemons have in common."""

    own_keys = False

    def __init__(self, space, *pools, ini=None, settings=None, arguments=(), name=None):
        """ini: php.ini settings over Debian's; settings: global directives; arguments: more of the command line."""
        super().__init__(space, name)
        self.pools = pools or (Pool(),)
        self.settings = settings or {}
        self.arguments = list(arguments)
        self.log_path = space.path / f"{self.name}.log"
        self.config_path = space.path / f"{self.name}.conf"
        self.ini_dir = space.path / f"{self.name}.ini"
        self.log_path.unlink(missing_ok=True)
        self.output_path.unlink(missing_ok=True)
        self.environment["PHP_INI_SCAN_DIR"] = f"{PHP_SCAN_DIR}:{self.ini_dir}"
        self.set_ini(ini or {})
        self.write_config()

    @property
    def socket(self):
        return self.listen_of(self.pools[0])

    def listen_of(self, pool):
        return pool.listen or str(self.space.path / f"{self.name}-{pool.name}.sock")

    def binary(self):
        raise NotImplementedError

    def command(self):
        return [self.binary(), "-F", "-c", PHP_INI, "-y", str(self.config_path), *self.arguments]

    def set_ini(self, ini):
        self.ini_dir.mkdir(exist_ok=True)
        self.ini_dir.joinpath("99-harness.ini").write_text("\n".join(ini_lines(ini)) + "\n")

    def write_config(self):
        """Call it again after changing pools or settings, before a reload."""
        lines = ["[global]", f"error_log = {self.log_path}", f"pid = {self.space.path / (self.name + '.pid')}"]
        lines += ini_lines(self.settings)
        for pool in self.pools:
            defaults = {"listen": self.listen_of(pool), "pm": "static", "pm.max_children": pool.children}
            if os.geteuid() == 0:
                defaults |= {"user": USER, "group": USER, "listen.owner": USER, "listen.group": USER}
            lines += [f"[{pool.name}]", *ini_lines(defaults | pool.settings)]
            if self.own_keys:
                lines += ini_lines(pool.lwc, "lwc.")
        self.config_path.write_text("\n".join(lines) + "\n")

    def log(self):
        """The error log."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def logs(self):
        return super().logs() + self.log()

    def ready(self):
        return "ready to handle connections" in self.logs()

    def graceful_stop(self):
        return self.stop(signal.SIGQUIT)

    def reload(self):
        self.signal(signal.SIGUSR2)


class PhpFpm(FpmService):
    name = "php-fpm"

    def binary(self):
        return PHP_FPM


class LwcFpm(FpmService):
    """lwc-fpm. The engine is, in this order: the pool's, $LWC_ENGINE, the daemon's own choice."""

    name = "lwc-fpm"
    own_keys = True
    start_seconds = 60

    def __init__(self, space, *pools, **more):
        pools = pools or (Pool(),)
        for pool in pools:
            if os.environ.get("LWC_ENGINE"):
                pool.lwc.setdefault("engine", os.environ["LWC_ENGINE"])
        super().__init__(space, *pools, **more)

    def binary(self):
        return lwc_binary()


@dataclass
class Site:
    """One nginx server: files below root, scripts to a daemon.

    front: requests that match no file go to this script. script: every request goes to this one file.
    snippet: a file with the locations instead, such as the examples have; its upstream is called `php`.
    extra: directives for the server block.
    listen: a TCP port; by default a Unix socket is used.
    """

    root: str | None = None
    fastcgi: str | None = None
    front: str | None = None
    script: str | None = None
    snippet: str | None = None
    extra: str = ""
    listen: str | None = None
    params: dict = field(default_factory=dict)
    name: str = "localhost"


FASTCGI = """
            fastcgi_split_path_info ^(.+?\\.php)(/.*)$;
            include /etc/nginx/fastcgi_params;
            fastcgi_param SCRIPT_FILENAME {script};
            fastcgi_param PATH_INFO $fastcgi_path_info;
            fastcgi_param SERVER_NAME {name};
            fastcgi_param SERVER_PORT {port};
{params}            fastcgi_pass {target};
"""


class Nginx(Service):
    name = "nginx"

    def __init__(self, space, *sites, main="", http="", name=None):
        """main, http: further directives for the outer blocks."""
        super().__init__(space, name)
        self.sites = sites
        self.main, self.http = main, http
        self.log_path = space.path / f"{self.name}.log"
        self.config_path = space.path / f"{self.name}.conf"
        self.config_path.write_text(self.config())

    def socket_of(self, site):
        return str(self.space.path / f"{self.name}-{self.sites.index(site)}.sock")

    @property
    def socket(self):
        return self.socket_of(self.sites[0])

    def command(self):
        return ["/usr/sbin/nginx", "-e", str(self.log_path), "-c", str(self.config_path)]

    def logs(self):
        return super().logs() + (self.log_path.read_text(errors="replace") if self.log_path.exists() else "")

    def ready(self):
        return all(site.listen or Path(self.socket_of(site)).exists() for site in self.sites) \
            and (self.space.path / f"{self.name}.pid").exists()

    def _upstream(self):
        targets = {site.fastcgi for site in self.sites if site.snippet}
        assert len(targets) <= 1, "sites with a snippet share one upstream"
        return "".join(f"upstream php {{ server {self._address(target)}; }}" for target in targets)

    @staticmethod
    def _address(fastcgi):
        return fastcgi if ":" in fastcgi else f"unix:{fastcgi}"

    def _site(self, site):
        if site.snippet:
            return self._server(site, f"include {site.snippet};")
        target = self._address(site.fastcgi)
        params = "".join(f"            fastcgi_param {key} {value};\n" for key, value in site.params.items())
        port = str(site.listen).rsplit(":", 1)[-1] if site.listen else "80"
        script = site.script or "$document_root$fastcgi_script_name"
        pass_on = FASTCGI.format(script=script, params=params, target=target, name=site.name, port=port)
        if site.script:
            locations = f"location / {{{pass_on}        }}\n"
        else:
            front = f"location / {{ try_files $uri $uri/ {site.front}$is_args$args; }}\n        " if site.front else ""
            locations = f"{front}location ~ \\.php(/|$) {{{pass_on}        }}\n"
        return self._server(site, f"root {site.root};\n        index index.php index.html;\n        {locations}")

    def _server(self, site, inside):
        return f"""    server {{
        listen {site.listen or 'unix:' + self.socket_of(site)};
        server_name {site.name};
        {site.extra}
        {inside}
    }}
"""

    def config(self):
        user = f"user {USER};" if os.geteuid() == 0 else ""
        base = self.space.path / self.name
        return f"""{user}
daemon off;
worker_processes 1;
pid {base}.pid;
error_log {self.log_path} warn;
{self.main}
events {{ worker_connections 1024; }}
http {{
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log off;
    client_body_temp_path {base}.body;
    fastcgi_temp_path {base}.fastcgi;
    proxy_temp_path {base}.proxy;
    uwsgi_temp_path {base}.uwsgi;
    scgi_temp_path {base}.scgi;
    client_max_body_size 2g;
    # Over a Unix socket the client has no address; HttpClient gives itself one.
    set_real_ip_from unix:;
    real_ip_header X-Real-IP;
    {self._upstream()}
    {self.http}
{''.join(map(self._site, self.sites))}}}
"""
