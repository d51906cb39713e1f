"""Servers that send exact bytes, and real ones, for the tests of `weir fetch`. Tests import the fixtures they use."""

import socket
import threading

import pytest


def read_request(connection):
    """Returns the head of a request with what came behind it."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            break
        data += piece
    return data


def read_body(connection, data):
    """Returns the body of a request with Content-Length or chunked, whose first bytes are in `data`."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines = [line.split(b": ", 1) for line in head.split(b"\r\n")[1:]]
    fields = {name.lower(): value for name, value in lines}
    if b"content-length" in fields:
        while len(body) < int(fields[b"content-length"]):
            body += connection.recv(65536)
    elif b"transfer-encoding" in fields:
        while not body.endswith(b"0\r\n\r\n"):
            body += connection.recv(65536)
        pieces, rest = b"", body
        while rest and not rest.startswith(b"0\r\n"):
            size, _, rest = rest.partition(b"\r\n")
            pieces, rest = pieces + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
        body = pieces
    return body


def replying(*replies, hold=False):
    """A handler that replies to one request after the other, and then closes; with `hold`, when the client does."""

    def handle(connection, requests):
        for reply in replies:
            request = read_request(connection)
            if not request:
                return
            requests.append(request)
            connection.sendall(reply)
        while hold and connection.recv(65536):
            pass

    return handle


class Fake:
    """A server whose connections are handled by `handle(connection, requests)`, each on a thread."""

    def __init__(self, handle, context=None, path=None):
        self.handle, self.context, self.requests = handle, context, []
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(path))
            self.listener.listen()
        else:
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
            scheme = "https" if context else "http"
            self.url = f"{scheme}://127.0.0.1:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            self.handle(connection, self.requests)
        except OSError:
            pass  # the client has closed
        finally:
            connection.close()

    def close(self):
        # A close alone would not wake the thread that accepts.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def fake():
    """fake(handle, context=None, path=None) starts a Fake."""
    fakes = []

    def start(*arguments, **options):
        fakes.append(Fake(*arguments, **options))
        return fakes[-1]

    yield start
    for server in fakes:
        server.close()
