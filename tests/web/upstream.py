"""A server behind the proxy whose replies are exact bytes, chosen by the path of the request."""

import socket
import ssl
import threading


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def ok(body=b"ok", *lines):
    head = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *lines]
    return b"\r\n".join([*head, b"", body])


class Exchange:
    """A request on its connection: its head, its body as far as it is read, and how to reply."""

    def __init__(self, connection, head, rest):
        self.connection, self.head, self.kept = connection, head, rest
        first, *lines = head.split(b"\r\n")
        self.method, self.target, _ = first.decode("latin-1").split(" ")
        self.path = self.target.partition("?")[0]
        pairs = [line.decode("latin-1").split(": ", 1) for line in lines]
        self.fields = {name.lower(): value for name, value in pairs}
        self.names = [name.lower() for name, _ in pairs]

    def more(self):
        data = self.connection.recv(1 << 16)
        self.kept += data
        return data

    def take(self, size):
        while len(self.kept) < size:
            assert self.more()
        taken, self.kept = self.kept[:size], self.kept[size:]
        return taken

    def line(self):
        while b"\r\n" not in self.kept:
            assert self.more()
        line, _, self.kept = self.kept.partition(b"\r\n")
        return line

    def body(self):
        """All of it; the trailer fields are in `trailers`."""
        if "chunked" not in self.fields.get("transfer-encoding", ""):
            return self.take(int(self.fields.get("content-length", 0)))
        body = b""
        while size := int(self.line(), 16):
            body += self.take(size)
            assert self.take(2) == b"\r\n"
        self.trailers = []
        while line := self.line():
            self.trailers.append(line)
        return body

    def send(self, data):
        self.connection.sendall(data)


class Upstream:
    """`replies` has for each path the bytes of a reply, or a function that gets the Exchange. Bytes that
    end a connection are a pair (bytes, "close"). Each path that is not there is replied to with `ok`."""

    def __init__(self, replies=None, path=None, context=None, address=("127.0.0.1", 0)):
        self.replies, self.context, self.requests = replies or {}, context, []
        self.connections = 0
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(path))
            self.listener.listen(128)
            self.url = f"unix:{path}"
        else:
            self.listener = socket.create_server(address, backlog=128)
            self.port = self.listener.getsockname()[1]
            self.url = f"{'https' if context else 'http'}://{address[0]}:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        kept = b""
        try:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            connection.settimeout(60)
            while True:
                while b"\r\n\r\n" not in kept:
                    data = connection.recv(1 << 16)
                    if not data:
                        return
                    kept += data
                head, _, kept = kept.partition(b"\r\n\r\n")
                exchange = Exchange(connection, head, kept)
                self.requests.append(exchange)
                if self.reply(exchange):
                    return
                kept = exchange.kept
        except (OSError, AssertionError, ssl.SSLError):
            pass  # the proxy has closed
        finally:
            connection.close()

    def reply(self, exchange):
        """Returns whether the connection ends."""
        reply = self.replies.get(exchange.path, ok())
        if callable(reply):
            return reply(exchange)
        exchange.body()
        if isinstance(reply, tuple):
            exchange.send(reply[0])
            return True
        exchange.send(reply)
        return False

    def close(self):
        # A close alone would not wake the thread that accepts.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
