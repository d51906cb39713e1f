"""HTTP by the byte: a client that sends exactly the given bytes, in pieces or at once, parses replies
strictly, and can be slow, hostile or gone."""

import re
import socket
import struct
import time

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SECONDS = 60


class Answer:
    """One reply: its status, its fields (lower-case names, each a list) and its body."""

    def __init__(self, status, fields, body):
        self.status = status
        self.fields = fields
        self.body = body

    def __getitem__(self, name):
        """Returns the value of a field, which must not be there twice."""
        values = self.fields.get(name.lower(), [])
        assert len(values) <= 1, f"{name}: {values}"
        return values[0] if values else None

    @property
    def text(self):
        return self.body.decode()


class Wire:
    """A connection. Its reads fail after SECONDS."""

    def __init__(self, server, window=None, port=None):
        self.socket = socket.socket()
        self.socket.settimeout(SECONDS)
        if window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.connect(("127.0.0.1", port or server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.kept = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    # -- sending

    def send(self, data):
        self.socket.sendall(data)
        return self

    def send_while_open(self, data):
        """The server may have closed before it saw all of it."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return self

    def trickle(self, data, seconds=0):
        """A byte a packet; stops early when the other side has answered."""
        for i in range(len(data)):
            try:
                self.socket.sendall(data[i : i + 1])
            except (BrokenPipeError, ConnectionResetError):
                return self
            if seconds:
                time.sleep(seconds)
        return self

    def end(self):
        """No more is sent; replies are still read."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # -- reading

    def more(self):
        """False at the end of the connection."""
        data = self.socket.recv(1 << 18)
        self.kept += data
        return bool(data)

    def take(self, size):
        pieces, left = [self.kept[:size]], size - len(self.kept)
        self.kept = self.kept[size:]
        while left > 0:
            data = self.socket.recv(min(left, 1 << 20))
            assert data, f"the connection ended {left} bytes before the end of a reply"
            pieces.append(data)
            left -= len(data)
        return b"".join(pieces)

    def line(self):
        while b"\r\n" not in self.kept:
            assert self.more(), f"the connection ended within a line: {self.kept!r}"
        line, self.kept = self.kept.split(b"\r\n", 1)
        return line

    def rest(self):
        """Returns the bytes up to the end of the input."""
        while self.more():
            pass
        data, self.kept = self.kept, b""
        return data

    def head(self):
        match = re.fullmatch(rb"HTTP/1\.1 (\d{3}) [\t -~]*", self.line())
        assert match
        fields = {}
        while line := self.line():
            match_line = re.fullmatch(rb"([!#-'*+\-.^-z|~0-9A-Z]+): ([\t -~\x80-\xff]*)", line)
            assert match_line, line
            fields.setdefault(match_line[1].decode().lower(), []).append(
                match_line[2].decode("latin-1")
            )
        return int(match[1]), fields

    def chunks(self):
        body = b""
        while True:
            line = self.line()
            assert re.fullmatch(rb"[0-9a-fA-F]+", line), line
            size = int(line, 16)
            if size == 0:
                break
            body += self.take(size)
            assert self.take(2) == b"\r\n"
        while self.line():
            pass
        return body

    def reply(self, method="GET"):
        """Reads one reply, by its own framing."""
        status, fields = self.head()
        lengths = fields.get("content-length", [])
        codings = fields.get("transfer-encoding", [])
        assert len(lengths) + len(codings) <= 1, fields
        if status >= 200:
            assert len(fields["date"]) == 1
        if method == "HEAD" or status in (204, 304) or status < 200:
            body = b""
        elif codings:
            assert codings == ["chunked"]
            body = self.chunks()
        elif lengths:
            body = self.take(int(lengths[0]))
        else:
            assert fields.get("connection") == ["close"]
            body = self.rest()
        return Answer(status, fields, body)

    def ask(self, head, method="GET"):
        return self.send(head).reply(method)

    def at_end(self):
        """Nothing follows, and the connection was closed in order."""
        return self.kept == b"" and self.socket.recv(1) == b""


def listens(server):
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=60).close()
    except OSError:
        return False
    return True


def is_sanitized(server):
    """Whether its memory is several times of what it would be."""
    return is_sanitized_program(f"/proc/{server.pid}/exe")


def is_sanitized_program(path):
    with open(path, "rb") as program:
        return b"__asan_init" in program.read()


def request(target="/", *lines, method="GET", version="HTTP/1.1", body=b""):
    """The bytes of a request; the target may be bytes. It has a Host unless its lines have one."""
    if isinstance(target, str):
        target = target.encode()
    fields = [line.encode("latin-1") for line in lines]
    if version == "HTTP/1.1" and not any(line.lower().startswith(b"host:") for line in fields):
        fields.insert(0, b"Host: a")
    if body and not any(line.lower().startswith(b"transfer-encoding:") for line in fields):
        fields.append(b"Content-Length: %d" % len(body))
    start = method.encode() + b" " + target + b" " + version.encode()
    return b"\r\n".join([start, *fields, b"", body])


def get(server, target="/", *lines, **options):
    """One request on a connection of its own; the reply."""
    with Wire(server) as wire:
        return wire.ask(request(target, *lines, **options), options.get("method", "GET"))


def head(server, target="/", *lines, **options):
    return get(server, target, *lines, method="HEAD", **options)
