"""php-fpm behind FastCGI: forms, uploads, streams, PATH_INFO, scripts that are not there, errors."""

import hashlib
import http.client
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from applications import Php
from conftest import let_others_enter, wait_for
from proxying import logged
from wire import Wire, get, is_sanitized, request

SCRIPTS = {
    "index.php": "<?php echo 'index of ', $_SERVER['REQUEST_URI'];",
    "info.php": """<?php header('Content-Type: application/json');
        echo json_encode(['server' => $_SERVER, 'get' => $_GET, 'post' => $_POST]);""",
    "upload.php": """<?php $file = $_FILES['file'] ?? null;
        echo $file ? $file['size'] . ' ' . md5_file($file['tmp_name']) : md5_file('php://input');""",
    "stream.php": """<?php for ($i = 0; $i < 3; $i++) { echo "part $i\\n"; flush();
        while (!file_exists(__DIR__ . "/go$i")) { usleep(10000); clearstatcache(); } }""",
    "large.php": """<?php $text = str_repeat('0123456789abcdef', 4096);
        for ($i = 0; $i < 1024; $i++) echo $text;""",
    "status.php": "<?php http_response_code(404); header('X-A: b'); echo 'nothing here';",
    "redirect.php": "<?php header('Location: /index.php');",
    "error.php": "<?php error_log('something is wrong'); echo 'done';",
    "fatal.php": "<?php undefined_function();",
    "exit.php": "<?php echo 'partly'; exit(3);",
    "session.php": "<?php setcookie('a', '1'); setcookie('b', '2'); echo $_COOKIE['c'] ?? 'none';",
    "gone.php": """<?php register_shutdown_function(function() {
        file_put_contents(__DIR__ . '/gone.txt', connection_aborted() ? 'aborted' : 'complete'); });
        while (true) { echo 'and on'; flush(); usleep(1000); }""",
    "front.php": "<?php echo 'front ', $_SERVER['REQUEST_URI'], ' ', $_SERVER['PATH_INFO'] ?? '-';",
    "sub/index.php": "<?php echo 'sub';",
}


@pytest.fixture(scope="module")
def php(tmp_path_factory):
    application = Php(tmp_path_factory.mktemp("php"))
    yield application
    application.close()


@pytest.fixture(scope="module")
def site(module_weir, php, tmp_path_factory):
    directory = tmp_path_factory.mktemp("site")
    root = directory / "www"
    for name, text in SCRIPTS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "a.css").write_text("css")
    (root / "avatar.jpg").write_text("<?php echo 'evil';")
    (directory / "weir.yaml").write_text(
        f"""
listen: [{{http: 127.0.0.1:0}}]
workers: 2
http2: clear
access-log: access.log
upstreams:
  - name: php
    protocol: fastcgi
    servers: [{{url: 'unix:{php.socket}'}}]
    check: {{path: /ping, interval: 100ms}}
sites:
  - root: www
    fastcgi: [{{to: php}}]
  - names: [front.example]
    root: www
    fastcgi: [{{to: php, script: front.php, index: off}}]
  - names: [tried.example]
    root: www
    fastcgi: [{{to: php, index: off}}]
    rules:
      - {{path: /index.php/*/**, respond: "", status: 404}}
      - {{path: /r/*, rewrite: "/front.php?r=$1"}}
      - {{try: [$path, /front.php]}}
"""
    )
    server = module_weir("-c", directory / "weir.yaml", cwd=directory)
    server.log, server.root = directory / "access.log", root
    return server


def ask(site, method, path, body=None, fields=None):
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
    connection.request(method, path, body=body, headers=fields or {})
    reply = connection.getresponse()
    return reply, reply.read().decode()


