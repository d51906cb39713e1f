"""Orders that a crash has interrupted after the authority may have issued the certificate: no second one is ordered."""

import base64
import json
import os
import signal
import threading
import time

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


@pytest.mark.parametrize("step, doing", [("poll", "follow the order"), ("certificate", "fetch the certificate")])
@pytest.mark.parametrize("status, kind, times", [(503, "serverInternal", 1), (429, "rateLimited", 1), (400, "badNonce", 4)])
def test_an_authority_that_is_away_is_asked_again(obtaining, fake, step, doing, status, kind, times):
    """The order is resumed after the pause, by the same process. A nonce is no fault of the order."""
    authority = fake(http_port=free_port())
    daemon = obtaining(authority.section(), http=authority.ports["http-01"])
    finalize = authority.finalize

    def fail(handler, reply):
        reply[:] = [status, {"type": f"urn:ietf:params:acme:error:{kind}"}, {}]

    def begin_to_fail(*arguments):
        if not authority.issued:
            authority.faults[step] = [fail] * times
        return finalize(*arguments)

    authority.finalize = begin_to_fail
    daemon.start()
    daemon.wait_issued()
    assert f"cannot {doing}: {status} {kind}; the next attempt is in " in daemon.server.stderr
    assert len(authority.orders_asked) == 1 and len(authority.issued) == 1


# -- orders that an authority processes for long -------------------------------------------------------

OTHER = "b.example.org"
DAY = 24 * 60 * 60


def hold(authority, number="0", after="3600"):
    """The authority processes this order until it is removed from the set, which is returned."""
    held, poll = {number}, authority.poll

    def process(account, payload, number):
        if number in held and authority.orders[number]["status"] == "processing":
            return [200, authority.orders[number], {"Retry-After": after}]
        return poll(account, payload, number)

    authority.poll = process
    return held


def wait_aside(daemon):
    wait_for(lambda: (daemon.store / "state" / NAME).exists() and daemon.state().get("waits"), what="the order to wait")


def be_looked_at(daemon, **changes):
    """Has the next start look at the order that waits."""
    daemon.server.stop()
    (daemon.store / "state" / NAME).write_text(json.dumps({**daemon.state(), "next": 1, **changes}))


def polls(authority):
    return authority.seen.count("poll")


@pytest.mark.parametrize("separated", ["yes", "no"])
def test_an_order_that_is_processed_for_long(obtaining, fake, run, separated):
    """It is no failure, it holds up no other name, and it survives restarts."""
    authority = fake(http_port=free_port())
    held = hold(authority)
    daemon = obtaining(authority.section(), names=[NAME, OTHER], http=authority.ports["http-01"], separated=separated)
    daemon.start()
    wait_aside(daemon)
    daemon.server.wait_stderr("the order for a.example.org is still processed by https://localhost")
    daemon.wait_issued(OTHER)
    state = daemon.state()
    assert state["failures"] == 0 and 3500 < state["next"] - time.time() <= 3600
    [saved] = (daemon.store / "orders").iterdir()
    checked = run("check", daemon.config)
    assert f"certificate for {NAME}: none yet; the authority processes the order; it is looked at again at 2" in checked.stdout
    # The pause goes on behind a restart. The certificate of the other name is a later question.
    asked = polls(authority)
    daemon.server.stop()
    daemon.start()
    time.sleep(1)
    assert polls(authority) == asked
    # Then it is looked at once.
    be_looked_at(daemon)
    daemon.start()
    wait_for(lambda: daemon.state()["next"] > 1, what="the look")
    assert polls(authority) == asked + 1 and daemon.state()["waits"] and saved.exists()
    assert "is still processed" not in daemon.server.stderr
    held.clear()
    be_looked_at(daemon)
    daemon.start()
    daemon.wait_issued()
    assert len(authority.orders_asked) == 2 and len(authority.issued) == 2
    wait_for(lambda: not daemon.state()["waits"] and not saved.exists(), what="the end of the order")


def test_a_renewal_waits_too(obtaining, fake):
    """Its window is not asked for again, so that it cannot be put off; the old certificate stays."""
    authority = fake(http_port=free_port())
    daemon = obtaining(authority.section(), http=authority.ports["http-01"])
    daemon.start()
    serial = daemon.wait_issued().serial_number
    held = hold(authority, "1")
    be_due(daemon)
    daemon.start()
    wait_aside(daemon)
    assert daemon.certificate().serial_number == serial
    now = authority.issued["0"].not_valid_before
    authority.window = (now.replace(year=now.year + 1), now.replace(year=now.year + 2))
    held.clear()
    be_looked_at(daemon)
    daemon.start()
    wait_for(lambda: daemon.certificate().serial_number != serial, what="the renewal")
    assert len(authority.orders_asked) == 2 and "renewal" not in authority.seen


