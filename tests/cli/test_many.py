"""Ten thousand zones, a hundred thousand queued messages (with a sanitizer ten thousand) and many connections, in a
scrape, on the page, in `weir top` and in `weir status`; and a reader of each who is slow. One daemon serves all of it."""

import json
import os
import threading
import time

from conftest import wait_for
from test_admin import connect_to
from test_guard import HASH
from test_metrics import connect, http, samples, verb
from test_queue import ENVELOPE
from test_status_page import Events
from wire import is_sanitized_program

ZONES = 10_000
CONNECTIONS = 400
SLOW = 50


def fill_queue(queue, count):
    """Messages that are due in the year 2286: names of two files that all of them have in common."""
    (queue / "control").mkdir(parents=True)
    text = ENVELOPE.format(next=9999999999, sender="alice@example.org", state=0)
    for suffix, content in (".msg", "abc\r\n"), (".env", text):
        first = None
        for i in range(count):
            path = queue / f"{0x0630F2C5A1B00000 + i:016x}{suffix}"
            # A file has 65,000 names at most on some file systems.
            if i % 30_000:
                os.link(first, path)
            else:
                path.write_text(content)
                first = path


def configure(path, queue):
    zones = "".join(f"    - {{name: z{i}.example.org, file: zone}}\n" for i in range(ZONES))
    (path / "zone").write_text("@ 60 SOA ns. h. 77 1 1 1 1\n@ 60 NS ns.example.net.\n")
    (path / "users").write_text(f"alice:{HASH}\n")
    (path / "weir.yaml").write_text(
        "listen:\n  - http: '127.0.0.1:0'\n  - dns: '127.0.0.1:0'\n  - smtp: '127.0.0.1:0'\n"
        "sites: [{root: site}]\nadmin: admin.sock\n"
        "mail: {directory: mail, users: users, domains: [example.org],\n"
        f"  relay: {{host: 127.0.0.1, port: 9, queue: {queue}, messages: 1000000}}}}\n"
        f"limits: {{connections-per-address: 2000}}\ndns:\n  zones:\n{zones}"
    )


def read_a_little(path, stop):
    with connect_to(path) as client:
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        client.recv(100)
        stop.wait(60)


def test_many_of_everything(weir, weir_program, tmp_path, quick_path, site):
    admin = tmp_path / "admin.sock"
    queued = 10_000 if is_sanitized_program(weir_program) else 100_000
    fill_queue(quick_path / "queue", queued)
    configure(tmp_path, quick_path / "queue")
    server = weir("-c", tmp_path / "weir.yaml")
    clients = [connect(server) for _ in range(CONNECTIONS)]
    for client in clients[:SLOW]:
        client.sendall(b"GET / HT")
    wait_for(
        lambda: f"{CONNECTIONS} connections" in verb(weir_program, tmp_path, "top", "-c", "weir.yaml"),
        what="all connections",
    )
    stop = threading.Event()
    reader = threading.Thread(target=read_a_little, args=(admin, stop))
    reader.start()
    # A scrape.
    values = samples(http(admin, "/metrics")[2])[0]
    assert sum(1 for name, _ in values if name == "weir_zone_serial") == ZONES
    assert values["weir_zone_serial", f'zone="z{ZONES - 1}.example.org."'] == 77
    assert values["weir_queue_messages", ""] == queued
    assert values["weir_queue_oldest_age_seconds", ""] > time.time() - 1700000000 - 3600
    # `weir status`.
    status = json.loads(verb(weir_program, tmp_path, "status", "-c", "weir.yaml", "--json"))
    assert status["dns"]["zones"] == ZONES
    assert status["mail_queue"]["messages"] == queued
    # The page, and its events.
    stream = Events(admin)

    def slow_ones():
        event = stream.next()
        return event if event["waiting_to_leave"]["slow_connections"] == SLOW else None

    event = wait_for(slow_ones, what="all slow connections")
    assert event["dns"]["zones"] == ZONES and event["mail_queue"]["messages"] == queued
    (row,) = [item for item in event["connections"] if item["listener"] == "http"]
    assert row["idle"] + row["receiving"] == CONNECTIONS and row["receiving"] == SLOW
    assert len(event["slow"]) == 20 and event["slow_more"] == SLOW - 20
    code, _, text = http(admin, "/")
    assert code == 200 and f"<p>and {SLOW - 20} more</p>" in text and len(text) < 65536
    stream.close()
    # Nobody was held up by the reader who has taken 100 bytes.
    assert server.get("/").status == 200
    stop.set()
    reader.join()
    for client in clients:
        client.close()
