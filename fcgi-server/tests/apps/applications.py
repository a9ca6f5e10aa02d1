# SPDX-License-Identifier: Apache-2.0
"""The applications in examples/, each with a click path and what in its answers is volatile."""

import io
import re
import subprocess

from comparison import App, Mask

from harness.daemons import ROOT

SESSION_COOKIE = r"[A-Za-z0-9%,-]{20,}"


def multipart(name, filename, content, content_type):
    """(body, headers) of a form with one file."""
    boundary = "----the-boundary"
    body = io.BytesIO()
    body.write(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
               f"Content-Type: {content_type}\r\n\r\n".encode())
    body.write(content + f"\r\n--{boundary}--\r\n".encode())
    return body.getvalue(), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


class Hello(App):
    def click_path(self, visit):
        visit.get("/")
        visit.sees("Hello World\n")
        visit.head("/index.php")
        visit.get("/index.php?a=b")
        visit.post("/index.php", {"x": "y"})
        visit.get("/nothing.php", 404)


class PhpInfo(App):
    def click_path(self, visit):
        visit.get("/index.php?a=1&b[]=2", headers={"Cookie": "c=d", "User-Agent": "test", "Accept-Language": "en"})
        visit.sees("FPM/FastCGI", "Zend OPcache", "PHP License", "$_GET['b']", "HTTP_ACCEPT_LANGUAGE")


class Symfony(App):
    def click_path(self, visit):
        visit.get("/")
        visit.sees("A small library")
        for url in ("/articles", "/reviews/20", "/books/7.json", "/places/tagged/none"):
            visit.get(url)
        visit.head("/articles/1")
        visit.get("/events/old/3", 301)
        visit.follow()
        visit.get("/request?b=2&a=1", headers={"User-Agent": "test"})
        visit.sees('"age":"fresh"')
        visit.post("/request", {"field": "value & more"})
        visit.request("PUT", "/request", b"raw body", headers={"Content-Type": "text/plain"})
        body, headers = multipart("file", "a.bin", bytes(range(256)) * 64, "application/octet-stream")
        visit.post("/upload", body, headers=headers)
        visit.get("/streamed")
        visit.get("/download")
        visit.get("/download", 206, headers={"Range": "bytes=10-99"})
        visit.get("/cookie")
        visit.get("/request")
        visit.sees("taste")
        self._notes(visit)
        self._editor(visit)
        visit.get("/missing", 404)
        visit.get("/fail", 500)
        visit.post("/articles", {"not": "allowed"}, 405)

    @staticmethod
    def _notes(visit):
        visit.get("/notes")
        visit.post("/notes", {"token": visit.field("token"), "note": "<first> note"}, 303)
        visit.follow()
        visit.sees("Kept.", "&lt;first&gt; note")
        visit.post("/notes", {"token": "forged", "note": "second"}, 422)
        visit.sees("The CSRF token is invalid.")
        visit.post("/notes", {"token": visit.field("token"), "note": "x" * 201}, 422)
        visit.sees("too long")
        visit.get("/notes")
        visit.misses("second")
        visit.get("/forget", 302)
        visit.follow()
        visit.misses("first")

    @staticmethod
    def _editor(visit):
        visit.get("/desk", 302)
        visit.follow()
        for password, sees in (("wrong", "Invalid credentials."), ("example", "The desk of editor")):
            visit.post("/login", {"_username": "editor", "_password": password, "token": visit.field("token")}, 302)
            visit.follow()
            visit.sees(sees)
        visit.get("/articles")
        visit.sees("Log out")
        visit.get("/logout", 302)
        visit.follow()
        visit.misses("Log out")
        visit.get("/desk", 302)


