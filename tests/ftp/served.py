"""Servers of FTP for tests: a tree, two users, and a certificate that its authority signed."""

import ftplib
import re
import socket
import ssl
import subprocess

import pytest

from certificates import Authority

SECONDS = 30


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def pair(authority):
    """(chain, key) of 127.0.0.1."""
    return authority.sign("localhost", ["localhost", "127.0.0.1", "::1"])


@pytest.fixture
def tree(tmp_path):
    """The root: a few files, one of them large, and a directory for each user."""
    root = tmp_path / "tree"
    for name in ["docs/deep", "alice", "bob"]:
        (root / name).mkdir(parents=True)
    (root / "hello.txt").write_bytes(b"hello\nworld\n")
    (root / "large.bin").write_bytes(bytes(range(256)) * 40000)
    (root / "docs/deep/note").write_bytes(b"deep")
    (root / "with space and ü").write_bytes(b"name")
    (root / ".hidden").write_bytes(b"not for you")
    return root


@pytest.fixture(scope="session")
def hashed():
    """The hash of the password `secret`."""
    command = ["openssl", "passwd", "-5", "secret"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def users(tmp_path, hashed):
    """alice may do everything in her home, bob only read and list in his, carol is at the top."""
    path = tmp_path / "users"
    path.write_text(
        f"alice:{hashed}:home=/alice\n"
        f"bob:{hashed}:home=/bob rights=rl\n"
        f"carol:{hashed}\n"
    )
    return path


@pytest.fixture
def served(weir, tree, users, pair, tmp_path):
    """served(line of `ftp`, …) serves the tree by FTP, with TLS where it is asked for."""

    def start(
        *lines, kind="ftp", tls=True, more="", host="127.0.0.1", root=tree, workers=1
    ):
        config = tmp_path / "weir.yaml"
        text = [f"listen: [{{{kind}: '{host}:0'}}]", f"workers: {workers}", "ftp:"]
        text += [f"  root: {root}", f"  users: {users}", "  writable: true"]
        text += [f"  {line}" for line in lines]
        if tls:
            text += [f"tls: {{certificates: [{{chain: {pair[0]}, key: {pair[1]}}}]}}"]
        config.write_text("\n".join(text) + "\n" + more)
        return weir("-c", config)

    return start


class Client(ftplib.FTP):
    """ftplib, logged in."""

    def __init__(self, server, user="anonymous", password="secret", host="127.0.0.1"):
        super().__init__(timeout=SECONDS)
        self.connect(host, server.port)
        self.login(user, password)

    def get(self, path):
        parts = []
        self.retrbinary(f"RETR {path}", parts.append)
        return b"".join(parts)


class Reusing(ftplib.FTP_TLS):
    """FTP over TLS that resumes the control connection's session for data, as real clients do."""

    def __init__(self, server, authority, user="alice", reuse=True):
        context = ssl.create_default_context(cafile=authority.path)
        # With 1.3 Python cannot wait for the ticket before the first transfer.
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        super().__init__(timeout=SECONDS, context=context)
        self.reuse = reuse
        self.connect("localhost", server.port)
        self.login(user, "secret")
        self.prot_p()

    def ntransfercmd(self, cmd, rest=None):
        data, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        session = self.sock.session if self.reuse else None
        return self.context.wrap_socket(data, server_hostname=self.host, session=session), size

    get = Client.get


class Talk:
    """The control connection by the byte."""

    def __init__(self, server, host="127.0.0.1", source=None):
        self.host = host
        self.source = source and (source, 0)
        self.socket = socket.create_connection((host, server.port), SECONDS, self.source)
        self.kept = b""
        self.greeting = self.reply()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)
        return self

    def reply(self):
        """(code, text) of the next reply; (0, "") at the end."""
        lines = []
        while True:
            while b"\r\n" not in self.kept:
                got = self.socket.recv(65536)
                if not got:
                    return 0, ""
                self.kept += got
            line, self.kept = self.kept.split(b"\r\n", 1)
            lines.append(line.decode("utf-8", "replace"))
            if re.match(r"\d\d\d ", lines[-1]) and lines[-1][:3] == lines[0][:3]:
                return int(lines[0][:3]), "\n".join(lines)

    def ask(self, line):
        """The code of the answer to a command."""
        return self.send(line.encode() + b"\r\n").reply()[0]

    def login(self, user="alice", password="secret"):
        assert self.ask(f"USER {user}") in (230, 331)
        assert self.ask(f"PASS {password}") == 230
        return self

    def passive_port(self):
        """The port that the server waits on."""
        self.send(b"EPSV\r\n")
        code, text = self.reply()
        assert code == 229, text
        return int(re.search(r"\|(\d+)\|", text)[1])

    def passive(self):
        """A data connection that the server waits for."""
        return socket.create_connection((self.host, self.passive_port()), SECONDS, self.source)
