"""The servers that are measured, each on one core, with the best settings for the case.

All have one worker, no logs, sendfile, keep-alive without an end, and timeouts longer than a measurement.
They compress only in the cases of compression, at level 1.
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import measure

# Connections a server is set up for; below the usual hard limit of descriptors.
CONNECTIONS_MAX = 18000

FOREVER_S = 3600

# Lines of a configuration of weir, which stays root if root runs the bench: with one process, or with two.
AS_ROOT = "user: root\n" if os.geteuid() == 0 else "privilege-separation: no\n"
SEPARATED = ("user: root\n" if os.geteuid() == 0 else "") + "privilege-separation: yes\n"


class Server:
    """One kind of server. Subclasses know the program, its version and its command line."""

    name = ""
    program = ""

    def __init__(self, build):
        self.build = build

    def path(self):
        """Returns the path of the program, or None if it is not installed."""
        found = shutil.which(self.program, path=os.environ.get("PATH", "") + ":/usr/sbin")
        return found or (self.program if os.access(self.program, os.X_OK) else None)

    def version(self):
        return ""

    def command(self, site, port, case):
        """Returns the arguments with which it serves the files of site.root at the port."""
        raise NotImplementedError

    def output_of(self, *arguments):
        done = subprocess.run([self.path(), *arguments], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.stdout


class Floor(Server):
    name = "floor"

    def __init__(self, build):
        super().__init__(build)
        self.program = f"{build}/bench/floor"

    def command(self, site, port, case):
        return [self.path(), str(port)]


class Weir(Server):
    name = "weir"

    def __init__(self, build):
        super().__init__(build)
        self.program = f"{build}/weir"

    def version(self):
        return self.output_of("--version").strip()

    def command(self, site, port, case):
        address = ["--http", f"127.0.0.1:{port}"]
        if case.tls:
            address = ["--https", f"127.0.0.1:{port}", "--cert", site.chain, "--key", site.key]
        config = f"{SEPARATED if case.key_process else AS_ROOT}sites: [{{root: {site.root}}}]\n"
        if case.http2:
            config += "http2: clear\n"
        if case.key_process:
            address = address[:2]
            config += f"tls: {{certificates: [{{chain: {site.chain}, key: {site.key}}}], key-process: yes}}\n"
        if not case.compressed_cache:
            config += "limits: {compressed-cache: 0}\n"
        return [self.path(), "serve", "-c", site.write("weir.yaml", config), *address, "--workers",
                "1", "--access-log", "off"]


class Endless(Weir):
    """A program with libweir that serves a page without an end, compressed on the fly."""

    def __init__(self, build):
        super().__init__(build)
        self.program = f"{build}/bench/endless"

    def command(self, site, port, case):
        return [self.path(), str(port)]


class Sockets(Weir):
    """A program with libweir that serves WebSockets, as the tests use it."""

    def __init__(self, build):
        super().__init__(build)
        self.program = f"{build}/bench/sockets"

    def version(self):
        return "libweir"

    def command(self, site, port, case):
        return [self.path(), "off", str(port)]


class Nginx(Server):
    name = "nginx"
    program = "nginx"

    def version(self):
        return re.search(r"nginx/(\S+)", self.output_of("-v")).group(1)

    def command(self, site, port, case):
        temporary = "\n".join(
            f"  {kind}_temp_path {site.scratch}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        # For a small file reading costs a tenth less than sendfile. tcp_nopush does not help for one file,
        # and delays pipelined replies until the acknowledgement of the previous one.
        compression = "gzip on; gzip_comp_level 1; gzip_types text/plain;" if case.gzip else ""
        # Weir sends one ticket with a handshake; the default of OpenSSL is two.
        tls = f"""ssl_certificate {site.chain}; ssl_certificate_key {site.key};
  ssl_protocols TLSv1.2 TLSv1.3; ssl_conf_command NumTickets 1;""" if case.tls else ""
        return [self.path(), "-e", "stderr", "-c", site.write("nginx.conf", f"""
