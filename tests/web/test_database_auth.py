"""Basic authentication by users of the database: it follows them, and goes on while the database is away."""

import http.client
import re
import signal
import subprocess

import pytest

from conftest import wait_for
from test_auth import basic, hashed

CONFIG = """
store: {{url: '{url}', parts: [users], refresh: 200ms, wait: 1s, answer: 1s}}
guard: {{enabled: no}}
workers: 2
admin: admin.sock
sites:
  - root: site
    auth: [{{path: in, realm: {realm}}}, {{path: file, users: users}}]
    rules: [{{path: [/rule/**], auth: {{}}}}]
"""
ONE, TWO = hashed("one", "-5"), hashed("two", "-5")


class Site:
    """A server whose site asks for passwords of the database, and the changes that are made there."""

    def __init__(self, database, weir_program, configured, path):
        self.database, self.weir_program, self.path, self.configured = database, str(weir_program), path, configured
        self.version = 1
        for name in "in", "rule", "file":
            (path / "site" / name).mkdir(parents=True)
            (path / "site" / name / "a").write_text(name)
        (path / "users").write_text(f"frank:{ONE}\n")
        self.write()
        database.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        self.verb("store", "-c", "weir.yaml", "init")
        database.query(f"INSERT INTO weir_user VALUES ('alice', '{ONE}', ''); INSERT INTO weir_snapshot VALUES ('users', 1)")

    def text(self, realm="one"):
        return CONFIG.format(url=self.database.url, realm=realm)

    def write(self, realm="one"):
        (self.path / "weir.yaml").write_text("listen: [{http: '127.0.0.1:0'}]\n" + self.text(realm))

    def serve(self):
        self.started = self.configured(self.text(), cwd=self.path)

    def verb(self, *words, code=0):
        done = subprocess.run([self.weir_program, *words], cwd=self.path, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def console(self, *words):
        return self.verb("console", "-c", "weir.yaml", *words)

    def sql(self, text):
        """A change; returns when all workers have it."""
        self.database.query(f"BEGIN; {text}; UPDATE weir_snapshot SET version = version + 1 WHERE name = 'users'; COMMIT")
        self.version += 1
        wait_for(lambda: f"users: version {self.version}," in self.console("store"), what="the change")

    def login(self, user="alice", password="one", path="/in/a"):
        reply = self.started.get(path, basic(f"{user}:{password}"))
        assert reply.status in (200, 401)
        return reply.status == 200

    def realm(self):
        return re.search('realm="(.*?)"', self.started.get("/in/a").fields["WWW-Authenticate"])[1]


@pytest.fixture
def site(database, weir_program, configured, tmp_path):
    return Site(database, weir_program, configured, tmp_path)


def test_changes_are_followed(site):
    site.serve()
    connection = http.client.HTTPConnection("127.0.0.1", site.started.port, timeout=30)

    def status(credentials):
        """On one connection for all requests."""
        connection.request("GET", "/in/a", None, basic(credentials))
        reply = connection.getresponse()
        reply.read()
        return reply.status

    for path in "/in/a", "/rule/a":
        assert site.login(path=path) and site.login(path=path), "the second time it is remembered"
        assert not site.login(password="two", path=path) and not site.login("carol", path=path)
        assert not site.login("frank", path=path)
    assert site.login("frank", path="/file/a") and not site.login(path="/file/a")
    assert status("alice:one") == 200 and status("carol:one") == 401
    # Of the site and of the rule.
    assert len(re.findall(r"^alice +http ", site.console("users"), re.M)) == 2
    site.sql(f"INSERT INTO weir_user VALUES ('carol', '{ONE}', ''); UPDATE weir_user SET hash = '{TWO}' WHERE name = 'alice'")
    for path in "/in/a", "/rule/a":
        assert site.login("carol", path=path) and site.login(password="two", path=path) and not site.login(path=path)
    assert status("carol:one") == 200 and status("alice:two") == 200 and status("alice:one") == 401
    site.sql("DELETE FROM weir_user WHERE name = 'carol'; UPDATE weir_user SET hash = '!' || hash")
    for path in "/in/a", "/rule/a":
        assert not site.login("carol", path=path) and not site.login(password="two", path=path)
    assert status("carol:one") == 401 and status("alice:two") == 401
    assert site.login("frank", path="/file/a")
    connection.close()


def test_the_last_users_stay_while_the_database_is_away(site):
    site.serve()
    site.database.stop()
    try:
        assert site.login() and site.login(path="/rule/a")
        site.started.wait_stderr("weir: the users of the database are not renewed: ")
        assert site.login() and not site.login("carol")
        # Other sites: the same users, without the database.
        site.write(realm="two")
        site.started.send_signal(signal.SIGHUP)
        site.started.wait_stderr("weir: reloaded")
        assert site.realm() == "two"
        assert site.login() and site.login(path="/rule/a") and not site.login("carol")
    finally:
        site.database.start()
    site.sql(f"INSERT INTO weir_user VALUES ('carol', '{ONE}', '')")
    assert site.login("carol") and site.login("carol", path="/rule/a")


def test_without_users_nothing_is_served(site):
    site.database.stop()
    try:
        assert "cannot load the users of the database" in site.verb("serve", "-c", "weir.yaml", "--user", "root", code=1)
    finally:
        site.database.start()
