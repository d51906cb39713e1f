"""A strict authority of ACME (RFC 8555, RFC 8737, RFC 9773), which checks signatures, nonces, URLs and
proofs for real, and can fail on purpose at any step; and fixtures with Debian's pebble."""

import base64
import datetime
import hashlib
import hmac
import http.client
import json
import os
import secrets
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dns.message
import dns.query
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certificates import Authority
from conftest import wait_for
from ports import free_port

ERROR = "urn:ietf:params:acme:error:"
IDENTIFIER = "1.3.6.1.5.5.7.1.31"


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    assert "=" not in text and "+" not in text and "/" not in text
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def now():
    return datetime.datetime.utcnow()


class Refusal(Exception):
    """A problem document as the reply."""

    def __init__(self, status, kind, detail="", fields=()):
        super().__init__(kind)
        self.status, self.kind, self.detail, self.fields = status, kind, detail, dict(fields)


def check(condition, kind="malformed", detail=""):
    if not condition:
        raise Refusal(400, kind, detail)


def thumbprint(jwk):
    text = json.dumps({key: jwk[key] for key in ("crv", "kty", "x", "y")}, sort_keys=True, separators=(",", ":"))
    return encode(hashlib.sha256(text.encode()).digest())


def verify(jwk, jws):
    """Checks ES256."""
    check(jwk["kty"] == "EC" and jwk["crv"] == "P-256", "badPublicKey")
    numbers = [int.from_bytes(decode(jwk[name]), "big") for name in "xy"]
    assert all(len(decode(jwk[name])) == 32 for name in "xy")
    key = ec.EllipticCurvePublicNumbers(*numbers, ec.SECP256R1()).public_key()
    raw = decode(jws["signature"])
    check(len(raw) == 64, "malformed", "signature")
    pair = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key.verify(pair, f"{jws['protected']}.{jws['payload']}".encode(), ec.ECDSA(hashes.SHA256()))


