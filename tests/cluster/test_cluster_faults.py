"""A database that is slow, full, away, or whose answers are lost, and clocks that disagree.

One front end, x, reaches the database through a faulty network; a and b reach it as usual.
"""

import itertools
import poplib
import smtplib
import subprocess
import time
import urllib.request

import pytest

from bed import ALL_PARTS, DOMAIN, SECRET, Cluster
from bed_fault import Faults
from bed_network import await_true
from bed_traffic import Closed, Refused, Smtp, Traffic, fetch, message, number_of, numbers, pop3, take

users = [f"user{number}" for number in range(60)]
unused = iter(users)
LARGE = 600_000
LEASE_S = 120  # WEIR_MAILDROP_LEASE_S
ROOM = 6 * LARGE
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


def report(text):
    """Pytest shows this with a test that failed."""
    print(f"{time.monotonic():.1f} {text}", flush=True)


@pytest.fixture(scope="module")
def whole(weir_program):
    with Cluster(weir_program, ("a", "b"), ("x",), users=users, progress=report, parts=ALL_PARTS, store=", wait: 2s",
                 settings={"fsync": "off", "allow_in_place_tablespaces": "on"}) as made:
        made.faults = Faults(made.network, made.pair)
        made.front_ends["x"].url = made.faults.url
        made.front_ends["x"].start().await_start()
        yield made
        made.faults.close()


@pytest.fixture
def cluster(whole):
    yield whole
    whole.faults.heal()
    for each in whole.front_ends.values():
        if not each.is_running():
            each.start().await_start()
    whole.pair.hold(False)
    whole.pair.await_redundant()
    await_true(lambda: can_send(whole, "x"), "delivery")


def can_send(cluster, name, user=users[-1]):
    """Whether a message is acknowledged."""
    return send(cluster, name, user) is True


def send(cluster, name, user, size=500, number=None):
    """Returns True if the message is acknowledged, the reply if not; None if the connection ends."""
    try:
        client = Smtp(cluster.front_ends[name].port("smtp"))
        try:
            client.send(user, message(number or next(numbers), size))
            return True
        finally:
            client.close()
    except Refused as refused:
        return str(refused)
    except (Closed, OSError):
        return None


def check_reading(cluster, name):
    """The web, DNS and the check of passwords go on."""
    front_end = cluster.front_ends[name]
    with urllib.request.urlopen(f"http://127.0.0.1:{front_end.port('http')}/", timeout=60) as reply:
        assert reply.read() == b"hello\n"
    dig = ["dig", "+tcp", "+short", "+tries=1", "@127.0.0.1", "-p", str(front_end.port("dns")), f"www.{DOMAIN}"]
    assert subprocess.run(dig, capture_output=True, text=True, timeout=30, check=True).stdout == "192.0.2.1\n"
    for password, expected in ((SECRET, 235), ("wrong", 535)):
        with smtplib.SMTP("127.0.0.1", front_end.port("smtp"), timeout=30) as client:
            client.starttls()
            client.ehlo()
            client.user, client.password = users[0], password
            try:
                code = client.auth("PLAIN", client.auth_plain)[0]
            except smtplib.SMTPAuthenticationError as refused:
                code = refused.smtp_code
            assert code == expected


def check_writing_refused(cluster, name):
    """Both protocols say that the error is a temporary one."""
    reply = send(cluster, name, users[0])
    assert isinstance(reply, str)
    assert reply.startswith("451")
    with pytest.raises(poplib.error_proto, match=r"\[SYS/TEMP\]"):
        pop3(cluster.front_ends[name].port("pop3s"), users[0])


def test_the_database_refuses_connections(cluster):
    cluster.faults.refuse = True
    cluster.faults.cut()
    check_writing_refused(cluster, "x")
    check_reading(cluster, "x")
    assert can_send(cluster, "a")
    cluster.faults.heal()
    await_true(lambda: can_send(cluster, "x"), "delivery")


def test_the_database_is_away(cluster):
    """Both servers are: each front end serves what it knows, and begins again by itself."""
    user = next(unused)
    assert can_send(cluster, "a", user)
    cluster.pair.hold()
    cluster.pair.standby.stop()
    cluster.pair.primary.stop()
    for name in "ab":
        check_writing_refused(cluster, name)
        check_reading(cluster, name)
    cluster.pair.hold(False)
    await_true(lambda: can_send(cluster, "b", user), "delivery")
    assert len(fetch(cluster.front_ends["a"].port("pop3s"), user)) == 2


