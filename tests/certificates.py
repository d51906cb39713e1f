"""Certificates for tests, made by the openssl command: self-signed ones, authorities and what these
sign, OCSP responses. Of P-256, since that is quick, unless a test wants RSA."""

import subprocess
from pathlib import Path

CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def openssl(*arguments, cwd=None, given=None):
    """Runs openssl; its standard output, as bytes."""
    result = subprocess.run(
        ["openssl", *map(str, arguments)],
        cwd=cwd,
        input=given,
        stdin=None if given is not None else subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout


def alternative_names(names):
    """The extension that holds the names; those that are made of digits and dots are addresses."""
    kinds = ["IP" if name.replace(".", "").isdigit() else "DNS" for name in names]
    listed = ",".join(f"{kind}:{name}" for kind, name in zip(kinds, names))
    return f"subjectAltName={listed}"


def make_certificate(directory, chain="cert.pem", key="key.pem", names=("localhost", "127.0.0.1")):
    """A self-signed certificate and its key in the directory; their paths."""
    chain, key = Path(directory) / chain, Path(directory) / key
    openssl(
        *["req", "-x509", *CURVE, "-days", 30, "-subj", f"/CN={names[0]}"],
        *["-addext", alternative_names(names), "-out", chain, "-keyout", key],
    )
    return chain, key


class Authority:
    """Signs certificates. Its own is `path`, its files are in a directory of its own."""

    def __init__(self, directory, name="Test Authority"):
        self.directory = Path(directory) / name.replace(" ", "-").lower()
        self.directory.mkdir()
        self.path, self.key = self.directory / "ca.pem", self.directory / "ca-key.pem"
        self.serial = 1
        openssl(
            *["req", "-x509", *CURVE, "-days", 30, "-subj", f"/CN={name}"],
            *["-addext", "keyUsage=keyCertSign,cRLSign,digitalSignature"],
            *["-out", self.path, "-keyout", self.key],
        )

    def sign(self, name, names=None, days=30, usage="serverAuth", rsa=False):
        """A certificate for the name; the paths of it and its key."""
        stem = self.directory / f"{name.replace('*', 'any').replace(' ', '-')}-{self.serial}"
        self.serial += 1
        chain, key, request = (stem.with_name(stem.name + end) for end in (".pem", ".key", ".csr"))
        extensions = stem.with_name(stem.name + ".ext")
        lines = [f"extendedKeyUsage={usage}", "basicConstraints=CA:FALSE"]
        if usage == "serverAuth":
            lines.append(alternative_names(names or [name]))
        extensions.write_text("\n".join(lines) + "\n")
        kind = ["-newkey", "rsa:2048", "-nodes"] if rsa else CURVE
        openssl("req", *kind, "-subj", f"/CN={name}", "-out", request, "-keyout", key)
        openssl(
            *["x509", "-req", "-in", request, "-CA", self.path, "-CAkey", self.key],
            *["-set_serial", self.serial, "-days", days, "-extfile", extensions, "-out", chain],
        )
        return chain, key

    def ocsp(self, chain):
        """Returns the path of a response with the status `good`."""
        response = chain.with_suffix(".ocsp")
        index = self.directory / "index.txt"
        serial = openssl("x509", "-in", chain, "-serial", "-noout").decode().split("=")[1].strip()
        index.write_text(f"V\t491231235959Z\t\t{serial}\tunknown\t/CN=any\n")
        (self.directory / "index.txt.attr").write_text("unique_subject = no\n")
        openssl(
            *["ocsp", "-issuer", self.path, "-cert", chain, "-index", index, "-CA", self.path],
            *["-rsigner", self.path, "-rkey", self.key, "-ndays", 7, "-respout", response],
        )
        return response
