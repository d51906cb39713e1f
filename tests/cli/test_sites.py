"""Sites of a configuration: names, redirects, passwords, uploads, fields."""

import base64
import os
import subprocess

import pytest

from conftest import let_others_enter


def make_site(tmp_path, name):
    root = tmp_path / name
    root.mkdir()
    (root / "index.html").write_text(name)
    return root


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_names(configured, tmp_path):
    for name in "first", "second", "third":
        make_site(tmp_path, name)
    server = configured(
        """
sites:
  - {root: first}
  - {root: second, names: [second.org, www.second.org]}
  - {root: third, names: ["*.third.org"]}
"""
    )
    hosts = {
        "second.org": "second",
        "www.SECOND.org:80": "second",
        "a.third.org": "third",
        "third.org": "first",
        "nobody.org": "first",
        "x.second.org": "first",
    }
    for host, text in hosts.items():
        assert server.get("/", {"Host": host}).text == text, host
    assert "curl -i -H 'Host: second.org'" in server.stdout


def test_redirects(configured, tmp_path):
    make_site(tmp_path, "site")
    server = configured(
        """
sites:
  - root: site
    redirect:
      - {from: /old/, to: https://example.org/new}
      - {from: moved, to: /index.html, status: 307}
"""
    )
    reply = server.get("/old/a?b=c")
    assert reply.status == 301
    assert reply.fields["Location"] == "https://example.org/new/a?b=c"
    reply = server.get("/moved")
    assert reply.status == 307
    assert reply.fields["Location"].endswith("/index.html")
    assert server.get("/older").status == 404


def hashed(password):
    return subprocess.run(
        ["openssl", "passwd", "-6", password], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_passwords(configured, tmp_path):
    root = make_site(tmp_path, "site")
    (root / "private").mkdir()
    (root / "private" / "a.txt").write_text("secret")
    (tmp_path / "users").write_text(f"alice:{hashed('wonder')}\n")
    server = configured(
        "sites: [{root: site, auth: [{path: private, realm: Inner, users: users}]}]\n"
    )
    assert server.get("/").text == "site"
    reply = server.get("/private/a.txt")
    assert reply.status == 401
    assert 'realm="Inner"' in reply.fields["WWW-Authenticate"]
    assert server.get("/private/a.txt", basic("alice", "wrong")).status == 401
    assert server.get("/private/a.txt", basic("alice", "wonder")).text == "secret"


def test_users_are_reloaded(configured, tmp_path):
    make_site(tmp_path, "site")
    (tmp_path / "users").write_text(f"alice:{hashed('one')}\n")
    server = configured("sites: [{root: site, auth: [{users: users}]}]\n")
    assert server.get("/", basic("alice", "one")).status == 200
    (tmp_path / "users").write_text(f"alice:{hashed('two')}\n")
    server.send_signal(1)
    server.wait_stderr("weir: reloaded")
    assert server.get("/", basic("alice", "one")).status == 401, server.stderr
    assert server.get("/", basic("alice", "two")).status == 200


def test_uploads(configured, tmp_path):
    root = make_site(tmp_path, "site")
    (root / "in").mkdir()
    server = configured("sites: [{root: site, uploads: {prefix: in, max-size: 1K}}]\n")
    assert server.request("PUT", "/in/a.txt", b"abc").status == 201
    assert (root / "in" / "a.txt").read_bytes() == b"abc"
    assert server.get("/in/a.txt").body == b"abc"
    assert server.request("PUT", "/a.txt", b"abc").status == 405
    assert server.request("DELETE", "/in/a.txt").status == 405
    assert server.request("PUT", "/in/b.txt", bytes(2000)).status == 413


def test_fields_and_flags(configured, tmp_path):
    root = make_site(tmp_path, "site")
    (root / ".hidden").write_text("h")
    (root / "dir").mkdir()
    server = configured(
        """
sites:
  - {root: site, listing: no, hidden: yes, fields: {Cache-Control: max-age=60, X-Weir: "a: b"}}
"""
    )
    reply = server.get("/")
    assert reply.fields["Cache-Control"] == "max-age=60"
    assert reply.fields["X-Weir"] == "a: b"
    assert server.get("/.hidden").text == "h"
    assert server.get("/dir/").status == 403


def test_index(configured, tmp_path):
    root = make_site(tmp_path, "site")
    (root / "start.txt").write_text("start")
    server = configured("sites: [{root: site, index: start.txt}]\n")
    assert server.get("/").text == "start"


def test_connection_limit(configured, tmp_path):
    """More connections than are allowed wait in the kernel, and are served when others end."""
    make_site(tmp_path, "site")
    server = configured("sites: [{root: site}]\nlimits: {connections: 2}\n", "--workers", 1)
    for _ in range(10):
        assert server.get("/").text == "site"


@pytest.mark.skipif(os.geteuid() != 0, reason="not root")
def test_user(configured, tmp_path):
    let_others_enter(tmp_path)
    make_site(tmp_path, "site")
    server = configured("sites: [{root: site}]\nuser: nobody\naccess-log: log\n")
    status = open(f"/proc/{server.serving_pid}/status").read()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    assert "0" not in fields["Uid"].split() and "0" not in fields["Gid"].split()
    assert "0" not in fields["Groups"].split()
    assert fields["NoNewPrivs"].strip() == "1"
    assert (tmp_path / "log").owner() == "nobody"
