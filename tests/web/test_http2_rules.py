"""The rules of RFC 9113 and RFC 7541, each by the frames that break it: the connection, or the stream
alone, ends with the code that the RFC names. All cases share one server."""

import pytest

from frames import *  # noqa: F403

BODY = END_HEADERS  # HEADERS behind which a body follows


@pytest.fixture(scope="module")
def server(module_weir, tmp_path_factory):
    root = tmp_path_factory.mktemp("site")
    (root / "index.html").write_text("hello")
    config = root.parent / f"{root.name}.yaml"
    config.write_text(
        f"listen: [{{http: '127.0.0.1:0'}}]\nhttp2: clear\nsites: [{{root: {root}, "
        "uploads: {put: true, prefix: up}}]\n"
    )
    (root / "up").mkdir()
    return module_weir("-c", config)


def open_stream(c, stream=1, **request):
    """A request whose body never comes: the stream stays open."""
    return c.ask(stream, BODY, method="PUT", path="/up/f", **request)


def field(c, *fields, **request):
    return frame(HEADERS, END_STREAM | END_HEADERS, 1, c.block(fields, **request))


def raw(block, flags=END_STREAM | END_HEADERS, stream=1):
    return frame(HEADERS, flags, stream, block)


def closed(c, *then):
    """A stream that has ended on both sides, and then these frames."""
    c.ask(1)
    assert c.reply(1)[0] == 200
    return b"".join(then)


def half_closed(c, *then):
    """The client has ended the stream, whose reply waits for a window."""
    return field(c) + b"".join(then)