class Fake:
    """The authority. `faults` maps a step (directory, nonce, account, order, authz, challenge, finalize,
    poll, certificate, renewal, keychange) to a list of functions of (handler, reply), each used once; a reply
    is [status, object or bytes, fields]. `seen` has the steps."""

    def __init__(self, directory, http_port=0, tls_port=0, dns_port=0, binding=None, profiles=(), lifetime=90 * 86400):
        self.ports = {"http-01": http_port, "tls-alpn-01": tls_port, "dns-01": dns_port}
        self.binding, self.profiles, self.lifetime = binding, profiles, lifetime
        self.trust = Authority(directory, f"trust-{secrets.token_hex(4)}")
        self.faults, self.seen, self.problems = {}, [], []
        self.nonces, self.accounts, self.orders, self.authorizations, self.issued = set(), {}, {}, {}, {}
        self.kinds = ["http-01", "tls-alpn-01", "dns-01"]
        self.delay_polls = 0
        self.spare = False  # a nonce is sent to those alone who ask for one
        self.window = None
        self.orders_asked, self.lock = [], threading.RLock()
        self.make_issuer()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                fake.handle(self, None)

            do_HEAD = do_GET

            def do_POST(self):
                fake.handle(self, self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        chain, key = self.trust.sign("localhost", ["localhost", "127.0.0.1"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.url = f"https://localhost:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def section(self):
        """An entry of `authorities`."""
        return f"    - url: {self.url}/directory\n      trust: {self.trust.path}\n"

    def make_issuer(self):
        self.issuer_key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Fake Issuer {secrets.token_hex(2)}")])
        self.issuer = (
            x509.CertificateBuilder()
            .subject_name(name).issuer_name(name).public_key(self.issuer_key.public_key()).serial_number(1)
            .not_valid_before(now() - datetime.timedelta(days=1)).not_valid_after(now() + datetime.timedelta(days=99))
            .add_extension(x509.BasicConstraints(True, None), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.issuer_key.public_key()), False)
            .sign(self.issuer_key, hashes.SHA256())
        )
        self.issuer_pem = self.issuer.public_bytes(serialization.Encoding.PEM)

    # -- requests ----------------------------------------------------------------------------------

    def step_of(self, path):
        return path.strip("/").split("/")[0]

    def handle(self, handler, body):
        step = self.step_of(handler.path)
        with self.lock:
            self.seen.append(step)
            try:
                reply = self.dispatch(handler, step, body)
            except Refusal as refusal:
                reply = [
                    refusal.status, {"type": ERROR + refusal.kind, "detail": refusal.detail},
                    {"Content-Type": "application/problem+json", **refusal.fields},
                ]
            except Exception as fault:  # of the client, or of this program: both fail the test
                self.problems.append(repr(fault))
                reply = [500, {"type": ERROR + "serverInternal", "detail": repr(fault)}, {}]
            nonce = secrets.token_urlsafe(12)
            self.nonces.add(nonce)
            if step == "nonce" or not self.spare:
                reply[2].setdefault("Replay-Nonce", nonce)
            fault = self.faults[step].pop(0) if self.faults.get(step) else None
        if fault and fault(handler, reply):
            handler.close_connection = True
            return
        self.send(handler, *reply)

    def send(self, handler, status, content, fields):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        handler.send_response(status)
        for name, value in fields.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(data)

    def dispatch(self, handler, step, body):
        parts = handler.path.strip("/").split("/")
        if step == "directory":
            return [200, self.directory(), {}]
        if step == "nonce":
            return [204, b"", {}]
        if step == "renewal":
            return self.renewal(parts[1])
        check(body is not None)
        check(handler.headers["Content-Type"] == "application/jose+json")
        account, jwk, payload = self.open(handler, json.loads(body), step)
        if step == "account":
            return self.account(jwk, payload)
        if step == "update":
            account["contact"] = payload["contact"]
            return [200, {"status": "valid"}, {}]
        if step == "keychange":
            return self.change_key(account, payload)
        return getattr(self, step)(account, payload, *parts[1:])

    def open(self, handler, jws, step):
        """Checks the signature of a request."""
        check(set(jws) == {"protected", "payload", "signature"})
        head = json.loads(decode(jws["protected"]))
        check(head["alg"] == "ES256", "badSignatureAlgorithm")
        check(head["url"] == self.url + handler.path, "unauthorized", "url")
        check(("jwk" in head) != ("kid" in head))
        if head["nonce"] not in self.nonces:
            raise Refusal(400, "badNonce")
        self.nonces.remove(head["nonce"])
        check(("jwk" in head) == (step == "account"))
        if "jwk" in head:
            verify(head["jwk"], jws)
            account, jwk = None, head["jwk"]
        else:
            account, jwk = self.accounts.get(head["kid"]), None
            check(account, "accountDoesNotExist")
            verify(account["jwk"], jws)
        text = decode(jws["payload"])
        return account, jwk, json.loads(text) if text else None

    # -- objects -----------------------------------------------------------------------------------

    def directory(self):
        meta = {"termsOfService": f"{self.url}/terms", "externalAccountRequired": bool(self.binding)}
        if self.profiles:
            meta["profiles"] = {name: "a profile" for name in self.profiles}
        paths = {"newNonce": "nonce", "newAccount": "account", "newOrder": "order", "keyChange": "keychange"}
        listed = {name: f"{self.url}/{path}" for name, path in paths.items()}
        if self.window:
            listed["renewalInfo"] = f"{self.url}/renewal"
        return {**listed, "meta": meta, "unknown": ["ignored", 1, None]}

    def account(self, jwk, payload):
        for url, account in self.accounts.items():
            if account["jwk"] == jwk:
                return [200, {"status": "valid"}, {"Location": url}]
        check(not payload.get("onlyReturnExisting"), "accountDoesNotExist")
        check(payload.get("termsOfServiceAgreed") is True, "userActionRequired")
        if self.binding:
            check("externalAccountBinding" in payload, "externalAccountRequired")
            jws = payload["externalAccountBinding"]
            head = json.loads(decode(jws["protected"]))
            check(head == {"alg": "HS256", "kid": self.binding[0], "url": f"{self.url}/account"})
            check(json.loads(decode(jws["payload"])) == jwk)
            text = f"{jws['protected']}.{jws['payload']}".encode()
            check(decode(jws["signature"]) == hmac.new(self.binding[1], text, hashlib.sha256).digest(), "unauthorized")
        url = f"{self.url}/update/{len(self.accounts)}"
        self.accounts[url] = {"jwk": jwk, "contact": payload.get("contact"), "url": url}
        return [201, {"status": "valid"}, {"Location": url}]

    def change_key(self, account, inner):
        head = json.loads(decode(inner["protected"]))
        check(set(head) == {"alg", "jwk", "url"} and head["url"] == f"{self.url}/keychange")
        verify(head["jwk"], inner)
        payload = json.loads(decode(inner["payload"]))
        check(payload == {"account": account["url"], "oldKey": account["jwk"]})
        account["jwk"] = head["jwk"]
        return [200, {}, {}]

    def order(self, account, payload):
        check(len(payload["identifiers"]) == 1)
        self.orders_asked.append(payload)
        name = payload["identifiers"][0]["value"]
        check(name == name.lower(), "rejectedIdentifier")
        if "profile" in payload:
            check(payload["profile"] in self.profiles, "invalidProfile")
        number = str(len(self.orders))
        wild = name.startswith("*.")
        self.authorizations[number] = {
            "identifier": {"type": "dns", "value": name[2:] if wild else name}, "status": "pending",
            "expires": "2099-01-01T00:00:00Z", **({"wildcard": True} if wild else {}),
            "challenges": [
                {"type": kind, "url": f"{self.url}/challenge/{number}/{kind}", "status": "pending",
                 "token": secrets.token_urlsafe(32)}
                for kind in (["dns-01"] if wild else self.kinds)
            ],
        }
        self.orders[number] = {
            "status": "pending", "identifiers": payload["identifiers"], "finalize": f"{self.url}/finalize/{number}",
            "authorizations": [f"{self.url}/authz/{number}"],
        }
        return [201, self.orders[number], {"Location": f"{self.url}/poll/{number}"}]

    def authz(self, account, payload, number):
        check(payload is None)
        return [200, self.authorizations[number], {}]

    def poll(self, account, payload, number):
        check(payload is None)
        order = self.orders[number]
        if order["status"] == "processing":
            if self.delay_polls > 0:
                self.delay_polls -= 1
            else:
                order["status"] = "valid"
                order["certificate"] = f"{self.url}/certificate/{number}"
        return [200, order, {}]

    def challenge(self, account, payload, number, kind):
        check(payload == {})
        authorization = self.authorizations[number]
        challenge = next(item for item in authorization["challenges"] if item["type"] == kind)
        text = f"{challenge['token']}.{thumbprint(account['jwk'])}"
        name = authorization["identifier"]["value"]
        try:
            getattr(self, "prove_" + kind.replace("-", "_"))(name, challenge["token"], text)
            challenge["status"] = authorization["status"] = "valid"
            self.orders[number]["status"] = "ready"
        except (OSError, AssertionError, ssl.SSLError) as fault:
            challenge["status"] = authorization["status"] = self.orders[number]["status"] = "invalid"
            challenge["error"] = {"type": ERROR + "unauthorized", "detail": f"no proof: {fault}"}
        return [200, challenge, {}]

    def finalize(self, account, payload, number):
        order = self.orders[number]
        check(order["status"] == "ready", "orderNotReady")
        request = x509.load_der_x509_csr(decode(payload["csr"]))
        check(request.is_signature_valid, "badCSR")
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        wanted = [item["value"] for item in order["identifiers"]]
        check(names.get_values_for_type(x509.DNSName) == wanted, "badCSR")
        self.issued[number] = self.issue(request.public_key(), wanted)
        order["status"] = "processing"
        return [200, order, {"Location": f"{self.url}/poll/{number}"}]

    def issue(self, key, names, start=None, lifetime=None):
        start = start or now() - datetime.timedelta(seconds=5)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([])).issuer_name(self.issuer.subject).public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start).not_valid_after(start + datetime.timedelta(seconds=lifetime or self.lifetime))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.issuer_key.public_key()), False)
            .sign(self.issuer_key, hashes.SHA256())
        )

    def certificate(self, account, payload, number):
        check(payload is None)
        pem = self.issued[number].public_bytes(serialization.Encoding.PEM) + self.issuer_pem
        return [200, pem, {"Content-Type": "application/pem-certificate-chain"}]

    def id_of(self, certificate):
        key = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        serial = certificate.serial_number
        return encode(key) + "." + encode(serial.to_bytes(serial.bit_length() // 8 + 1, "big"))

    def renewal(self, identifier):
        check(any(self.id_of(issued) == identifier for issued in self.issued.values()), "malformed", "no such certificate")
        start, end = self.window
        shown = [moment.strftime("%Y-%m-%dT%H:%M:%S.5+00:00") for moment in (start, end)]
        return [200, {"suggestedWindow": dict(zip(("start", "end"), shown))}, {"Retry-After": "60"}]

    # -- proofs ------------------------------------------------------------------------------------

    def prove_http_01(self, name, token, text):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["http-01"], timeout=60)
        connection.request("GET", f"/.well-known/acme-challenge/{token}", headers={"Host": name})
        reply = connection.getresponse()
        assert reply.status == 200, reply.status
        assert reply.read().decode().rstrip() == text
        connection.close()

    def prove_tls_alpn_01(self, name, token, text):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["acme-tls/1"])
        from socket import create_connection

        with create_connection(("127.0.0.1", self.ports["tls-alpn-01"]), timeout=60) as raw:
            with context.wrap_socket(raw, server_hostname=name) as tls:
                assert tls.selected_alpn_protocol() == "acme-tls/1"
                certificate = x509.load_der_x509_certificate(tls.getpeercert(True))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [item.value for item in names] == [name]
        extension = certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier(IDENTIFIER))
        assert extension.critical
        assert extension.value.value == b"\x04\x20" + hashlib.sha256(text.encode()).digest()

    def prove_dns_01(self, name, token, text):
        query = dns.message.make_query(f"_acme-challenge.{name}", "TXT")
        reply = dns.query.udp(query, "127.0.0.1", port=self.ports["dns-01"], timeout=60)
        found = [b"".join(item.strings).decode() for rrset in reply.answer for item in rrset]
        assert encode(hashlib.sha256(text.encode()).digest()) in found, found


