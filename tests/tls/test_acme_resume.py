"""Orders that a crash has interrupted after the authority may have issued the certificate: no second one is ordered."""

import json
import signal
import threading

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ca import Refusal, fake  # noqa: F401  (a fixture)
from conftest import wait_for
from ports import free_port
from test_acme import NAME, obtaining  # noqa: F401  (a fixture)
from test_acme_shared import cluster, empty, issued  # noqa: F401  (fixtures)

STEPS = ["ready", "finalize", "certificate"]


def kill_at(authority, step, server):
    """Kills the server once: before the authority finalizes, when it has, or when it sends the certificate."""
    killed = threading.Event()

    def kill(*_):
        server().send_signal(signal.SIGKILL)
        server().wait(20)
        killed.set()
        return True

    if step == "ready":
        finalize = authority.finalize

        def refuse(*_):
            authority.finalize = finalize
            kill()
            raise Refusal(503, "serverInternal")

        authority.finalize = refuse
    else:
        authority.faults[step] = [kill]
    return killed


@pytest.mark.parametrize("step", STEPS)
def test_another_front_end_fetches_the_certificate(cluster, fake, step):
    authority = fake(http_port=free_port())
    first = cluster.add(authority, lease="4s", http=authority.ports["http-01"])
    second = cluster.add(authority, lease="4s")
    killed = kill_at(authority, step, lambda: first.server)
    first.start()
    wait_for(killed.is_set, 60, what="the kill")
    assert cluster.database.query("SELECT count(*) FROM weir_acme_file WHERE path LIKE 'orders/%' AND content LIKE 'sealed:%'") == "1"
    second.start()
    serial = second.wait_issued().serial_number
    second.server.wait_stderr("the order for a.example.org that was under way is resumed")
    first.start()
    assert cluster.wait_same().serial_number == serial
    assert len(authority.orders_asked) == 1 and len(authority.issued) == 1
    wait_for(lambda: cluster.holder() == "", what="the lease to be given up")
    assert cluster.database.query("SELECT count(*) FROM weir_acme_file WHERE path LIKE 'orders/%'") == "0"
    wait_for(lambda: not list((first.store / "orders").iterdir()), what="the end of the order here")
    assert not list((second.store / "orders").iterdir())


@pytest.mark.parametrize("separated", ["yes", "no"])
@pytest.mark.parametrize("step", STEPS)
def test_a_server_alone_fetches_the_certificate(obtaining, fake, step, separated):
    authority = fake(http_port=free_port())
    daemon = obtaining(authority.section(), http=authority.ports["http-01"], separated=separated)
    killed = kill_at(authority, step, lambda: daemon.server)
    daemon.start()
    wait_for(killed.is_set, 60, what="the kill")
    [saved] = (daemon.store / "orders").iterdir()
    assert saved.stat().st_mode & 0o077 == 0
    daemon.start()
    daemon.wait_issued()
    assert len(authority.orders_asked) == 1 and len(authority.issued) == 1
    wait_for(lambda: not saved.exists(), what="the end of the order")


def be_due(daemon):
    """Has the name be renewed at the next start."""
    daemon.server.wait_stderr("the new certificates are in use")
    daemon.server.stop()
    (daemon.store / "state" / NAME).write_text(json.dumps({**daemon.state(), "next": 1, "renew": 1}))


@pytest.mark.parametrize("fault", ["old", "invalid", "unknown", "another authority", "damaged", "key"])
def test_an_order_that_is_over_is_not_resumed(obtaining, fake, fault):
    """A new one is placed, and a certificate that is not newer is never used."""
    authority = fake(http_port=free_port())
    daemon = obtaining(authority.section(), http=authority.ports["http-01"])
    kept = threading.Event()
    saved = daemon.store / "orders" / NAME
    text = []
    authority.faults["certificate"] = [lambda handler, reply: (text.append(saved.read_text()), kept.set()) and None]
    daemon.start()
    serial = daemon.wait_issued().serial_number
    be_due(daemon)
    directory, url, key = text[0].split("\n", 2)
    if fault == "invalid":
        authority.orders["0"]["status"] = "invalid"
    elif fault == "unknown":
        url = f"{authority.url}/poll/77"
        poll = authority.poll

        def refuse(account, payload, number):
            if number == "77":
                raise Refusal(404, "malformed")
            return poll(account, payload, number)

        authority.poll = refuse
    elif fault == "another authority":
        directory += "/other"
    elif fault == "damaged":
        url = "http://localhost/poll/0"
    elif fault == "key":
        another = ec.generate_private_key(ec.SECP256R1())
        key = another.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    saved.write_text("\n".join([directory, url, key]))
    daemon.start()
    wait_for(lambda: daemon.certificate().serial_number != serial, what="the renewal")
    assert len(authority.orders_asked) == 2 and len(authority.issued) == 2
    assert daemon.state()["failures"] == 0
    wait_for(lambda: not saved.exists(), what="the end of the order")


def test_an_authority_that_is_away_is_asked_again(obtaining, fake):
    """The order is resumed after the pause, by the same process."""
    authority = fake(http_port=free_port())
    daemon = obtaining(authority.section(), http=authority.ports["http-01"])

    def fail(handler, reply):
        reply[:] = [503, b"", {}]

    authority.faults["certificate"] = [fail]
    daemon.start()
    daemon.wait_issued()
    assert "cannot fetch the certificate: 503" in daemon.server.stderr
    assert len(authority.orders_asked) == 1 and len(authority.issued) == 1