# The frames behind the preface; and the code, or the outcome of stream 1.
CONNECTION = {
    # frames
    "a frame larger than 16 KiB": (lambda c: frame(DATA, 0, 1, bytes(16385)), "FRAME_SIZE_ERROR"),
    "HEADERS larger than 16 KiB": (lambda c: raw(bytes(16385)), "FRAME_SIZE_ERROR"),
    "SETTINGS on a stream": (lambda c: frame(SETTINGS, 0, 1), "PROTOCOL_ERROR"),
    "SETTINGS of 7 bytes": (lambda c: frame(SETTINGS, 0, 0, bytes(7)), "FRAME_SIZE_ERROR"),
    "an acknowledgement with content": (
        lambda c: frame(SETTINGS, ACK, 0, bytes(6)),
        "FRAME_SIZE_ERROR",
    ),
    "ENABLE_PUSH of 2": (lambda c: frame(SETTINGS, 0, 0, setting(2, 2)), "PROTOCOL_ERROR"),
    "a window over 2^31-1": (
        lambda c: frame(SETTINGS, 0, 0, setting(4, 1 << 31)),
        "FLOW_CONTROL_ERROR",
    ),
    "MAX_FRAME_SIZE too small": (
        lambda c: frame(SETTINGS, 0, 0, setting(5, 16383)),
        "PROTOCOL_ERROR",
    ),
    "MAX_FRAME_SIZE too large": (
        lambda c: frame(SETTINGS, 0, 0, setting(5, 1 << 24)),
        "PROTOCOL_ERROR",
    ),
    "PING of 7 bytes": (lambda c: frame(PING, 0, 0, bytes(7)), "FRAME_SIZE_ERROR"),
    "PING on a stream": (lambda c: frame(PING, 0, 1, bytes(8)), "PROTOCOL_ERROR"),
    "GOAWAY on a stream": (lambda c: frame(GOAWAY, 0, 1, bytes(8)), "PROTOCOL_ERROR"),
    "GOAWAY of 7 bytes": (lambda c: frame(GOAWAY, 0, 0, bytes(7)), "FRAME_SIZE_ERROR"),
    "WINDOW_UPDATE of 3 bytes": (lambda c: frame(WINDOW_UPDATE, 0, 0, bytes(3)), "FRAME_SIZE_ERROR"),
    "WINDOW_UPDATE of 0": (lambda c: frame(WINDOW_UPDATE, 0, 0, u32(0)), "PROTOCOL_ERROR"),
    "a connection's window over 2^31-1": (
        lambda c: frame(WINDOW_UPDATE, 0, 0, u32(0x7FFFFFFF)),
        "FLOW_CONTROL_ERROR",
    ),
    "WINDOW_UPDATE of an idle stream": (
        lambda c: frame(WINDOW_UPDATE, 0, 5, u32(1)),
        "PROTOCOL_ERROR",
    ),
    "RST_STREAM of 3 bytes": (lambda c: field(c) + frame(RST_STREAM, 0, 1, bytes(3)), "FRAME_SIZE_ERROR"),
    "RST_STREAM without a stream": (lambda c: frame(RST_STREAM, 0, 0, u32(8)), "PROTOCOL_ERROR"),
    "RST_STREAM of an idle stream": (lambda c: frame(RST_STREAM, 0, 1, u32(8)), "PROTOCOL_ERROR"),
    "PRIORITY without a stream": (lambda c: frame(PRIORITY, 0, 0, bytes(5)), "PROTOCOL_ERROR"),
    "PRIORITY_UPDATE on a stream": (
        lambda c: frame(PRIORITY_UPDATE, 0, 1, u32(1) + b"u=1"),
        "PROTOCOL_ERROR",
    ),
    "PRIORITY_UPDATE of no stream": (
        lambda c: frame(PRIORITY_UPDATE, 0, 0, u32(0) + b"u=1"),
        "PROTOCOL_ERROR",
    ),
    "PUSH_PROMISE": (
        lambda c: field(c) + frame(PUSH_PROMISE, END_HEADERS, 1, u32(2) + c.block()),
        "PROTOCOL_ERROR",
    ),
    "DATA without a stream": (lambda c: frame(DATA, 0, 0, b"x"), "PROTOCOL_ERROR"),
    "DATA of an idle stream": (lambda c: frame(DATA, END_STREAM, 1, b"x"), "PROTOCOL_ERROR"),
    "padding as large as DATA": (
        lambda c: raw(c.block(method="PUT", path="/up/f"), BODY)
        + frame(DATA, PADDED, 1, b"\x04abc"),
        "PROTOCOL_ERROR",
    ),
    "padding of DATA without content": (
        lambda c: raw(c.block(method="PUT", path="/up/f"), BODY) + frame(DATA, PADDED, 1),
        "FRAME_SIZE_ERROR",
    ),
    # HEADERS
    "HEADERS without a stream": (lambda c: raw(c.block(), stream=0), "PROTOCOL_ERROR"),
    "HEADERS on an even stream": (lambda c: raw(c.block(), stream=2), "PROTOCOL_ERROR"),
    "HEADERS on a stream that was skipped": (
        lambda c: raw(c.block(), stream=5) + raw(c.block(), stream=3),
        "PROTOCOL_ERROR",
    ),
    "padding as large as HEADERS": (
        lambda c: raw(b"\xff" + c.block(), PADDED | END_STREAM | END_HEADERS),
        "PROTOCOL_ERROR",
    ),
    "HEADERS too short for a priority": (
        lambda c: raw(bytes(4), PRIORITISED | END_HEADERS),
        "FRAME_SIZE_ERROR",
    ),
    "HEADERS behind the end of the stream": (
        lambda c: half_closed(c, raw(c.block())),
        "STREAM_CLOSED",
    ),
    "HEADERS on a closed stream": (lambda c: closed(c, raw(c.block())), "STREAM_CLOSED"),
    # CONTINUATION
    "CONTINUATION without HEADERS": (
        lambda c: frame(CONTINUATION, END_HEADERS, 1, c.block()),
        "PROTOCOL_ERROR",
    ),
    "CONTINUATION behind a complete block": (
        lambda c: field(c) + frame(CONTINUATION, END_HEADERS, 1, c.block()),
        "PROTOCOL_ERROR",
    ),
    "CONTINUATION of another stream": (
        lambda c: raw(c.block(), END_STREAM) + frame(CONTINUATION, END_HEADERS, 3, b""),
        "PROTOCOL_ERROR",
    ),
    "CONTINUATION without a stream": (
        lambda c: raw(c.block(), END_STREAM) + frame(CONTINUATION, END_HEADERS, 0, b""),
        "PROTOCOL_ERROR",
    ),
    "CONTINUATION behind the end of a block": (
        lambda c: raw(c.block(), END_STREAM) + frame(CONTINUATION, END_HEADERS, 1) * 2,
        "PROTOCOL_ERROR",
    ),
    "CONTINUATION behind DATA": (
        lambda c: raw(c.block(method="PUT", path="/up/f"), BODY)
        + frame(DATA, 0, 1, b"x")
        + frame(CONTINUATION, END_HEADERS, 1),
        "PROTOCOL_ERROR",
    ),
    "HEADERS of another stream within a block": (
        lambda c: raw(c.block(), END_STREAM) + raw(c.block(), stream=3),
        "PROTOCOL_ERROR",
    ),
    "another frame within a block": (
        lambda c: raw(c.block(), END_STREAM) + frame(PING, 0, 0, bytes(8)),
        "PROTOCOL_ERROR",
    ),
    "an unknown frame within a block": (
        lambda c: raw(c.block(), END_STREAM) + frame(0x16, 0, 0, bytes(8)),
        "PROTOCOL_ERROR",
    ),
    "nine CONTINUATION frames": (
        lambda c: raw(c.block(), END_STREAM) + frame(CONTINUATION, 0, 1) * 9,
        "ENHANCE_YOUR_CALM",
    ),
    "a block of more than 32 KiB": (
        lambda c: raw(bytes(16384), 0) + frame(CONTINUATION, 0, 1, bytes(16384)) * 2,
        "ENHANCE_YOUR_CALM",
    ),
    # HPACK
    "the index 0": (lambda c: raw(b"\x80"), "COMPRESSION_ERROR"),
    "an index behind both tables": (lambda c: raw(b"\xff\x80\x01"), "COMPRESSION_ERROR"),
    "a name with an index behind both tables": (
        lambda c: raw(c.block() + b"\x0f\x37\x01y"),
        "COMPRESSION_ERROR",
    ),
    "padding of Huffman of more than 7 bits": (
        lambda c: raw(c.block() + b"\x00\x01x\x82\x1f\xff"),
        "COMPRESSION_ERROR",
    ),
    "a block that breaks off": (lambda c: raw(b"\x00\x03ab"), "COMPRESSION_ERROR"),
    "a size update at the end": (lambda c: raw(c.block() + b"\x20"), "COMPRESSION_ERROR"),
    "a size update too large": (lambda c: raw(b"\x3f\xe2\x1f" + c.block()), "COMPRESSION_ERROR"),
    "padding of Huffman that is no EOS": (
        lambda c: raw(c.block() + b"\x00\x84\xa8\xeb\x10\x64\x81\xf0"),
        "COMPRESSION_ERROR",
    ),
    "EOS in a Huffman string": (
        lambda c: raw(c.block() + b"\x00\x01x\x84\xff\xff\xff\xff"),
        "COMPRESSION_ERROR",
    ),
}

