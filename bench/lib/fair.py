"""The case `fair`: how long a normal client waits for a small file beside an attack.

An attack (attack.py) comes from 127.0.0.2; the client that is measured comes from 127.0.0.1. It makes a
request every 10 ms, each over a connection of its own, and the time of a request counts from when it
was due, so that a hundred requests see it when the server does nothing for a second. The value is the 99th
percentile; the worst time and the 99th percentile of the same client before the attack are beside it.
At most 64 requests are pending at a time. A request that has no reply within 10 s counts as 10 s. Once the
requests are 20 s late, no more are made, and the rest count as late as they are.

The server has one worker on one core; the attack and the client share the other core, and the attack
gives way.
"""
import base64
import gc
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import servers
from harness import Case, Figure, cores
from measure import Failed

HERE = os.path.dirname(os.path.abspath(__file__))
INTERVAL_S = 0.01
REQUESTS = 400
BEFORE = 100
PATIENCE_S = 10
LATE_MAX_S = 20
PENDING_MAX = 64
GOAL_MS = 50
LARGE_SIZE = 1 << 30
SMALL_DISK_MB = 64
CONNECTIONS_MAX = 1000
PASSWORD = "correct horse"
AUTHORIZATION = base64.b64encode(f"alice:{PASSWORD}".encode()).decode()


@dataclass
class FairCase(Case):
    attack: str = ""          # what attack.py calls it
    target: str = "/"         # the path that is attacked
    others: tuple = ()        # paths that the client asks for, too


# --- servers ---------------------------------------------------------------------------------------

def write_users(site, build):
    """A users file with one user, as Weir and nginx read it."""
    path = os.path.join(site.scratch, "users")
    if not os.path.exists(path):
        subprocess.run([f"{build}/weir", "passwd", "--users", path, "alice", "--no-scram"],
                       input=PASSWORD + "\n", text=True, check=True, capture_output=True)
        os.chmod(path, 0o644)
    return path


def write_files(site):
    """A large file that compresses well, a directory to list, one to store in, one with a password."""
    for name in ("files", "incoming", "private"):
        os.makedirs(os.path.join(site.root, name), exist_ok=True)
    for path in [f"files/{number}.html" for number in range(20)] + ["private/small.html"]:
        with open(os.path.join(site.root, path), "wb") as file:
            file.write(b"Hello, world\n")
    with open(os.path.join(site.root, "zeros.html"), "wb") as file:
        file.truncate(LARGE_SIZE)


def surround(site, case, build, command):
    """The command with what the attack needs around it: a slow disk, or a small one."""
    if case.attack == "uploads":
        return ["env", f"LD_PRELOAD={os.path.abspath(build)}/bench/libslow_fsync.so", *command]
    if case.attack == "announce":
        if os.getuid() != 0:
            raise Failed("a small file system of its own needs root")
        script = f'mount -t tmpfs -o size={SMALL_DISK_MB}m,mode=777 tmpfs "$0" && exec "$@"'
        return ["unshare", "-m", "sh", "-c", script, os.path.join(site.root, "incoming"), *command]
    return command


class Weir(servers.Weir):
    def command(self, site, port, case):
        write_files(site)
        self.dns_port = servers.free_port()
        zone = site.write("fair.zone", "$TTL 60\n@ IN SOA ns h 1 60 60 60 60\n@ IN NS ns\n"
                                       "ns IN A 192.0.2.1\n")
        listen, dns, limits = f"{{http: '127.0.0.1:{port}'}}", "", ""
        if case.attack == "pointers":
            listen += f", {{dns: '127.0.0.1:{self.dns_port}'}}"
            dns = f"dns: {{zones: [{{name: bench.example, file: {zone}}}]}}"
        if case.attack == "idle":
            limits = f"limits: {{connections: {CONNECTIONS_MAX}}}"
        return surround(site, case, self.build, [self.path(), "serve", "-c", site.write("fair.yaml", f"""
listen: [{listen}]
workers: 1
sites:
  - root: {site.root}
    uploads: {{prefix: incoming, put: yes}}
    auth: [{{path: private, users: {write_users(site, self.build)}}}]
{dns}
{limits}
""")])