class Laravel(App):
    def click_path(self, visit):
        visit.get("/")
        visit.sees("Item 25 of 25")
        visit.get("/hello/world")
        visit.get("/api/items/12")
        visit.post("/api/echo", {"a": "1", "empty": ""})
        visit.sees('"fresh":true')
        visit.request("PUT", "/api/echo", b'{"list":[1,2,3]}', headers={"Content-Type": "application/json"})
        body, headers = multipart("file", "b.txt", b"some text\n" * 500, "text/plain")
        visit.post("/api/upload", body, headers=headers)
        self._guestbook(visit)
        for expected in ("Count: 1", "Count: 2"):
            visit.get("/count")
            visit.sees(expected)
        visit.get("/moved", 301)
        visit.follow()
        visit.get("/stream")
        visit.get("/file")
        visit.get("/denied", 403)
        visit.get("/missing", 404)
        visit.get("/fail", 500)

    @staticmethod
    def _guestbook(visit):
        visit.get("/guestbook")
        token = visit.field("_token")
        visit.post("/guestbook", {"_token": token, "name": "A very long name indeed", "text": "x"}, 302)
        visit.follow()
        visit.sees("longer than 20", "shorter than 3", "A very long name indeed")
        visit.post("/guestbook", {"_token": token, "name": "Ann", "text": "Hello <there>"}, 302)
        visit.follow()
        visit.sees("Thank you, Ann.", "Hello &lt;there&gt;")
        visit.post("/guestbook", {"_token": "forged", "name": "Eve", "text": "Nothing"}, 419)


class MediaWiki(App):
    def click_path(self, visit):
        visit.get("/index.php/Main_Page")
        visit.sees("MediaWiki has been installed")
        visit.get("/index.php/Special:Version")
        visit.get("/index.php/No_such_page", 404)
        visit.get("/load.php?lang=en&modules=site.styles%7Cskins.vector.styles.legacy&only=styles&skin=vector")
        visit.get("/api.php?action=query&meta=siteinfo&format=json")
        self._edit(visit, "Sandbox", "Written '''anonymously'''.")
        visit.get("/index.php/Special:UserLogin")
        self._login(visit, "wrong password", 200)
        visit.sees("Incorrect username or password")
        self._login(visit, "example wiki", 302)
        visit.follow()
        visit.sees("Log out")
        self._edit(visit, "Sandbox", "Now by [[User:Admin]]: {{CURRENTYEAR}} years.")
        self._edit(visit, "Main Page", "A ''new'' main page, linking to [[Sandbox]].")
        visit.get("/index.php?title=Sandbox&action=history")
        visit.get("/index.php?title=Sandbox&diff=3&oldid=2")
        visit.get("/index.php/Special:AllPages")
        visit.get("/index.php?title=Sandbox&action=raw")

    @staticmethod
    def _edit(visit, title, text):
        address = f"/index.php?title={title.replace(' ', '_')}&action="
        visit.get(address + "edit")
        form = {name: visit.field(name) for name in
                ("wpStarttime", "wpEdittime", "editRevId", "wpEditToken", "wpUnicodeCheck", "parentRevId", "wpUltimateParam")}
        visit.post(address + "submit", form | {"wpTextbox1": text, "wpSave": "Save", "wpSummary": "a summary"}, 302)
        visit.follow()

    @staticmethod
    def _login(visit, password, status):
        form = {"wpName": "Admin", "wpPassword": password, "wpLoginToken": visit.field("wpLoginToken"),
                "authAction": "login", "wploginattempt": "Log in", "title": "Special:UserLogin"}
        visit.post("/index.php?title=Special:UserLogin&returnto=Main+Page", form, status)


