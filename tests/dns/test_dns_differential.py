"""Answers beside those of NSD and Knot, on zones and queries made by dice: where the two agree, we
do, too; where they do not, we are like one of them.
"""

import dns.flags
import dns.message
import dns.rdatatype
import pytest

from dns_servers import Knot, Nsd, Weir, have_peers
from zone_maker import ZONE, have_signer, write_zone

pytestmark = pytest.mark.skipif(
    not (have_peers() and have_signer()), reason="needs nsd, knot and ldnsutils"
)

QUERIES = 800
SIGNINGS = {
    "unsigned": None,
    "nsec": [],
    "nsec3": ["-n"],
    "nsec3-salted": ["-n", "-s", "ab12", "-t", "5"],
    "nsec3-optout": ["-n", "-p"],
}


def section(records):
    """Each record by itself, without regard for the case of names and for order."""
    return frozenset(
        (rrset.name, rrset.ttl, rrset.rdtype, record) for rrset in records for record in rrset
    )


def text_of(part):
    if not isinstance(part, frozenset):
        return part
    return sorted(
        f"{name} {ttl} {dns.rdatatype.to_text(kind)} {record}" for name, ttl, kind, record in part
    )


def shape(reply):
    return {
        "rcode": reply.rcode(),
        "flags": reply.flags & (dns.flags.AA | dns.flags.TC | dns.flags.QR | dns.flags.AD),
        "answer": section(reply.answer),
        "authority": section(reply.authority),
        "additional": section(reply.additional),
    }


def differs(ours, nsd, knot):
    """The parts in which we are like neither. An answer may have fewer additional records than Knot's,
    which has glue there, too; a referral may not.
    """
    parts = [part for part in ours if ours[part] not in (nsd[part], knot[part])]
    if "additional" in parts and ours["answer"] and ours["additional"] <= knot["additional"]:
        parts.remove("additional")
    return parts


@pytest.mark.parametrize("signing", SIGNINGS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_answers_are_those_of_nsd_and_knot(tmp_path, signing, seed):
    maker, path = write_zone(tmp_path, seed, SIGNINGS[signing])
    zones = {ZONE: path}
    servers = []
    wrong = []
    try:
        for kind in (Weir, Nsd, Knot):
            servers.append(kind(zones, tmp_path))
        for server in servers:
            server.wait_until_it_answers(ZONE)
        for name, kind, dnssec in maker.queries(QUERIES):
            query = dns.message.make_query(name, kind, want_dnssec=dnssec, use_edns=0)
            query.flags &= ~dns.flags.RD
            weir, nsd, knot = servers
            ours, other = (shape(server.ask(query)) for server in (weir, knot))
            if ours == other:
                continue
            shapes = [ours, shape(nsd.ask(query)), other]
            parts = differs(*shapes)
            if parts:
                wrong.append((name, kind, dnssec, parts, shapes))
    finally:
        for server in servers:
            server.stop()
    text = "\n".join(
        f"{name} {kind} do={dnssec}: {part}\n  "
        + "\n  ".join(str(text_of(s[part])) for s in shapes)
        for name, kind, dnssec, parts, shapes in wrong[:5]
        for part in parts
    )
    assert not wrong, f"{len(wrong)} of {QUERIES} answers differ, such as\n{text}"