class Nginx(servers.Nginx):
    def command(self, site, port, case):
        write_files(site)
        temporary = "\n".join(f"  {kind}_temp_path {site.scratch}/{kind};"
                              for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
        most = CONNECTIONS_MAX if case.attack == "idle" else servers.CONNECTIONS_MAX
        return surround(site, case, self.build, [self.path(), "-e", "stderr", "-c", site.write("fair.conf", f"""
daemon off;
worker_processes 1;
worker_rlimit_nofile {servers.CONNECTIONS_MAX + 1000};
{'user root;' if os.getuid() == 0 else ''}
pid {site.scratch}/nginx.pid;
error_log stderr crit;
events {{ worker_connections {most}; multi_accept on; }}
http {{
{temporary}
  client_body_temp_path {site.root}/incoming/.temporary;
  client_max_body_size 1g;
  access_log off;
  default_type text/html;
  sendfile on;
  autoindex on;
  gzip on;
  gzip_comp_level 1;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    root {site.root};
    location /incoming/ {{ dav_methods PUT; }}
    location /private/ {{ auth_basic bench; auth_basic_user_file {write_users(site, self.build)}; }}
  }}
}}
""")])


SERVERS = {"weir": Weir, "nginx": Nginx}


# --- the attack and the client ---------------------------------------------------------------------

class Attack:
    """attack.py, from `with` to the end of its block."""

    def __init__(self, case, port):
        self.process = subprocess.Popen(
            ["taskset", "-c", str(cores["load"]), sys.executable, "-B",
             os.path.join(HERE, "attack.py"), case.attack, str(port), case.target],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True)

    def wait_until_ready(self):
        if self.process.stdout.readline() != b"ready\n":
            raise Failed("the attack did not begin")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


def fetch(port, path):
    """One request over a connection of its own, with the right password; false if no 200 came."""
    request = (f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {AUTHORIZATION}\r\n"
               "Connection: close\r\n\r\n").encode()
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as client:
            client.sendall(request)
            data = b""
            while piece := client.recv(65536):
                data += piece
            return data.startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


def latencies_ms(port, paths, count):
    """Returns the times of `count` requests, sorted. Requests do not wait for earlier ones."""
    begin = time.monotonic()

    def request(number):
        due = begin + number * INTERVAL_S
        late = time.monotonic() - due > LATE_MAX_S
        good = late or fetch(port, paths[number % len(paths)])
        return max(time.monotonic() - due, 0 if good else PATIENCE_S) * 1e3

    gc.disable()
    with ThreadPoolExecutor(PENDING_MAX) as pool:
        pending = []
        for number in range(count):
            time.sleep(max(0, begin + number * INTERVAL_S - time.monotonic()))
            pending.append(pool.submit(request, number))
        times = sorted(each.result() for each in pending)
    gc.enable()
    return times


def percentile_99(times):
    return times[-max(1, len(times) // 100)]


def measure_fair(server, site, case, _):
    # An earlier version of Weir has another name, and is configured alike.
    server = SERVERS.get(server.name, SERVERS["weir"])(server.build)
    paths = ("/small.html", *case.others)
    with servers.Running(server, site, cores["server"], case) as running:
        if not all(fetch(running.port, path) for path in paths):
            raise Failed("a wrong reply")
        before = latencies_ms(running.port, paths, BEFORE)
        port = server.dns_port if case.attack == "pointers" else running.port
        with Attack(case, port) as attack:
            attack.wait_until_ready()
            times = latencies_ms(running.port, paths, REQUESTS)
    return Figure(percentile_99(times), {"worst": times[-1], "before": percentile_99(before)})


# --- the cases -------------------------------------------------------------------------------------

BOTH, ALONE = ("weir", "nginx"), ("weir",)


def case_of(attack, about, who, **options):
    return FairCase(f"fair_{attack}", f"a small file, each 10 ms: 99th percentile beside {about}", "ms",
                    who, measure_fair, attack=attack, rounds_max=3, group="fair", **options)


CASES = [
    case_of("idle", f"2,000 idle connections of one address, where there is room for {CONNECTIONS_MAX:,}",
            BOTH),
    case_of("gzip", "8 clients that fetch 1 GB, compressed on the fly, and leave", BOTH,
            target="/zeros.html"),
    case_of("uploads", "12 PUTs at a time on a disk whose sync takes a second; every second request is"
            " for a listing", ALONE, target="/incoming/", others=("/files/",)),
    case_of("announce", f"64 PUTs that announce 32 MB and send a byte, on a disk of {SMALL_DISK_MB} MB",
            BOTH, target="/incoming/"),
    case_of("guess", "80 connections that send wrong passwords by HTTP Basic; every second request"
            " has the right one", BOTH, target="/private/small.html", others=("/private/small.html",)),
    case_of("pointers", "8 connections with DNS queries of 65,535 bytes of compression pointers", ALONE),
]


def targets(results):
    """As those of bench/http."""
    for case in CASES:
        value = results.median(case.name, "weir")
        yield (case.name, f"at most {GOAL_MS} ms at the 99th percentile",
               "not measured" if value is None else f"{value:.1f} ms",
               None if value is None else value <= GOAL_MS)
