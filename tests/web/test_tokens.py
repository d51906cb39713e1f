"""Bearer authentication by signed tokens: which are good, and every way in which one may not be."""

import base64
import hashlib
import hmac
import json
import re
import subprocess
import time

import pytest

from test_auth import basic, hashed

CURVES = {"ES256": ("P-256", 32), "ES384": ("P-384", 48), "ES512": ("P-521", 66)}
RSA = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]


def encode(data):
    if isinstance(data, dict):
        data = json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def numbers(der, half):
    """The two numbers of a signature of ECDSA, as JWS has them."""
    assert der[0] == 0x30
    at, found = 3 if der[1] == 0x81 else 2, b""
    for _ in range(2):
        size = der[at + 1]
        found += der[at + 2 : at + 2 + size].lstrip(b"\0").rjust(half, b"\0")
        at += 2 + size
    return found


class Issuer:
    """A private key, and tokens that it signs."""

    salt = "digest"  # of PSS

    def __init__(self, directory, algorithm):
        self.algorithm, self.key = algorithm, directory / f"{algorithm}.key"
        if algorithm in CURVES:
            kind = ["-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{CURVES[algorithm][0]}"]
        elif algorithm == "EdDSA":
            kind = ["-algorithm", "ED25519"]
        else:
            kind = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
        if algorithm in RSA:  # whose keys take long to make: two have three algorithms each
            self.key = directory / f"{algorithm[:2]}.key"
        if not self.key.exists():
            subprocess.run(["openssl", "genpkey", *kind, "-out", self.key], check=True, capture_output=True)
        self.public = subprocess.run(
            ["openssl", "pkey", "-in", self.key, "-pubout"], check=True, capture_output=True, text=True
        ).stdout

    def sign(self, text):
        path = self.key.parent / "text"
        path.write_text(text)
        if self.algorithm == "EdDSA":
            command = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self.key, "-in", path]
        else:
            pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", f"rsa_pss_saltlen:{self.salt}"]
            options = pss if self.algorithm.startswith("PS") else []
            command = ["openssl", "dgst", f"-sha{self.algorithm[2:]}", "-sign", self.key, *options, path]
        signature = subprocess.run(command, check=True, capture_output=True).stdout
        return numbers(signature, CURVES[self.algorithm][1]) if self.algorithm in CURVES else signature

    def token(self, header=None, **claims):
        claims = {"exp": int(time.time()) + 600, "sub": "alice"} | claims
        claims = {name: value for name, value in claims.items() if value is not None}
        text = encode({"alg": self.algorithm, "typ": "JWT"} | (header or {})) + "." + encode(claims)
        return text + "." + encode(self.sign(text))


@pytest.fixture(scope="module")
def issuers(tmp_path_factory):
    directory = tmp_path_factory.mktemp("issuers")
    return {name: Issuer(directory, name) for name in (*RSA, *CURVES, "EdDSA")}


@pytest.fixture
def checked(configured, site, tmp_path, issuers):
    """checked(names, rule) serves /in to tokens of these issuers."""
    (site / "in").mkdir()
    (site / "in" / "a").write_text("in")

    def start(names, rule=""):
        (tmp_path / "keys.pem").write_text("".join(issuers[name].public for name in names))
        return configured(
            f"access-log: access.log\nsites: [{{root: site, rules: [{{path: /in/**, bearer: {{keys: keys.pem{rule}}}}}]}}]\n"
        )

    return start


def status(server, token):
    return server.get("/in/a", {"Authorization": "Bearer " + token}).status


def test_every_algorithm(checked, issuers, tmp_path):
    server = checked(issuers)
    for name, issuer in issuers.items():
        assert server.get("/in/a", {"Authorization": "bearer  " + issuer.token(sub=name)}).text == "in", name
    server.stop()
    log = (tmp_path / "access.log").read_text()
    assert all(f" {name} [" in log for name in issuers), log


def test_no_token(checked, issuers):
    server = checked(["ES256"])
    reply = server.get("/in/a")
    assert reply.status == 401 and reply.fields["WWW-Authenticate"] == 'Bearer realm="weir"'
    reply = server.get("/in/a", {"Authorization": "Bearer x"})
    assert reply.fields["WWW-Authenticate"] == 'Bearer realm="weir", error="invalid_token"'
    assert server.get("/in/a", basic("alice:x")).status == 401 and server.get("/").status == 200


def test_the_key_chooses_the_algorithm(checked, issuers):
    """Of the attacks on JWT: none, a public key as a secret, and the signature of another algorithm."""
    server = checked(["RS256", "ES256"])
    good = issuers["RS256"].token()
    head, claims, signature = good.split(".")
    assert status(server, good) == 200
    for algorithm in "none", "None", "", "HS256", "RS384", "PS256", "ES256", None, 1, ["RS256"]:
        header = encode({"alg": algorithm})
        for end in signature, "":
            assert status(server, f"{header}.{claims}.{end}") == 401, algorithm
    secret = issuers["RS256"].public.encode()
    text = encode({"alg": "HS256"}) + "." + claims
    assert status(server, text + "." + encode(hmac.new(secret, text.encode(), hashlib.sha256).digest())) == 401
    assert status(server, issuers["EdDSA"].token()) == 401
    assert status(server, issuers["ES256"].token({"crit": ["exp"]})) == 401
    assert status(server, issuers["ES256"].token({"kid": "any", "x": 1})) == 200


