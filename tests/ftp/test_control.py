"""The control connection: brute force is slowed down, idle sessions get a reply at the end, reloads."""

import ftplib
import io
import signal
import socket
import threading
import time

import pytest

from conftest import wait_for
from served import SECONDS, Client, Talk, authority, hashed, pair, served, tree, users


def test_each_wrong_password_waits_longer(served):
    """Seconds by the server's own clock: each wrong password of an address costs twice the last one's
    wait. From another address nobody waits."""
    server = served()
    waits = []
    for _ in range(3):
        with Talk(server) as talk:
            assert talk.ask("USER alice") == 331
            began = time.monotonic()
            assert talk.ask("PASS wrong") == 530
            waits.append(time.monotonic() - began)
    # Not too early. How much later depends on the machine.
    assert [wait >= least for wait, least in zip(waits, [0.95, 1.95, 3.95])] == [True] * 3, waits
    # The right password waits, too, since the delay would show that it is right.
    with Talk(server) as talk:
        began = time.monotonic()
        talk.send(b"USER alice\r\nPASS secret\r\n")
        assert talk.reply()[0] == 331
        other = socket.socket()
        other.bind(("127.0.0.2", 0))
        other.settimeout(SECONDS)
        other.connect(("127.0.0.1", server.port))
        other.sendall(b"USER alice\r\nPASS secret\r\n")
        text = b""
        while b"230 " not in text:
            text += other.recv(1000)
        unhindered = time.monotonic() - began
        other.close()
        assert talk.reply()[0] == 230
        assert unhindered < time.monotonic() - began


def test_wrong_passwords_are_counted(served):
    server = served("failures: 2")
    with Talk(server) as talk:
        assert talk.ask("USER alice") == 331
        assert talk.ask("PASS wrong") == 530
        assert talk.ask("USER alice") == 331
        assert talk.ask("PASS wrong") in (421, 530)
        assert talk.reply()[0] in (421, 0)


def test_idle_sessions_get_a_reply_at_the_end(served, tree):
    """Idle sessions get 421 at once, and others after their transfer."""
    server = served()
    fresh, idle, busy = Talk(server), Talk(server).login(), Talk(server).login()
    with busy.passive() as data:
        assert busy.ask("TYPE I") == 200
        assert busy.ask("STOR late") == 150
        data.sendall(b"first ")
        server.send_signal(signal.SIGTERM)
        for talk in [fresh, idle]:
            assert talk.reply()[0] == 421
            assert talk.reply()[0] == 0
        data.sendall(b"last")
    assert busy.reply()[0] == 226
    assert busy.reply()[0] == 421
    assert busy.reply()[0] == 0
    assert (tree / "alice/late").read_bytes() == b"first last"
    assert server.wait() == 0


def test_a_reload_changes_the_sessions_of_an_address(served, tmp_path):
    server = served("sessions-per-address: 2")
    talks = [Talk(server), Talk(server)]
    assert Talk(server).greeting[0] == 421
    config = tmp_path / "weir.yaml"

    def reload(before, after, count):
        config.write_text(config.read_text().replace(before, after))
        server.send_signal(signal.SIGHUP)
        server.wait_stderr("weir: reloaded", count)

    reload("sessions-per-address: 2", "sessions-per-address: 3", 1)
    # Sessions from before the reload still count.
    talks.append(Talk(server))
    assert talks[-1].greeting[0] == 220
    assert Talk(server).greeting[0] == 421
    reload("sessions-per-address: 3", "sessions-per-address: 1", 2)
    for talk in talks[:2]:
        assert talk.ask("NOOP") == 200
        talk.ask("QUIT")
        talk.socket.close()
    assert Talk(server).greeting[0] == 421
    talks[2].ask("QUIT")
    talks[2].socket.close()
    wait_for(lambda: Talk(server).greeting[0] == 220)


def test_a_line_has_4096_bytes(served):
    with Talk(served()).login() as talk:
        assert talk.ask("NOOP " + "x" * 4089) == 200
        assert talk.ask("NOOP " + "x" * 4093) == 500
        assert talk.ask("NOOP") == 200


def test_an_idle_timeout(served):
    server = served(more="limits: { idle: 1s }\n")
    with Talk(server).login() as talk:
        assert talk.reply()[0] == 421
        assert talk.reply()[0] == 0
