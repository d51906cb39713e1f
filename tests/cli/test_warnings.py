"""Warnings about a good configuration: `weir check` and the start print them and go on."""

import os
import pwd

import pytest

from certificates import make_certificate
from conftest import let_others_enter

HASH = "alice:$5$abcdefgh$ZLwkj8rDqlBqNyf3ISFkGvtRMrCz8nRVfGpTXeQTm/B\n"


@pytest.fixture
def served(tmp_path):
    """A configuration with a key, and a users file."""
    make_certificate(tmp_path)
    (tmp_path / "users").write_text(HASH)
    (tmp_path / "users").chmod(0o600)
    (tmp_path / "key.pem").chmod(0o600)
    (tmp_path / "www").mkdir()
    (tmp_path / "weir.yaml").write_text(
        "listen: [{https: '127.0.0.1:0'}, {ftp: '127.0.0.1:0'}]\n"
        "tls: {certificates: [{chain: cert.pem, key: key.pem}]}\n"
        "sites: [{root: www}]\nftp: {users: users, writable: true}\n"
    )
    return tmp_path / "weir.yaml"


def test_nothing_to_warn_of(run, served):
    result = run("check", "-c", served)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_key_process_without_the_keys_of_the_database(run, served):
    text = served.read_text().replace("key: key.pem}]}", "key: key.pem}], key-process: yes}\nprivilege-separation: yes")
    warning = "'key-process' of 'tls' does not have the private keys of certificates in the database"
    (served.parent / "seal").write_text("c3RvcmUga2V5IHN0b3JlIGtleSBzdG9yZSBrZXkgMzI=\n")
    (served.parent / "seal").chmod(0o600)
    for parts, said in ("[users]", False), ("[keys]", True), ("[keys], secret-key-file: seal", False):
        served.write_text(text + f"store: {{url: 'postgres://weir@127.0.0.1:1/weir', wait: 1s, parts: {parts}}}\n")
        result = run("check", "-c", served)
        assert result.returncode == 0, result.stderr
        assert (warning in result.stderr) == said, result.stderr


@pytest.mark.parametrize("name, what", [("key.pem", "private key"), ("users", "users file")])
def test_a_secret_that_others_can_read(run, weir, served, name, what):
    (served.parent / name).chmod(0o644)
    result = run("check", "-c", served)
    assert result.returncode == 0
    assert f"can read the {what} {served.parent / name}" in result.stderr
    assert f"chmod o-r {served.parent / name}" in result.stderr
    assert f"can read the {what}" in weir("-c", served).stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="not root")
def test_what_only_root_may_read_or_write(run, served):
    """It is read at the start, and again at a reload, by when root has been given up."""
    let_others_enter(served.parent)
    served.write_text(served.read_text() + "user: nobody\nprivilege-separation: no\n")
    result = run("check", "-c", served)
    assert result.returncode == 0
    for name in ("key.pem", "users"):
        assert f"a reload will fail: the user nobody may not read {served.parent / name}" in (
            result.stderr
        )
    assert f"the directory of FTP cannot be written: {served.parent / 'www'}" in result.stderr
    nobody = pwd.getpwnam("nobody")
    for name in ("key.pem", "users", "www"):
        os.chown(served.parent / name, nobody.pw_uid, nobody.pw_gid)
    assert run("check", "-c", served).stderr == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written(run, served):
    (served.parent / "www").chmod(0o555)
    assert "the directory of FTP cannot be written" in run("check", "-c", served).stderr
