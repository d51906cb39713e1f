"""The guard against guessing passwords in the daemon: its settings, and one address beside another."""

import base64
import http.client
import threading

import pytest


# Of "secret".
HASH = "$5$abcd$BgCbKzckrgGdFcL/gWllSOkKJCXQV5rwJeTh9xnsJ1D"


def ask(server, user, password, source="127.0.0.1", connection=None, path="/"):
    own = connection or http.client.HTTPConnection(
        "127.0.0.1", server.port, timeout=60, source_address=(source, 0)
    )
    word = base64.b64encode(f"{user}:{password}".encode()).decode()
    own.request("GET", path, headers={"Authorization": f"Basic {word}"})
    reply = own.getresponse()
    reply.read()
    own.close()
    return reply.status


def config(guard=""):
    return f"sites: [{{root: site, auth: [{{path: '', users: users}}]}}]\n{guard}"


@pytest.fixture
def guarded(configured, site, tmp_path):
    (tmp_path / "users").write_text(f"alice:{HASH}\nbob:{HASH}\n")
    return lambda guard="": configured(config(guard))


def test_one_address_keeps_nobody_else_out(guarded):
    server = guarded("guard: {first-delay: 100ms, most-delay: 100ms}\n")
    statuses = []

    def attack(number):
        for _ in range(2):
            statuses.append(ask(server, f"user{number}", "wrong", source="127.0.0.2"))

    threads = [threading.Thread(target=attack, args=(number,)) for number in range(80)]
    for thread in threads:
        thread.start()
    for number in range(20):
        assert ask(server, "alice", "secret", source=f"127.0.1.{number}") == 200
        assert ask(server, "bob", "wrong", source=f"127.0.2.{number}") == 401
    for thread in threads:
        thread.join()
    assert set(statuses) <= {401, 503}


def test_a_user_who_was_here_before_is_not_delayed_by_others(guarded):
    server = guarded("guard: {first-delay: 4s}\n")
    assert ask(server, "alice", "secret") == 200
    # The client gives up before this answer comes.
    wrong = http.client.HTTPConnection("127.0.0.1", server.port, timeout=1)
    with pytest.raises(TimeoutError):
        ask(server, "bob", "wrong", connection=wrong)
    wrong.close()
    assert ask(server, "alice", "secret") == 200
    right = http.client.HTTPConnection("127.0.0.1", server.port, timeout=1)
    with pytest.raises(TimeoutError):
        ask(server, "bob", "secret", connection=right)
    right.close()


def test_settings(guarded, tmp_path):
    slow = "first-delay: 4s, most-delay: 4s"
    server = guarded(f"guard: {{enabled: no, {slow}}}\n")
    for _ in range(3):
        assert ask(server, "alice", "wrong") == 401

    def set_to(guard, times):
        text = "listen: [{http: '127.0.0.1:0'}]\n" + config(guard)
        (tmp_path / "weir.yaml").write_text(text)
        server.send_signal(1)
        server.wait_stderr("reloaded", times)

    set_to(f"guard: {{{slow}, exempt: [127.0.0.0/8]}}\n", 1)
    for _ in range(3):
        assert ask(server, "alice", "wrong") == 401
    set_to(f"guard: {{{slow}, threshold: 3}}\n", 2)
    for _ in range(3):
        assert ask(server, "alice", "wrong") == 401
    delayed = http.client.HTTPConnection("127.0.0.1", server.port, timeout=1)
    with pytest.raises(TimeoutError):
        ask(server, "alice", "wrong", connection=delayed)


@pytest.mark.parametrize(
    "text, message",
    [
        ("guard: {threshold: 101}", "threshold"),
        ("guard: {exempt: [10.0.0.1/8]}", "must be a network"),
        ("guard: {enabled: maybe}", "enabled"),
        ("guard: {delay: 1s}", "delay"),
    ],
)
def test_mistakes(run, tmp_path, site, text, message):
    (tmp_path / "weir.yaml").write_text(f"sites: [{{root: site}}]\n{text}\n")
    result = run("check", "weir.yaml")
    assert result.returncode == 1
    assert message in result.stderr