class DokuWiki(App):
    def click_path(self, visit):
        visit.get("/")
        visit.get("/doku.php?id=wiki:nothing")
        visit.sees("This topic does not exist yet")
        visit.get("/doku.php?id=start&do=edit")
        self._save(visit, "start", "====== Start ======\n\nSome **bold** text and a [[other|link]].")
        visit.sees("<strong>bold</strong>")
        visit.get("/doku.php?id=start&do=login")
        self._login(visit, "wrong", 403)
        visit.sees("Sorry, username or password was wrong.")
        self._login(visit, "example wiki", 302)
        visit.follow()
        visit.sees("Admin")
        visit.get("/doku.php?id=other&do=edit")
        self._save(visit, "other", "Another page.\n\n  * one\n  * two\n")
        visit.get("/doku.php?id=other&do=revisions")
        visit.get("/doku.php?id=start&do=backlink")
        visit.get("/doku.php?id=start&do=index")
        visit.get("/doku.php?id=start&do=admin")
        visit.get("/feed.php")
        visit.get("/lib/exe/css.php?t=dokuwiki")
        visit.request("GET", "/lib/exe/fetch.php?media=no:such.png")

    @staticmethod
    def _save(visit, page, text):
        form = {name: visit.field(name) for name in ("sectok", "rev", "date", "prefix", "suffix", "changecheck", "target")}
        visit.post(f"/doku.php?id={page}", form | {"id": page, "do[save]": "1", "wikitext": text, "summary": "new"}, 302)
        visit.follow()

    @staticmethod
    def _login(visit, password, status):
        form = {"sectok": visit.field("sectok"), "id": "start", "do": "login", "u": "admin", "p": password}
        visit.post("/doku.php?id=start", form, status)


class PhpMyAdmin(App):
    def click_path(self, visit):
        visit.get("/")
        visit.sees("Welcome to", "pma_username")
        visit.get("/js/messages.php?l=en")
        visit.get("/themes/pmahomme/jquery/jquery-ui.css")
        visit.get("/")
        form = {name: visit.field(name) for name in ("token", "set_session", "server", "route")}
        visit.post("/index.php?route=/", form | {"pma_username": "root", "pma_password": "wrong"})
        visit.sees("Cannot log in")
        visit.get("/index.php?route=/&lang=de")
        visit.sees("Willkommen bei")


class WordPress(App):
    """An installed site. Its database runs only while a side runs."""

    def _command(self, name, *arguments):
        subprocess.run([str(ROOT / "examples/wordpress" / name), *map(str, arguments)], check=True, timeout=120,
                       stdin=subprocess.DEVNULL)

    def setup(self, directory):
        super().setup(directory)
        self.begin(None, directory)
        try:
            self._command("install", directory)
        finally:
            self.end()

    def begin(self, space, directory):
        self.directory = directory
        self._command("database", "start", directory)

    def end(self):
        self._command("database", "stop", self.directory)

    def click_path(self, visit):
        visit.get("/")
        visit.sees("Hello world!")
        visit.get("/?p=1")
        visit.get("/?feed=rss2")
        visit.get("/?s=nothing")
        visit.get("/?p=999", 404)
        visit.get("/index.php?rest_route=/wp/v2/posts")
        visit.post("/wp-comments-post.php", {"comment_post_ID": "1", "author": "Ann O'Nymous", "email": "ann@example.org",
                                             "comment": "It's a \"quoted\" <b>comment</b>.", "submit": "Post Comment"}, 302)
        visit.follow()
        visit.sees("Your comment is awaiting moderation")
        visit.get("/wp-admin/", 302)
        visit.follow()
        self._login(visit, "wrong", 200)
        visit.sees("is incorrect")
        self._login(visit, "example site", 302)
        self._administer(visit)

    @staticmethod
    def _login(visit, password, status):
        visit.post("/wp-login.php", {"log": "admin", "pwd": password, "wp-submit": "Log In", "testcookie": "1",
                                     "redirect_to": "http://localhost/wp-admin/"}, status)

    @staticmethod
    def _administer(visit):
        visit.follow()
        visit.sees("Dashboard", "Howdy")
        visit.get("/wp-admin/edit-comments.php")
        visit.sees("Nymous")
        visit.get("/wp-admin/post-new.php")
        nonce = re.search(r'createNonceMiddleware\( "(\w+)"', visit.page.text)[1]
        visit.post("/index.php?rest_route=/wp/v2/posts", '{"title": "It\'s new", "content": "<p>Text</p>", "status": "publish"}',
                   201, headers={"X-WP-Nonce": nonce, "Content-Type": "application/json"})
        visit.get("/")
        visit.sees("It&#8217;s new", "Howdy")
        visit.get("/wp-admin/options-general.php")
        form = {name: visit.field(name) for name in ("option_page", "_wpnonce", "siteurl", "home", "new_admin_email")}
        visit.post("/wp-admin/options.php", form | {"action": "update", "blogname": "Renamed Site", "blogdescription": "new"}, 302)
        visit.follow()
        visit.get("/wp-login.php?action=logout", 403)
        visit.client.cookies.clear()
        visit.get("/")
        visit.sees("Renamed Site", "It&#8217;s new")
        visit.misses("Howdy")


