"""Processes of a cluster that end, and networks that break, while mail arrives: nothing acknowledged is lost or doubled.

Each test has mailboxes of its own, and begins with a whole cluster.
"""

import itertools
import signal
import time

import pytest

from bed import ALL_PARTS, Cluster
from bed_network import await_true
from bed_traffic import Found, Traffic, await_more

# Small messages, and those that have several chunks.
SIZES = (500, 4000, 500, 4000, 500, 4000, 500, 4000, 500, 4000, 500, 300_000)
users = [f"user{number}" for number in range(40)]
unused = iter(users)


def report(text):
    """Pytest shows this with a test that failed."""
    print(f"{time.monotonic():.1f} {text}", flush=True)


@pytest.fixture(scope="module")
def whole(weir_program):
    with Cluster(weir_program, users=users, parts=ALL_PARTS, settings={"fsync": "off"}, progress=report) as made:
        yield made


@pytest.fixture
def cluster(whole):
    """The cluster, with everything in order before and after the test."""
    yield whole
    for each in whole.front_ends.values():
        if not each.is_running():
            each.start().await_start()
    whole.pair.hold(False)
    whole.pair.await_redundant()


def port_of(front_end, kind="smtp"):
    return lambda: front_end.port(kind)


def check(traffic, cluster, names="abc", unknown=False):
    """Counts the messages by one front end after another: each of them sees all.

    `unknown`: a front end may refuse a message for now though it was committed, since it cannot find out.
    """
    for name in names:
        found = Found(traffic, cluster.front_ends[name].port("pop3s"), traffic.users)
        assert not set(found.faults) - ({"refused"} if unknown else set())
        assert found.count >= len(traffic.acknowledged)
    # Nothing is refused for good while a part of the cluster is away.
    assert not [reply for reply in traffic.refused.values() if not reply.startswith("4")]


def begin(cluster, names="abc", clients=6, **options):
    mailboxes = list(itertools.islice(unused, 2))
    return Traffic([port_of(cluster.front_ends[name]) for name in names], mailboxes, clients, SIZES, pause_s=0.02, **options)


def test_a_front_end_dies_with_its_connections_only(cluster):
    others = begin(cluster, "ac", clients=4)
    with others, begin(cluster, "b", clients=2) as traffic:
        await_more(traffic, others)
        for _ in range(5):
            cluster.front_ends["b"].kill()
            await_more(others)
            cluster.front_ends["b"].start().await_start()
            await_more(traffic, count=10)
    assert traffic.sessions_lost > 0
    assert others.sessions_lost == 0
    assert not others.refused
    check(traffic, cluster)
    check(others, cluster, "b")


def test_the_primary_dies(cluster):
    with begin(cluster) as traffic:
        for _ in range(2):
            await_more(traffic)
            dead = cluster.pair.kill_primary()
            await_true(lambda dead=dead: cluster.pair.primary is not dead, "promotion")
            await_more(traffic)
            cluster.pair.await_redundant()
    check(traffic, cluster)


def test_the_standby_dies(cluster):
    with begin(cluster) as traffic:
        await_more(traffic)
        primary = cluster.pair.primary
        cluster.pair.standby.process.send_signal(signal.SIGKILL)
        await_more(traffic)
        cluster.pair.await_redundant()
        await_more(traffic)
    assert cluster.pair.primary is primary
    check(traffic, cluster, "a")


def test_primary_and_standby_are_parted(cluster):
    """The primary goes on alone; if it died then, nobody would be promoted."""
    one, two = (server.machine for server in cluster.pair.servers)
    with begin(cluster) as traffic:
        await_more(traffic)
        one.part_from(two)
        try:
            await_true(lambda: not cluster.pair.promotable, "the end of redundancy")
            await_more(traffic)
            primary = cluster.pair.primary
            primary.process.send_signal(signal.SIGKILL)
            await_true(lambda: primary.is_running() and primary.ask("SELECT 1"), "its start")
            assert cluster.pair.primary is primary
            await_more(traffic)
        finally:
            one.rejoin(two)
        cluster.pair.await_redundant()
        await_more(traffic)
    check(traffic, cluster, "a")


def test_a_front_end_is_parted_from_the_primary(cluster):
    lonely, primary = cluster.front_ends["c"].machine, cluster.pair.primary.machine
    others = begin(cluster, "ab", clients=4)
    with others, begin(cluster, "c", clients=2, per_session=1) as traffic:
        await_more(traffic, count=10)
        lonely.part_from(primary)
        try:
            await_true(lambda: traffic.refused, "a refusal")
            await_more(others)
        finally:
            lonely.rejoin(primary)
        await_more(traffic, count=10)
    assert not others.refused
    assert others.sessions_lost == 0
    check(traffic, cluster, "ac", unknown=True)
    check(others, cluster, "c")


def test_the_database_is_restarted(cluster):
    with begin(cluster) as traffic:
        await_more(traffic)
        cluster.pair.hold()
        cluster.pair.primary.stop()
        cluster.pair.primary.start().await_start()
        cluster.pair.hold(False)
        await_more(traffic)
    check(traffic, cluster, "b")
