"""FTP with the clients that people use: what they fetch is what is there, and what they send is there
afterwards."""

import ftplib
import io
import os
import shutil
import subprocess

import pytest

from served import Client, Reusing, authority, hashed, pair, served, tree, users

LARGE = bytes(range(256)) * 40000


def ran(*command, given=None, cwd=None, **environment):
    """The standard output of a command that succeeded."""
    result = subprocess.run(
        list(map(str, command)),
        input=given,
        stdin=None if given is not None else subprocess.DEVNULL,
        capture_output=True,
        timeout=90,
        cwd=cwd,
        env={**os.environ, **environment},
        check=False,
    )
    assert result.returncode == 0, (result.stdout, result.stderr)
    return result.stdout


def url(server, path, user="anonymous:x"):
    return f"ftp://{user}@127.0.0.1:{server.port}/{path}"


@pytest.mark.parametrize("mode", [[], ["--disable-epsv"], ["-P", "127.0.0.1"], ["--ftp-pasv"]])
def test_curl(served, tree, mode):
    server = served()
    assert ran("curl", "-sS", *mode, url(server, "hello.txt")) == b"hello\nworld\n"
    assert ran("curl", "-sS", *mode, url(server, "large.bin")) == LARGE
    assert ran("curl", "-sS", *mode, url(server, "docs/deep/note")) == b"deep"
    assert b"hello.txt" in ran("curl", "-sS", *mode, url(server, ""))
    assert b".hidden" not in ran("curl", "-sS", *mode, url(server, ""))
    given = os.urandom(300000)
    ran("curl", "-sS", *mode, "-T", "-", url(server, "up.bin", "alice:secret"), given=given)
    assert (tree / "alice/up.bin").read_bytes() == given


def test_curl_goes_on_where_it_was(served, tree, tmp_path):
    server = served()
    part = tmp_path / "large.bin"
    part.write_bytes(LARGE[:1000000])
    ran("curl", "-sS", "-C", "-", "-o", part, url(server, "large.bin"))
    assert part.read_bytes() == LARGE
    (tree / "alice/large.bin").write_bytes(LARGE[:1234567])
    ran("curl", "-sS", "-C", "1234567", "-T", part, url(server, "large.bin", "alice:secret"))
    assert (tree / "alice/large.bin").read_bytes() == LARGE
    assert ran("curl", "-sS", "-r", "10-99", url(server, "large.bin")) == LARGE[10:100]


def test_ascii(served):
    """curl takes the CRs out again; on the wire they are there."""
    server = served()
    assert ran("curl", "-sS", "-B", url(server, "hello.txt")) == b"hello\nworld\n"
    with Client(server) as client:
        client.voidcmd("TYPE A")
        with client.transfercmd("RETR hello.txt") as data:
            assert data.makefile("rb").read() == b"hello\r\nworld\r\n"
        client.voidresp()


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("kind", ["ftp", "ftps"])
@pytest.mark.parametrize("reuse", ["prefer", "require", "off"])
def test_curl_over_tls(served, tree, authority, kind, version, reuse):
    server = served("tls: required", f"reuse: {reuse}", kind=kind)
    options = ["--cacert", authority.path, "--tls-max", version]
    options += ["--ssl-reqd"] if kind == "ftp" else []
    where = f"{kind}://alice:secret@localhost:{server.port}/"
    given = os.urandom(500000)
    ran("curl", "-sS", *options, "-T", "-", where + "up.bin", given=given)
    assert (tree / "alice/up.bin").read_bytes() == given
    assert ran("curl", "-sS", *options, where + "up.bin") == given
    assert b"up.bin" in ran("curl", "-sS", *options, where)


@pytest.mark.parametrize("reuse", ["prefer", "require"])
def test_uploads_over_tls_arrive_whole(served, tree, tmp_path, authority, reuse):
    """A client that closes behind its data, with something of ours unread, would lose the rest."""
    server = served("tls: required", f"reuse: {reuse}", kind="ftps")
    given = os.urandom(700000)
    names = [f"f{i}" for i in range(6)]
    for name in names:
        (tmp_path / name).write_bytes(given)
    where = f"ftps://alice:secret@localhost:{server.port}/"
    several = "{" + ",".join(str(tmp_path / name) for name in names) + "}"
    for _ in range(3):
        ran("curl", "-sS", "--cacert", authority.path, "--tlsv1.3", "-T", several, where)
        for name in names:
            assert (tree / "alice" / name).read_bytes() == given
            (tree / "alice" / name).unlink()


