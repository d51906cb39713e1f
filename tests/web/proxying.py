"""A proxy and the server behind it, which the tests of a module share, and the lines and metrics of the proxy.
A module that uses the fixtures imports them."""

import socket

import pytest

from conftest import wait_for
from upstream import Upstream


@pytest.fixture(scope="module")
def upstream():
    server = Upstream()
    yield server
    server.close()


@pytest.fixture(scope="module")
def proxied(module_weir, upstream, tmp_path_factory):
    """A server of one worker that passes all on to `upstream`, with times of a second."""
    directory = tmp_path_factory.mktemp("proxied")
    (directory / "files").mkdir()
    (directory / "files" / "index.html").write_text("a file")
    (directory / "weir.yaml").write_text(
        f"""
listen: [{{http: 127.0.0.1:0}}]
workers: 1
http2: clear
access-log: access.log
admin: admin.sock
upstreams:
  - name: app
    servers: [{{url: '{upstream.url}'}}]
    head: 1s
    body: 1s
    failures: unlimited
    retries: 0
  - {{name: patient, servers: [{{url: '{upstream.url}'}}], failures: unlimited, retries: 0}}
sites:
  - proxy:
      - {{path: /waits, to: patient, abort-on-close: yes}}
      - {{path: /half, to: patient}}
      - {{path: /reset, to: patient}}
      - {{path: /, to: app}}
  - names: [files.example]
    root: files
    proxy:
      - {{path: /api, to: '{upstream.url}', strip: yes, host: upstream, forwarded: both, max-size: 10}}
      - {{path: /trusting, to: app, trusted: [127.0.0.0/8], via: no, request-id: no}}
"""
    )
    server = module_weir("-c", directory / "weir.yaml", cwd=directory)
    server.log = directory / "access.log"
    server.admin = directory / "admin.sock"
    return server


def logged(server, path):
    """The line of the access log of the only request for the path."""

    def find():
        lines = [line for line in server.log.read_text().splitlines() if f" {path} HTTP" in line]
        return lines[-1] if lines else None

    return wait_for(find, what=f"a line for {path}")


def metrics(server):
    with socket.socket(socket.AF_UNIX) as admin:
        admin.connect(str(server.admin))
        admin.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = b""
        while data := admin.recv(1 << 16):
            text += data
    pairs = [line.rsplit(" ", 1) for line in text.decode().splitlines() if line.startswith("weir_")]
    return {name: float(value) for name, value in pairs}