class WordPressInstallation(WordPress):
    """The installation in the browser, beginning with an empty database."""

    def setup(self, directory):
        App.setup(self, directory)

    def click_path(self, visit):
        visit.get("/", 302)
        visit.follow()
        visit.post("/wp-admin/install.php?step=1", {"language": ""})
        form = {"weblog_title": "A 'new' site", "user_name": "owner", "admin_password": "a good long passphrase",
                "admin_password2": "a good long passphrase", "admin_email": "owner@example.org", "language": ""}
        visit.post("/wp-admin/install.php?step=2", form)
        visit.sees("WordPress has been installed")
        visit.get("/")
        visit.sees("Hello world!")
        visit.get("/wp-admin/install.php")
        visit.sees("Already Installed")


HTTP_DATE = Mask(r"\w{3}, \d\d[ -]\w{3}[ -]20\d\d \d\d:\d\d:\d\d( GMT| [+]0000)?", "dates near the present in headers")

# Mail goes nowhere.
WORDPRESS_INI = {"sendmail_path": "/bin/true"}
WORDPRESS_MASKS = [
    Mask(r"20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d", "time of a post or comment"),
    Mask(r"(?<=moderation-hash=)[0-9a-f]{32}|(?<![0-9a-zA-Z])[0-9a-f]{10}(?![0-9a-zA-Z])", "hash of a time, nonce"),
    Mask(r"(?<=wordpress_)((?:logged_in_)?[0-9a-f]{32}=)[^;]+", "login cookie", r"\1MASKED"),
    Mask(r"(?<=wp-settings-time-1=)\d+|(?<![0-9.])1[789]\d{8}(?![0-9])", "Unix time"),
    Mask(r"\d+:\d\d (am|pm|AM|PM)|(?<=format-i18n\">)\d\d:\d\d", "time of day"),
    Mask(r"\d(?=[.]gravatar[.]com)", "one of three servers, by chance"),
    Mask(r'mailto:[^"]*">[^<]*', "a mail address in which random letters are encoded, against robots"),
    Mask(r'(?<=data-pw=")[^"]*', "a password that the installation proposes"),
]
COOKIE_AGE = Mask(r"(?<=Max-Age=)[1-9]\d*", "seconds from the moment the header is made to such a date")

