"""Front ends that obtain certificates together while the database goes away, or the one that orders dies or stops."""

import json
import re
import signal
import socket
import ssl
import threading
import time

import pytest

from ca import fake  # noqa: F401  (a fixture)
from conftest import wait_for
from ports import free_port
from test_acme import NAME
from test_acme_shared import cluster, empty, issued  # noqa: F401  (fixtures)

LONG = "10m"  # a lease that no test waits for


def metric(front_end, name):
    """The value of a metric without labels."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(front_end.directory / "admin.sock"))
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = b""
        while piece := client.recv(65536):
            text += piece
    found = re.search(rf"^{name} (\S+)$", text.decode(), re.M)
    return found and float(found[1])


def answers(front_end):
    """Whether it serves, with whatever certificate there is."""
    with socket.create_connection(("127.0.0.1", front_end.ports["http"]), timeout=20) as client:
        client.sendall(f"GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode())
        return b" 308 " in client.recv(65536) and bool(front_end.certificate())


class Held:
    """A fault that holds the reply of a step until it is let go."""

    def __init__(self, authority, step):
        self.began, self.goes_on = threading.Event(), threading.Event()
        authority.faults[step] = [self.hold]

    def hold(self, handler, reply):
        self.began.set()
        assert self.goes_on.wait(120)

    def wait(self):
        assert self.began.wait(60)


# -- the database ----------------------------------------------------------------------------------

STEPS = ["order", "challenge", "finalize", "certificate"]


@pytest.mark.parametrize("step", STEPS)
def test_the_database_is_away_for_a_moment(cluster, fake, step):
    """The order goes on when it is back, within the lease."""
    authority = fake(http_port=free_port())
    held = Held(authority, step)
    first = cluster.add(authority, lease="60s", http=authority.ports["http-01"])
    second = cluster.add(authority, lease="60s")
    first.start()
    held.wait()
    second.start()
    cluster.database.stop()
    held.goes_on.set()
    assert answers(first) and answers(second)
    if step == "certificate":
        first.wait_issued()  # it serves what it has, also without the database
        assert not second.is_issued()
    second.server.wait_stderr("certificates of other front ends are not taken")  # calls have failed
    cluster.database.start()
    cluster.wait_same()
    assert len(authority.orders_asked) == 1 and issued(authority) == 1
    assert cluster.database.query("SELECT count(*) FROM weir_certificate") == "1"
    wait_for(lambda: cluster.holder() == "", what="the lease to be given up")
    assert first.proofs() == [] and second.proofs() == []


@pytest.mark.parametrize("step", STEPS)
def test_the_database_is_away_for_too_long(cluster, fake, step):
    """The lease is lost. A certificate that was issued is not: no other one is ordered."""
    authority = fake(http_port=free_port())
    held = Held(authority, step)
    first = cluster.add(authority, lease="6s", http=authority.ports["http-01"])
    first.start()
    held.wait()
    cluster.database.stop()
    if step == "certificate":
        held.goes_on.set()
        serial = first.wait_issued().serial_number
    first.server.wait_stderr("the lease to obtain certificates is lost")
    held.goes_on.set()
    asked = len(authority.orders_asked)
    assert asked == 1 and answers(first)
    first.server.wait_stderr("no certificates are obtained: the database: ")
    first.server.wait_stderr("certificates of other front ends are not taken")
    assert len(authority.orders_asked) == asked  # nothing is asked without the database
    cluster.database.start()
    first.server.wait_stderr("certificates of other front ends are taken again")
    if step == "certificate":  # it is brought, although the name is not due for a minute
        wait_for(lambda: cluster.database.query("SELECT count(*) FROM weir_certificate") == "1", 30, what="the certificate")
    second = cluster.add(authority, lease="6s")
    second.start()
    served = cluster.wait_same()
    if step == "certificate":
        assert served.serial_number == serial
    # Once the authority could issue a certificate, that one is fetched.
    assert len(authority.orders_asked) in ([1] if step in ("finalize", "certificate") else [2, 3])
    assert len(authority.issued) == 1
    assert cluster.database.query("SELECT count(*) FROM weir_certificate") == "1"
    wait_for(lambda: cluster.holder() == "", what="the lease to be given up")
    wait_for(lambda: (second.store / "state" / NAME).exists(), what="the state")
    assert second.state()["failures"] == 0


# -- the death of the holder -----------------------------------------------------------------------


@pytest.mark.parametrize("separated", ["yes", "no"])
def test_the_holder_dies_while_the_proof_is_looked_for(cluster, fake, separated):
    """Another front end takes over, and the one that was killed uses its certificate."""
    authority = fake(http_port=free_port())
    options = {"lease": "4s", "separated": separated, "more": "admin: admin.sock\n"}
    first = cluster.add(authority, http=authority.ports["http-01"], **options)
    second = cluster.add(authority, **options)
    prove = authority.prove_http_01
    killed = threading.Event()

    def kill(name, token, text):
        authority.prove_http_01 = prove
        first.server.send_signal(signal.SIGKILL)
        first.server.wait(20)
        killed.set()
        # From now on it reaches the other one.
        authority.ports["http-01"] = second.ports["http"]
        raise OSError("nobody answers")

    authority.prove_http_01 = kill
    first.start()
    wait_for(killed.is_set, 60, what="the question for the proof")
    second.start()
    serial = second.wait_issued().serial_number
    # The process of ACME may have had the time to give the lease up.
    assert metric(second, "weir_acme_lease_takeovers_total") in ([0, 1] if separated == "yes" else [1])
    first.start()
    assert cluster.wait_same().serial_number == serial
    assert metric(first, "weir_acme_lease_takeovers_total") == 0
    assert len(authority.orders_asked) == 2 and issued(authority) == 1 and len(authority.accounts) == 1
    assert cluster.database.query("SELECT count(*) FROM weir_certificate") == "1"
    wait_for(lambda: cluster.holder() == "", what="the lease to be given up")
    wait_for(lambda: first.proofs() == [] and second.proofs() == [], what="no proofs")


# -- a clean stop ----------------------------------------------------------------------------------


def stop(front_end):
    front_end.server.send_signal(signal.SIGTERM)
    front_end.server.wait(60)


def stop_with_a_client(front_end):
    """The server drains: a client has asked for something, and does not read it."""
    (front_end.directory / "site" / "large").write_bytes(b"x" * 50_000_000)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    raw = socket.create_connection(("127.0.0.1", front_end.ports["https"]), timeout=20)
    front_end.client = context.wrap_socket(raw, server_hostname=NAME)
    front_end.client.sendall(f"GET /large HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
    assert b" 200 " in front_end.client.recv(1000)
    front_end.server.send_signal(signal.SIGTERM)


def reload_with_another_name(front_end):
    """The other name is not due, so that nothing is claimed for it."""
    later = {"failures": 1, "next": int(time.time()) + 100_000}
    (front_end.store / "state" / "b.example.org").write_text(json.dumps(later))
    text = front_end.config.read_text()
    front_end.config.write_text(text.replace(f'names: ["{NAME}"]', 'names: ["b.example.org"]'))
    front_end.server.send_signal(signal.SIGHUP)
    front_end.server.wait_stderr("reloaded")


@pytest.mark.parametrize("separated", ["yes", "no"])
@pytest.mark.parametrize("end", [stop, stop_with_a_client, reload_with_another_name])
@pytest.mark.parametrize("step", ["order", "challenge"])
def test_another_goes_on_at_once(cluster, fake, separated, end, step):
    """The lease is given up in the middle of an order, also while clients are still served."""
    authority = fake(http_port=free_port())
    held = Held(authority, step)
    first = cluster.add(authority, lease=LONG, separated=separated, http=authority.ports["http-01"])
    second = cluster.add(authority, lease=LONG, separated=separated)
    first.start()
    held.wait()
    assert cluster.holder() != ""
    end(first)
    wait_for(lambda: cluster.holder() == "", 20, what="the lease to be given up")
    assert cluster.database.query("SELECT count(*) FROM weir_acme_file WHERE path LIKE 'challenges/%'") == "0"
    if end is stop_with_a_client:
        assert first.server.process.poll() is None
        first.client.close()
    authority.ports["http-01"] = second.ports["http"]
    held.goes_on.set()
    second.start()
    second.wait_issued()
    assert len(authority.orders_asked) == 2 and issued(authority) == 1


def test_an_upgrade_gives_the_lease_up(cluster, fake):
    """The process that obtains certificates after it is another one, and does not wait for the lease."""
    authority = fake(http_port=free_port())
    held = Held(authority, "order")
    only = cluster.add(authority, lease=LONG, separated="yes", http=authority.ports["http-01"])
    only.start()
    held.wait()
    holder = cluster.holder()
    only.server.send_signal(signal.SIGUSR2)
    wait_for(lambda: cluster.holder() != holder, 60, what="the lease to be given up")
    held.goes_on.set()
    only.wait_issued()
    assert issued(authority) == 1


def test_a_stop_does_not_wait_for_a_database_that_is_away(cluster, fake):
    authority = fake(http_port=free_port())
    held = Held(authority, "order")
    for separated in ("yes", "no"):
        cluster.add(authority, lease=LONG, separated=separated, http=authority.ports["http-01"])
    first, second = cluster.front_ends
    for front_end in (first, second):
        held = Held(authority, "order")
        front_end.start()
        held.wait()
        cluster.database.stop()
        assert front_end.server.stop() == 0
        held.goes_on.set()
        cluster.database.start()
        cluster.database.query("DELETE FROM weir_acme_lease")


# -- what is shown ---------------------------------------------------------------------------------


@pytest.mark.parametrize("separated", ["yes", "no"])
def test_the_lease_is_shown(cluster, fake, run, separated):
    authority = fake(http_port=free_port())
    held = Held(authority, "order")
    options = {"lease": LONG, "separated": separated, "more": "admin: admin.sock\n"}
    first = cluster.add(authority, http=authority.ports["http-01"], **options)
    second = cluster.add(authority, **options)
    first.start()
    held.wait()
    second.start()

    def line(front_end):
        done = run("console", "-c", front_end.config, "certificates")
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[-1]

    def status(front_end):
        done = run("status", "-c", front_end.config, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["certificate_lease"]

    assert [metric(one, "weir_acme_lease_held") for one in (first, second)] == [1, 0]
    assert [status(one) for one in (first, second)] == [{"held": 1, "takeovers": 0}, {"held": 0, "takeovers": 0}]
    assert line(first) == "lease: this front end has it; 0 taken over from front ends that died"
    assert line(second).startswith("lease: another, or no front end has it;")
    held.goes_on.set()
    cluster.wait_same()
    wait_for(lambda: metric(first, "weir_acme_lease_held") == 0, what="the lease to be given up")


def test_a_lease_of_a_killed_server_is_not_shown_for_long(cluster, fake):
    """The state that it has written is believed until the lease ends."""
    authority = fake(http_port=free_port())
    held = Held(authority, "order")
    first = cluster.add(authority, lease="3s", separated="yes", http=authority.ports["http-01"], more="admin: admin.sock\n")
    first.start()
    held.wait()
    assert metric(first, "weir_acme_lease_held") == 1
    held.goes_on.set()
    first.wait_issued()
    state = first.store / "state" / ".lease"
    wait_for(lambda: state.read_text() == "0 0\n", what="the lease to be given up")
    state.write_text("1 7\n")
    assert metric(first, "weir_acme_lease_held") == 0
    assert metric(first, "weir_acme_lease_takeovers_total") == 7
