"""Pipelined requests: an unsafe one is handled alone (RFC 9112 9.3.2), safe ones side by side."""

import pytest
from client import Raw, names
from servers import drop, uploads  # noqa: F401


def ask(method, path, body=None, version="1.1"):
    fields = [f"{method} {path} HTTP/{version}", "Host: a"]
    if body is not None:
        fields.append(f"Content-Length: {len(body)}")
    return "\r\n".join(fields).encode() + b"\r\n\r\n" + (body or b"")


def converse(server, *requests):
    """Sends all requests at once; the statuses."""
    with Raw(server.port) as raw:
        raw.send(b"".join(requests))
        return [raw.status() for _ in requests]


def test_an_unsafe_request_waits_for_those_before_it_and_is_waited_for(uploads, drop):
    for _ in range(20):
        assert converse(uploads, ask("PUT", "/d", b"x"), ask("DELETE", "/d")) == [201, 204]
        assert names(drop) == []
        assert converse(uploads, ask("PUT", "/p", b"x"), ask("GET", "/p")) == [201, 200]
        assert converse(uploads, ask("GET", "/p"), ask("DELETE", "/p"), ask("GET", "/p")) == [
            200,
            204,
            404,
        ]
        puts = [ask("PUT", "/last", b"%03d" % n) for n in range(5)]
        assert converse(uploads, *puts) == [201, 204, 204, 204, 204]
        assert (drop / "last").read_bytes() == b"004"
        assert converse(uploads, ask("DELETE", "/last")) == [204]


def test_a_form_is_handled_alone(uploads, drop):
    form = (
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="%s"\r\n\r\n%s\r\n--b--\r\n'
    )

    def post(name, text):
        body = form % (name, text)
        head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + b"Content-Type: multipart/form-data; boundary=b\r\n\r\n" + body

    for _ in range(10):
        asked = [post(b"a", b"1"), ask("GET", "/a"), post(b"a", b"2"), ask("DELETE", "/a")]
        assert converse(uploads, *asked) == [201, 200, 201, 204]
        assert names(drop) == []


def test_a_chunked_body_and_a_refused_path_among_them(uploads, drop):
    chunked = b"PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    asked = [ask("GET", "/c"), chunked, ask("DELETE", "/%00"), ask("DELETE", "/c")]
    assert converse(uploads, *asked, ask("GET", "/c")) == [404, 201, 400, 204, 404]


def test_a_body_that_breaks_off_behind_a_deferred_head(uploads, drop):
    (drop / "big").write_bytes(bytes(8 << 20))
    with Raw(uploads.port) as raw:
        raw.send(ask("GET", "/big") + b"PUT /n HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx")
        raw.reset()
    with Raw(uploads.port) as raw:
        raw.send(ask("GET", "/big") + b"PUT /n HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx")
        assert raw.status() == 200
        raw.socket.shutdown(1)
        assert raw.status() == 400
    assert names(drop) == ["big"]


@pytest.mark.parametrize("count", [2, 100])
def test_a_request_without_a_body_is_answered_behind_a_closed_input(uploads, drop, count):
    (drop / "gone").write_bytes(b"x")
    with Raw(uploads.port) as raw:
        raw.send(ask("GET", "/gone") * (count - 1) + ask("DELETE", "/gone"))
        raw.socket.shutdown(1)
        assert [raw.status() for _ in range(count)] == [200] * (count - 1) + [204]
    assert names(drop) == []


def test_http_1_0_still_hears_whether_the_connection_stays(uploads, drop):
    (drop / "f").write_bytes(b"x")
    with Raw(uploads.port) as raw:
        raw.send(b"GET /f HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2)
        assert b"Connection: keep-alive" in raw.until(b"\r\n\r\nx")
        assert b"Connection: keep-alive" in raw.until(b"\r\n\r\nx")
        raw.send(b"DELETE /f HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"keep-alive" not in raw.until(b"\r\n\r\n")