APPLICATIONS = [
    Hello("hello"),
    PhpInfo("phpinfo", masks=[
        Mask(r"<td class=\"v\">\d{10}(\.\d+)? ?</td>", "REQUEST_TIME and REQUEST_TIME_FLOAT"),
        Mask(r"(?<=php.ini\) Path </td><td class=\"v\">)[^<]*", "built into libphp, which Debian compiles for embedding"),
        Mask(r"(?<=\.ini files </td><td class=\"v\">).*?</td>", "php-fpm forgets PHP_INI_SCAN_DIR when it clears the environment"),
        Mask(r'<h2><a name="module_lwc".*?</table>\n', "our own functions", ""),
        Mask(r'<h2><a name="module_pcntl".*?</table>\n', "libphp has pcntl built in, php-fpm has not", ""),
        Mask(r"(Interned Strings (?:Used|Free) memory </td><td class=\"v\">)\d+", "grows with those functions", r"\1MASKED"),
        Mask(r"((?:Used memory|Free memory|Cached scripts|Cached keys) </td><td class=\"v\">)\d+",
             "a file younger than opcache.file_update_protection (2 s) is not cached: depends on when it is asked for", r"\1MASKED"),
    ]),
    Symfony("symfony", warmup="/articles", masks=[
        Mask(r"PHPSESSID=" + SESSION_COOKIE, "session id", "PHPSESSID=MASKED"),
        Mask(r'(name="token" value=")[^"]*', "CSRF token", r"\1MASKED"),
    ]),
    Laravel("laravel", warmup="/guestbook", masks=[
        Mask(r"laravel_session=[^;]*", "session id, encrypted", "laravel_session=MASKED"),
        Mask(r"XSRF-TOKEN=[^;]*", "CSRF token as cookie, encrypted", "XSRF-TOKEN=MASKED"),
        Mask(r'(name="_token" value=")[^"]*', "CSRF token as form field", r"\1MASKED"),
    ]),
    MediaWiki("mediawiki", warmup="/index.php/Main_Page",
              snapshot_scripts={"public/load.php": "/load.php", "public/api.php": "/api.php"}, masks=[
        Mask(r"(?<![0-9a-f])[0-9a-f]{24}(?![0-9a-f])", "request id"),
        Mask(r"(?<!\d)20\d{12}(?!\d)", "MediaWiki's timestamps"),
        Mask(r"\d\d:\d\d, \d+ \w+ 20\d\d|20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ|(?<=>)\d\d:\d\d(?=<)|\d+ \w+ 20\d\d, at \d\d:\d\d",
             "the same, to be read by people"),
        Mask(r"time usage: [\d.]+|(?<=time\":)\"[\d.]+\"|(?<=wgBackendResponseTime\":)\d+", "how long it took"),
        Mask(r"\d+\.\d+% +\d+\.\d+ +\d+ +[^\n]*", "profile of the templates"),
        Mask(r'(?<="timingprofile":\[)[^\]]*', "the same as JSON"),
        Mask(r"(?<=wgUserEditCount\":)\d+", "counted after the answer was sent"),
        Mask(r'(?<="options":)\[[^]]*\](?=,"\$overlay":true,"name":"tagfilter")|<datalist.*?</datalist>',
             "tags in use: kept for some seconds, whatever happens meanwhile"),
        Mask(r"[0-9a-f]{40}(\+\\+|%2B%5C)", "CSRF token"),
        Mask(r"(?<=_session=)\w+|(?<=UserID=)\d+", "session id"),
        Mask(r"(?<=cpPosIndex=)[^;]+", "position of the last write: a time and a hash of the address"),
    ]),
    DokuWiki("dokuwiki", more=True, masks=[
        Mask(r"(?<=DokuWiki=)\w+|(?<=DW[0-9a-f]{32}=)[^;]+", "session id and login cookie, encrypted"),
        Mask(r'(?<=name="sectok" value=")\w+|(?<=sectok=)\w+', "CSRF token"),
        Mask(r'(?<=etag: ")[0-9a-f]{32}', "hash of a feed with times of pages in it; first, for ten digits of a hash can look like a time"),
        Mask(r"(?<![0-9])1[789]\d{8}(?![0-9])", "Unix time of a page or of now"),
        Mask(r"20\d\d(\\?/)\d\d\\?/\d\d \d\d:\d\d", "the same, to be read by people"),
        Mask(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+]\d\d:?\d\d)", "the same in the feed"),
    ]),
    PhpMyAdmin("phpmyadmin", more=True, masks=[
        Mask(r'(?<=phpMyAdmin=)\w+|(?<="set_session" value=")\w+', "session id"),
        Mask(r'(?<=token:")[0-9a-f]+|(?<="token" value=")[0-9a-f]+|(?<=token=)[0-9a-f]+', "CSRF token"),
    ]),
    WordPress("wordpress", more=True, warmup="/", snapshot_scripts={"public/wp-login.php": "/wp-login.php"},
              ini=WORDPRESS_INI, masks=WORDPRESS_MASKS),
    WordPressInstallation("wordpress", label="wordpress-installation", more=True, ini=WORDPRESS_INI, masks=WORDPRESS_MASKS),
]

for application in APPLICATIONS:
    application.masks += [HTTP_DATE, COOKIE_AGE]