def test_a_statement_takes_ten_seconds(cluster):
    user, number = next(unused), next(numbers)
    cluster.faults.delay_s = 10
    reply = send(cluster, "x", user, number=number)
    assert reply is True or reply.startswith("451")
    check_reading(cluster, "x")
    assert can_send(cluster, "a", user)
    cluster.faults.heal()
    await_true(lambda: can_send(cluster, "x", user), "delivery")
    stored = [number_of(text) for text in fetch(cluster.front_ends["b"].port("pop3s"), user)]
    # The server may have got the statement when the time for it was over here: then it is there, though it was refused.
    assert stored.count(number) in ([1] if reply is True else [0, 1])


@pytest.mark.parametrize("size", [500, LARGE])
def test_the_answer_of_a_commit_is_lost(cluster, size):
    """At each transaction of a delivery, up to one that a delivery does not have."""
    user, acknowledged, refused = next(unused), set(), set()
    for place in itertools.count(1):
        cluster.faults.lose_answer(place)
        number = next(numbers)
        reply = send(cluster, "x", user, size, number)
        (acknowledged if reply is True else refused).add(number)
        assert reply is True or reply.startswith("451")
        if not cluster.faults.lost.is_set():
            break
        assert place < 30
    assert place > 1
    stored = [number_of(text) for text in fetch(cluster.front_ends["b"].port("pop3s"), user)]
    # An unknown outcome was resolved: a refused message is not there, so that the client may repeat it.
    assert sorted(stored) == sorted(acknowledged)


def test_the_answer_of_a_removal_is_lost(cluster):
    """Where QUIT succeeds, the messages are gone; where it does not, they may be."""
    for place in itertools.count(1):
        user = next(unused)
        for _ in range(3):
            assert can_send(cluster, "a", user)
        cluster.faults.lose_answer(place)
        try:
            client = pop3(cluster.front_ends["x"].port("pop3s"), user)
            for index in range(3):
                client.dele(index + 1)
            client.quit()
            gone = True
        except (poplib.error_proto, OSError) as error:
            assert "[SYS/TEMP]" in str(error)
            gone = False
        was_lost = cluster.faults.lost.is_set()
        left = await_mailbox(cluster, "b", user)
        assert left == 0 if gone else left in (0, 3)
        if not was_lost:
            break
        assert place < 15
    assert place > 1
    assert gone


def await_mailbox(cluster, name, user):
    """The number of messages. A session whose answers were lost gives its lease up when it reaches the database again."""

    def count():
        try:
            return [len(fetch(cluster.front_ends[name].port("pop3s"), user))]
        except poplib.error_proto as error:
            assert "[IN-USE]" in str(error)
            return None

    return await_true(count, "the end of the lease", seconds=LEASE_S / 2, pause=0.2)[0]


def test_two_front_ends_share_a_mailbox(cluster):
    """Both deliver into it, and clients at both fetch and remove: each message is fetched once."""
    user, taken = next(unused), []
    ports = [cluster.front_ends[name].port("pop3s") for name in "ab"]
    targets = [lambda: cluster.front_ends["a"].port("smtp"), lambda: cluster.front_ends["b"].port("smtp")]
    with Traffic(targets, [user], clients=4, sizes=(500, 4000), pause_s=0.02) as traffic:
        for turn in range(30):
            taken += take(ports[turn % 2], user)
        await_true(lambda: traffic.sent() > 200, "delivery")
    taken += take(ports[0], user)
    assert not traffic.refused
    assert sorted(number_of(text) for text in taken) == sorted(traffic.acknowledged)


def test_a_mailbox_has_one_session(cluster):
    user = next(unused)
    assert can_send(cluster, "a", user)
    holder = pop3(cluster.front_ends["a"].port("pop3s"), user)
    with pytest.raises(poplib.error_proto, match=r"\[IN-USE\]"):
        pop3(cluster.front_ends["b"].port("pop3s"), user)
    holder.quit()
    pop3(cluster.front_ends["b"].port("pop3s"), user).quit()


