"""A site whose certificates are in a database."""

import socket
import ssl
import subprocess

from certificates import Authority
from conftest import wait_for


class Site:
    def __init__(self, database, weir, program, path):
        self.database, self.weir, self.program, self.path = database, weir, program, path
        database.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        self.authority = Authority(path)
        self.config = path / "weir.yaml"
        (path / "www").mkdir()
        (path / "store-key").write_text("c3RvcmUga2V5IHN0b3JlIGtleSBzdG9yZSBrZXkgMzI=\n")
        (path / "store-key").chmod(0o600)
        chain, key = self.authority.sign("fallback.example", ["fallback.example"])
        self.config.write_text(
            "listen: [{https: '127.0.0.1:0'}]\nworkers: 2\nsites: [{root: www}]\n"
            f"store: {{url: '{database.url}', parts: [keys], secret-key-file: store-key}}\n"
            f"tls: {{certificates: [{{chain: {chain}, key: {key}}}]}}\n"
        )
        self.verb("store", "init")

    def change(self, before, after):
        """Changes the configuration."""
        text = self.config.read_text()
        assert before in text
        self.config.write_text(text.replace(before, after))

    def verb(self, verb, *words, code=0):
        done = subprocess.run(
            [self.program, verb, "-c", self.config, *map(str, words)],
            cwd=self.path, capture_output=True, text=True, timeout=60,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def serve(self, *options):
        return self.weir("-c", self.config, *options, cwd=self.path)

    def load(self, name, names, row="example.org", rsa=False):
        """Stores a certificate of this subject and these names, and returns the path of its key."""
        chain, key = self.authority.sign(name, names, rsa=rsa)
        self.verb("certificate", "import", row, chain, key)
        return key

    def shown(self, server, name):
        """The subject of the certificate that a client of this name gets."""
        context = ssl.create_default_context(cafile=self.authority.path)
        context.check_hostname = False
        with socket.create_connection(("127.0.0.1", server.ports[0]), 60) as plain:
            with context.wrap_socket(plain, server_hostname=name) as secure:
                return dict(pair for [pair] in secure.getpeercert()["subject"])["commonName"]

    def await_shown(self, servers, name, wanted):
        for server in servers:
            wait_for(lambda server=server: self.shown(server, name) == wanted, what=f"the certificate {wanted}")
