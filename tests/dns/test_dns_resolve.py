"""The resolver, by its example, with real servers: its results are the data of their zones."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dns_servers import TOP, Knot, Nsd, have_peers
from ports import free_port
from test_dns_forward import Unbound

pytestmark = pytest.mark.skipif(not have_peers(), reason="needs nsd and knot")

ZONE = "example.org"
OTHER = "example.net"
TEXT = f"""$ORIGIN {ZONE}.
$TTL 300
@ IN SOA ns hostmaster 1 3600 600 86400 60
@ IN NS ns
@ IN MX 20 back
@ IN MX 10 main
ns IN A 192.0.2.1
main IN A 192.0.2.2
main IN AAAA 2001:db8::2
back IN A 192.0.2.3
alias IN CNAME second
second IN CNAME third.{OTHER}.
none IN MX 0 .
_imap._tcp IN SRV 10 0 143 main
_imap._tcp IN SRV 5 0 993 main
text IN TXT "one" " two"
""" + "\n".join(f"big IN TXT \"{i:03} {'x' * 200}\"" for i in range(40)) + "\n"
OTHER_TEXT = f"""$ORIGIN {OTHER}.
$TTL 300
@ IN SOA ns.{ZONE}. hostmaster.{ZONE}. 1 3600 600 86400 60
@ IN NS ns.{ZONE}.
third IN A 198.51.100.7
"""
# Not one of the blocks for documents, which Unbound knows to have no names.
REVERSE = f"""$ORIGIN 9.9.9.in-addr.arpa.
$TTL 300
@ IN SOA ns.{ZONE}. hostmaster.{ZONE}. 1 3600 600 86400 60
@ IN NS ns.{ZONE}.
2 IN PTR main.{ZONE}.
"""


def resolve_program():
    weir = Path(os.environ.get("WEIR", TOP / "build/weir"))
    found = weir.parent / "tests/resolve"
    if not found.exists():
        pytest.skip(f"{found} is not built")
    return str(found)


@pytest.fixture
def zones(tmp_path):
    found = {}
    for zone, text in ((ZONE, TEXT), (OTHER, OTHER_TEXT), ("9.9.9.in-addr.arpa", REVERSE)):
        found[zone] = tmp_path / zone
        found[zone].write_text(text)
    return found


@pytest.fixture(params=["nsd", "knot", "unbound"])
def server(request, zones, tmp_path):
    """Two that know the zones, and one that asks the first of them."""
    if request.param == "unbound" and not shutil.which("unbound", path="/usr/sbin:" + os.environ["PATH"]):
        pytest.skip("no unbound")
    running = [(Knot if request.param == "knot" else Nsd)(zones, tmp_path)]
    running[0].wait_until_it_answers(ZONE)
    if request.param == "unbound":
        running.append(Unbound(running[0].port, tmp_path).wait_until_it_answers(ZONE))
    yield running[-1]
    for one in reversed(running):
        one.stop()


@pytest.fixture
def resolve(tmp_path):
    """resolve([port…], word…): the code and the lines, in the order of the alphabet."""
    program = resolve_program()

    def run(ports, *words, options=""):
        conf = tmp_path / "resolv.conf"
        lines = [f"nameserver [127.0.0.1]:{port}" for port in ports]
        conf.write_text("\n".join(lines + [options]) + "\n")
        done = subprocess.run(
            [program, "-c", conf, *words], capture_output=True, text=True, timeout=60
        )
        assert not done.stderr, done.stderr
        return done.returncode, sorted(done.stdout.splitlines())

    return run


def test_every_kind(server, resolve):
    port = [server.port]
    assert resolve(port, "host", f"main.{ZONE}", f"back.{ZONE}.") == (
        0,
        [f"back.{ZONE}.: 192.0.2.3", f"main.{ZONE}: 192.0.2.2", f"main.{ZONE}: 2001:db8::2"],
    )
    assert resolve(port, "host", f"alias.{ZONE}") == (0, [f"alias.{ZONE}: 198.51.100.7"])
    assert resolve(port, "mx", ZONE, f"none.{ZONE}") == (
        0,
        [f"{ZONE}: 10 main.{ZONE}", f"{ZONE}: 20 back.{ZONE}", f"none.{ZONE}: says that there is none"],
    )
    assert resolve(port, "srv", f"_imap._tcp.{ZONE}") == (
        0,
        [f"_imap._tcp.{ZONE}: 10 0 main.{ZONE}:143", f"_imap._tcp.{ZONE}: 5 0 main.{ZONE}:993"],
    )
    assert resolve(port, "txt", f"text.{ZONE}") == (0, [f'text.{ZONE}: "one two"'])
    assert resolve(port, "name", "9.9.9.2") == (0, [f"9.9.9.2: main.{ZONE}"])


def test_what_is_not_there(server, resolve):
    port = [server.port]
    assert resolve(port, "host", f"gone.{ZONE}", f"text.{ZONE}", "a..b", f"main.{ZONE}") == (
        1,
        [
            "a..b: not a name",
            f"gone.{ZONE}: no such name",
            f"main.{ZONE}: 192.0.2.2",
            f"main.{ZONE}: 2001:db8::2",
            f"text.{ZONE}: the name has no such data",
        ],
    )
    assert resolve(port, "mx", f"main.{ZONE}") == (1, [f"main.{ZONE}: the name has no such data"])


def test_what_only_goes_by_tcp(server, resolve):
    code, lines = resolve([server.port], "txt", f"big.{ZONE}")
    assert code == 0
    assert lines == [f"big.{ZONE}: \"{i:03} {'x' * 200}\"" for i in range(40)]


def test_many_at_once(server, resolve):
    """More than fit into a socket's buffer; the same name is asked for once."""
    words = [f"main.{ZONE}"] * 200 + [f"n{i}.{ZONE}" for i in range(200)]
    code, lines = resolve([server.port], "host", *words)
    assert code == 1
    assert lines.count(f"main.{ZONE}: 192.0.2.2") == 200
    assert sum(line.endswith(": no such name") for line in lines) == 200


def test_domains_and_the_next_server(server, resolve):
    """Nobody listens at the first. Where nobody listens at all, it may go better later."""
    ports = [free_port(), server.port]
    assert resolve(ports, "host", "back", options=f"search {OTHER} {ZONE}") == (
        0,
        ["back: 192.0.2.3"],
    )
    assert resolve([free_port()], "host", f"main.{ZONE}") == (
        1,
        [f"main.{ZONE}: the name servers failed or did not answer"],
    )
