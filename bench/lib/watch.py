"""The cases `scrape` and `page`: what it costs a server with 10,000 idle connections to be looked at.

`scrape` reads /metrics over the admin socket, again and again; the value is the CPU time of all threads for one
scrape, and so at least the time that it takes from a loop. `page` has the event stream of the status page open, with
an event a second; the value is the share of a core that the process uses meanwhile.
"""
import os
import socket
import threading
import time

import measure
import servers
from harness import Case, Figure, check, cores, load

CONNECTIONS = 10000
SCRAPES = 50
PAGE_S = 10


class Watched(servers.Weir):
    """Weir with an admin socket."""

    def command(self, site, port, case):
        config = f"{servers.AS_ROOT}sites: [{{root: {site.root}}}]\nadmin: {socket_of(site)}\n"
        return [self.path(), "serve", "-c", site.write("weir.yaml", config), "--http",
                f"127.0.0.1:{port}", "--workers", "1", "--access-log", "off"]


def socket_of(site):
    return os.path.join(site.scratch, "admin.sock")


def ask(site, target):
    """Sends a request over the admin socket, and returns the connection."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(30)
    client.connect(socket_of(site))
    client.sendall(f"GET {target} HTTP/1.0\r\n\r\n".encode())
    return client


def read_all(client):
    size = 0
    while piece := client.recv(65536):
        size += len(piece)
    return size


def scrape(site):
    with ask(site, "/metrics") as client:
        if read_all(client) < 1000:
            raise measure.Failed("a scrape is empty")


def measure_scrape(site, running):
    scrape(site)
    pids = running.pids()
    before = measure.cpu_s(pids)
    for _ in range(SCRAPES):
        scrape(site)
    return (measure.cpu_s(pids) - before) * 1000 / SCRAPES


def measure_page(site, running):
    with ask(site, "/events") as client:
        reader = threading.Thread(target=read_all, args=(client,), daemon=True)
        reader.start()
        time.sleep(1)
        pids = running.pids()
        before, begun = measure.cpu_s(pids), time.monotonic()
        time.sleep(PAGE_S)
        used = (measure.cpu_s(pids) - before) / (time.monotonic() - begun)
        if not reader.is_alive():
            raise measure.Failed("the event stream has ended")
        client.shutdown(socket.SHUT_RDWR)
        reader.join()
    return used * 100


def beside_connections(look):
    def measured(server, site, case, _):
        server = Watched(server.build)
        with servers.Running(server, site, cores["server"], case) as running:
            check(site, running, case)
            with load("idle", running, case, connections=CONNECTIONS) as idle:
                idle.wait_until_ready()
                measure.wait_until_quiet(running.pids())
                return Figure(look(site, running))

    return measured


def targets(results):
    for case, most, unit in (("scrape", 5, "ms"), ("page", 1, "%")):
        value = results.median(case, "weir")
        yield (case, f"under {most} {unit}", "not measured" if value is None else f"{value:.2f} {unit}",
               None if value is None else value < most)


CASES = (
    Case("scrape", f"a scrape of /metrics with {CONNECTIONS:,} connections: CPU time", "ms", ("weir",),
         beside_connections(measure_scrape), rounds_max=3),
    Case("page", f"an open status page with {CONNECTIONS:,} connections: share of a core", "%", ("weir",),
         beside_connections(measure_page), rounds_max=3),
)