# -- pebble --------------------------------------------------------------------------------------------


class Pebble:
    """Debian's pebble, which looks names up at `dns_port`, by default at a server that answers all with 127.0.0.1."""

    def __init__(self, directory, dns_port=None, binding=None):
        self.trust = Authority(directory, f"pebble-{secrets.token_hex(4)}")
        self.ports = {kind: free_port() for kind in ("http", "tls", "api", "management", "names", "names-management")}
        chain, key = self.trust.sign("localhost", ["localhost", "127.0.0.1"])
        settings = {
            "listenAddress": f"127.0.0.1:{self.ports['api']}",
            "managementListenAddress": f"127.0.0.1:{self.ports['management']}",
            "certificate": str(chain), "privateKey": str(key),
            "httpPort": self.ports["http"], "tlsPort": self.ports["tls"], "ocspResponderURL": "",
            "externalAccountBindingRequired": bool(binding),
            "externalAccountMACKeys": dict([binding]) if binding else {},
        }
        path = directory / "pebble.json"
        path.write_text(json.dumps({"pebble": settings}))
        self.processes = []
        if not dns_port:
            dns_port = self.ports["names"]
            self.start(
                "pebble-challtestsrv", "-dns01", f"127.0.0.1:{dns_port}", "-http01", "", "-https01", "", "-tlsalpn01", "",
                "-management", f"127.0.0.1:{self.ports['names-management']}", "-defaultIPv6", "",
            )
        self.log = directory / "pebble.log"
        self.start("pebble", "-strict", "-config", str(path), "-dnsserver", f"127.0.0.1:{dns_port}", log=self.log)
        wait_for(self.is_up, what="pebble")
        self.url = f"https://localhost:{self.ports['api']}/dir"

    def start(self, *command, log=None):
        environment = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "30"}
        with open(log or os.devnull, "wb") as to:
            self.processes.append(subprocess.Popen(command, env=environment, stdout=to, stderr=subprocess.STDOUT))

    def is_up(self):
        try:
            self.root()
            return True
        except OSError:
            return False

    def root(self):
        """The certificate of its own authority, in PEM."""
        context = ssl.create_default_context(cafile=self.trust.path)
        connection = http.client.HTTPSConnection("localhost", self.ports["management"], context=context, timeout=60)
        connection.request("GET", "/roots/0")
        return connection.getresponse().read().decode()

    def section(self):
        return f"    - url: {self.url}\n      trust: {self.trust.path}\n"

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def fake(tmp_path):
    """fake(…) is a Fake with these options."""
    made = []

    def start(**options):
        made.append(Fake(tmp_path, **options))
        return made[-1]

    yield start
    for one in made:
        one.close()
    assert [one.problems for one in made if one.problems] == []


@pytest.fixture
def pebble(tmp_path):
    """pebble(…) is a Pebble with these options."""
    made = []

    def start(**options):
        made.append(Pebble(tmp_path, **options))
        return made[-1]

    yield start
    for one in made:
        one.close()
