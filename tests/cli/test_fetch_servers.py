"""weir fetch with nginx, lighttpd and Node: bodies of all framings, uploads, errors, kept connections."""

import os
import shutil
import subprocess
import time

import pytest

from conftest import wait_for
from ports import free_port

CONTENT = os.urandom(2_000_000)

NGINX = """
daemon off; pid {root}/pid; error_log {root}/errors; user {user};
events {{}}
http {{
    access_log off; client_max_body_size 10m;
    client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi;
    uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {root}/site;
        location /moved {{ return 301 /large; }}
        location /nothing {{ return 204; }}
        location = /text.txt {{ gzip on; gzip_types text/plain; gzip_min_length 1; }}
    }}
}}
"""

LIGHTTPD = """
server.document-root = "{root}/site"
server.port = {port}
server.bind = "127.0.0.1"
server.errorlog = "{root}/errors"
server.modules = ("mod_redirect", "mod_access")
url.redirect = ("^/moved$" => "/large")
"""

NODE = """
const http = require('http'), fs = require('fs');
const large = fs.readFileSync(process.argv[3]);
http.createServer((request, response) => {
    if (request.url === '/moved') {
        response.writeHead(301, {Location: '/large'}); response.end('elsewhere');
    } else if (request.url === '/nothing') {
        response.writeHead(204); response.end();
    } else if (request.url === '/large') {
        response.writeHead(200, {'Content-Length': large.length}); response.end(large);
    } else if (request.url === '/chunked') {
        response.writeEarlyHints({link: '</style.css>; rel=preload'});
        response.writeHead(200, {Trailer: 'Digest'});
        for (let at = 0; at < large.length; at += 100000) response.write(large.subarray(at, at + 100000));
        response.addTrailers({Digest: 'abc'}); response.end();
    } else if (request.url === '/close') {
        response.writeHead(200, {Connection: 'close', 'Transfer-Encoding': 'identity'});
        request.socket.write('HTTP/1.0 200 OK\\r\\n\\r\\nto the end'); request.socket.end();
    } else if (request.url === '/echo') {
        response.writeHead(200); request.pipe(response);
    } else if (request.url === '/refuse') {
        response.writeHead(413, {Connection: 'close'}); response.end('too large');
    } else {
        response.writeHead(404); response.end('none');
    }
}).listen(parseInt(process.argv[2]), '127.0.0.1');
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "large").write_bytes(CONTENT)
    (tmp_path / "site" / "text.txt").write_text("hello " * 1000)
    return tmp_path


@pytest.fixture
def served(root, weir_program):
    """served(command, port): starts a server; returns fetch(path, option…), which runs `weir fetch`."""
    processes = []

    def start(command, port):
        log = open(root / "output", "wb")
        process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, cwd=root)
        processes.append(process)

        def fetch(path, *options, given=None):
            return subprocess.run(
                [weir_program, "fetch", *options, f"http://127.0.0.1:{port}{path}"],
                input=given,
                stdin=None if given is not None else subprocess.DEVNULL,
                capture_output=True,
                cwd=root,
                timeout=60,
            )

        def is_up():
            if process.poll() is not None:
                pytest.skip(f"{command[0]} does not start: {(root / 'output').read_text()}")
            return fetch("/").stderr.find(b"refused") < 0

        wait_for(is_up, what=f"the start of {command[0]}")
        return fetch

    yield start
    for process in processes:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def program(name):
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if not path:
        pytest.skip(f"no {name}")
    return path


@pytest.fixture
def nginx(served, root):
    path, port = program("nginx"), free_port()
    user = "root" if os.geteuid() == 0 else "nobody"
    (root / "nginx.conf").write_text(NGINX.format(root=root, port=port, user=user))
    return served([path, "-p", root, "-e", root / "errors", "-c", root / "nginx.conf"], port)


@pytest.fixture
def lighttpd(served, root):
    path, port = program("lighttpd"), free_port()
    (root / "lighttpd.conf").write_text(LIGHTTPD.format(root=root, port=port))
    return served([path, "-D", "-f", root / "lighttpd.conf"], port)


@pytest.fixture
def node(served, root):
    path, port = program("node"), free_port()
    (root / "server.js").write_text(NODE)
    return served([path, root / "server.js", port, root / "site" / "large"], port)


@pytest.fixture(params=["nginx", "lighttpd", "node"])
def fetch(request):
    return request.getfixturevalue(request.param)


def test_common_things(fetch):
    result = fetch("/large")
    assert (result.returncode, result.stdout == CONTENT, result.stderr) == (0, True, b"")
    result = fetch("/large", "-I")
    assert result.returncode == 0
    assert b"content-length: 2000000\n" in result.stdout.lower()
    assert fetch("/moved", "-L").stdout == CONTENT
    result = fetch("/moved")
    assert result.returncode == 0 and b"--follow goes there" in result.stderr
    result = fetch("/none")
    assert result.returncode == 1 and b"status 404" in result.stderr


def test_nginx(nginx):
    result = nginx("/text.txt", "-i", "-H", "Accept-Encoding: gzip")
    assert result.returncode == 0 and b"Transfer-Encoding: chunked" in result.stdout
    result = nginx("/nothing", "-i")
    assert result.returncode == 0 and result.stdout.startswith(b"HTTP/1.1 204 ")
    # A static file takes no POST. The reply may come before the body was sent.
    result = nginx("/large", "-d", "@site/large")
    assert result.returncode == 1 and b"status 405" in result.stderr
    result = nginx("/large", "-d", "@-", given=b"x" * 20_000_000)
    assert result.returncode == 1 and b"status 4" in result.stderr, result.stderr


def test_node(node):
    assert node("/chunked").stdout == CONTENT
    assert node("/close").stdout == b"to the end"
    assert node("/echo", "-d", "@site/large").stdout == CONTENT
    assert node("/echo", "-d", "@-", given=CONTENT * 3).stdout == CONTENT * 3
    result = node("/nothing")
    assert (result.returncode, result.stdout) == (0, b"")
    result = node("/refuse", "-d", "@-", given=b"x" * 20_000_000)
    assert result.returncode == 1 and b"status 413" in result.stderr, result.stderr
