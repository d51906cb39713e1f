"""A client of HTTP/2 that sends any frames, right or wrong, and reads those of the server. Fields are
encoded and decoded by python3-hpack, so that our own encoder is checked by another one's decoder."""

import socket
import struct

import hpack

SECONDS = 30
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
PRIORITY_UPDATE = 0x10
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 1, 1, 4, 8, 0x20

CODES = {
    0: "NO_ERROR",
    1: "PROTOCOL_ERROR",
    2: "INTERNAL_ERROR",
    3: "FLOW_CONTROL_ERROR",
    5: "STREAM_CLOSED",
    6: "FRAME_SIZE_ERROR",
    7: "REFUSED_STREAM",
    8: "CANCEL",
    9: "COMPRESSION_ERROR",
    11: "ENHANCE_YOUR_CALM",
}


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def setting(number, value):
    return struct.pack(">HI", number, value)


def u32(value):
    return struct.pack(">I", value)


class Client:
    """A connection whose preface has been sent; `settings` are the payload of its first frame."""

    def __init__(self, port, settings=b"", preface=PREFACE, sock=None):
        self.socket = sock or socket.create_connection(("127.0.0.1", port), SECONDS)
        self.socket.settimeout(SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.encoder.header_table_size = 0
        self.encoder.encode([])  # the update of the size, which is not sent
        self.bytes = b""
        self.got = []  # all frames that were read
        self.fragments, self.head = b"", {}  # of a field block, and the fields of the last whole one
        self.port = port
        if preface is not None:
            self.socket.sendall(preface + frame(SETTINGS, 0, 0, settings))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *frames):
        """Sends them in one go. The server may have closed already."""
        try:
            self.socket.sendall(b"".join(frames))
        except OSError:
            pass
        return self

    def block(self, fields=(), method="GET", path="/", **more):
        """A field block with the pseudo-header fields of a request before `fields`."""
        pseudo = {":method": method, ":scheme": "http", ":path": path}
        pseudo[":authority"] = f"127.0.0.1:{self.port}"
        pseudo.update({":" + name: value for name, value in more.items()})
        return self.encode([*((k, v) for k, v in pseudo.items() if v is not None), *fields])

    def encode(self, fields):
        return self.encoder.encode(
            [hpack.NeverIndexedHeaderTuple(name, value) for name, value in fields]
        )

    def ask(self, stream=1, flags=END_STREAM | END_HEADERS, fields=(), **request):
        return self.send(frame(HEADERS, flags, stream, self.block(fields, **request)))

    def read(self):
        """The next frame as (kind, flags, stream, payload); None at the end of the connection."""
        while len(self.bytes) < 9 or len(self.bytes) < 9 + int.from_bytes(self.bytes[:3], "big"):
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.bytes += more
        size = int.from_bytes(self.bytes[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", self.bytes[3:9])
        payload, self.bytes = self.bytes[9 : 9 + size], self.bytes[9 + size :]
        self.got.append((kind, flags, stream, payload))
        if kind in (HEADERS, CONTINUATION):  # each of them changes the decoder's table
            self.fragments += payload
            if flags & END_HEADERS:
                self.head, self.fragments = dict(self.decoder.decode(self.fragments)), b""
        return self.got[-1]

    def until(self, condition):
        """Reads up to the first frame for which this is true, and returns it; None at the end."""
        while (got := self.read()) is not None:
            if condition(*got):
                return got
        return None

    def acknowledge(self):
        """Reads the server's settings and acknowledges them."""
        self.until(lambda kind, flags, *_: kind == SETTINGS and not flags & ACK)
        return self.send(frame(SETTINGS, ACK))

    def reply(self, stream=1, grants=True):
        """(status, fields, body) of the reply on a stream, or the name of the code that reset it, or
        ended the connection. Windows are given back if `grants`."""
        status, fields, body = None, {}, b""
        while True:
            got = self.read()
            if got is None:
                return "end"
            kind, flags, number, payload = got
            if kind == GOAWAY and payload[4:8] != b"\0\0\0\0":
                return "goaway " + CODES[int.from_bytes(payload[4:8], "big")]
            if number != stream:
                continue
            if kind == RST_STREAM:
                return "reset " + CODES[int.from_bytes(payload, "big")]
            if kind in (HEADERS, CONTINUATION) and flags & END_HEADERS:
                head = dict(self.head)
                if head.get(":status", "100") != "100":
                    status = int(head.pop(":status"))
                fields.update(head)
            if kind == DATA:
                body += payload
                if payload and grants:
                    self.send(
                        frame(WINDOW_UPDATE, 0, 0, u32(len(payload))),
                        frame(WINDOW_UPDATE, 0, stream, u32(len(payload))),
                    )
            if kind in (HEADERS, DATA) and flags & END_STREAM:
                return status, fields, body

    def outcome(self, stream=1):
        """The outcome of a stream: a status as text, "reset CODE", "goaway CODE" or "end"."""
        reply = self.reply(stream)
        return reply if isinstance(reply, str) else str(reply[0])

    def is_alive(self):
        """Whether PING is answered."""
        mark = b"are here"
        self.send(frame(PING, 0, 0, mark))
        return self.until(lambda kind, flags, _, data: kind == PING and data == mark) is not None