def test_a_lease_ends_with_its_front_end(cluster):
    """A front end that dies leaves the mailbox locked until the lease ends."""
    user = next(unused)
    assert can_send(cluster, "a", user)
    holder = pop3(cluster.front_ends["b"].port("pop3s"), user)
    cluster.front_ends["b"].kill()
    holder.close()
    with pytest.raises(poplib.error_proto, match=r"\[IN-USE\]"):
        pop3(cluster.front_ends["a"].port("pop3s"), user)
    cluster.pair.query(f"UPDATE weir_mailbox SET lease = now() WHERE name = '{user}'")
    assert len(fetch(cluster.front_ends["a"].port("pop3s"), user)) == 1


def test_clocks_are_an_hour_apart(cluster):
    user = next(unused)
    x = cluster.front_ends["x"]
    x.stop()
    x.start({"LD_PRELOAD": FAKETIME, "FAKETIME": "+1h", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}).await_start()
    try:
        assert can_send(cluster, "a", user)
        assert can_send(cluster, "x", user)
        # A lease of the one is not over for the other.
        for holder, other in (("a", "x"), ("x", "a")):
            client = pop3(cluster.front_ends[holder].port("pop3s"), user)
            with pytest.raises(poplib.error_proto, match=r"\[IN-USE\]"):
                pop3(cluster.front_ends[other].port("pop3s"), user)
            assert client.stat()[0] == 2
            client.quit()
    finally:
        x.stop()
        x.start().await_start()


@pytest.fixture
def small_disk(cluster):
    """The chunks of bodies are on a disk with room for little more than those that are there."""
    if not cluster.network.root:
        pytest.skip("needs root, to mount something")
    primary, query = cluster.pair.primary, cluster.pair.query
    query("CREATE TABLESPACE small LOCATION ''")
    [[name]] = query("SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'small'")
    [path] = (primary.data / name).glob("PG_*")
    # Room that earlier messages left within the table is not to be filled first.
    query("VACUUM FULL weir_body_chunk", limit_s=60)
    [[size]] = query("SELECT pg_total_relation_size('weir_body_chunk')")
    primary.mount(path, size + ROOM)
    query("ALTER TABLE weir_body_chunk SET TABLESPACE small", limit_s=60)
    yield size, lambda: primary.mount(path, size + 100 * ROOM, "remount")
    query("ALTER TABLE weir_body_chunk SET TABLESPACE pg_default", limit_s=60)
    primary.unmount(path)
    query("DROP TABLESPACE small")


def test_the_disk_of_the_database_is_full(cluster, small_disk):
    """Nothing is there of a message that does not fit."""
    used, grow = small_disk
    user, replies = next(unused), {}
    for _ in range((used + 2 * ROOM) // LARGE):
        number = next(numbers)
        replies[number] = send(cluster, "a", user, LARGE, number)
    acknowledged = {number for number, reply in replies.items() if reply is True}
    refused = set(replies.values()) - {True}
    assert acknowledged
    assert refused
    assert all(reply.startswith("452") for reply in refused)
    check_reading(cluster, "a")
    stored = [number_of(text) for text in fetch(cluster.front_ends["b"].port("pop3s"), user)]
    assert sorted(stored) == sorted(acknowledged)
    grow()
    assert send(cluster, "a", user, LARGE) is True


def set_version(cluster, version, oldest):
    """Has every part of the schema this version, as if a later program had migrated it, or an earlier one."""
    cluster.pair.query(f"UPDATE weir_schema SET version = version + {version}, oldest = oldest + {oldest}")


def test_the_schema_is_of_a_later_version(cluster):
    """A front end goes on, and starts, if that version still allows its own; one that does not is refused at the start."""
    x = cluster.front_ends["x"]
    set_version(cluster, 1, 0)
    try:
        x.stop()
        x.start().await_start()
        assert can_send(cluster, "x")
        assert can_send(cluster, "a")
        set_version(cluster, 0, 1)
        x.stop()
        x.start()
        assert x.process.wait(60) == 1
        assert "upgrade" in x.last_words
        set_version(cluster, 0, -1)
    finally:
        set_version(cluster, -1, 0)


def test_the_schema_is_of_an_earlier_version(cluster):
    """A front end that needs the later one does not start, and prints what to do; those that run go on."""
    x = cluster.front_ends["x"]
    set_version(cluster, -1, -1)
    try:
        x.stop()
        x.start()
        assert x.process.wait(60) == 1
        assert "weir store migrate" in x.last_words
        assert can_send(cluster, "a")
    finally:
        set_version(cluster, 1, 1)
