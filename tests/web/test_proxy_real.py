"""Node.js and nginx behind the proxy."""

import http.client
import json
import os
import subprocess

from conftest import wait_for
from wire import Wire, get, request

NODE = """
const http = require('http');
http.createServer((request, response) => {
  if (request.url == '/echo') {
    response.writeHead(200, {'Content-Type': 'application/octet-stream'});
    request.pipe(response);
  } else if (request.url == '/events') {
    response.writeHead(200, {'Content-Type': 'text/event-stream'});
    response.write('data: 1\\n\\n');
  } else {
    response.setHeader('X-Host', request.headers.host);
    response.end(JSON.stringify(request.headers));
  }
}).listen(process.argv[2]);
"""


def test_node(configured, tmp_path):
    (tmp_path / "app.js").write_text(NODE)
    path = tmp_path / "node.sock"
    node = subprocess.Popen(["node", tmp_path / "app.js", path], stdin=subprocess.DEVNULL)
    try:
        wait_for(path.exists, what="the start of Node")
        server = configured(
            f"workers: 1\nsites: [{{proxy: [{{to: 'unix:{path}'}}]}}]\n", "--access-log", "-"
        )
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", "/", headers={"Host": "www.example"})
        fields = json.loads(connection.getresponse().read())
        assert fields["host"] == "www.example"
        assert fields["x-forwarded-for"] == "127.0.0.1"
        sent, got = tmp_path / "sent", tmp_path / "got"
        sent.write_bytes(os.urandom(1 << 20) * 8)
        for field in "Expect:", "Transfer-Encoding: chunked":
            command = ["curl", "-sS", "-H", field, "--data-binary", f"@{sent}", "-o", got]
            subprocess.run([*command, f"{server.url}echo"], check=True, timeout=60)
            assert got.read_bytes() == sent.read_bytes()
        connection.request("GET", "/events")
        assert connection.getresponse().read(9) == b"data: 1\n\n"
    finally:
        node.kill()
        node.wait()


def test_nginx(configured, tmp_path):
    root = tmp_path / "www"
    root.mkdir()
    text = "hello nginx " * 1000
    (root / "a.txt").write_text(text)
    for directory in (root, *root.parents):
        if str(directory).startswith("/tmp/"):
            directory.chmod(0o755)
    path = tmp_path / "nginx.sock"
    (tmp_path / "nginx.conf").write_text(
        f"""
daemon off; pid {tmp_path}/nginx.pid; error_log stderr; user {os.environ.get("USER", "root")};
events {{ }}
http {{
  access_log off; gzip on; gzip_min_length 1; gzip_proxied any; gzip_types text/plain; gzip_http_version 1.0;
  client_body_temp_path {tmp_path}/body; proxy_temp_path {tmp_path}/p;
  fastcgi_temp_path {tmp_path}/f; uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;
  server {{ listen unix:{path}; root {root}; }}
}}
"""
    )
    command = ["nginx", "-e", "stderr", "-p", tmp_path, "-c", tmp_path / "nginx.conf"]
    nginx = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(path.exists, what="the start of nginx")
        server = configured(f"workers: 1\nsites: [{{proxy: [{{to: 'unix:{path}'}}]}}]\n")
        with Wire(server) as wire:
            assert wire.ask(request("/a.txt")).text == text
            part = wire.ask(request("/a.txt", "Range: bytes=0-4"))
            assert (part.status, part.text) == (206, "hello")
            coded = wire.ask(request("/a.txt", "Accept-Encoding: gzip"))
            assert coded["content-encoding"] == "gzip" and len(coded.body) < 1000
            assert wire.ask(request("/a.txt", method="HEAD"), "HEAD").body == b""
            etag = wire.ask(request("/a.txt"))["etag"]
            assert wire.ask(request("/a.txt", f"If-None-Match: {etag}")).status == 304
            assert wire.ask(request("/none")).status == 404
    finally:
        nginx.terminate()
        nginx.wait()