def test_a_form(site):
    import json

    reply, text = ask(
        site, "POST", "/info.php?q=1", "name=J%C3%BCrgen&b=2", {"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert reply.status == 200 and reply.headers["content-type"] == "application/json"
    data = json.loads(text)
    assert data["get"] == {"q": "1"} and data["post"] == {"name": "Jürgen", "b": "2"}
    server = data["server"]
    assert server["SCRIPT_NAME"] == "/info.php" and server["SCRIPT_FILENAME"] == str(site.root / "info.php")
    assert server["REMOTE_ADDR"] == "127.0.0.1" and server["SERVER_PORT"] == str(site.port)
    assert server["REQUEST_URI"] == "/info.php?q=1" and "HTTPS" not in server


def test_paths(site):
    import json

    server = json.loads(get(site, "/info.php/a%20b/c").text)["server"]
    assert (server["SCRIPT_NAME"], server["PATH_INFO"]) == ("/info.php", "/a b/c")
    assert get(site, "/").text == "index of /"
    assert get(site, "/sub/").text == "sub"
    assert get(site, "/sub").status == 301
    assert get(site, "/a.css").text == "css"
    for path in "/none.php", "/avatar.jpg/x.php", "/none.php/index.php", "/.git/x.php":
        reply = get(site, path)
        assert reply.status == 404 and "evil" not in reply.text, path
    # As a picture it is only sent.
    assert get(site, "/avatar.jpg").text == "<?php echo 'evil';"


def test_a_front_controller(site):
    with Wire(site) as wire:
        for path, text in {
            "/about/us?x=1": "front /about/us?x=1 -",
            "/none.php": "front /none.php -",
            "/front.php/x": "front /front.php/x /x",
            "/sub/index.php": "sub",
            "/a.css": "css",
        }.items():
            assert wire.ask(request(path, "Host: front.example")).text == text


def test_a_front_controller_behind_rules(site):
    """REQUEST_URI is what the client has asked for, as other servers have it."""
    with Wire(site) as wire:
        for path, text in {
            "/about/us?x=1": "front /about/us?x=1 -",
            "/r/a?z=1": "front /r/a?z=1 -",
            "/x/../about//us": "front /about/us -",
            "http://tried.example/about?x": "front /about?x -",
            "/front.php?x": "front /front.php?x -",
            "/a.css": "css",
            "/index.php": "index of /index.php",
        }.items():
            assert wire.ask(request(path, "Host: tried.example")).text == text, path
        assert wire.ask(request("/index.php/about", "Host: tried.example")).status == 404


def test_an_upload_of_100_mb(site, tmp_path):
    path = tmp_path / "file"
    block = os.urandom(1 << 20)
    digest = hashlib.md5()
    with open(path, "wb") as file:
        for _ in range(100):
            file.write(block)
            digest.update(block)
    before = site.memory_kb()
    for arguments, text in (
        (["-F", f"file=@{path}"], f"{100 << 20} {digest.hexdigest()}"),
        (["-T", path], digest.hexdigest()),
        (["--http2-prior-knowledge", "-T", path], digest.hexdigest()),
    ):
        command = ["curl", "-sS", *arguments, f"{site.url}upload.php"]
        assert subprocess.run(command, check=True, capture_output=True, timeout=120).stdout.decode() == text
    assert is_sanitized(site) or site.memory_kb() < before + 8 * 1024
    command = ["curl", "-sS", "-H", "Transfer-Encoding: chunked", "-T", path, "-o", "/dev/null", "-w", "%{http_code}"]
    assert subprocess.run([*command, f"{site.url}upload.php"], capture_output=True, timeout=60).stdout == b"411"


def test_a_stream_that_flushes(site):
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
    connection.request("GET", "/stream.php")
    reply = connection.getresponse()
    for i in range(3):
        # The script waits for the file, so that its next part is not there yet.
        assert reply.read(7) == f"part {i}\n".encode()
        (site.root / f"go{i}").write_text("")
    assert reply.read() == b""


def test_a_large_reply(site):
    reply, text = ask(site, "GET", "/large.php")
    assert text == "0123456789abcdef" * (4096 * 1024)


def test_statuses(site):
    reply, text = ask(site, "GET", "/status.php")
    assert (reply.status, reply.headers["x-a"], text) == (404, "b", "nothing here")
    reply, _ = ask(site, "GET", "/redirect.php")
    assert (reply.status, reply.headers["location"]) == (302, "/index.php")
    reply, text = ask(site, "HEAD", "/index.php")
    assert reply.status == 200 and text == ""
    reply, text = ask(site, "GET", "/session.php", fields={"Cookie": "c=3"})
    assert reply.headers.get_all("set-cookie") == ["a=1", "b=2"] and text == "3"


def test_errors_are_logged(site):
    before = site.stderr
    assert get(site, "/error.php").text == "done"
    line = wait_for(lambda: re.search(r"upstreams php: .*: PHP message: something is wrong", site.stderr))
    id = re.search(r"request (\w{16}):", line[0])[1]
    assert id in logged(site, "/error.php")
    assert get(site, "/fatal.php").status == 500
    wait_for(lambda: "PHP Fatal error:  Uncaught Error: Call to undefined function" in site.stderr[len(before) :])
    assert get(site, "/exit.php").text == "partly"


def test_many_at_a_time(site):
    """More requests than php-fpm has processes."""
    command = ["ab", "-q", "-n", "400", "-c", "32", f"{site.url}index.php"]
    text = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout.decode()
    assert "Failed requests:        0" in text and "Non-2xx" not in text


def test_kept_connections(configured, tmp_path):
    """A process is free again as soon as its request has ended, unless `keep` is on."""
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "index.php").write_text("<?php echo getmypid();")
    php = Php(tmp_path, children=1)
    try:
        for keep in "no", "yes":
            server = configured(
                f"""
workers: 1
upstreams: [{{name: php, protocol: fastcgi, keep: {keep}, connections: 1, servers: [{{url: 'unix:{php.socket}'}}]}}]
sites: [{{root: www, fastcgi: [{{to: php}}]}}]
"""
            )
            begun = time.monotonic()
            pids = {get(server, "/").text for _ in range(20)}
            assert len(pids) == 1 and time.monotonic() - begun < 30
            server.stop()
    finally:
        php.close()


def test_the_part_of_the_example_site(weir, tmp_path):
    """examples/site without php-fpm, with it, and where clients can write scripts."""
    shutil.copytree(Path(__file__).resolve().parents[2] / "examples" / "site", tmp_path / "site")
    let_others_enter(tmp_path / "site")
    config = tmp_path / "site" / "weir.yaml"
    text = config.read_text().replace("127.0.0.1:8080", "127.0.0.1:0")
    config.write_text(text.replace("/run/php/php8.2-fpm.sock", f"{tmp_path}/php/php.sock"))
    server = weir("-c", config)
    down = server.get("/hello.php")
    assert down.status == 502 and "Later" in down.text
    (tmp_path / "php").mkdir()
    php = Php(tmp_path / "php")
    try:
        wait_for(lambda: server.get("/hello.php").status == 200, what="php-fpm behind the site")
        reply = server.get("/hello.php?name=%3CAda%3E")
        assert "<h1>Hello, &lt;Ada&gt;</h1>" in reply.text
        assert "X-Powered-By" not in reply.fields and reply.fields["X-Content-Type-Options"] == "nosniff"
        secret = {"Authorization": "Basic YWxpY2U6dGVh"}
        assert server.request("PUT", "/incoming/x.php", b"<?php echo 'evil';", secret).status == 404
        (tmp_path / "site/public/incoming/x.php").write_text("<?php echo 'evil';")
        assert server.get("/incoming/x.php", secret).status == 404
        assert "Served for /about" in server.get("/about").text
        assert "An application" in server.get("/app/any/route").text
    finally:
        php.close()


def test_a_client_that_leaves_ends_the_script(site):
    """php-fpm notices the end of its connection when the script writes."""
    with Wire(site) as wire:
        wire.send(request("/gone.php"))
        assert wire.head()[0] == 200
    note = site.root / "gone.txt"
    wait_for(lambda: note.exists() and note.read_text() == "aborted", what="the end of the script")