def test_a_key_of_rsa_has_six_algorithms(checked, issuers, monkeypatch):
    server = checked(["RS256"])
    one = issuers["RS256"]
    for algorithm in RSA:
        monkeypatch.setattr(one, "algorithm", algorithm)
        assert status(server, one.token()) == 200, algorithm
        # A signature by another algorithm, or of another key.
        for other in RSA:
            good = one.token({"alg": other})
            assert (status(server, good) == 200) == (other == algorithm), (algorithm, other)
        assert status(server, issuers[algorithm].token()) == (200 if algorithm[:2] == "RS" else 401)
    monkeypatch.setattr(one, "algorithm", "PS256")
    for salt in "0", "20", "max":
        monkeypatch.setattr(one, "salt", salt)
        assert status(server, one.token()) == 401, salt


def test_other_curves_are_refused(run, site, tmp_path):
    """secp256k1 has as many bits as P-256, and is another curve (RFC 8812)."""
    key = tmp_path / "key"
    kind = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"]
    subprocess.run(["openssl", "genpkey", *kind, "-out", key], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", tmp_path / "keys.pem"], check=True)
    (tmp_path / "weir.yaml").write_text(
        "listen: [{http: 127.0.0.1:0}]\nsites: [{root: site, rules: [{path: /in/**, bearer: {keys: keys.pem}}]}]\n"
    )
    result = run("check", "-c", "weir.yaml")
    assert result.returncode == 1 and "keys.pem" in result.stderr, result.stderr


def test_every_change_of_a_token_is_seen(checked, issuers):
    server = checked(["ES256"])
    good = issuers["ES256"].token()
    assert status(server, good) == 200
    for at in range(0, len(good), 3):
        changed = "A" if good[at] != "A" else "B"
        assert status(server, good[:at] + changed + good[at + 1 :]) == 401, at
    for bad in good + ".", good + ".x", good[:-4], good + "=", "." + good, good.replace(".", "..", 1), good + "AAAA":
        assert status(server, bad) == 401, bad
    assert status(server, "a" * 9000) in (401, 431)
    zero = good.rpartition(".")[0] + "." + encode(bytes(64))
    assert status(server, zero) == 401


def test_claims(checked, issuers):
    server = checked(["EdDSA"], ", issuer: me, audience: api")
    issuer, now = issuers["EdDSA"], int(time.time())
    good = {"iss": "me", "aud": "api"}
    cases = [
        ({}, 200),
        ({"aud": ["other", "api"]}, 200),
        ({"exp": now + 100.5, "nbf": now - 5}, 200),
        ({"exp": now - 1}, 401),
        ({"exp": None}, 401),
        ({"exp": "9999999999"}, 401),
        ({"exp": 1e300}, 401),
        ({"nbf": now + 100}, 401),
        ({"nbf": "x"}, 401),
        ({"iss": None}, 401),
        ({"iss": "mee"}, 401),
        ({"iss": ["me"]}, 401),
        ({"aud": None}, 401),
        ({"aud": "apis"}, 401),
        ({"aud": ["other"]}, 401),
        ({"aud": {"api": 1}}, 401),
        ({"aud": []}, 401),
    ]
    for claims, expected in cases:
        assert status(server, issuer.token(**(good | claims))) == expected, claims


def test_clocks_may_differ(checked, issuers):
    server = checked(["EdDSA"], ", leeway: 60s")
    now = int(time.time())
    assert status(server, issuers["EdDSA"].token(exp=now - 20, nbf=now + 20)) == 200
    assert status(server, issuers["EdDSA"].token(exp=now - 90)) == 401


def test_a_name_that_forges_the_log(checked, issuers, tmp_path):
    server = checked(["EdDSA"])
    for name in 'eve" 200\n', "", 5, "x" * 300:
        assert status(server, issuers["EdDSA"].token(sub=name)) == 200
    assert status(server, issuers["EdDSA"].token(sub="a\0b")) == 401
    server.stop()
    assert "eve" not in (tmp_path / "access.log").read_text()


def test_a_password_or_a_token(configured, site, tmp_path, issuers):
    (tmp_path / "keys.pem").write_text(issuers["ES256"].public)
    (tmp_path / "users").write_text(f"alice:{hashed('wonder')}\n")
    server = configured("sites: [{root: site, rules: [{auth: {users: users}, bearer: {keys: keys.pem}}]}]\n")
    assert server.get("/", basic("alice:wonder")).status == 200
    assert server.get("/", {"Authorization": "Bearer " + issuers["ES256"].token()}).status == 200
    assert server.get("/", basic("alice:x")).status == 401 and server.get("/").status == 401
    assert server.get("/", {"Authorization": "Bearer x"}).status == 401


@pytest.mark.parametrize("size", [None, 1024, "private"])
def test_keys_that_are_refused(run, site, tmp_path, size):
    key = tmp_path / "key.pem"
    key.write_text("nothing")
    if size:
        bits = "2048" if size == "private" else str(size)
        command = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}", "-out", key]
        subprocess.run(command, check=True, capture_output=True)
    if size == 1024:
        text = subprocess.run(["openssl", "pkey", "-in", key, "-pubout"], check=True, capture_output=True).stdout
        key.write_bytes(text)
    (tmp_path / "weir.yaml").write_text("sites:\n  - root: site\n    rules:\n      - {bearer: {keys: key.pem}}\n")
    result = run("check", "-c", "weir.yaml")
    assert result.returncode == 1 and re.search(r"weir.yaml:4:\d+: .*must have public keys", result.stderr), result.stderr
