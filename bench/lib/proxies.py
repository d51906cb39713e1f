"""Reverse proxies, each on one core, with the best settings for the case: one worker, no logs, connections
that are kept on both sides, and nothing written to a disk. They pass all on to 127.0.0.1:site.upstream_port.
"""
import os
import re

import servers
from servers import CONNECTIONS_MAX, FOREVER_S, Server

# Connections to the upstream that each proxy may keep; more than a case has clients.
KEPT = 512


class Weir(servers.Weir):
    def command(self, site, port, case):
        config = f"""{servers.AS_ROOT}
upstreams:
  - {{name: app, servers: [{{url: 'http://127.0.0.1:{site.upstream_port}'}}], body: {FOREVER_S}s, idle: {FOREVER_S}s}}
sites: [{{proxy: [{{to: app}}]}}]
"""
        return [self.path(), "serve", "-c", site.write("proxy.yaml", config), "--http",
                f"127.0.0.1:{port}", "--workers", "1", "--access-log", "off"]


class Nginx(servers.Nginx):
    def command(self, site, port, case):
        temporary = "\n".join(
            f"  {kind}_temp_path {site.scratch}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        # Larger buffers make a large body cheaper, and a client that stalls dearer.
        buffers = "proxy_buffers 8 64k; proxy_busy_buffers_size 128k;" if case.path == "/big.html" else ""
        return [self.path(), "-e", "stderr", "-c", site.write("proxy-nginx.conf", f"""
daemon off;
worker_processes 1;
worker_rlimit_nofile {CONNECTIONS_MAX + 1000};
{'user root;' if os.getuid() == 0 else ''}
pid {site.scratch}/proxy-nginx.pid;
error_log stderr crit;
events {{ worker_connections {CONNECTIONS_MAX}; multi_accept on; }}
http {{
{temporary}
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout {FOREVER_S}s;
  send_timeout {FOREVER_S}s;
  client_max_body_size 0;
  upstream app {{ server 127.0.0.1:{site.upstream_port}; keepalive {KEPT}; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
      proxy_read_timeout {FOREVER_S}s;
      {buffers}
    }}
  }}
}}
""")]


class HAProxy(Server):
    name = "haproxy"
    program = "haproxy"

    def version(self):
        return re.search(r"version (\d[\d.]*)", self.output_of("-v")).group(1)

    def command(self, site, port, case):
        return [self.path(), "-db", "-q", "-f", site.write("haproxy.cfg", f"""
global
  nbthread 1
  maxconn {CONNECTIONS_MAX // 4}
defaults
  mode http
  timeout connect 5s
  timeout client {FOREVER_S}s
  timeout server {FOREVER_S}s
  option http-keep-alive
  option splice-auto
  http-reuse always
frontend clients
  bind 127.0.0.1:{port}
  default_backend app
backend app
  server app 127.0.0.1:{site.upstream_port}
""")]


class H2o(servers.H2o):
    def command(self, site, port, case):
        return [self.path(), "-m", "worker", "-c", site.write("proxy-h2o.conf", f"""
{'user: root' if os.getuid() == 0 else ''}
num-threads: 1
max-connections: {CONNECTIONS_MAX}
limit-request-body: 1099511627776
http1-request-timeout: {FOREVER_S}
listen: {{ host: 127.0.0.1, port: {port} }}
proxy.timeout.io: {FOREVER_S * 1000}
proxy.timeout.keepalive: {FOREVER_S * 1000}
hosts:
  default:
    paths:
      /: {{ proxy.reverse.url: "http://127.0.0.1:{site.upstream_port}/" }}
""")]


ALL = [Weir, Nginx, HAProxy, H2o]
