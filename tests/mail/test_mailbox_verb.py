"""`weir mailbox`: mailboxes in the database are listed, and one is removed whole, beside servers that use it."""

import shutil
import signal
import subprocess
import threading
import time

import pytest

from mailhost import DOMAIN, HELLO, Host, number_of, numbered
from mailhost import certificate, users_file  # noqa: F401

LARGE = b"Subject: large\r\n\r\n" + b"%078d\r\n" % 7 * 2000
LEFT = """
SELECT (SELECT count(*) FROM weir_mailbox), (SELECT count(*) FROM weir_message),
 (SELECT count(DISTINCT body) FROM weir_body_chunk), (SELECT count(*) FROM weir_body_holder), (SELECT count(*) FROM weir_body_sweep)"""


@pytest.fixture
def bed(database, run, weir, weir_program, tmp_path, users_file):  # noqa: F811
    return Bed(database, run, weir, weir_program, tmp_path, users_file)


class Bed:
    """An empty database, servers on it, and an administrator's configuration, in which alice has left."""

    def __init__(self, database, run, weir, program, path, users):
        self.database, self.program, self.path, self.users, self.start = database, program, path, users, weir
        self.config = path / "admin.yaml"
        database.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        self.configure(self.config)
        (path / "left").write_text("".join(line for line in users.read_text().splitlines(True) if not line.startswith("alice:")))
        done = run("store", "-c", self.config, "init")
        assert done.returncode == 0, done.stderr

    def configure(self, path, users="left", mail=""):
        path.write_text(
            f"listen: [{{smtp: 127.0.0.1:0}}, {{pop3: 127.0.0.1:0}}]\nmail-log: mail.log\n"
            f"store: {{url: '{self.database.url}', parts: [mailboxes, users]}}\n"
            f"mail: {{users: {users}, domains: [{DOMAIN}]{mail}}}\n"
        )
        return path

    def host(self):
        """A server that has not heard yet that alice has left."""
        directory = self.path / f"host{len(list(self.path.glob('host*')))}"
        directory.mkdir()
        shutil.copy(self.users, directory / "users")
        return Host(self.start("-c", self.configure(directory / "weir.yaml", "users")), ("smtp", "pop3"), directory)

    def command(self, *words, config=None):
        return [str(self.program), "mailbox", "-c", str(config or self.config), *words]

    def run(self, *words, code=0, config=None):
        done = subprocess.run(self.command(*words, config=config), capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def listed(self):
        lines = self.run("list").stdout.splitlines()
        assert not lines or lines[0].split() == ["MAILBOX", "MESSAGES", "BYTES"]
        return [line.split(maxsplit=3) for line in lines[1:]]

    def check(self):
        done = subprocess.run([str(self.program), "store", "-c", str(self.config), "check"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr

    def fill(self, name, messages):
        """Makes messages of one small chunk, or of three, as if they had been delivered."""
        self.database.query(
            f"INSERT INTO weir_mailbox (name, octets, messages, next_uid, validity) SELECT '{name}', sum(CASE WHEN n % 50 = 0"
            f" THEN 6 ELSE 2 END), {messages}, {messages} + 1, 7 FROM generate_series(1, {messages}) AS n;"
            f"INSERT INTO weir_message (mailbox, uid, octets, body, chunks, shared, dotless, ended) SELECT '{name}', n,"
            " CASE WHEN n % 50 = 0 THEN 6 ELSE 2 END, gen_random_uuid(), CASE WHEN n % 50 = 0 THEN 3 ELSE 1 END, false, true, true"
            f" FROM generate_series(1, {messages}) AS n;"
            "INSERT INTO weir_body_chunk SELECT body, number, 'xy' FROM weir_message, generate_series(0, chunks - 1) AS number"
            f" WHERE mailbox = '{name}'"
        )


def test_a_mailbox_is_listed_and_removed(bed):
    assert bed.run("list").stderr == "weir: there is no mailbox in the database\n"
    host, other = bed.host(), bed.host()
    with host.smtp() as client:
        for message in (HELLO, LARGE, HELLO):
            client.sendmail("a@client.example", [f"alice@{DOMAIN}", f"bob@{DOMAIN}"], message)
        client.sendmail("a@client.example", [f"alice@{DOMAIN}"], LARGE)
    alice, bob = bed.listed()
    assert alice[:2] == ["alice", "4"] and bob[:2] == ["bob", "3"]
    assert int(alice[2]) == int(bed.database.query("SELECT sum(octets) FROM weir_message WHERE mailbox = 'alice'"))
    client = host.pop3("alice")
    assert bed.listed()[0][3] == "in use" and len(bed.listed()[1]) == 3
    refused = bed.run("remove", "alice", code=1)
    assert "a session has the mailbox alice" in refused.stderr and len(client.list()[1]) == 4
    client.quit()
    done = bed.run("remove", "alice")
    assert done.stderr == f"weir: the mailbox alice is removed, with 4 messages of {alice[2]} bytes\n"
    assert bed.database.query(LEFT) == "1|3|3|3|0"
    assert [message.endswith(LARGE) for message in other.fetch("bob")] == [False, True, False]
    assert bed.run("remove", "alice", code=1).stderr == "weir: there is no mailbox alice in the database\n"
    # The servers go on, also for a user of whose end they have not heard.
    assert other.fetch("alice") == []
    host.send("alice")
    assert len(other.fetch("alice")) == 1
    bed.check()


def test_a_name_is_printed(bed):
    """A name may be UTF-8, but changes nothing on a terminal."""
    bed.fill("jürgen\x1b[2J", 1)
    assert bed.listed() == [["jürgen?[2J", "1", "2"]]


@pytest.mark.parametrize("of_the_database", (False, True))
def test_a_user_who_is_still_there(bed, of_the_database):
    bed.fill("bob", 3)
    if of_the_database:
        bed.database.query("INSERT INTO weir_user VALUES ('bob', '!', '')")
        bed.config.write_text(bed.config.read_text().replace("users: left, ", ""))
    refused = bed.run("remove", "bob", code=1)
    assert f"bob is still a user: remove the user first, by `weir passwd -c {bed.config} bob --delete`" in refused.stderr
    assert bed.listed() == [["bob", "3", "6"]]
    done = subprocess.run([bed.program, "passwd", "-c", bed.config, "bob", "--delete"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    bed.run("remove", "bob")
    assert bed.database.query(LEFT) == "0|0|0|0|0"


def test_maildirs(bed):
    config = bed.configure(bed.path / "files.yaml", mail=", directory: boxes")
    for words in (("list",), ("remove", "alice")):
        done = bed.run(*words, code=1, config=config)
        assert f"the mailboxes are Maildirs in {bed.path}/boxes: `du -s {bed.path}/boxes/*` lists them" in done.stderr
        assert "then remove its directory" in done.stderr


def test_mistakes(bed):
    assert "remove" in bed.run("remove", code=2).stderr
    assert "USER" in bed.run("remove", "a", "b", code=2).stderr
    assert "remove" in bed.run("remov", "alice", code=2).stderr
    without = bed.path / "without.yaml"
    without.write_text("listen: [{http: 127.0.0.1:0}]\nsites: [{root: .}]\n")
    assert "there is no 'store'" in bed.run("list", code=1, config=without).stderr
    (bed.path / "left").write_text("no line of a users file\n")
    bed.fill("alice", 1)
    assert "left" in bed.run("remove", "alice", code=1).stderr
    assert bed.listed() == [["alice", "1", "2"]]


def test_a_killed_removal_goes_on(bed):
    """It is killed at many moments. All that is left is whole, and the next removal begins at once."""
    kills, ended, pause = 0, 0, 0.004
    while ended < 2 or kills < 5:
        if bed.database.query("SELECT count(*) FROM weir_mailbox") == "0":
            bed.fill("alice", 5000)
            bed.fill("bob", 10)
        process = subprocess.Popen(bed.command("remove", "alice"), stderr=subprocess.PIPE, text=True)
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        errors = process.stderr.read()
        process.stderr.close()
        assert "a session" not in errors
        pause = pause * 1.5 if pause < 1 else 0.004
        if process.returncode == 0 or "there is no mailbox" in errors:
            assert bed.database.query(LEFT) == "1|10|10|0|0"
            bed.run("remove", "bob", code=1)
            bed.database.query("TRUNCATE weir_mailbox, weir_message, weir_body_chunk")
            ended += 1
        else:
            # Only what waits for the sweep is left over.
            bed.check()


def test_removals_beside_deliveries(bed, database):
    """A message that is acknowledged for bob is there once, while alice's mailbox goes again and again."""
    hosts = [bed.host(), bed.host()]
    messages = numbered(160)
    stop = threading.Event()
    removals = []

    def remove():
        while not stop.is_set():
            removals.append(subprocess.run(bed.command("remove", "alice"), capture_output=True, text=True, timeout=60))

    threads = [threading.Thread(target=remove) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for index in range(0, len(messages), 8):
            with hosts[index // 8 % 2].smtp() as client:
                for message in messages[index : index + 8]:
                    refused = client.sendmail("a@client.example", [f"alice@{DOMAIN}", f"bob@{DOMAIN}"], message)
                    assert refused == {}
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for done in removals:
        assert done.returncode == 0 or "there is no mailbox alice" in done.stderr, done.stderr
    assert sum(done.returncode == 0 for done in removals) > 3
    got = [number_of(message) for message in hosts[0].fetch("bob")]
    assert sorted(got) == sorted(number_of(message) for message in messages)
    subprocess.run(bed.command("remove", "alice"), capture_output=True, timeout=60)
    count = len(messages)
    assert database.query(LEFT) == f"1|{count}|{count}|{count}|0"
    bed.check()
