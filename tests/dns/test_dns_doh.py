"""DNS over HTTPS by the daemon (RFC 8484)."""

import subprocess

import dns.message
import dns.query
import dns.rcode
import pytest

from dns_daemon import authority, Curl, encode, pair, served, zone_text  # noqa: F401


def doh_url(server):
    return f"https://127.0.0.1:{server.ports['https']}/dns-query"


@pytest.mark.parametrize("post", [True, False])
def test_dns_over_https_with_dnspython(served, authority, post):
    server = served()
    query = dns.message.make_query("short.example.org", "A")
    query.id = 0
    reply = dns.query.https(query, doh_url(server), post=post, verify=str(authority.path))
    assert reply.answer[0][0].address == "192.0.2.7" and reply.id == 0


def test_dns_over_https_says_how_long_a_reply_holds(served):
    server = served()
    for name, kind, age in [
        ("short.example.org", "A", 7),
        ("www.example.org", "A", 300),
        ("no.example.org", "A", 60),  # the SOA's minimum
        ("www.example.org", "TXT", 60),
        ("example.net", "A", 0),  # refused
    ]:
        query = dns.message.make_query(name, kind).to_wire()
        reply = Curl(server, f"/dns-query?dns={encode(query)}")
        assert reply.status == 200
        assert reply.fields["content-type"] == "application/dns-message"
        assert reply.fields["cache-control"] == f"max-age={age}", name
        assert dns.message.from_wire(reply.body).question[0].name.to_text() == name + "."


def test_dns_over_https_refuses_what_is_no_query(served, tmp_path):
    server = served()
    query = dns.message.make_query("www.example.org", "A").to_wire()
    good, message = encode(query), "Content-Type: application/dns-message"
    body = tmp_path / "body"

    def post(data, *fields, kind=message):
        body.write_bytes(data)
        return Curl(server, "/dns-query", "--data-binary", f"@{body}", "-H", kind, *fields)

    def get(target, *arguments):
        return Curl(server, target, *arguments)

    assert get("/dns-query").status == 400
    assert get("/dns-query?dns=").status == 400
    assert get("/dns-query?dns=A").status == 400
    assert get(f"/dns-query?dns={good}==").status == 400  # padding
    assert get("/dns-query?dns=AA+/").status == 400  # the other alphabet
    assert get(f"/dns-query?dns={encode(query[:11])}").status == 400
    answer = bytearray(query)
    answer[2] |= 0x80
    assert get(f"/dns-query?dns={encode(answer)}").status == 400
    assert get(f"/dns-query?x=y&dns={good}").status == 200
    assert get(f"/dns-query/?dns={good}").status == 404
    assert get(f"/dns-queryx?dns={good}").status == 404
    assert get(f"/dns-query?dns={good}", "-I").fields["content-type"].endswith("dns-message")
    assert post(query).status == 200
    assert post(query, kind=message.upper() + "; x=y").status == 200
    assert post(query, "-H", "Transfer-Encoding: chunked").status == 200
    assert post(query, kind="Content-Type: text/plain").status == 415
    assert post(b"").status == 400
    assert post(bytes(65536)).status == 413
    assert post(query + bytes(65536), "-H", "Transfer-Encoding: chunked").status == 413
    deleted = Curl(server, "/dns-query", "-X", "DELETE")
    assert deleted.status == 405 and deleted.fields["allow"] == "get, head, post"
    # A malformed DNS message is answered by DNS.
    wrong = post(query[:-3])
    assert wrong.status == 200 and wrong.body[3] & 15 == dns.rcode.FORMERR
    assert wrong.fields["cache-control"] == "max-age=0"


def test_a_transfer_is_not_for_https(served):
    server = served(zone=", transfer: {networks: [127.0.0.1]}")
    for kind in ("AXFR", "IXFR"):
        query = dns.message.make_query("example.org", kind).to_wire()
        reply = Curl(server, f"/dns-query?dns={encode(query)}")
        if kind == "AXFR":
            assert dns.message.from_wire(reply.body).rcode() == dns.rcode.NOTIMP
        assert reply.status == 200


def test_dns_over_https_in_clear_is_for_who_wants_it(weir, tmp_path):
    (tmp_path / "example.org.zone").write_text(zone_text())
    (tmp_path / "public").mkdir()
    query = dns.message.make_query("www.example.org", "A").to_wire()
    for word, status in (("clear", 200), ("off", 404)):
        (tmp_path / "weir.yaml").write_text(
            f"listen: [{{http: '127.0.0.1:0'}}]\nsites: [{{root: public, dns-over-https: {word}}}]\n"
            "dns: {zones: [{name: example.org, file: example.org.zone}]}\n"
        )
        server = weir("-c", tmp_path / "weir.yaml")
        assert server.get(f"/dns-query?dns={encode(query)}").status == status


def test_dns_over_https_hears_of_a_reload(served):
    server = served()
    query = encode(dns.message.make_query("www.example.org", "A").to_wire())
    server.write(zone_text(2))
    server.reload()
    reply = dns.message.from_wire(Curl(server, f"/dns-query?dns={query}").body)
    assert reply.answer[0][0].address == "192.0.2.2"


@pytest.mark.parametrize("how", ["+https=/dns-query", "+https-get"])
def test_dns_over_https_with_kdig_which_insists_on_http_2(served, authority, how):
    server = served()
    command = ["kdig", "@127.0.0.1", "-p", str(server.ports["https"]), how]
    command += [f"+tls-ca={authority.path}", "+tls-hostname=127.0.0.1", "short.example.org", "A"]
    out = subprocess.run(command, capture_output=True, timeout=60, check=True).stdout.decode()
    assert "192.0.2.7" in out and "HTTP/2" in out