daemon off;
worker_processes 1;
worker_rlimit_nofile {CONNECTIONS_MAX + 1000};
{'user root;' if os.getuid() == 0 else ''}
pid {site.scratch}/nginx.pid;
error_log stderr crit;
events {{ worker_connections {CONNECTIONS_MAX}; multi_accept on; }}
http {{
{temporary}
  access_log off;
  default_type text/html;
  sendfile {'off' if case.is_small else 'on'};
  open_file_cache max=1000 inactive={FOREVER_S}s;
  open_file_cache_valid {FOREVER_S}s;
  keepalive_requests 1000000000;
  keepalive_timeout {FOREVER_S}s;
  send_timeout {FOREVER_S}s;
  {compression}
  {tls}
  server {{ listen 127.0.0.1:{port} {'ssl' if case.tls else 'http2' if case.http2 else ''} backlog=4096; root {site.root}; }}
}}
""")]


class H2o(Server):
    name = "h2o"
    program = "h2o"

    def version(self):
        return self.output_of("--version").split()[2]

    def command(self, site, port, case):
        compression = "compress: { gzip: 1 }" if case.gzip else ""
        return [self.path(), "-m", "worker", "-c", site.write("h2o.conf", f"""
{'user: root' if os.getuid() == 0 else ''}
num-threads: 1
max-connections: {CONNECTIONS_MAX}
http1-request-timeout: {FOREVER_S}
http2-idle-timeout: {FOREVER_S}
listen: {{ host: 127.0.0.1, port: {port} }}
file.mime.setdefaulttype: text/html
{compression}
hosts:
  default:
    paths:
      /: {{ file.dir: {site.root} }}
""")]


class Lighttpd(Server):
    name = "lighttpd"
    program = "lighttpd"

    def version(self):
        return re.search(r"lighttpd/(\S+)", self.output_of("-v")).group(1)

    def command(self, site, port, case):
        compression = """
server.modules = ("mod_deflate")
deflate.mimetypes = ("text/html")
deflate.allowed-encodings = ("gzip")
deflate.compression-level = 1
""" if case.gzip else ""
        return [self.path(), "-D", "-f", site.write("lighttpd.conf", f"""
server.document-root = "{site.root}"
server.bind = "127.0.0.1"
server.port = {port}
server.max-fds = {CONNECTIONS_MAX + 1000}
server.max-connections = {CONNECTIONS_MAX}
server.listen-backlog = 4096
server.max-keep-alive-requests = 65535
server.max-keep-alive-idle = {FOREVER_S}
server.max-read-idle = {FOREVER_S}
server.max-write-idle = {FOREVER_S}
server.errorlog = "{site.scratch}/lighttpd.log"
server.upload-dirs = ("{site.scratch}")
mimetype.assign = ("" => "text/html")
{compression}
""")]


class Nghttpd(Server):
    """The server of nghttp2, which speaks HTTP/2 alone."""

    name = "nghttpd"
    program = "nghttpd"

    def version(self):
        return self.output_of("--version").split("/")[1].strip()

    def command(self, site, port, case):
        return [self.path(), "--no-tls", "-a", "127.0.0.1", "-n", "1", "-d", site.root, str(port)]


ALL = [Floor, Weir, Nginx, H2o, Lighttpd]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Running:
    """A running server, from `with` to the end of its block, where it ends with all its processes."""

    def __init__(self, server, site, core, case):
        self.port = free_port()
        command = server.command(site, self.port, case)
        # In a session of its own, so that Ctrl-C reaches only this process, which ends the server.
        self.process = subprocess.Popen(["taskset", "-c", str(core), *command],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=site.log, start_new_session=True)
        try:
            self.wait_until_up(server)
        except BaseException:
            self.stop()
            raise

    def wait_until_up(self, server):
        deadline = time.monotonic() + 60  # a large zone is read before it listens
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise measure.Failed(f"{server.name} ended with {self.process.returncode}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise measure.Failed(f"{server.name} does not listen")

    def pids(self):
        return measure.tree_of(self.process.pid)

    def stop(self):
        pids = self.pids()
        self.process.terminate()
        try:
            self.process.wait(1)
        except subprocess.TimeoutExpired:
            pass
        for pid in pids:
            # A child whose parent ended first is not our child; its session identifies it.
            try:
                if os.getsid(pid) == self.process.pid:
                    os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