STREAM = {
    "DATA behind the end of the stream": (
        lambda c: frame(SETTINGS, 0, 0, setting(4, 0)) + field(c) + frame(DATA, 0, 1, b"x"),
        "reset STREAM_CLOSED",
    ),
    "a window of a stream over 2^31-1": (
        lambda c: frame(SETTINGS, 0, 0, setting(4, 0))
        + field(c)
        + frame(WINDOW_UPDATE, 0, 1, u32(0x7FFFFFFF))
        + frame(WINDOW_UPDATE, 0, 1, u32(0x7FFFFFFF)),
        "reset FLOW_CONTROL_ERROR",
    ),
    "WINDOW_UPDATE of 0": (
        lambda c: frame(SETTINGS, 0, 0, setting(4, 0))
        + field(c)
        + frame(WINDOW_UPDATE, 0, 1, u32(0)),
        "reset PROTOCOL_ERROR",
    ),
    "PRIORITY of 4 bytes": (
        lambda c: frame(SETTINGS, 0, 0, setting(4, 0)) + field(c) + frame(PRIORITY, 0, 1, bytes(4)),
        "reset FRAME_SIZE_ERROR",
    ),
    "DATA on a closed stream": (
        lambda c: closed(c, frame(DATA, END_STREAM, 1, b"x")),
        "reset STREAM_CLOSED",
    ),
    "PRIORITY that depends on itself": (
        lambda c: frame(SETTINGS, 0, 0, setting(4, 0)) + field(c) + frame(PRIORITY, 0, 1, u32(1) + b"x"),
        "reset PROTOCOL_ERROR",
    ),
    "a priority that depends on itself": (
        lambda c: raw(u32(1) + b"\x10" + c.block(), PRIORITISED | END_STREAM | END_HEADERS),
        "reset PROTOCOL_ERROR",
    ),
    "a name with capitals": (lambda c: field(c, ("Accept", "*/*")), "reset PROTOCOL_ERROR"),
    "a name that is empty": (lambda c: field(c, ("", "x")), "reset PROTOCOL_ERROR"),
    "a name with a space": (lambda c: field(c, ("a b", "x")), "reset PROTOCOL_ERROR"),
    "a value with CR and LF": (lambda c: field(c, ("x", "a\r\nb: c")), "reset PROTOCOL_ERROR"),
    "a value with NUL": (lambda c: field(c, ("x", "a\0b")), "reset PROTOCOL_ERROR"),
    "a value that begins with a space": (lambda c: field(c, ("x", " a")), "reset PROTOCOL_ERROR"),
    "connection": (lambda c: field(c, ("connection", "close")), "reset PROTOCOL_ERROR"),
    "transfer-encoding": (
        lambda c: field(c, ("transfer-encoding", "chunked")),
        "reset PROTOCOL_ERROR",
    ),
    "upgrade": (lambda c: field(c, ("upgrade", "websocket")), "reset PROTOCOL_ERROR"),
    "keep-alive": (lambda c: field(c, ("keep-alive", "1")), "reset PROTOCOL_ERROR"),
    "proxy-connection": (lambda c: field(c, ("proxy-connection", "x")), "reset PROTOCOL_ERROR"),
    "te: gzip": (lambda c: field(c, ("te", "gzip")), "reset PROTOCOL_ERROR"),
    "te: trailers": (lambda c: field(c, ("te", "trailers")), "200"),
    "an unknown pseudo-header": (lambda c: field(c, (":test", "x")), "reset PROTOCOL_ERROR"),
    "a pseudo-header of replies": (lambda c: field(c, (":status", "200")), "reset PROTOCOL_ERROR"),
    "a pseudo-header behind a field": (
        lambda c: field(c, ("x", "y"), (":path", "/"), path=None),
        "reset PROTOCOL_ERROR",
    ),
    "no method": (lambda c: field(c, method=None), "reset PROTOCOL_ERROR"),
    "no scheme": (lambda c: field(c, scheme=None), "reset PROTOCOL_ERROR"),
    "no path": (lambda c: field(c, path=None), "reset PROTOCOL_ERROR"),
    "an empty path": (lambda c: field(c, path=""), "reset PROTOCOL_ERROR"),
    "two methods": (lambda c: field(c, (":method", "GET")), "reset PROTOCOL_ERROR"),
    "two paths": (lambda c: field(c, (":path", "/")), "reset PROTOCOL_ERROR"),
    "two schemes": (lambda c: field(c, (":scheme", "http")), "reset PROTOCOL_ERROR"),
    "two authorities": (lambda c: field(c, (":authority", "a")), "reset PROTOCOL_ERROR"),
    "a path in absolute form": (lambda c: field(c, path="http://a/"), "reset PROTOCOL_ERROR"),
    "a path with a space": (lambda c: field(c, path="/a b"), "reset PROTOCOL_ERROR"),
    "a path with a line end": (
        lambda c: field(c, path="/ HTTP/1.1\r\nhost: b"),
        "reset PROTOCOL_ERROR",
    ),
    "a method with a space": (lambda c: field(c, method="GET /"), "reset PROTOCOL_ERROR"),
    "* of GET": (lambda c: field(c, path="*"), "reset PROTOCOL_ERROR"),
    "* of OPTIONS": (lambda c: field(c, method="OPTIONS", path="*"), "204"),
    "CONNECT with a path": (lambda c: field(c, method="CONNECT"), "reset PROTOCOL_ERROR"),
    "CONNECT": (lambda c: field(c, method="CONNECT", path=None, scheme=None, authority="a:1"), "405"),
    "a Host that differs": (lambda c: field(c, ("host", "b")), "reset PROTOCOL_ERROR"),
    "Host instead of :authority": (lambda c: field(c, ("host", "b"), authority=None), "200"),
    "neither Host nor :authority": (lambda c: field(c, authority=None), "400"),
    "an unknown expectation": (lambda c: field(c, ("expect", "x")), "417"),
    "a length without a body": (
        lambda c: field(c, ("content-length", "1")),
        "reset PROTOCOL_ERROR",
    ),
    "extended CONNECT with a length": (
        lambda c: raw(c.block([("content-length", "5")], method="CONNECT", protocol="websocket"), BODY),
        "reset PROTOCOL_ERROR",
    ),
    "a body shorter than its length": (
        lambda c: raw(c.block([("content-length", "2")], method="PUT", path="/up/f"), BODY)
        + frame(DATA, END_STREAM, 1, b"x"),
        "reset PROTOCOL_ERROR",
    ),
    "a body longer than its length": (
        lambda c: raw(c.block([("content-length", "1")], method="PUT", path="/up/f"), BODY)
        + frame(DATA, 0, 1, b"xy"),
        "reset PROTOCOL_ERROR",
    ),
    "DATA frames together longer than the length": (
        lambda c: raw(c.block([("content-length", "1")], method="PUT", path="/up/f"), BODY)
        + frame(DATA, 0, 1, b"x") * 2,
        "reset PROTOCOL_ERROR",
    ),
    "trailers that do not end the stream": (
        lambda c: raw(c.block(method="PUT", path="/up/f"), BODY)
        + frame(HEADERS, END_HEADERS, 1, c.encode([("x", "y")])),
        "reset PROTOCOL_ERROR",
    ),
    "trailers with a pseudo-header": (
        lambda c: raw(c.block(method="PUT", path="/up/f"), BODY)
        + raw(c.encode([(":method", "GET")])),
        "reset PROTOCOL_ERROR",
    ),
    "a body with trailers": (
        lambda c: raw(c.block(method="PUT", path="/up/trailers"), BODY)
        + frame(DATA, 0, 1, b"x")
        + raw(c.encode([("x", "y")])),
        "201",
    ),
    "a body with padding": (
        lambda c: raw(c.block([("content-length", "1")], method="PUT", path="/up/padded"), BODY)
        + frame(DATA, PADDED | END_STREAM, 1, b"\x05x" + bytes(5)),
        "201",
    ),
    "HEADERS with padding and priority": (
        lambda c: raw(
            b"\x03" + u32(3) + b"\x10" + c.block() + bytes(3),
            PADDED | PRIORITISED | END_STREAM | END_HEADERS,
        ),
        "200",
    ),
    "a head in CONTINUATION frames": (
        lambda c: raw(c.block()[:2], END_STREAM)
        + frame(CONTINUATION, 0, 1, c.block()[2:5])
        + frame(CONTINUATION, END_HEADERS, 1, c.block()[5:]),
        "200",
    ),
    "fields of more than 32 KiB": (lambda c: field(c, *[("x", "y" * 1000)] * 12, *[("x", "")] * 700), "431"),
    "more than 100 fields": (lambda c: field(c, *[("x", "y")] * 101), "431"),
    "a frame that is not known": (lambda c: frame(0x99, 0xFF, 7, b"x") + field(c), "200"),
    "a setting that is not known": (lambda c: frame(SETTINGS, 0, 0, setting(99, 1)) + field(c), "200"),
    "flags that are not known": (lambda c: frame(PING, 0xFE, 0, bytes(8)) + field(c), "200"),
    "GOAWAY of the client": (lambda c: frame(GOAWAY, 0, 0, bytes(7) + b"\xff") + field(c), "200"),
    "PRIORITY of an idle stream": (lambda c: frame(PRIORITY, 0, 7, u32(0) + b"x") + field(c), "200"),
    "a cookie in two fields": (lambda c: field(c, ("cookie", "a=b"), ("cookie", "c=d")), "200"),
}


