"""`weir store import` and `export`: what is in files comes into a database once, and out again as it was."""

import base64
import grp
import hashlib
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from conftest import let_others_enter, wait_for
from database import PROGRAMS
from mailhost import DOMAIN, Host, number_of, numbered
from mailhost import certificate, mailhost, users_file  # noqa: F401
from ports import free_port
from test_mail_relay import SENDER, Sink, queued, relaying

PARTS = {"users": "weir_user", "mailboxes": "weir_message", "queue": "weir_queue"}
WRONG = "1500000004.wrong.host"  # the size in the name of its file is wrong
LINE = b"0123456789 abcdefghijklmnopqrstuvwxyz\r\n"


class Store:
    """An empty database of the server, with tables."""

    def __init__(self, server, name, program):
        self.server, self.name, self.program = server, name, program
        server.query(f"DROP DATABASE IF EXISTS {name}")
        server.query(f"CREATE DATABASE {name}")
        self.url = server.url.rsplit("/", 1)[0] + "/" + name

    def query(self, sql):
        return self.server.run("psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql, self.url).strip()

    def rows(self, sql):
        return [line.split("|") for line in self.query(sql).splitlines()]

    def command(self, config, *words):
        return [str(self.program), "store", "-c", str(config), *map(str, words)]

    def run(self, config, *words, code=0):
        done = subprocess.run(self.command(config, *words, self.url), capture_output=True, text=True, errors="replace", timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stderr

    def init(self, config):
        text = config.read_text()
        with_store = config.with_name("init.yaml")
        with_store.write_text(text + f"\nstore: '{self.url}'\n")
        done = subprocess.run(self.command(with_store, "init"), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return self

    def mailboxes(self):
        """For each mailbox its messages in order: UIDL, octets, time, flags, sum of the bytes."""
        found = {}
        for mailbox, *message in self.rows(
            "SELECT m.mailbox, coalesce(m.uidl, b.validity || '.' || lpad(m.uid::text, 10, '0')), m.octets,"
            " extract(epoch FROM m.arrived), m.dotless, m.ended,"
            " (SELECT md5(string_agg(c.bytes, ''::bytea ORDER BY c.number)) FROM weir_body_chunk c WHERE c.body = m.body)"
            " FROM weir_message m JOIN weir_mailbox b ON b.name = m.mailbox ORDER BY m.mailbox, m.uid"
        ):
            found.setdefault(mailbox, []).append(message)
        return found

    def check(self):
        """Sums are those of the messages, and every chunk belongs to a message."""
        assert self.query(
            "SELECT count(*) FROM weir_mailbox b WHERE (octets, messages) <> (SELECT coalesce(sum(octets), 0),"
            " count(*) FROM weir_message WHERE mailbox = b.name)"
        ) == "0"
        assert self.query(
            "SELECT count(*) FROM weir_body_chunk WHERE body NOT IN (SELECT body FROM weir_message)"
            " AND body NOT IN (SELECT id FROM weir_queue) AND body NOT IN (SELECT body FROM weir_body_sweep)"
        ) == "0"


class Staller:
    """A way to the server on which nothing passes any more after so many bytes to it."""

    def __init__(self, server, limit):
        self.server, self.left, self.stalled = server, limit, threading.Event()
        self.lock = threading.Lock()
        self.sockets = [socket.create_server(("127.0.0.1", 0))]
        self.port = self.sockets[0].getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                client = self.sockets[0].accept()[0]
            except OSError:
                return
            there = socket.create_connection(("127.0.0.1", self.server.port))
            self.sockets += [client, there]
            threading.Thread(target=self.forward, args=(client, there, True), daemon=True).start()
            threading.Thread(target=self.forward, args=(there, client, False), daemon=True).start()

    def forward(self, source, target, counted):
        try:
            while data := source.recv(4096):
                with self.lock:
                    self.left -= len(data) if counted else 0
                    if self.left <= 0:
                        self.stalled.set()
                if self.stalled.is_set():
                    return
                target.sendall(data)
        except OSError:
            pass  # it was closed

    def close(self):
        # Closing alone would not end recv() and accept().
        for each in self.sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # its peer has gone
            each.close()


@pytest.fixture
def store(database, weir_program):
    return Store(database, "one", weir_program)


@pytest.fixture
def other(database, weir_program):
    return Store(database, "two", weir_program)


def configure(path, users="users", aliases=None, mail="mail", queue=None):
    lines = ["listen: [{pop3: '127.0.0.1:0'}]", "mail:", f"  directory: {mail}", f"  domains: [{DOMAIN}]"]
    lines += [f"  users: {users}"]
    lines += [f"  aliases: {aliases}"] if aliases else []
    lines += [f"  relay: {{host: localhost, queue: {queue}}}"] if queue else []
    path.write_text("\n".join(lines) + "\n")
    return path


def put(box, name, text, part="new", time=None):
    for each in "tmp", "new", "cur":
        (box / each).mkdir(parents=True, exist_ok=True)
    (box / part / name).write_bytes(text)
    if time is not None:
        os.utime(box / part / name, (time, time))


def fill(root):
    """Mailboxes with messages of odd kinds, in the order of their names."""
    put(root / "alice", "1500000000.old.host:2,S", b"Subject: lf\n\n.dot\nno end", "cur", 1500000123)
    put(root / "alice", "1500000001.empty.host", b"", "new", 1500000124)
    put(root / "alice", "1500000002.large.host:2,", LINE * 140000, "cur", 1500000125)
    put(root / "alice", "1500000003.largelf.host", b"line without\n" * 20000, "new", 1500000126)
    put(root / "alice", WRONG + ",S=5,W=5", b"the size in the name is wrong\r\n", "new", 1500000127)
    put(root / "alice", "1500000005.dots.host,S=9,W=9", b".\r\n..a\r\n.", "new", 1500000128)
    put(root / "alice", "1500000006.\xe9 and a space.host", b"its UIDL is a hash\r\n", "new", 1500000129)
    put(root / "alice", "1500000007.comma,and=more.host", b"a comma\r\n", "new", 1500000130)
    put(root / "alice", "y" * 100, b"a long name\r\n", "new", 1500000131)
    chance = random.Random(7)
    for user in "alice", "bob", "carol":
        for i in range(150):
            text = b"Subject: %d\r\n\r\n" % i + LINE * chance.randrange(60)
            name = f"{1600000000 + i // 10}.M{i:06d}P{i}Q{i}.host,S={len(text)},W={len(text)}"
            put(root / user, name, text, chance.choice(["new", "cur"]))
    (root / "alice" / "tmp" / "1500000009.unfinished.host").write_bytes(b"no message")


def listed(host, user):
    """UIDLs, sizes and messages as POP3 has them."""
    client = host.pop3(user)
    uidls = [line.split()[1].decode() for line in client.uidl()[1]]
    octets = [line.split()[1].decode() for line in client.list()[1]]
    sums = [hashlib.md5(retrieved(client, i + 1)).hexdigest() for i in range(len(uidls))]
    client.quit()
    return list(zip(uidls, octets, sums))


def retrieved(client, number):
    """The message without the line end that RETR must add to one without."""
    text = b"".join(line + b"\r\n" for line in client.retr(number)[1])
    octets = int(client.list(number).split()[2])
    return text[:octets]


@pytest.fixture
def files(tmp_path, users_file):
    shutil.copy(users_file, tmp_path / "users")
    fill(tmp_path / "mail")
    return configure(tmp_path / "weir.yaml")


def test_pop3_sees_the_same_before_and_after(mailhost, weir, store, files, tmp_path):
    host = mailhost("pop3")
    before = {user: listed(host, user) for user in ("alice", "bob", "carol")}
    assert len(before["alice"]) == 159
    assert host.server.stop() == 0
    store.init(host.config)
    said = store.run(host.config, "import", "mailboxes")
    assert "mailboxes: 459 messages imported" in said and "0 left out" in said
    after = store.mailboxes()
    # LIST believes the name of a file; the database has counted.
    assert before["alice"][4][:2] == (WRONG, "5") and after["alice"][4][1] == "31"
    before["alice"][4] = (WRONG, "31", after["alice"][4][5])
    for user, messages in before.items():
        assert [(uidl, octets, md5) for uidl, octets, _, _, _, md5 in after[user]] == messages
    times = {message[0]: float(message[2]) for message in after["alice"]}
    assert times["1500000000.old.host"] == 1500000123
    assert times["1600000014.M000149P149Q149.host"] == 1600000014.000149
    store.check()
    # POP3 over the database: a client has nothing to fetch again.
    lines = f"store: {{url: '{store.url}', parts: [mailboxes]}}"
    host.config.write_text(host.config.read_text().replace("  directory: mail\n", "") + lines + "\n")
    stored = Host(weir("-c", host.config), ("pop3",), tmp_path)
    assert {user: listed(stored, user) for user in before} == before
    assert stored.server.stop() == 0


def test_an_import_is_repeated_without_doubles(store, files, tmp_path):
    store.init(files)
    store.run(files, "import", "mailboxes")
    before = store.mailboxes()
    # A user removes a message, and another one comes into the Maildir.
    store.query("DELETE FROM weir_message WHERE mailbox = 'bob' AND uid = 3")
    put(tmp_path / "mail" / "bob", "1900000000.M1P1Q1.host", b"late\r\n")
    # Another program moves one.
    moved = next((tmp_path / "mail" / "carol" / "new").iterdir())
    moved.rename(tmp_path / "mail" / "carol" / "cur" / (moved.name + ":2,S"))
    assert "mailboxes: 1 message imported, 6 B; 459 were there, 0 left out" in store.run(files, "import", "mailboxes")
    after = store.mailboxes()
    assert after["bob"][:-1] == [message for i, message in enumerate(before["bob"]) if i != 2]
    assert after["bob"][-1][0] == "1900000000.M1P1Q1.host"
    assert after["alice"] == before["alice"] and after["carol"] == before["carol"]


def killed(store, config, limit, *words):
    """Runs the command until so many bytes have gone to the database, and kills it."""
    way = Staller(store.server, limit)
    words = [*words, store.url.replace(f":{store.server.port}/", f":{way.port}/")]
    running = subprocess.Popen(store.command(config, *words), stderr=subprocess.DEVNULL)
    assert way.stalled.wait(60)
    running.send_signal(signal.SIGKILL)
    running.wait()
    way.close()


def test_a_killed_import_goes_on(store, files):
    store.init(files)
    counts = []
    # In the middle of a large message, too.
    for limit in 30000, 200000, 1000000, 3000000, 5000000:
        killed(store, files, limit, "import", "mailboxes")
        counts.append(int(store.query("SELECT count(*) FROM weir_message")))
    assert 0 < counts[-1] < 459 and counts == sorted(counts)
    assert store.query("SELECT count(*) > 0 FROM weir_body_sweep") == "t"
    store.run(files, "import", "mailboxes")
    assert [len(messages) for messages in store.mailboxes().values()] == [159, 150, 150]
    store.check()
    # In the order of the Maildir, since a mailbox goes on where it was.
    for messages in store.mailboxes().values():
        names = [message[0] for message in messages if not message[0].startswith("hash")]
        assert names == sorted(names)


def natives(store):
    """Messages that were delivered into the database, whose UIDLs are made of their UIDs."""
    store.query(
        "INSERT INTO weir_mailbox (name, octets, messages, next_uid, validity) VALUES ('dave', 0, 0, 13, 1650000000);"
        "INSERT INTO weir_body_chunk SELECT ('00000000-0000-7000-8000-0000000000' || lpad(n::text, 2, '0'))::uuid, 0,"
        " convert_to('number ' || n || E'\\r\\n', 'UTF8') FROM generate_series(1, 12) AS n;"
        "INSERT INTO weir_message (mailbox, uid, octets, body, chunks, shared, dotless, ended, arrived)"
        " SELECT 'dave', n, length('number ' || n) + 2,"
        " ('00000000-0000-7000-8000-0000000000' || lpad(n::text, 2, '0'))::uuid, 1, false, true, true,"
        " timestamptz '2025-01-01 12:00:00.123456Z' + n * interval '1 hour' FROM generate_series(1, 12) AS n;"
        "UPDATE weir_mailbox SET messages = 12, octets ="
        " (SELECT sum(octets) FROM weir_message WHERE mailbox = 'dave') WHERE name = 'dave'"
    )


def test_out_and_in_again(store, other, files, tmp_path):
    (tmp_path / "aliases").write_text("# people\nSales: alice, bob\n@example.org: carol\n")
    configure(files, aliases="aliases")
    store.init(files)
    said = store.run(files, "import")
    assert "users: 3 users imported; 0 were there, 0 left out" in said
    assert "users: 2 aliases imported; 0 were there, 0 left out" in said
    natives(store)
    out = tmp_path / "out"
    said = store.run(files, "export", out)
    assert "mailboxes: 471 messages exported" in said and "users: 3 users exported" in said
    assert "users: 2 aliases exported" in said
    assert "queue: 0 messages exported" in said
    assert not list(out.glob(".*")), "nothing is unfinished"
    back = configure(tmp_path / "back.yaml", out / "users", out / "aliases", out / "mail", out / "queue")
    other.init(back)
    other.run(back, "import")
    # The order is that of the names in a Maildir.
    expected = {user: sorted(messages) for user, messages in store.mailboxes().items()}
    assert other.mailboxes() == expected
    for table in "weir_user", "weir_alias":
        assert other.query(f"SELECT * FROM {table} ORDER BY 1") == store.query(f"SELECT * FROM {table} ORDER BY 1")
    assert other.query("SELECT targets FROM weir_alias WHERE address = 'sales'") == "alice, bob"
    other.check()
    # An export that is complete is not touched again.
    said = store.run(files, "export", out, code=1)
    assert f"{out}/mail: it is there, and not of an export that was interrupted" in said


def test_an_interrupted_export_goes_on(store, files, tmp_path):
    store.init(files)
    store.run(files, "import", "mailboxes")
    out = tmp_path / "out"
    store.run(files, "export", "mailboxes", out)
    new = out / "mail" / "bob" / "new"
    whole = {path.name: (path.read_bytes(), path.stat().st_mtime) for path in new.iterdir()}
    # As a kill leaves it: some files are missing, one is half there in tmp/.
    (out / ".mailboxes.unfinished").touch()
    names = sorted(whole)
    for name in names[10:90]:
        (new / name).unlink()
    (out / "mail" / "bob" / "tmp" / names[20]).write_bytes(b"half")
    shutil.rmtree(out / "mail" / "carol")
    assert "mailboxes: 230 messages exported" in store.run(files, "export", "mailboxes", out)
    assert {path.name: (path.read_bytes(), path.stat().st_mtime) for path in new.iterdir()} == whole
    assert not list((out / "mail" / "bob" / "tmp").iterdir())
    assert len(list((out / "mail" / "carol" / "new").iterdir())) == 150
    assert not (out / ".mailboxes.unfinished").exists()


def test_one_export_at_a_time(store, files, tmp_path):
    store.init(files)
    store.run(files, "import", "mailboxes")
    out = tmp_path / "out"
    # The first one waits for the list of mailboxes.
    lock = subprocess.Popen(
        [PROGRAMS / "psql", "-X", "-q", "-c", "BEGIN; LOCK TABLE weir_mailbox", "-c", "SELECT pg_sleep(60)", store.url],
        **store.server.options(),
    )
    wait_for(lambda: store.query("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock'") == "1")
    first = subprocess.Popen([*store.command(files, "export", "mailboxes", out), store.url], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: store.query("SELECT count(*) FROM pg_locks WHERE NOT granted") == "1")
    assert "another process is exporting into it" in store.run(files, "export", "mailboxes", out, code=1)
    store.query("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE mode = 'AccessExclusiveLock'")
    lock.wait(60)
    assert first.wait(60) == 0
    assert "mailboxes: 459 messages exported" in first.stderr.read()
    assert not (out / ".mailboxes.unfinished").exists()


def test_a_maildir_store_serves_an_export(mailhost, store, files, tmp_path):
    host = mailhost("pop3")
    before = listed(host, "bob")
    host.server.stop()
    store.init(host.config)
    store.run(host.config, "import", "mailboxes")
    store.run(host.config, "export", "mailboxes", tmp_path / "out")
    shutil.rmtree(tmp_path / "mail")
    (tmp_path / "out" / "mail").rename(tmp_path / "mail")
    again = mailhost("pop3")
    assert listed(again, "bob") == before
    assert again.server.stop() == 0


def test_an_export_keeps_the_order(mailhost, weir, store, tmp_path):
    """Of messages from a Maildir and of those that were delivered into the database, in turns."""
    host = mailhost("smtp", "pop3")
    assert host.server.stop() == 0
    shutil.rmtree(tmp_path / "mail")
    files = host.config
    served = files.read_text().replace("  directory: mail\n", "")
    store.init(files)
    database = tmp_path / "database.yaml"
    database.write_text(served + f"store: {{url: '{store.url}', parts: [mailboxes]}}\n")
    names = [f"{second}.M1P1Q1.host" for second in (1790000000, 5000000000, 5000000001, 5000000009)]
    seen = []
    # Two imports before any delivery, then deliveries between imports.
    for i, name in enumerate(names):
        put(tmp_path / "mail" / "bob", name, b"Subject: %d\r\n" % i)
        store.run(files, "import", "mailboxes")
        if i == 0:
            continue
        live = Host(weir("-c", database), ("smtp", "pop3"), tmp_path)
        live.send("bob")
        now = listed(live, "bob")
        assert now[: len(seen)] == seen, "no UIDL changes"
        seen = now
        assert live.server.stop() == 0
    uidls = [uidl for uidl, _, _ in seen]
    assert [uidl for uidl in uidls if uidl in names] == names
    assert [uidls.index(name) for name in names] == [0, 1, 3, 5]
    store.run(files, "export", "mailboxes", tmp_path / "out")
    shutil.rmtree(tmp_path / "mail")
    (tmp_path / "out" / "mail").rename(tmp_path / "mail")
    again = mailhost("pop3")
    assert listed(again, "bob") == seen
    assert again.server.stop() == 0


def fill_queue(mailhost, messages):
    """A queue of files, whose messages could not be sent."""
    host = relaying(mailhost, free_port(), more=", tls: off")
    for i, message in enumerate(messages):
        with host.smtp() as client:
            client.sendmail(SENDER, ["ok@elsewhere.example"] + ["fine@elsewhere.example"] * (i % 3 == 0), message)
    wait_for(lambda: len(queued(host)) == len(messages), what="the queue")
    return host


def serve_queue(mailhost, sink, store=None):
    relay = f"relay: {{host: 127.0.0.1, port: {sink.port}, queue: queue, tls: off, retry-first: 1s}}"
    top = f"store: {{url: '{store.url}', parts: [queue]}}" if store else ""
    return mailhost("smtp", mail="networks: [127.0.0.0/8]\n" + relay, top=top)


def arrived(sink):
    return sorted(number_of(text) for _, text in sink.messages)


def test_a_queue_is_sent_once(mailhost, store, tmp_path):
    messages = numbered(25)
    messages[3] += b"0123456789abcdef\r\n" * 20000
    host = fill_queue(mailhost, messages)
    store.init(host.config)
    said = store.run(host.config, "import", "queue", code=1)
    assert "a process serves it: stop that first" in said
    assert store.query("SELECT count(*) FROM weir_queue") == "0"
    assert host.server.stop() == 0
    for limit in 20000, 200000:
        killed(store, host.config, limit, "import", "queue")
    assert int(store.query("SELECT count(*) FROM weir_queue")) < 25
    store.run(host.config, "import", "queue")
    assert store.query("SELECT count(*), sum(tries) > 0 FROM weir_queue") == "25|t"
    assert store.query("SELECT count(*) FROM weir_queue_recipient") == "34"
    store.check()
    store.query("UPDATE weir_queue SET due = now()")
    sink = Sink()
    stored = serve_queue(mailhost, sink, store)
    wait_for(lambda: store.query("SELECT count(*) FROM weir_queue") == "0", what="the deliveries")
    assert arrived(sink) == sorted(map(number_of, messages))
    assert max(len(text) for _, text in sink.messages) > 360000
    assert sorted(to for to, _ in sink.messages) == sorted([["ok", "fine"]] * 9 + [["ok"]] * 16)
    assert stored.server.stop() == 0
    # The messages were sent since: another import brings none of them back.
    assert "queue: 0 messages imported; 25 were there" in store.run(host.config, "import", "queue")
    assert store.query("SELECT count(*) FROM weir_queue") == "0"
    sink.close()


def test_a_queue_goes_back_into_files(mailhost, store, tmp_path):
    messages = numbered(40)
    messages[3] += b"0123456789abcdef\r\n" * 20000
    host = fill_queue(mailhost, messages)
    assert host.server.stop() == 0
    store.init(host.config)
    store.run(host.config, "import", "queue")
    # All have come in the same second, so that their names differ by their ids alone.
    store.query("UPDATE weir_queue SET arrived = timestamptz '2026-01-01 00:00Z', due = now()")
    store.query("UPDATE weir_queue SET lease = id, lease_end = now() + interval '1 hour'")
    out = tmp_path / "out"
    assert "a front end is sending messages" in store.run(host.config, "export", "queue", out, code=1)
    store.query("UPDATE weir_queue SET lease = NULL, lease_end = NULL")
    assert "queue: 40 messages exported" in store.run(host.config, "export", "queue", out)
    # It goes on where a kill has ended it: one envelope has no name yet, another is missing with its message.
    one, two = sorted((out / "queue").glob("*.env"))[:2]
    one.rename(one.with_suffix(".new"))
    two.unlink()
    two.with_suffix(".msg").unlink()
    (out / ".queue.unfinished").touch()
    said = store.run(host.config, "export", "queue", out)
    assert "queue: 2 messages exported" in said and "38 were there, 0 left out" in said
    assert len(list((out / "queue").glob("*.msg"))) == len(list((out / "queue").glob("*.env"))) == 40
    shutil.rmtree(tmp_path / "queue")
    (out / "queue").rename(tmp_path / "queue")
    sink = Sink()
    files = serve_queue(mailhost, sink)
    wait_for(lambda: not queued(files), what="the deliveries")
    assert arrived(sink) == sorted(map(number_of, messages))
    assert files.server.stop() == 0
    sink.close()


def test_users_of_the_database_log_in(weir, store, files, tmp_path):
    (tmp_path / "aliases").write_text("sales: bob\n")
    configure(files, aliases="aliases")
    store.init(files)
    # A password that was changed in the database stays.
    store.query("INSERT INTO weir_user (name, hash) VALUES ('carol', '!changed')")
    assert "users: 2 users imported; 1 was there" in (said := store.run(files, "import", "users"))
    assert "users: 1 alias imported; 0 were there" in said
    assert store.query("SELECT hash FROM weir_user WHERE name = 'carol'") == "!changed"
    assert "users: 0 users imported; 3 were there" in (said := store.run(files, "import", "users"))
    assert "users: 0 aliases imported; 1 was there" in said
    files.write_text(
        "listen: [{smtp: '127.0.0.1:0'}, {pop3: '127.0.0.1:0'}]\nmail-log: mail.log\n"
        f"store: {{url: '{store.url}', parts: [users]}}\nmail: {{directory: mail, domains: [{DOMAIN}]}}\n"
    )
    host = Host(weir("-c", files), ("smtp", "pop3"), tmp_path)
    count = len(host.pop3("bob").list()[1])
    host.send("sales")
    assert len(host.pop3("bob").list()[1]) == count + 1
    assert host.server.stop() == 0


def test_mistakes(store, files, tmp_path):
    assert "the tables are not there" in store.run(files, "import", "mailboxes", code=1)
    store.init(files)
    assert "'mails' is no part" in store.run(files, "import", "mails", code=2)
    said = store.run(files, "export", "mails", tmp_path / "out", code=2)
    assert f"one of 'mails' and '{tmp_path}/out' is no part: users, mailboxes" in said
    assert "queue: the configuration names no files" in store.run(files, "import", "queue", code=1)
    assert "export needs a DIRECTORY" in store.run(files, "export", code=2)
    # The import leaves out mailboxes that it cannot read, and reports them.
    (tmp_path / "mail" / "erin").mkdir()
    (tmp_path / "mail" / b"\xff".decode("utf-8", "surrogateescape") / "new").mkdir(parents=True)
    (tmp_path / "mail" / b"\xff".decode("utf-8", "surrogateescape") / "cur").mkdir()
    said = store.run(files, "import", "mailboxes", code=1)
    assert "erin: it is no Maildir" in said and "not UTF-8" in said
    assert "mailboxes: 459 messages imported" in said and "2 left out" in said
    # A refusal of the database has the name of the mailbox.
    store.query("DELETE FROM weir_message; DELETE FROM weir_imported")
    store.query("ALTER TABLE weir_message ADD CONSTRAINT full_mailbox CHECK (mailbox <> 'bob')")
    said = store.run(files, "import", "mailboxes", code=1)
    assert re.search("^weir: mailboxes: bob: .*full_mailbox", said, re.MULTILINE), said
    keyed = tmp_path / "keyed.yaml"
    keyed.write_text(files.read_text() + "dns: {keys: [{name: k.example, algorithm: hmac-sha256, file: nokey}]}\n")
    said = store.run(keyed, "import", "keys", code=1)
    assert f"weir: {tmp_path}/nokey: No such file" in said and said.count("nokey") == 1, said
    secret = tmp_path / "secret.yaml"
    for key in "password-file", "secret-key-file":
        secret.write_text(files.read_text() + f"store: {{url: '{store.url}', {key}: nosecret}}\n")
        done = subprocess.run(store.command(secret, "check"), capture_output=True, text=True, timeout=60)
        assert done.stderr.endswith(f"{secret}: {tmp_path}/nosecret: No such file or directory\n")
        assert done.returncode == 1 and done.stderr.count("nosecret") == 1
    (tmp_path / "users").write_text("alice\n")
    assert f"{tmp_path}/users:1: no colon after the name" in store.run(files, "import", "users", code=1)


def test_a_directory_that_the_user_cannot_write(store, files, tmp_path):
    store.init(files)
    out = tmp_path / "closed"
    out.mkdir(mode=0o500)
    name = pwd.getpwuid(os.geteuid()).pw_name
    if name == "root":
        name = "nobody"
        files.write_text(files.read_text() + "user: nobody\n")
    said = store.run(files, "export", out, code=1)
    assert said.count("Permission denied") == 1 and f"Permission denied as {name}: " in said
    assert f"`install -d -o {name} DIR` makes a directory for it" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="another user reads what it may not")
def test_files_that_the_user_cannot_read(store, files, tmp_path):
    """Root makes a users file for root alone."""
    files.write_text(files.read_text() + "user: nobody\n")
    let_others_enter(tmp_path)
    store.init(files)
    (tmp_path / "users").chmod(0o600)
    said = store.run(files, "import", "users", code=1)
    group = grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name
    given = re.search(f"Permission denied as nobody: .* `(chgrp -R {group} {tmp_path}/users; .*)` lets it", said)
    subprocess.run(given[1], shell=True, check=True, timeout=60)
    store.run(files, "import", "users")


ZONE = """$TTL 300
@ SOA ns1 admin 7 3600 600 86400 300
@ NS ns1
@ A 192.0.2.2
ns1 A 192.0.2.1
www TXT "two words"
"""


def test_zones_and_keys(store, other, files, tmp_path):
    (tmp_path / "one.zone").write_text(ZONE)
    (tmp_path / "two.zone").write_text(ZONE)
    secret = base64.b64encode(b"s" * 32).decode()
    (tmp_path / "key").write_text(secret + "\n")
    text = files.read_text()
    files.write_text(
        text + "dns:\n  keys:\n    - {name: Transfer.example.org, algorithm: hmac-sha512, file: key}\n  zones:\n"
        "    - {name: example.org, file: one.zone}\n    - {name: 0/25.2.0.192.in-addr.arpa, file: two.zone}\n"
    )
    store.init(files)
    said = store.run(files, "import", "zones", "keys")
    assert "zones: 2 zones imported" in said and "keys: 1 key of TSIG imported" in said
    said = store.run(files, "import", "zones", "keys")
    assert "zones: 0 zones imported; 2 were there" in said and "keys: 0 keys of TSIG imported; 1 was there" in said
    out = tmp_path / "out"
    store.run(files, "export", "zones", "keys", out)
    names = {path.name for path in (out / "zones").iterdir()}
    assert names == {"example.org.zone", "0%2F25.2.0.192.in-addr.arpa.zone"}
    exported = (out / "zones" / "example.org.zone").read_text()
    assert exported.startswith("example.org.\t300\tIN\tSOA\t") and exported.count("\tSOA\t") == 1
    # As earlier versions of the program have stored it.
    store.query("UPDATE weir_zone_record SET number = number + 100 WHERE type = 'SOA'")
    store.run(files, "export", "zones", tmp_path / "again")
    assert (tmp_path / "again" / "zones" / "example.org.zone").read_text() == exported
    store.query("UPDATE weir_zone_record SET number = number - 100 WHERE type = 'SOA'")
    # A row of another program, whose name is no domain's, does not keep the others from being exported.
    store.query("INSERT INTO weir_zone SELECT repeat('a', 100000), version, serial FROM weir_zone WHERE name = 'example.org.'")
    store.query("UPDATE weir_zone_version SET name = repeat('a', 100000) WHERE name = 'example.org.'")
    said = store.run(files, "export", "zones", tmp_path / "long", code=1)
    assert "aaa: the name is too long" in said and len(said) < 1000
    assert names - {"example.org.zone"} == {path.name for path in (tmp_path / "long" / "zones").iterdir()}
    store.query("DELETE FROM weir_zone WHERE length(name) = 100000")
    store.query("UPDATE weir_zone_version SET name = 'example.org.' WHERE length(name) = 100000")
    keys = (out / "tsig-keys.yaml").read_text()
    assert secret in keys and "hmac-sha512" in keys
    back = tmp_path / "back.yaml"
    back.write_text(
        text + keys + f"  zones:\n    - {{name: example.org, file: {out}/zones/example.org.zone}}\n"
    )
    other.init(back)
    other.run(back, "import", "zones", "keys")
    records = (
        "SELECT owner, ttl, type, data FROM weir_zone_record r JOIN weir_zone z ON z.version = r.version"
        " WHERE z.name = 'example.org.' ORDER BY number"
    )
    assert other.query(records) == store.query(records) != ""
    assert other.query("SELECT * FROM weir_tsig_key") == store.query("SELECT * FROM weir_tsig_key") != ""
    (tmp_path / "one.zone").write_text("nonsense\n")
    store.query("DELETE FROM weir_zone")
    assert f"{tmp_path}/one.zone:1:" in store.run(files, "import", "zones", code=1)
