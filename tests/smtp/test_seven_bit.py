"""Messages encoded for a server that takes 7 bits, read by Python's email package.

Decoding each part of the result gives that of the message, byte by byte. The messages are random, from
a seed that is the same in each run, and as odd as real ones.
"""

import email
import os
import pathlib
import random
import subprocess

import pytest

MESSAGES = 3000
HIGH = [bytes([c]) for c in (0x80, 0x96, 0xC3, 0xE4, 0xFC, 0xFF)]


@pytest.fixture(scope="module")
def encode():
    """A function that encodes a list of messages: for each whether it can be, and the result."""
    program = pathlib.Path(os.environ["WEIR"]).parent / "tests/seven-bit-encode"
    if not program.exists():
        pytest.skip(f"{program} is missing: ninja tests-clients builds it")

    def encode(messages):
        text = b"".join(b"%d\n%s" % (len(m), m) for m in messages)
        rest = subprocess.run([program], input=text, stdout=subprocess.PIPE, check=True).stdout
        results = []
        while rest:
            head, rest = rest.split(b"\n", 1)
            code, size = map(int, head.split())
            results.append((code == 0, rest[:size]))
            rest = rest[size:]
        assert len(results) == len(messages)
        return results

    return encode


class Maker:
    """Makes random messages."""

    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.boundaries = []

    def chance(self, percent):
        return self.dice.random() * 100 < percent

    def line(self, density):
        dice = self.dice
        pieces = []
        for _ in range(dice.choice([0, 1, 3, 10, 40, 200])):
            if self.chance(density):
                pieces.append(dice.choice(HIGH))
            else:
                pieces.append(dice.choice([b"x", b"word", b" ", b"\t", b"=", b"-", b"--", b"."]))
        line = b"".join(pieces)
        if self.boundaries and self.chance(5):
            line += b"--" + dice.choice(self.boundaries) + dice.choice([b"x", b"\xff", b"-"])
        return line

    def text(self, density):
        lines = [self.line(density) for _ in range(self.dice.choice([0, 1, 2, 8]))]
        text = b"\r\n".join(lines)
        return text + b"\r\n" if self.chance(70) else text

    def noise(self):
        return self.text(30 if self.chance(20) else 0)

    def header(self, kind, encoding, root):
        fields = []
        if root:
            fields.append(b"Subject: a\r\n\tfolded line")
            if self.chance(80):
                fields.append(b"MIME-Version: 1.0")
        if kind:
            fields.append(self.dice.choice([b"Content-Type: ", b"content-type:"]) + kind)
        if encoding:
            name = self.dice.choice([b"Content-Transfer-Encoding", b"CONTENT-TRANSFER-ENCODING"])
            fields.append(name + b": " + self.dice.choice([encoding, encoding.upper()]))
        self.dice.shuffle(fields)
        return b"".join(field + b"\r\n" for field in fields) + b"\r\n"

    def leaf(self, root):
        kind = self.dice.choice(
            [b"", b"text/plain", b"text/html; charset=utf-8", b"application/pdf; name=a b.pdf"]
        )
        density = self.dice.choice([0, 2, 60])
        encoding = self.dice.choice([b"", b"", b"8bit", b"8bit", b"7bit", b"binary"])
        body = self.text(density)
        if self.chance(10):
            encoding, body = b"quoted-printable", self.text(5).replace(b"=", b"=3D")
        elif self.chance(10):
            encoding, body = b"base64", b"SGVsbG8\xff=\r\n" if self.chance(50) else b"SGVsbG8="
        return self.header(kind, encoding, root) + body

    def multipart(self, depth, root):
        dice = self.dice
        boundary = b"b%d" % dice.randrange(10) if self.chance(50) else b"=_%x/" % dice.getrandbits(40)
        if boundary in self.boundaries:
            return self.leaf(root)
        self.boundaries.append(boundary)
        subtype = dice.choice([b"mixed", b"alternative", b"digest", b"related"])
        value = boundary
        if b"=" in boundary or self.chance(50):
            value = b'"' + boundary + b'"'
        kind = b"multipart/" + subtype + dice.choice([b";", b"; x=y;", b";\r\n\t"]) + b"boundary=" + value
        text = self.header(kind, dice.choice([b"", b"8bit", b"7bit"]), root)
        if self.chance(30):
            text += self.noise() + b"\r\n"
        for _ in range(dice.choice([1, 1, 2, 3])):
            if subtype == b"digest":
                kind = dice.choice([b"", b"message/rfc822"])
                part = self.header(kind, b"", False) + self.entity(depth - 1, True)
            else:
                part = self.entity(depth - 1, False)
            text += b"--" + boundary + dice.choice([b"", b"", b"  "]) + b"\r\n" + part + b"\r\n"
        self.boundaries.pop()
        if self.chance(90):
            text += b"--" + boundary + b"--" + dice.choice([b"", b"\t"]) + b"\r\n"
            if self.chance(20):
                text += self.noise()
        return text

    def entity(self, depth, root):
        if depth and self.chance(45):
            return self.multipart(depth, root)
        if depth and self.chance(15):
            encoding = self.dice.choice([b"", b"8bit"])
            return self.header(b"message/rfc822", encoding, root) + self.entity(depth - 1, True)
        return self.leaf(root)


def leaves(message):
    """The parts: their types and bytes."""
    return [
        (part.get_content_type(), part.get_payload(decode=True))
        for part in message.walk()
        if not part.is_multipart()
    ]


def header_of(message):
    """The fields but for those that the encoding is free to change."""
    free = ("content-transfer-encoding", "mime-version")
    return [(name, value) for name, value in message.items() if name.lower() not in free]


def test_decoded_parts_are_the_same(encode):
    messages = [Maker(seed).entity(4, True) for seed in range(MESSAGES)]
    encoded = changed = 0
    for seed, (message, (good, result)) in enumerate(zip(messages, encode(messages))):
        assert good, f"message {seed}: {result}"
        before, after = email.message_from_bytes(message), email.message_from_bytes(result)
        assert leaves(before) == leaves(after), f"message {seed}"
        for part, other in zip(before.walk(), after.walk()):
            assert header_of(part) == header_of(other), f"message {seed}"
        assert not any(c > 0x7F for c in result), f"message {seed}"
        if any(c > 0x7F for c in message):
            encoded += 1
            assert not any(
                part.get("content-transfer-encoding", "").lower() in ("8bit", "binary")
                for part in after.walk()
            )
        else:
            assert message == result
        changed += message != result
        assert all(len(line) < 1000 for line in result.split(b"\r\n")) or any(
            len(line) >= 1000 for line in message.split(b"\r\n")
        )
    assert encoded > MESSAGES / 3 and changed == encoded


def test_what_is_encoded_is_left_alone_the_second_time(encode):
    messages = [Maker(seed).entity(4, True) for seed in range(300)]
    once = [result for _, result in encode(messages)]
    assert [result for _, result in encode(once)] == once


def test_lines_that_end_in_lf(encode):
    messages = [Maker(seed).entity(4, True).replace(b"\r\n", b"\n") for seed in range(300)]
    for message, (good, result) in zip(messages, encode(messages)):
        before, after = email.message_from_bytes(message), email.message_from_bytes(result)
        plain = [
            (kind, body.replace(b"\r\n", b"\n") if body else body) for kind, body in leaves(after)
        ]
        assert good and leaves(before) == plain