@pytest.mark.parametrize("expires, age, over", [
    ("2020-01-01T00:00:00Z", 0, True), ("2099-01-01T00:00:00Z", 2 * DAY, False), ("2099-01-01T00:00:00Z", 31 * DAY, True),
    (None, DAY // 2, False), (None, 2 * DAY, True), ("soon", 2 * DAY, True)])
def test_an_order_that_expires(obtaining, fake, expires, age, over):
    """It is a failure, after which a new one is placed; the age counts if the authority does not say when, or names a time without end."""
    authority = fake(http_port=free_port())
    hold(authority)
    daemon = obtaining(authority.section(), acme="tls-alpn-01: no", http=authority.ports["http-01"])
    daemon.start()
    wait_aside(daemon)
    [saved] = (daemon.store / "orders").iterdir()
    if expires:
        authority.orders["0"]["expires"] = expires
    be_looked_at(daemon)
    os.utime(saved, times=(time.time() - age,) * 2)
    asked = polls(authority)
    daemon.start()
    if over:
        daemon.server.wait_stderr("the order has expired before the authority has ended it; the next attempt is in ")
        daemon.wait_issued()
        assert len(authority.orders_asked) == 2 and not daemon.state()["waits"]
    else:
        wait_for(lambda: daemon.state()["next"] > 1, what="the look")
        assert polls(authority) == asked + 1 and len(authority.orders_asked) == 1 and daemon.state()["waits"]


@pytest.mark.parametrize("fault", ["invalid", "gone"])
def test_an_order_that_waits_may_end_badly(obtaining, fake, fault):
    authority = fake(http_port=free_port())
    hold(authority)
    daemon = obtaining(authority.section(), http=authority.ports["http-01"])
    daemon.start()
    wait_aside(daemon)
    if fault == "invalid":
        authority.orders["0"]["status"] = "invalid"
    else:
        authority.faults["poll"] = [lambda handler, reply: reply.__setitem__(slice(None), [404, {}, {}])]
    be_looked_at(daemon)
    daemon.start()
    daemon.wait_issued()
    assert len(authority.orders_asked) == 2 and not daemon.state()["waits"]


def test_the_next_authority_comes_when_an_order_expires(obtaining, fake):
    first, second = fake(http_port=free_port()), fake()
    second.ports = first.ports
    hold(first)
    sections = first.section() + second.section()
    daemon = obtaining(sections, acme="tls-alpn-01: no", http=first.ports["http-01"])
    daemon.start()
    wait_aside(daemon)
    first.orders["0"]["expires"] = "2020-01-01T00:00:00Z"
    be_looked_at(daemon)
    daemon.start()
    daemon.wait_issued()
    assert len(first.orders_asked) == 1 and len(second.issued) == 1


def test_another_front_end_goes_on_with_an_order_that_waits(cluster, fake):
    authority = fake(http_port=free_port())
    held = hold(authority)
    first = cluster.add(authority, http=authority.ports["http-01"])
    second = cluster.add(authority)
    first.start()
    wait_aside(first)
    wait_for(lambda: cluster.holder() == "", what="the lease to be given up")
    first.server.stop()
    second.start()
    wait_aside(second)
    time.sleep(1)
    asked = polls(authority)
    assert second.state() == first.state()
    held.clear()
    text = base64.b64encode(json.dumps({**second.state(), "next": 1}).encode()).decode()
    cluster.database.query(
        f"UPDATE weir_acme_file SET content = '{text}' WHERE path = 'state/{NAME}';"
        " UPDATE weir_snapshot SET version = version + 1 WHERE name = 'acme'")
    second.wait_issued()
    assert polls(authority) == asked + 1 and len(authority.orders_asked) == 1 and len(authority.issued) == 1


# -- orders of names that left -------------------------------------------------------------------------


def test_an_order_of_a_name_that_left_is_removed(obtaining, fake):
    """One of a name that did not leave stays: see test_an_order_that_expires."""
    authority = fake(http_port=free_port())
    daemon = obtaining(authority.section(), http=authority.ports["http-01"])
    orders = daemon.store / "orders"
    orders.mkdir(parents=True)
    files = {"gone.example.org": 2, "_wildcard.gone.example.org": 2, "new.example.org": 0}
    for name, days in files.items():
        (orders / name).write_text("an order")
        os.utime(orders / name, times=(time.time() - days * DAY,) * 2)
    daemon.start()
    daemon.wait_issued()
    assert {path.name for path in orders.iterdir()} - {NAME} == {"new.example.org"}


def test_an_order_of_a_name_that_left_is_removed_everywhere(cluster, fake):
    authority = fake(http_port=free_port())
    cluster.add(authority, http=authority.ports["http-01"])
    second = cluster.add(authority)
    for name, age in {"gone.example.org": "2 days", "new.example.org": "0"}.items():
        cluster.database.query(
            f"INSERT INTO weir_acme_file (path, content, changed) VALUES ('orders/{name}', 'YQ==', now() - interval '{age}')")
    cluster.start()
    cluster.wait_same()
    paths = "SELECT string_agg(path, ' ') FROM weir_acme_file WHERE path LIKE 'orders/%'"
    wait_for(lambda: cluster.database.query(paths) == "orders/new.example.org", what="the order to be gone")
    wait_for(lambda: [path.name for path in (second.store / "orders").iterdir()] == ["new.example.org"], what="the end here")
