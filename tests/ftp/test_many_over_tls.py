"""Many transfers one after the other over TLS, of which not one may fail: a client that closes behind its
data, with bytes of ours unread, would lose the rest; one that fetches must see the end."""

import ftplib
import io
import os
import shutil
import ssl

import pytest

from served import SECONDS, Client, authority, hashed, pair, served, tree, users
from test_clients import ran

COUNT = 50
SENT = 20
FETCHED = 6
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@pytest.fixture(params=["1.2", "1.3"])
def version(request):
    return request.param


@pytest.fixture(params=["prefer", "require"])
def server(served, request):
    return served("tls: required", f"reuse: {request.param}")


@pytest.fixture
def given(tmp_path):
    """So many files of sizes around those of records and pieces."""
    directory = tmp_path / "given"
    directory.mkdir()
    for i in range(COUNT):
        (directory / f"f{i}").write_bytes(os.urandom([0, 1, 16384, 16385, 70000, 300000][i % 6] + i % 7))
    return directory


def same(given, got):
    return ran("diff", "-r", given, got) == b""


def test_curl(server, tree, given, tmp_path, authority, version):
    exact = ["--tlsv1.3"] if version == "1.3" else ["--tls-max", "1.2"]
    options = ["-sS", "--ssl-reqd", "--cacert", authority.path, *exact]
    where = f"ftp://alice:secret@localhost:{server.port}/"
    # Fewer than the others send: it waits for a fifth of a second, or a whole one, before it goes on.
    ran("curl", *options, "-T", str(given) + "/f[0-" + str(SENT - 1) + "]", where)
    for i in range(SENT):
        assert (tree / f"alice/f{i}").read_bytes() == (given / f"f{i}").read_bytes()
    back = tmp_path / "back"
    back.mkdir()
    ran("curl", *options, "-o", f"{back}/f#1", f"{where}f[0-{FETCHED - 1}]")
    for i in range(FETCHED):
        assert (back / f"f{i}").read_bytes() == (given / f"f{i}").read_bytes()
    for _ in range(3):
        assert ran("curl", *options, "-l", where).count(b"\n") == SENT


@pytest.mark.skipif(not shutil.which("lftp"), reason="lftp is not installed")
def test_lftp(server, tree, given, tmp_path, authority, version):
    priority = "NORMAL:-VERS-ALL:+VERS-TLS" + version
    script = f"set ssl:ca-file {authority.path}; set ftp:ssl-force true; set net:timeout 20;"
    script += f"set ftp:ssl-protect-data true; set net:max-retries 1; set ssl:priority {priority};"
    script += f"open -u alice,secret ftp://localhost:{server.port};"
    back = tmp_path / "back"
    ran("lftp", "-c", f"{script} mirror -R {given} up; mirror up {back}; cls -1 up")
    assert same(given, tree / "alice/up") and same(given, back)


class Session(ftplib.FTP_TLS):
    """ftplib that resumes the control connection's TLS session with every version: the tickets of 1.3
    are there once replies have been read."""

    def ntransfercmd(self, cmd, rest=None):
        data, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        return self.context.wrap_socket(
            data, server_hostname=self.host, session=self.sock.session
        ), size


def test_ftplib(server, tree, given, authority, version):
    context = ssl.create_default_context(cafile=authority.path)
    context.minimum_version = context.maximum_version = VERSIONS[version]
    with Session(timeout=SECONDS, context=context) as client:
        client.connect("localhost", server.port)
        client.login("alice", "secret")
        client.prot_p()
        for i in range(COUNT):
            text = (given / f"f{i}").read_bytes()
            client.storbinary(f"STOR f{i}", io.BytesIO(text))
            parts = []
            client.retrbinary(f"RETR f{i}", parts.append)
            assert b"".join(parts) == text
        assert len(client.nlst()) == COUNT
    assert same(given, tree / "alice")
