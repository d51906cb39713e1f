"""Two front ends on one database: SMTP in, POP3 out, leases, quotas, and deaths."""

import concurrent.futures
import os
import poplib
import shutil
import signal
import smtplib

import pytest

from conftest import wait_for
from mailhost import DOMAIN, HELLO, Host, number_of, numbered
from mailhost import certificate, users_file  # noqa: F401

SOUND = """
SELECT (SELECT count(*) FROM weir_mailbox AS b WHERE messages <> (SELECT count(*) FROM weir_message
  WHERE mailbox = b.name) OR octets <> (SELECT coalesce(sum(octets), 0) FROM weir_message WHERE mailbox = b.name))
+ (SELECT count(*) FROM weir_message AS m WHERE octets <> (SELECT coalesce(sum(length(bytes)), 0)
  FROM weir_body_chunk WHERE body = m.body))"""


@pytest.fixture
def front_ends(database, run, weir, tmp_path, users_file):  # noqa: F811
    """front_ends(count, mail="", top="") starts so many, with empty mailboxes; each has a directory."""
    kinds = ("smtp", "pop3")

    def start(count, mail="", top="", **options):
        hosts = []
        for number in range(count):
            directory = tmp_path / str(number)
            directory.mkdir()
            shutil.copy(users_file, directory / "users")
            lines = [f"listen: [{', '.join(f'{{{kind}: 127.0.0.1:0}}' for kind in kinds)}]"]
            lines += [f"store: {{url: '{database.url}', parts: [mailboxes]}}", "mail-log: mail.log", "mail:"]
            lines += ["  users: users", f"  domains: [{DOMAIN}]", *(f"  {line}" for line in mail.splitlines()), top]
            (directory / "weir.yaml").write_text("\n".join(lines) + "\n")
            if not hosts:
                database.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
                done = run("store", "-c", directory / "weir.yaml", "init")
                assert done.returncode == 0, done.stderr
            hosts.append(Host(weir("-c", directory / "weir.yaml", **options), kinds, directory))
        return hosts

    return start


def check(run, host):
    done = run("store", "-c", host.config, "check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_mail_comes_in_by_one_and_out_by_the_other(front_ends, database):
    one, other = front_ends(2)
    large = b"Subject: large\r\n\r\n" + b"".join(b"%078d\r\n" % i for i in range(3000)) + b".dots\r\n"
    one.send("alice", HELLO)
    with one.smtp() as client:
        client.sendmail("a@client.example", [f"alice@{DOMAIN}", f"bob@{DOMAIN}"], large)
    for host in (other, one):
        small, got = host.fetch("alice")
        assert small.endswith(HELLO) and got.endswith(large)
    assert other.fetch("bob")[0].endswith(large)
    client = other.pop3("alice")
    uids = client.uidl()[1]
    with pytest.raises(poplib.error_proto, match="IN-USE"):
        one.pop3("alice")
    client.dele(1)
    client.quit()
    client = one.pop3("alice")
    assert client.uidl()[1][0].split()[1] == uids[1].split()[1]
    client.dele(1)
    client.quit()
    assert other.fetch("alice") == [] and len(one.fetch("bob")) == 1
    assert database.query(SOUND) == "0"


def test_a_quota_holds_for_all(front_ends, database):
    one, other = front_ends(2, mail="limits: {mailbox-messages: 3}", top="admin: admin.sock")
    for host in (one, other, one):
        host.send("alice", HELLO)
    for host in (one, other):
        with pytest.raises(smtplib.SMTPException) as refused:
            host.send("alice", HELLO)
        assert "full" in str(refused.value)
    assert 'weir_mailbox_messages{mailbox="alice"} 3' in one.metrics()
    assert "weir_mailbox_deliveries_total 2" in one.metrics()
    client = other.pop3("alice")
    client.dele(2)
    client.quit()
    one.send("alice", HELLO)


def test_many_at_once_by_both(front_ends, database):
    hosts = front_ends(2)
    messages = numbered(120)

    def send(index):
        hosts[index % 2].send("alice", messages[index])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(len(messages))))
    got = [number_of(message) for message in hosts[0].fetch("alice")]
    assert sorted(got) == sorted(number_of(message) for message in messages)
    assert database.query(SOUND) == "0"


def test_a_front_end_is_killed(front_ends, database, run):
    """Acknowledged messages are there, once; the other one goes on, and has the mailbox after the lease."""
    one, other = front_ends(2)
    messages = numbered(200)
    acknowledged = []
    session = one.pop3("bob")
    assert session.stat()[0] == 0

    def send(index):
        try:
            one.send("alice", messages[index])
            acknowledged.append(number_of(messages[index]))
        except (OSError, smtplib.SMTPException):
            pass
        if index == 100:
            os.kill(one.server.serving_pid, signal.SIGKILL)
            one.server.send_signal(signal.SIGKILL)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(len(messages))))
    one.server.wait()
    assert len(acknowledged) >= 80
    other.send("alice", messages[0])
    got = [number_of(message) for message in other.fetch("alice")]
    assert set(acknowledged) <= set(got)
    # Only the repeated one may be there twice.
    assert len(got) - len(set(got)) <= 1
    assert database.query(SOUND) == "0"
    with pytest.raises(poplib.error_proto, match="IN-USE"):
        other.pop3("bob")
    other.wait_log('pop3 denied .*error="the mailbox is in use"')
    database.query("UPDATE weir_mailbox SET lease = now()")
    assert other.fetch("bob") == []
    check(run, other)


def test_a_database_that_is_away(front_ends, database):
    (one,) = front_ends(1)
    one.send("alice", HELLO)
    database.stop()
    try:
        # Both wait for the time limit of a call, at the same time.
        with concurrent.futures.ThreadPoolExecutor() as pool:
            sending = pool.submit(one.send, "alice", HELLO)
            with pytest.raises(poplib.error_proto, match="SYS/TEMP"):
                one.pop3("alice")
            with pytest.raises(smtplib.SMTPException) as refused:
                sending.result()
        assert "451" in str(refused.value)
        one.wait_log('pop3 denied .*error="the database does not answer"')
    finally:
        database.start()

    def is_back():
        try:
            one.send("alice", HELLO)
            return True
        except smtplib.SMTPException:
            return False

    wait_for(is_back, what="the database")
    assert len(one.fetch("alice")) >= 2
    assert database.query(SOUND) == "0"


def test_it_is_one_or_the_other(run, tmp_path, users_file):  # noqa: F811
    """A directory goes before the database; one of them is needed."""
    shutil.copy(users_file, tmp_path / "users")
    url = "postgres://weir@127.0.0.1:1/weir"
    mail = f"mail: {{users: users, domains: [{DOMAIN}]}}\nlisten: [{{smtp: 127.0.0.1:0}}]\n"
    for store, good in ((f"store: {url}\n", True), (f"store: {{url: '{url}', parts: [users]}}\n", False), ("", False)):
        (tmp_path / "weir.yaml").write_text(store + mail)
        done = run("check", tmp_path / "weir.yaml")
        assert (done.returncode == 0) == good, done.stderr
        assert good or "directory" in done.stderr