# A field in each of its representations (RFC 7541 6), with a name that is indexed or not, with Huffman's code or not.
REPRESENTATIONS = [
    *[b"\x90", b"\x7a\x01x", b"\x7a\x81\xf3", b"\x40\x01x\x01y", b"\x40\x81\xf3\x81\xf5"],
    *[b"\x0f\x2b\x01x", b"\x0f\x2b\x81\xf3", b"\x00\x01x\x01y", b"\x00\x81\xf3\x81\xf5"],
    *[b"\x1f\x2b\x01x", b"\x1f\x2b\x81\xf3", b"\x10\x01x\x01y", b"\x10\x81\xf3\x81\xf5"],
]

# Frames behind which stream 9 is replied to as ever.
ALLOWED = {
    "PRIORITY with the least weight": lambda c: frame(PRIORITY, 0, 1, u32(0) + b"\0") + field(c),
    "PRIORITY with the largest weight": lambda c: frame(PRIORITY, 0, 1, u32(0) + b"\xff") + field(c),
    "PRIORITY that is exclusive": lambda c: frame(PRIORITY, 0, 3, u32(1 << 31 | 1) + b"x") + field(c),
    "PRIORITY of a stream above the next one": lambda c: frame(PRIORITY, 0, 99, u32(0) + b"x") + field(c),
    "PRIORITY of a half-closed stream": lambda c: half_closed(c, frame(PRIORITY, 0, 1, u32(0) + b"x")),
    "PRIORITY of a closed stream": lambda c: closed(c, frame(PRIORITY, 0, 1, u32(0) + b"x")),
    "RST_STREAM of a half-closed stream": lambda c: half_closed(c, frame(RST_STREAM, 0, 1, u32(8))),
    "RST_STREAM of a closed stream": lambda c: closed(c, frame(RST_STREAM, 0, 1, u32(8))),
    "RST_STREAM with an unknown code": lambda c: half_closed(c, frame(RST_STREAM, 0, 1, u32(255))),
    "WINDOW_UPDATE of a half-closed stream": lambda c: half_closed(c, frame(WINDOW_UPDATE, 0, 1, u32(1))),
    "WINDOW_UPDATE of a closed stream": lambda c: closed(c, frame(WINDOW_UPDATE, 0, 1, u32(1))),
    "WINDOW_UPDATE of the connection": lambda c: frame(WINDOW_UPDATE, 0, 0, u32(1)),
    "the reserved bit of a stream's number": lambda c: frame(PING, 0, 1 << 31, bytes(8)),
    "an acknowledgement of no PING": lambda c: frame(PING, ACK, 0, bytes(8)),
    "two values of one setting": lambda c: frame(SETTINGS, 0, 0, setting(4, 100) + setting(4, 65535)),
    "settings without content": lambda c: frame(SETTINGS),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_frames_that_are_no_error(server, name):
    with Client(server.port) as c:
        c.send(ALLOWED[name](c))
        assert c.ask(9).outcome(9) == "200"


def test_all_representations_of_a_field(server):
    with Client(server.port) as c:
        for i, representation in enumerate(REPRESENTATIONS):
            c.send(raw(b"\x3f\xe1\x1f" * (i == 0) + c.block() + representation, stream=2 * i + 1))
            assert c.outcome(2 * i + 1) == "200", representation


def test_an_acknowledgement_of_ping_is_not_answered(server):
    with Client(server.port) as c:
        c.send(frame(PING, ACK, 0, b"no reply"))
        assert c.is_alive() and all(data != b"no reply" for _, _, _, data in c.got)


@pytest.mark.parametrize("name", CONNECTION)
def test_an_error_of_the_connection(server, name):
    frames, code = CONNECTION[name]
    with Client(server.port) as c:
        c.send(frames(c))
        went = c.until(lambda kind, *_: kind == GOAWAY)
        assert went, c.got
        assert CODES[int.from_bytes(went[3][4:8], "big")] == code
        assert c.read() is None


@pytest.mark.parametrize("name", STREAM)
def test_an_error_of_a_stream_leaves_the_connection(server, name):
    frames, outcome = STREAM[name]
    with Client(server.port) as c:
        c.send(frames(c))
        assert c.outcome() == outcome
        assert c.is_alive()


def test_a_preface_that_is_wrong_ends_the_connection(server):
    with Client(server.port, preface=PREFACE[:-2] + b"xx") as c:
        assert c.until(lambda kind, *_: kind == GOAWAY)
        assert c.read() is None


@pytest.mark.parametrize("text", [b"INVALID CONNECTION PREFACE\r\n\r\n", b"PRI * HTTQ/2.0\r\n\r\nSM\r\n\r\n"])
def test_a_preface_of_no_version_is_replied_to_by_frames(server, text):
    with Client(server.port, preface=None) as c:
        c.socket.sendall(text)
        went = c.until(lambda kind, *_: kind == GOAWAY)
        assert went and CODES[int.from_bytes(went[3][4:8], "big")] == "PROTOCOL_ERROR"
        assert c.read() is None


def test_the_first_frame_must_be_settings(server):
    with Client(server.port, preface=None) as c:
        c.send(PREFACE, frame(PING, 0, 0, bytes(8)))
        assert c.outcome() == "goaway PROTOCOL_ERROR"


def test_a_stream_over_the_limit_is_refused(server):
    with Client(server.port, setting(4, 0)) as c:
        for i in range(129):
            c.ask(2 * i + 1)
        assert c.outcome(257) == "reset REFUSED_STREAM"
        c.send(frame(RST_STREAM, 0, 1, u32(8)))
        c.ask(259).send(frame(WINDOW_UPDATE, 0, 259, u32(100)))
        assert c.outcome(259) == "200"


def test_a_reset_stream_takes_frames_that_were_under_way(server):
    with Client(server.port) as c:
        c.ask(1, BODY, fields=[("X", "y")])
        assert c.outcome(1) == "reset PROTOCOL_ERROR"
        c.send(frame(DATA, 0, 1, b"x"), frame(HEADERS, END_STREAM | END_HEADERS, 1, c.encode([("a", "b")])))
        c.ask(3)
        assert c.outcome(3) == "200"


def test_the_dynamic_table_lasts_as_long_as_the_connection(server):
    indexed = b"\x40\x01x\x01y"  # x: y, with incremental indexing
    with Client(server.port) as c:
        c.acknowledge().send(raw(b"\x3f\x61\x3f\xe1\x1f" + c.block() + indexed, stream=1))
        assert c.outcome(1) == "200"
        c.send(raw(c.block() + b"\xbe", stream=3))
        assert c.outcome(3) == "200"
    with Client(server.port) as c:
        c.acknowledge().send(raw(c.block() + b"\xbe"))
        assert c.outcome() == "goaway COMPRESSION_ERROR"
