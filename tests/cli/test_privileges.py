"""Below directories of other users root follows no links, and leaves nothing that the other user cannot use
afterwards."""

import os
import pwd

import pytest

from conftest import let_others_enter
from test_queue import ENVELOPE, IDS

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

NOBODY = pwd.getpwnam("nobody")


def give(path):
    os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid, follow_symlinks=False)
    return path


def owner(path):
    return path.lstat().st_uid


@pytest.fixture
def home(tmp_path):
    """A directory of nobody's."""
    let_others_enter(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    return give(home)


@pytest.fixture
def secret(tmp_path):
    """A file of root's."""
    path = tmp_path / "secret"
    path.write_text("secret\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def spool(home):
    directory = home / "queue"
    (directory / "control").mkdir(parents=True)
    give(directory)
    give(directory / "control")
    for number, name in enumerate(IDS):
        text = ENVELOPE.format(next=9999999999 - number, sender="a@example.org", state=0)
        for suffix, content in (".msg", "abc\r\n"), (".env", text):
            (directory / f"{name}{suffix}").write_text(content)
            give(directory / f"{name}{suffix}")
    return directory


# -- the queue -----------------------------------------------------------------------------------------


def test_queue_leaves_envelopes_that_their_owner_can_read(run, spool):
    result = run("queue", "--queue", spool, "retry", "--all")
    assert (result.returncode, result.stderr) == (0, "")
    for path in spool.iterdir():
        assert owner(path) == NOBODY.pw_uid, path
    assert "next 0\n" in (spool / f"{IDS[0]}.env").read_text()


def test_queue_overwrites_nothing_through_a_link(run, spool, secret):
    (spool / f"{IDS[0]}.new").symlink_to(secret)
    os.link(secret, spool / f"{IDS[1]}.new")
    result = run("queue", "--queue", spool, "retry", *IDS)
    assert (result.returncode, result.stderr) == (0, "")
    assert secret.read_text() == "secret\n"
    assert "next 0\n" in (spool / f"{IDS[1]}.env").read_text()


def test_queue_makes_nothing_through_a_link(run, spool, tmp_path):
    (spool / "lock").symlink_to(tmp_path / "made")
    assert run("queue", "--queue", spool, "retry", "--all").returncode == 1
    assert not (tmp_path / "made").exists()


def test_queue_asks_a_server_through_no_link(run, weir, spool, tmp_path):
    (tmp_path / "users").write_text("alice:$5$abcd$BgCbKzckrgGdFcL/gWllSOkKJCXQV5rwJeTh9xnsJ1D\n")
    (tmp_path / "weir.yaml").write_text(
        "listen: [{smtp: '127.0.0.1:0'}]\n"
        "user: nobody\n"
        f"mail: {{directory: {tmp_path}/home/mail, users: users, domains: [a.test],"
        f" relay: {{host: 127.0.0.1, port: 9, queue: {spool}}}}}\n"
    )
    weir("-c", tmp_path / "weir.yaml")
    (spool / "control" / f"retry-{IDS[0]}").symlink_to(tmp_path / "made")
    run("queue", "--queue", spool, "retry", IDS[0])
    assert not (tmp_path / "made").exists()
    # And it is done without links.
    assert run("queue", "--queue", spool, "delete", IDS[1]).returncode == 0
    assert not (spool / f"{IDS[1]}.env").exists()


def test_queue_lists_nothing_of_roots(run, spool, secret):
    secret.write_text((spool / f"{IDS[0]}.env").read_text())
    (spool / f"{IDS[0]}.env").unlink()
    os.link(secret, spool / f"{IDS[0]}.env")
    assert f"{IDS[0]}  cannot be read" in run("queue", "--queue", spool).stdout


def test_queue_that_is_a_link_of_another_user(run, home, tmp_path):
    (tmp_path / "others").mkdir()
    (home / "link").symlink_to(tmp_path / "others")
    result = run("queue", "--queue", home / "link", "retry", "--all")
    assert result.returncode == 1
    assert list((tmp_path / "others").iterdir()) == []


# -- logs ----------------------------------------------------------------------------------------------

SITE = "sites: [{root: site}]\nuser: nobody\naccess-log: %s\n"


def refused(run, tmp_path, log):
    """Returns the message about a log that is not opened."""
    (tmp_path / "weir.yaml").write_text("listen: [{http: '127.0.0.1:0'}]\n" + SITE % log)
    result = run("serve", "-c", "weir.yaml")
    assert result.returncode == 1
    assert f"cannot write the log {tmp_path}/{log}" in result.stderr
    return result.stderr


def test_log_is_opened_through_no_link_of_its_directorys_owner(run, home, site, secret, tmp_path):
    (home / "log").symlink_to(secret)
    refused(run, tmp_path, "home/log")
    (home / "log").unlink()
    (home / "log").symlink_to(tmp_path / "made")
    refused(run, tmp_path, "home/log")
    (home / "log").unlink()
    (home / "deep").symlink_to(tmp_path)
    refused(run, tmp_path, "home/deep/made")
    assert not (tmp_path / "made").exists()
    assert (secret.read_text(), owner(secret)) == ("secret\n", 0)


def test_log_with_a_second_name_is_refused(run, home, site, secret, tmp_path):
    os.link(secret, home / "log")
    assert "second name" in refused(run, tmp_path, "home/log")
    assert owner(secret) == 0


def test_log_is_made_by_root_where_the_user_may_not(configured, site, tmp_path):
    let_others_enter(tmp_path)
    (tmp_path / "logs").mkdir(mode=0o755)
    (tmp_path / "to-logs").symlink_to("logs")  # root's own link, in a directory of root's
    server = configured(SITE % "to-logs/log")
    server.get("/")
    log = tmp_path / "logs" / "log"
    assert owner(log) == NOBODY.pw_uid
    server.stop()
    assert "GET /" in log.read_text()


def test_log_in_a_directory_of_the_user_is_made_by_the_user(configured, home, site):
    server = configured(SITE % "home/log")
    server.get("/")
    server.stop()
    assert owner(home / "log") == NOBODY.pw_uid
    assert "GET /" in (home / "log").read_text()


def test_log_on_standard_output(configured, site, tmp_path):
    let_others_enter(tmp_path)
    server = configured(SITE % "/dev/stdout")
    server.get("/")
    server.stop()
    assert "GET /" in server.stdout


# -- directories that are made -------------------------------------------------------------------------


def test_directory_is_made_through_no_link(run, home, tmp_path):
    (tmp_path / "users").write_text("alice:$5$abcd$BgCbKzckrgGdFcL/gWllSOkKJCXQV5rwJeTh9xnsJ1D\n")
    (home / "link").symlink_to(tmp_path)
    (tmp_path / "weir.yaml").write_text(
        "listen: [{smtp: '127.0.0.1:0'}]\nuser: nobody\n"
        "mail: {directory: home/link/made, users: users, domains: [a.test]}\n"
    )
    result = run("serve", "-c", "weir.yaml")
    assert result.returncode == 1
    assert "cannot keep mail" in result.stderr
    assert not (tmp_path / "made").exists()


# -- staying root --------------------------------------------------------------------------------------


def test_staying_root_is_said_at_start_and_by_check(run, configured, site, tmp_path):
    let_others_enter(tmp_path)
    for user, said in ("", True), ("user: root\n", True), ("user: nobody\n", False):
        server = configured(f"sites: [{{root: site}}]\n{user}")
        server.get("/")
        server.stop()
        assert ("run as root" in server.err.read_text()) == said, user
        result = run("check", "weir.yaml")
        assert result.returncode == 0
        assert ("run as root" in result.all_stderr) == said, user
