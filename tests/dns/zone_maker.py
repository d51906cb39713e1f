"""Random zones and queries, reproducible by their seed: few names have everything that makes answering
hard. ldns signs the zones.
"""

import random
import shutil
import subprocess

ZONE = "example.org"
LABELS = ["a", "b", "c", "d", "w", "x", "_tcp", "Mixed", "aa", "0"]
TYPES = ["A", "AAAA", "TXT", "MX", "SRV", "CNAME", "NS", "DS", "SOA", "DNAME", "PTR", "CAA"]
EXTRA_TYPES = ["NSEC", "RRSIG", "DNSKEY", "NSEC3PARAM", "TYPE1234"]


def random_name(dice, depth=4):
    return ".".join(dice.choice(LABELS) for _ in range(dice.randint(1, depth)))


class Maker:
    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.names = {}  # name beneath the zone: type: records
        self.cuts = set()
        self.lines = []

    def target(self):
        if self.names and self.dice.random() < 0.8:
            return f"{self.dice.choice(sorted(self.names))}.{ZONE}."
        if self.dice.random() < 0.5:
            return f"{random_name(self.dice)}.{ZONE}."
        return "host.elsewhere.net."

    def rdata(self, kind):
        dice = self.dice
        return {
            "A": lambda: f"192.0.2.{dice.randint(1, 250)}",
            "AAAA": lambda: f"2001:db8::{dice.randint(1, 65000):x}",
            "TXT": lambda: f'"text {dice.randint(1, 99)}" "more; (of) it"',
            "MX": lambda: f"{dice.randint(1, 50)} {self.target()}",
            "SRV": lambda: f"1 2 {dice.randint(1, 9999)} {self.target()}",
            "PTR": self.target,
            "CAA": lambda: '0 issue "ca.example.net"',
            "CNAME": self.target,
            "DNAME": self.target,
            "NS": self.target,
            "DS": lambda: f"{dice.randint(1, 65000)} 13 2 " + "%064x" % dice.getrandbits(256),
            "TYPE1234": lambda: "\\# 4 01020304",
        }[kind]()

    def put(self, name, kind, count=1):
        records = self.names.setdefault(name, {}).setdefault(kind, set())
        for _ in range(count):
            records.add(self.rdata(kind))

    def covered(self, name):
        """Beneath a cut or a DNAME, or above something: no place for either."""
        parts = name.split(".")
        above = [".".join(parts[i:]) for i in range(1, len(parts))]
        return any(
            other in self.names and ({"NS", "DNAME"} & self.names[other].keys()) for other in above
        )

    def make(self, count=60):
        dice = self.dice
        for _ in range(count):
            name = random_name(dice)
            if dice.random() < 0.15:
                name = "*." + name
            if name in self.names or self.covered(name):
                continue
            below = any(other.endswith("." + name) for other in self.names)
            roll = dice.random()
            if roll < 0.15 and not name.startswith("*"):
                self.put(name, "NS", dice.randint(1, 3))
                if dice.random() < 0.5:
                    self.put(name, "DS")
                if dice.random() < 0.6:
                    glue = f"ns.{name}"
                    self.names[name]["NS"].add(f"{glue}.{ZONE}.")
                    self.put(glue, "A", 2)
                    self.put(glue, "AAAA")
            elif roll < 0.25:
                self.put(name, "CNAME")
            elif roll < 0.32 and not below and not name.startswith("*"):
                self.put(name, "DNAME")
            else:
                for kind in dice.sample(["A", "AAAA", "TXT", "MX", "SRV", "PTR", "CAA", "TYPE1234"], 3):
                    self.put(name, kind, dice.randint(1, 3))
        return self

    def text(self):
        lines = [
            f"$ORIGIN {ZONE}.",
            "$TTL 3600",
            "@ IN SOA ns1 hostmaster 7 3600 600 86400 300",
            "@ IN NS ns1",
            "@ IN NS ns2.elsewhere.net.",
            "@ IN MX 5 ns1",
            "ns1 IN A 192.0.2.254",
        ]
        for name, kinds in self.names.items():
            for kind, records in kinds.items():
                lines += [f"{name} {600 + len(name)} IN {kind} {data}" for data in sorted(records)]
        return "\n".join(lines) + "\n"

    def queries(self, count):
        """Names that are there, near what is there, beneath it, and elsewhere."""
        dice = self.dice
        there = sorted(self.names) + ["ns1"]
        for _ in range(count):
            roll = dice.random()
            base = dice.choice(there)
            if roll < 0.35:
                name = base
            elif roll < 0.55:
                name = f"{dice.choice(LABELS + ['zz', '*'])}.{base}"
            elif roll < 0.65:
                name = base.split(".", 1)[-1]
            elif roll < 0.75:
                name = f"{random_name(dice, 2)}.{base}"
            elif roll < 0.95:
                name = random_name(dice)
            else:
                name = ""
            name = name.replace("*.*", "*")
            whole = f"{name}.{ZONE}." if name else f"{ZONE}."
            yield whole, dice.choice(TYPES * 3 + EXTRA_TYPES), dice.random() < 0.7


def write_zone(directory, seed, signing=None):
    """The zone's maker and file; `signing` are ldns-signzone's options, None leaves it unsigned."""
    maker = Maker(seed).make()
    path = directory / f"{ZONE}.zone"
    path.write_text(maker.text())
    if signing is None:
        return maker, path
    key = subprocess.run(
        ["ldns-keygen", "-r", "/dev/urandom", "-a", "ECDSAP256SHA256", "-k", ZONE],
        cwd=directory,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    subprocess.run(
        ["ldns-signzone", *signing, "-o", ZONE, path.name, key],
        cwd=directory,
        check=True,
        capture_output=True,
    )
    return maker, directory / f"{path.name}.signed"


def have_signer():
    return shutil.which("ldns-signzone") and shutil.which("ldns-keygen")