def test_what_ftp_writes_http_serves(weir, tree, users):
    server = weir(
        *["--root", tree, "--http", "127.0.0.1:0", "--ftp", "127.0.0.1:0"],
        *["--users", users, "--ftp-writable", "--workers", 1],
    )
    web, ftp = server.ports
    given = os.urandom(100000)
    ran("curl", "-sS", "-T", "-", f"ftp://alice:secret@127.0.0.1:{ftp}/new.bin", given=given)
    assert server.get("/alice/new.bin", port=web).body == given


def test_ftplib(served, tree):
    server = served()
    with Client(server, "alice") as client:
        client.storbinary("STOR a", io.BytesIO(b"one"))
        client.storbinary("APPE a", io.BytesIO(b" two"))
        assert client.get("a") == b"one two"
        assert client.size("a") == 7
        client.rename("a", "b")
        client.mkd("sub")
        client.cwd("sub")
        assert client.pwd() == "/sub"
        client.cwd("..")
        names = {name: facts for name, facts in client.mlsd()}
        assert names["b"]["size"] == "7" and names["sub"]["type"] == "dir"
        assert client.nlst() == ["b", "sub"] or sorted(client.nlst()) == ["b", "sub"]
        client.rmd("sub")
        client.delete("b")
        assert list(client.mlsd()) == [] or all(n in (".", "..") for n, _ in client.mlsd())
    assert os.listdir(tree / "alice") == []


def test_ftplib_over_tls(served, authority):
    server = served("reuse: require")
    with Reusing(server, authority) as client:
        client.storbinary("STOR a", io.BytesIO(LARGE))
        assert client.get("a") == LARGE
    client = Reusing(server, authority, reuse=False)
    with pytest.raises(ftplib.all_errors):
        client.get("a")
    client.close()


@pytest.mark.skipif(not shutil.which("lftp"), reason="lftp is not installed")
@pytest.mark.parametrize("secure", [False, True])
def test_lftp_mirrors_both_ways(served, tree, tmp_path, authority, secure):
    server = served("tls: required") if secure else served()
    settings = f"set ssl:ca-file {authority.path}; set ftp:ssl-force {str(secure).lower()};"
    settings += "set ftp:ssl-protect-data true; set net:timeout 20; set net:max-retries 1;"
    local, back = tmp_path / "local", tmp_path / "back"
    for i in range(30):
        (local / f"d{i % 3}").mkdir(parents=True, exist_ok=True)
        (local / f"d{i % 3}/f{i}").write_bytes(os.urandom(i * 1000))
    script = f"{settings} open -u alice,secret ftp://localhost:{server.port};"
    ran("lftp", "-c", f"{script} mirror -R --parallel=3 {local} up; mirror --parallel=3 up {back}")
    for place in [tree / "alice/up", back]:
        assert ran("diff", "-r", local, place) == b""


@pytest.mark.skipif(not shutil.which("wget"), reason="wget is not installed")
def test_wget(served, tmp_path):
    server = served()
    ran("wget", "-q", "-r", "-nH", url(server, "docs/"), cwd=tmp_path)
    assert (tmp_path / "docs/deep/note").read_bytes() == b"deep"


@pytest.mark.skipif(not shutil.which("tnftp"), reason="tnftp is not installed")
def test_tnftp(served, tree, tmp_path):
    server = served()
    (tmp_path / "given").write_bytes(LARGE)
    ran("tnftp", "-V", "-o", tmp_path / "got", url(server, "large.bin"), cwd=tmp_path)
    assert (tmp_path / "got").read_bytes() == LARGE
    ran("tnftp", "-V", "-u", url(server, "up", "alice:secret"), "given", cwd=tmp_path)
    assert (tree / "alice/up").read_bytes() == LARGE


@pytest.mark.skipif(not shutil.which("ncftpget"), reason="ncftp is not installed")
def test_ncftp(served, tree, tmp_path):
    server = served()
    (tmp_path / "given").write_bytes(LARGE)
    who = ["-u", "alice", "-p", "secret", "-P", server.port]
    ran("ncftpput", *who, "127.0.0.1", ".", tmp_path / "given", HOME=str(tmp_path))
    assert (tree / "alice/given").read_bytes() == LARGE
    (tmp_path / "given").unlink()
    ran("ncftpget", *who, "127.0.0.1", tmp_path, "given", HOME=str(tmp_path))
    assert (tmp_path / "given").read_bytes() == LARGE
