"""A later program migrates the schema while mail is delivered and fetched; the primary dies amid a migration.

The later program is this one with a further step of the parts of mail (schema_next.c): it adds columns to the tables of
messages, and to those of the queue.
"""

import contextlib
import itertools
import subprocess
import threading

import pytest

from bed import MAIL_PARTS, Cluster
from bed_network import Failed, await_true
from bed_traffic import Found, Traffic, await_more, number_of, take
from conftest import program_of_tests

SIZES = (500, 4000, 500, 4000, 500, 4000, 500, 4000, 500, 4000, 500, 300_000)
users = [f"user{number}" for number in range(8)]
unused = iter(users)
BEFORE = "mailboxes1 queue1 users1"
AFTER = "mailboxes2 queue2 users1"
VERSIONS = ("SELECT string_agg(part || version, ' ' ORDER BY part) FROM weir_schema"
            " WHERE part IN ('mailboxes', 'queue', 'users')")
COLUMNS = ("SELECT string_agg(table_name || '.' || column_name, ' ' ORDER BY table_name) FROM information_schema.columns"
           " WHERE column_name LIKE 'next\\_%' AND column_name <> 'next_uid'")
ALL_COLUMNS = ("weir_body_chunk.next_sum weir_imported.next_at weir_mailbox.next_quota weir_message.next_flags"
               " weir_queue.next_priority")
UNDO = """DROP TABLE IF EXISTS weir_next_folder; ALTER TABLE weir_message DROP COLUMN IF EXISTS next_flags;
ALTER TABLE weir_mailbox DROP COLUMN IF EXISTS next_quota; ALTER TABLE weir_imported DROP COLUMN IF EXISTS next_at;
ALTER TABLE weir_body_chunk DROP COLUMN IF EXISTS next_sum; ALTER TABLE weir_queue DROP COLUMN IF EXISTS next_priority;
UPDATE weir_schema SET version = 1 WHERE part IN ('mailboxes', 'queue')"""


@pytest.fixture(scope="module")
def whole(weir_program):
    later = program_of_tests("weir-next")
    if not later:
        pytest.skip("build/tests/weir-next is not built")
    relay = ", networks: [127.0.0.0/8], relay: {host: 10.77.0.1, port: 9, queue: queue, tls: off}"
    with Cluster(weir_program, others=("x",), users=users, parts=MAIL_PARTS, settings={"fsync": "off"}, mail=relay) as made:
        x = made.front_ends["x"]
        x.program = later
        x.store = ", wait: 2s"
        x.configure()
        yield made


@pytest.fixture
def cluster(whole):
    """The cluster, with the tables of the earlier version."""
    whole.pair.query(UNDO, limit_s=60)
    yield whole


def begin(cluster, names, mailboxes, clients=4):
    targets = [lambda name=name: cluster.front_ends[name].port("smtp") for name in names]
    return Traffic(targets, mailboxes, clients, SIZES, pause_s=0.02)


class Fetching:
    """Fetches and removes the messages of these users by one front end after another, until the end of `with`."""

    def __init__(self, cluster, names, mailboxes):
        self.ports = itertools.cycle([cluster.front_ends[name].port("pop3s") for name in names])
        self.mailboxes, self.numbers, self.failures = mailboxes, [], []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        for user in itertools.cycle(self.mailboxes):
            if self.over.is_set():
                break
            try:
                self.numbers += [number_of(text) for text in take(next(self.ports), user)]
            except Exception as failure:
                self.failures.append(failure)
                break
            self.over.wait(0.05)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def locked(cluster, table):
    """A transaction that reads the table, as pg_dump does."""
    connection = cluster.pair.primary.connect()
    connection.autocommit = False
    connection.cursor().execute(f"LOCK TABLE {table} IN ACCESS SHARE MODE")
    return connection


def migrating(x):
    return x.machine.start([x.program, "store", "-c", x.path / "weir.yaml", "migrate"], cwd=x.path, text=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def await_waiting(cluster, process, table):
    """Waits until the migration has begun to wait for the table."""
    waits = f"SELECT 1 FROM pg_locks WHERE NOT granted AND relation = '{table}'::regclass AND mode = 'AccessExclusiveLock'"

    def check():
        if process.poll() is not None:
            raise Failed(f"the migration has ended: {process.stderr.read()}")
        return cluster.pair.primary.ask(waits)

    await_true(check, f"a migration that waits for {table}")


def test_versions_before_and_after_serve_together(cluster):
    """Nothing is refused while the tables change, also behind a transaction that the migration has to wait for."""
    mailboxes = [next(unused) for _ in range(2)]
    fronts = cluster.front_ends
    steady, moving = begin(cluster, "bc", mailboxes), begin(cluster, "a", mailboxes, clients=2)
    with steady, moving, Fetching(cluster, "bc", mailboxes) as fetching:
        await_more(steady, moving)
        with locked(cluster, "weir_message") as reader:
            migration = migrating(fronts["x"])
            await_waiting(cluster, migration, "weir_message")
            await_more(steady, moving)
            assert migration.poll() is None
            assert cluster.pair.query(VERSIONS) == [(BEFORE,)]
            reader.rollback()
        assert migration.wait(60) == 0, migration.stderr.read()
        assert cluster.pair.query(VERSIONS) == [(AFTER,)]
        assert cluster.pair.query(COLUMNS) == [(ALL_COLUMNS,)]
        await_more(steady)
        fronts["a"].stop()
        fronts["a"].program = fronts["x"].program
        fronts["a"].start().await_start()
        await_more(steady, moving)
    assert not fetching.failures
    assert not steady.refused
    assert not steady.unknown
    acknowledged = steady.acknowledged | moving.acknowledged
    fetched = fetching.numbers
    assert len(fetched) > 20
    for name, user in zip("ac", mailboxes):
        fetched += [number_of(text) for text in take(fronts[name].port("pop3s"), user)]
    # Each is there once and whole; of those whose reply was lost with front end a, perhaps.
    assert len(set(fetched)) == len(fetched)
    assert acknowledged <= set(fetched) <= acknowledged | moving.unknown


def test_the_primary_dies_amid_a_migration(cluster):
    """The new primary has the steps that were acknowledged; a repetition makes the others."""
    mailboxes, x = [next(unused) for _ in range(2)], cluster.front_ends["x"]
    old = cluster.pair.primary
    x.url = f"postgres://weir@{old.machine.address}:{old.port}/postgres"
    x.configure()
    with begin(cluster, "abc", mailboxes, clients=6) as traffic:
        await_more(traffic, count=30)
        with contextlib.closing(locked(cluster, "weir_imported")):
            migration = migrating(x)
            await_waiting(cluster, migration, "weir_imported")
            cluster.pair.kill_primary(at_once=True)
        assert migration.wait(60) == 1
        assert "the database:" in migration.stderr.read()
        await_true(lambda: cluster.pair.primary is not old, "promotion")
        await_more(traffic, count=30)
        assert cluster.pair.query(VERSIONS) == [(BEFORE,)]
        assert cluster.pair.query(COLUMNS) == [("weir_mailbox.next_quota weir_message.next_flags",)]
        x.url = None
        x.configure()
        x.verb("store", "migrate")
        assert cluster.pair.query(VERSIONS) == [(AFTER,)]
        assert cluster.pair.query(COLUMNS) == [(ALL_COLUMNS,)]
        await_more(traffic, count=30)
    for name in "ac":
        found = Found(traffic, cluster.front_ends[name].port("pop3s"), mailboxes)
        assert not found.faults
        assert found.count >= len(traffic.acknowledged)
