"""Requests that are none: each gets its status, the connection ends in order, and nothing that
follows is answered. Two servers that read one message in two ways are how requests are smuggled."""

import itertools
import time

import pytest

from conftest import wait_for
from wire import REQUEST, Wire, get, listens, request

HOST = b"Host: a\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"


def line(text):
    """A head with this request line."""
    return text + b"\r\n" + HOST + b"\r\n"


def field(text):
    """A head with this among its fields."""
    return b"GET / HTTP/1.1\r\n" + HOST + text + b"\r\n\r\n"


def post(text, body):
    return b"POST / HTTP/1.1\r\n" + HOST + text + b"\r\n\r\n" + body


def chunked(body):
    return post(b"Transfer-Encoding: chunked", body)


HEADS = {
    # line ends
    "bare LF everywhere": (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    "bare LF behind the request line": (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    "bare LF behind a field": (b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400),
    "bare LF at the end": (b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
    "bare CR in the request line": (line(b"GET /\r HTTP/1.1"), 400),
    "bare CR in a value": (field(b"X: a\rb"), 400),
    "bare CR as line end": (b"GET / HTTP/1.1\rHost: a\r\r", 400),
    "CR CR LF": (field(b"X: a\r"), 400),
    "LF first": (b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "CR first": (b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "many empty lines first": (b"\r\n" * 10 + REQUEST, 400),
    # request line
    "no method": (line(b" / HTTP/1.1"), 400),
    "space first": (line(b" GET / HTTP/1.1"), 400),
    "two spaces": (line(b"GET  / HTTP/1.1"), 400),
    "two spaces before the version": (line(b"GET /  HTTP/1.1"), 400),
    "tab for a space": (line(b"GET\t/ HTTP/1.1"), 400),
    "space behind the version": (line(b"GET / HTTP/1.1 "), 400),
    "space in the target": (line(b"GET /a b HTTP/1.1"), 400),
    "method with a colon": (line(b"GE:T / HTTP/1.1"), 400),
    "no target": (line(b"GET HTTP/1.1"), 400),
    "no version": (line(b"GET /"), 400),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "lower-case http": (line(b"GET / http/1.1"), 400),
    "HTTP without number": (line(b"GET / HTTP/"), 400),
    "HTTP/1": (line(b"GET / HTTP/1"), 400),
    "HTTP/1.": (line(b"GET / HTTP/1."), 400),
    "HTTP/1.10": (line(b"GET / HTTP/1.10"), 400),
    "HTTP/01.1": (line(b"GET / HTTP/01.1"), 400),
    "HTTP/1,1": (line(b"GET / HTTP/1,1"), 400),
    "HTTP/x.y": (line(b"GET / HTTP/x.y"), 400),
    "HTTP/2.0": (line(b"GET / HTTP/2.0"), 505),
    "HTTP/0.9 named": (line(b"GET / HTTP/0.9"), 505),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "TLS hello": (bytes.fromhex("16030100c2010000be0303") + bytes(range(200)), 400),
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 400),
    "SMTP": (b"EHLO a\r\n\r\n", 400),
    "NUL first": (b"\0" + REQUEST, 400),
    "binary": (bytes(range(255, 0, -1)), 400),
    # target
    "relative target": (line(b"GET index.html HTTP/1.1"), 400),
    "fragment": (line(b"GET /#x HTTP/1.1"), 400),
    "NUL in the target": (line(b"GET /\0 HTTP/1.1"), 400),
    "escape in the target": (line(b"GET /\x1b[2J HTTP/1.1"), 400),
    "DEL in the target": (line(b"GET /\x7f HTTP/1.1"), 400),
    "8 bits in the target": (line(b"GET /\xe9 HTTP/1.1"), 400),
    "asterisk for GET": (line(b"GET * HTTP/1.1"), 400),
    "scheme alone": (line(b"GET http:// HTTP/1.1"), 400),
    "another scheme": (line(b"GET ftp://a/ HTTP/1.1"), 400),
    "user in the authority": (line(b"GET http://u@a/ HTTP/1.1"), 400),
    "bad port in the authority": (line(b"GET http://a:99999/ HTTP/1.1"), 400),
    "CONNECT without port": (line(b"CONNECT a HTTP/1.1"), 400),
    "CONNECT with a path": (line(b"CONNECT / HTTP/1.1"), 400),
    "huge target": (line(b"GET /" + b"a" * 8001 + b" HTTP/1.1"), 414),
    "huge query": (line(b"GET /?" + b"a" * 20000 + b" HTTP/1.1"), 414),
    # fields
    "space before the colon": (field(b"X : y"), 400),
    "tab before the colon": (field(b"X\t: y"), 400),
    "space before Content-Length's colon": (post(b"Content-Length : 3", b"abc"), 400),
    "no colon": (field(b"X"), 400),
    "no name": (field(b": y"), 400),
    "folded": (field(b"X: a\r\n b"), 400),
    "folded by a tab": (field(b"X: a\r\n\tb"), 400),
    "first field folded": (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    "folded length": (post(b"Content-Length:\r\n 3", b"abc"), 400),
    "NUL in a name": (field(b"X\0: y"), 400),
    "NUL in a value": (field(b"X: y\0z"), 400),
    "8 bits in a name": (field(b"X\xe9: y"), 400),
    "slash in a name": (field(b"X/Y: z"), 400),
    "quote in a name": (field(b'"X": z'), 400),
    "control character in a name": (field(b"X\x01: y"), 400),
    "control character in a value": (field(b"X: y\x01"), 400),
    "escape in a value": (field(b"X: \x1b[2J"), 400),
    "DEL in a value": (field(b"X: \x7f"), 400),
    "vertical tab before a value": (field(b"X:\x0by"), 400),
    "101 fields": (field(b"\r\n".join(b"X%d: y" % i for i in range(101))), 431),
    "10000 fields": (field(b"\r\n".join(b"X:" for i in range(10000))), 431),
    "huge value": (field(b"X: " + b"y" * 40000), 431),
    "huge name": (field(b"X" * 40000 + b": y"), 431),
    "much too huge": (field(b"X: " + b"y" * 3_000_000), 431),
    # Host
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (field(b"Host: b"), 400),
    "two equal Hosts": (field(b"Host: a"), 400),
    "no Host beside an absolute target": (b"GET http://a/ HTTP/1.1\r\n\r\n", 400),
    "path in Host": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "user in Host": (b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
    "list in Host": (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    "space in Host": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "bad port in Host": (b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
    "open bracket in Host": (b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
    "quotes in Host": (b'GET / HTTP/1.1\r\nHost: "a"\r\n\r\n', 400),
    "8 bits in Host": (b"GET / HTTP/1.1\r\nHost: \xe9\r\n\r\n", 400),
    # framing
    "two lengths": (post(b"Content-Length: 3\r\nContent-Length: 4", b"abc"), 400),
    "two equal lengths": (post(b"Content-Length: 3\r\nContent-Length: 3", b"abc"), 400),
    "list of lengths": (post(b"Content-Length: 3, 3", b"abc"), 400),
    "length of letters": (post(b"Content-Length: abc", b"abc"), 400),
    "empty length": (post(b"Content-Length:", b"abc"), 400),
    "negative length": (post(b"Content-Length: -3", b"abc"), 400),
    "signed length": (post(b"Content-Length: +3", b"abc"), 400),
    "hexadecimal length": (post(b"Content-Length: 0x3", b"abc"), 400),
    "length with a point": (post(b"Content-Length: 3.0", b"abc"), 400),
    "length with a space": (post(b"Content-Length: 3 3", b"abc"), 400),
    "length of 2^63": (post(b"Content-Length: 9223372036854775808", b"abc"), 400),
    "length of 2^64 + 3": (post(b"Content-Length: 18446744073709551619", b"abc"), 400),
    "length of 100 digits": (post(b"Content-Length: " + b"9" * 100, b"abc"), 400),
    "length and coding": (
        post(b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
        400,
    ),
    "coding and length": (
        post(b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"0\r\n\r\n"),
        400,
    ),
    "coding and no length": (
        post(b"Transfer-Encoding: chunked\r\nContent-Length: 0", b"0\r\n\r\n"),
        400,
    ),
    "unknown coding": (post(b"Transfer-Encoding: xyz", b""), 501),
    "gzip, chunked": (post(b"Transfer-Encoding: gzip, chunked", b"0\r\n\r\n"), 501),
    "identity": (post(b"Transfer-Encoding: identity", b""), 501),
    "almost chunked": (post(b"Transfer-Encoding: xchunked", b"0\r\n\r\n"), 501),
    "quoted chunked": (post(b'Transfer-Encoding: "chunked"', b"0\r\n\r\n"), 400),
    "chunked with a parameter": (post(b"Transfer-Encoding: chunked;q=1", b"0\r\n\r\n"), 400),
    "chunked not last": (post(b"Transfer-Encoding: chunked, gzip", b"0\r\n\r\n"), 400),
    "chunked twice": (post(b"Transfer-Encoding: chunked, chunked", b"0\r\n\r\n"), 400),
    "repeated coding": (
        post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
        400,
    ),
    "chunked, then another field of it": (
        post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: xyz", b"0\r\n\r\n"),
        400,
    ),
    "empty coding": (post(b"Transfer-Encoding:", b""), 400),
    "vertical tab before chunked": (post(b"Transfer-Encoding: \x0bchunked", b"0\r\n\r\n"), 400),
    "coding in HTTP/1.0": (
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "unknown expectation": (field(b"Expect: miracles"), 417),
}

# Only the body is wrong: the reply may have been made before.
BODIES = {
    "no size": chunked(b"\r\nabc\r\n0\r\n\r\n"),
    "size of letters": chunked(b"xyz\r\nabc\r\n0\r\n\r\n"),
    "negative size": chunked(b"-3\r\nabc\r\n0\r\n\r\n"),
    "signed size": chunked(b"+3\r\nabc\r\n0\r\n\r\n"),
    "0x size": chunked(b"0x3\r\nabc\r\n0\r\n\r\n"),
    "size with a space before": chunked(b" 3\r\nabc\r\n0\r\n\r\n"),
    "size with a space behind": chunked(b"3 \r\nabc\r\n0\r\n\r\n"),
    "size with an underscore": chunked(b"1_0\r\nabc\r\n0\r\n\r\n"),
    "size of 17 digits": chunked(b"1" + b"0" * 16 + b"\r\nabc\r\n0\r\n\r\n"),
    "size of 2^63": chunked(b"8000000000000000\r\nabc\r\n0\r\n\r\n"),
    "size with many zeros": chunked(b"0" * 300 + b"3\r\nabc\r\n0\r\n\r\n"),
    "LF behind the size": chunked(b"3\nabc\r\n0\r\n\r\n"),
    "CR behind the size": chunked(b"3\rabc\r\n0\r\n\r\n"),
    "LF behind the data": chunked(b"3\r\nabc\n0\r\n\r\n"),
    "CR CR behind the data": chunked(b"3\r\nabc\r\r0\r\n\r\n"),
    "nothing behind the data": chunked(b"3\r\nabc0\r\n\r\n"),
    "data longer than said": chunked(b"3\r\nabcd\r\n0\r\n\r\n"),
    "LF at the end": chunked(b"3\r\nabc\r\n0\r\n\n"),
    "LF behind the last size": chunked(b"3\r\nabc\r\n0\n\r\n"),
    "LF in an extension": chunked(b"3;a\nb\r\nabc\r\n0\r\n\r\n"),
    "CR in an extension": chunked(b"3;a\rb\r\nabc\r\n0\r\n\r\n"),
    "NUL in an extension": chunked(b"3;\0\r\nabc\r\n0\r\n\r\n"),
    "empty extension": chunked(b"3;\r\nabc\r\n0\r\n\r\n"),
    "extension without semicolon": chunked(b"3 a=b\r\nabc\r\n0\r\n\r\n"),
    "open quote in an extension": chunked(b'3;a="b\r\nabc\r\n0\r\n\r\n'),
    "huge extension": chunked(b"3;a=" + b"b" * 20000 + b"\r\nabc\r\n0\r\n\r\n"),
    "trailer without colon": chunked(b"0\r\nX\r\n\r\n"),
    "trailer with a space before the colon": chunked(b"0\r\nX : y\r\n\r\n"),
    "folded trailer": chunked(b"0\r\nX: y\r\n z\r\n\r\n"),
    "NUL in a trailer": chunked(b"0\r\nX: \0\r\n\r\n"),
    "bare LF in a trailer": chunked(b"0\r\nX: a\nY: b\r\n\r\n"),
    "huge trailer": chunked(b"0\r\nX: " + b"y" * 20000 + b"\r\n\r\n"),
    "many trailers": chunked(b"0\r\n" + b"X: y\r\n" * 1000 + b"\r\n"),
}

LEGAL = {
    "plain": REQUEST,
    "one empty line first": b"\r\n" + REQUEST,
    "two empty lines first": b"\r\n\r\n" + REQUEST,
    "no space behind the colon": field(b"X:y"),
    "spaces around a value": field(b"X: \t y \t "),
    "empty value": field(b"X:"),
    "8 bits in a value": field(b"X: \xe9\xff"),
    "odd characters in a name": field(b"!#$%&'*+-.^_`|~: y"),
    "100 fields": field(b"\r\n".join(b"X%d: y" % i for i in range(99))),
    "value of 30000": field(b"X: " + b"y" * 30000),
    "query of everything": line(b"GET /?a=/?:@!$&'()*+,;=-._~%00%ff HTTP/1.1"),
    "target of 8000": line(b"GET /?" + b"a" * 7998 + b" HTTP/1.1"),
    "absolute target": line(b"GET http://a/ HTTP/1.1"),
    "absolute target without path": line(b"GET http://a HTTP/1.1"),
    "absolute target with port": line(b"GET HTTP://other.example:80/?x HTTP/1.1"),
    "empty Host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "Host with port": b"GET / HTTP/1.1\r\nHost: a:80\r\n\r\n",
    "Host with empty port": b"GET / HTTP/1.1\r\nHost: a:\r\n\r\n",
    "Host of IPv6": b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
    "later version": line(b"GET / HTTP/1.9"),
    "length": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    "length with zeros": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0003\r\n\r\nabc",
    "body that looks like a request": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"
    % (len(NEXT), NEXT),
    "chunked": b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
    b'3;a;b=c;d="e\\"f" ; g = h\r\nabc\r\n00A\r\n0123456789\r\n000\r\nX: y\r\n\r\n',
}


@pytest.fixture(scope="module")
def server(module_weir, tmp_path_factory):
    """Its limits are short, so that what waits for more is over soon."""
    top = tmp_path_factory.mktemp("site")
    (top / "root").mkdir()
    (top / "root" / "index.html").write_text("hello")
    (top / "root" / "in").mkdir()
    (top / "weir.yaml").write_text(
        "listen: [{http: '127.0.0.1:0'}]\n"
        "limits: {request: 800ms, idle: 2s}\n"
        "sites: [{root: root, uploads: {prefix: in, put: yes, max-size: 1K}}]\n"
    )
    server = module_weir("-c", top / "weir.yaml")
    server.uploads = top / "root" / "in"
    before = server.descriptors()
    yield server
    assert server.get("/").text == "hello"
    wait_for(lambda: server.descriptors() <= before + 4, what="the end of what was open")


def only_reply(wire, status):
    """One reply, the end of the connection, and nothing else."""
    reply = wire.reply()
    assert reply.status == status
    assert reply["Connection"] == "close"
    assert reply.fields.keys() <= {"date", "content-type", "content-length", "connection"}
    assert wire.at_end()


@pytest.mark.parametrize("name", HEADS)
def test_head(server, name):
    data, status = HEADS[name]
    with Wire(server) as wire:
        only_reply(wire.send_while_open(data + NEXT), status)


@pytest.mark.parametrize("name", HEADS)
def test_head_behind_a_good_request(server, name):
    data, status = HEADS[name]
    with Wire(server) as wire:
        wire.send_while_open(REQUEST + request("/nothing") + data + NEXT)
        assert wire.reply().text == "hello"
        assert wire.reply().status == 404
        only_reply(wire, status)


@pytest.mark.parametrize("name", [name for name, (data, _) in HEADS.items() if len(data) < 1000])
def test_head_byte_by_byte(server, name):
    data, status = HEADS[name]
    with Wire(server) as wire:
        only_reply(wire.trickle(data + NEXT), status)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("bytewise", [False, True])
def test_body(server, name, bytewise):
    """The reply to the head is made already, or its status is the error's; nothing else comes."""
    data = BODIES[name]
    if bytewise and len(data) > 1000:
        return
    with Wire(server) as wire:
        (wire.trickle if bytewise else wire.send_while_open)(data + NEXT)
        assert wire.reply().status in (400, 405, 431)
        assert wire.at_end()


@pytest.mark.parametrize("name", BODIES)
def test_body_of_an_upload(server, name):
    """The status is the error's, and there is no file."""
    data = BODIES[name].replace(b"POST /", b"PUT /in/file")
    with Wire(server) as wire:
        wire.send_while_open(data + NEXT)
        reply = wire.reply()
        assert reply.status in (400, 413, 431) and reply["Connection"] == "close"
        assert wire.at_end()
    assert list(server.uploads.iterdir()) == []


@pytest.mark.parametrize("name", LEGAL)
@pytest.mark.parametrize("bytewise", [False, True])
def test_legal(server, name, bytewise):
    """Odd but well-formed requests are answered, and so are those behind them."""
    data = LEGAL[name]
    if bytewise and len(data) > 1000:
        return
    with Wire(server) as wire:
        (wire.trickle if bytewise else wire.send)(data + NEXT)
        assert wire.reply().text == "hello"
        assert wire.reply().status == 404
        assert wire.ask(REQUEST).text == "hello"


def test_asterisk(server):
    """OPTIONS * is for the server as a whole."""
    with Wire(server) as wire:
        assert wire.ask(line(b"OPTIONS * HTTP/1.1")).status in (200, 204)
        assert wire.ask(REQUEST).text == "hello"


def test_connect(server):
    with Wire(server) as wire:
        reply = wire.ask(line(b"CONNECT a:80 HTTP/1.1"))
        assert reply.status in (405, 501)


def test_every_cut(server):
    """Well-formed requests in two packets, cut at each byte."""
    data = LEGAL["chunked"] + b"\r\n" + LEGAL["spaces around a value"]
    for at in range(1, len(data)):
        with Wire(server) as wire:
            wire.send(data[:at])
            time.sleep(0.001)
            wire.send(data[at:])
            assert wire.reply().text == wire.reply().text == "hello"


# -- sizes and times


def test_huge_body_is_refused_unread(server):
    """413 comes before the body does, and the connection ends in order."""
    with Wire(server) as wire:
        wire.send(request("/in/f", "Content-Length: 1000000000", method="PUT"))
        assert wire.reply().status == 413
        assert wire.at_end()
    with Wire(server) as wire:
        wire.send(request("/in/f", "Transfer-Encoding: chunked", method="PUT"))
        try:
            for _ in range(100):
                wire.send(b"400\r\n" + bytes(1024) + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert wire.reply().status == 413
    assert list(server.uploads.iterdir()) == []


def test_huge_body_that_nobody_wants(server):
    """A small one is read and dropped; a large one ends the connection, with its reply read."""
    with Wire(server) as wire:
        wire.send(request("/", body=bytes(100_000)) + NEXT)
        assert wire.reply().text == "hello"
        assert wire.reply().status == 404
    with Wire(server) as wire:
        wire.send_while_open(request("/", body=bytes(500_000)) + NEXT)
        reply = wire.reply()
        assert reply.text == "hello" and reply["Connection"] == "close"
        assert wire.at_end()


@pytest.mark.parametrize(
    "data",
    [b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX: y", REQUEST[:-1]],
)
def test_unfinished_head(server, data):
    """408 after the time that a request may take."""
    begun = time.monotonic()
    with Wire(server) as wire:
        only_reply(wire.send(data), 408)
    assert 0.7 < time.monotonic() - begun < 25  # by default it is 30 s


@pytest.mark.parametrize("data", [b"G", b"GET / HTTP/1.1\r\n", REQUEST[:-1]])
def test_end_within_a_head(server, data):
    """Nobody is answered who has asked nothing."""
    with Wire(server) as wire:
        wire.send(REQUEST + data).end()
        assert wire.reply().text == "hello"
        assert wire.rest() == b"" or b"400" in wire.kept


def test_unfinished_body(server):
    with Wire(server) as wire:
        wire.send(request("/in/f", "Content-Length: 10", method="PUT") + b"abc")
        assert wire.reply().status == 408
        assert wire.at_end()
    assert list(server.uploads.iterdir()) == []


def test_idle_connection_ends(server):
    """Without a reply: a client that sends a request just then would take it for its own."""
    with Wire(server) as wire:
        assert wire.at_end()
    with Wire(server) as wire:
        assert wire.ask(REQUEST).text == "hello"
        assert wire.at_end()


def test_methods_do_not_matter(server):
    """A malformed request is one whatever it asks for."""
    for method, target in itertools.product((b"HEAD", b"PUT", b"BREW"), (b"/", b"/in/f", b"/no")):
        with Wire(server) as wire:
            wire.send(method + b" " + target + b" HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n" + NEXT)
            assert wire.reply().status == 400
            assert wire.at_end()
    assert get(server, "/").text == "hello"
    assert listens(server)
