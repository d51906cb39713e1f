"""A cluster on one machine: front ends that serve from one PostgreSQL with a standby, behind a balancer.

                        ┌─▶ a ─┐
    client ─▶ balancer ─┼─▶ b ─┼─▶ primary ─▶ standby
                        └─▶ c ─┘

    with Cluster(program) as cluster:
        cluster.front_ends["a"].kill()

Everything has a network namespace of its own; see bed_network.py. `./dev cluster`, the tests and the bench use it.
"""

import os
import shutil
import signal
import socket
import tempfile
from pathlib import Path

from certificates import make_certificate

from bed_balancer import Balancer
from bed_network import Failed, Network, await_true, end
from bed_postgres import Pair

DOMAIN = "example.org"
KINDS = {"smtp": 2525, "pop3s": 2995, "http": 8080, "https": 8443, "dns": 5353}
MAIL_PARTS = ("users", "mailboxes", "queue")
ALL_PARTS = (*MAIL_PARTS, "zones", "keys")
SECRET = "secret"
HASH = "abNANd1rDfiNc"  # DES, of "secret": the cheapest, so that crypt is not what is measured
ZONE = "$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\n@ A 192.0.2.1\nwww A 192.0.2.1\n"
TRANSFER_KEY, TRANSFER_SECRET = f"transfer.{DOMAIN}", "c2VjcmV0IHNlY3JldCBzZWNyZXQ="


class FrontEnd:
    """A process of `weir serve` on a machine. It is started and ended as often as one wants."""

    def __init__(self, cluster, name):
        self.cluster, self.name = cluster, name
        self.program = cluster.program
        self.machine = cluster.network.machine(name)
        self.machine.before = cluster.before("front end")
        self.address = self.machine.address
        self.path = cluster.path / name
        self.path.mkdir()
        self.ports = {kind: cluster.network.port(port) for kind, port in cluster.kinds.items()}
        self.process = None
        self.url = None  # of the database, if it is not that of the cluster
        self.store = ""  # more keys of its section `store`
        self.more = ""   # lines of its configuration

    def __str__(self):
        return str(self.machine)

    def configure(self):
        outside = self.cluster.network.outside
        proxy = f", proxy-from: [{outside.address}]" if outside else ""
        listen = "".join(f"  - {{{kind}: '{self.address}:{port}'{proxy}}}\n" for kind, port in self.ports.items())
        (self.path / "weir.yaml").write_text(f"""listen:
{listen}workers: 1
admin: admin.sock
{self.cluster.stores(self)}
{self.more}
""")

    def verb(self, verb, *words, **options):
        """Runs a verb of the program on this machine, with the configuration, and returns its output."""
        return self.machine.run([self.program, verb, "-c", self.path / "weir.yaml", *words], cwd=self.path, **options)

    def start(self, environment=None):
        """Returns at once; await_start() waits until it serves."""
        self.configure()
        user = ["--user", "root"]  # of its namespace
        with (self.path / "stdout").open("wb") as out, (self.path / "stderr").open("ab") as err:
            self.process = self.machine.start(
                [self.program, "serve", "-c", self.path / "weir.yaml", *user],
                cwd=self.path, stdout=out, stderr=err, env={**os.environ, **(environment or {})})
        return self

    def is_up(self):
        if self.process.poll() is not None:
            raise Failed(f"weir ended with {self.process.returncode}: {self.last_words}")
        return "Stop with" in (self.path / "stdout").read_text()

    def await_start(self):
        await_true(self.is_up, f"the start of {self.name}")
        return self

    @property
    def last_words(self):
        return (self.path / "stderr").read_text()[-2000:]

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        end(self.process, signal.SIGKILL)

    def stop(self):
        if self.process:
            end(self.process, signal.SIGTERM)

    def port(self, kind):
        """Returns the port at 127.0.0.1 that leads here alone."""
        balancer = self.cluster.balancer
        return balancer.ports[kind, self.name] if balancer else self.ports[kind]

    def metrics(self):
        """The text of /metrics."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(str(self.path / "admin.sock"))
            client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            return client.makefile().read()


class Cluster:
    """Runs from `with` to the end of the block, in `path`, or a directory of its own that is removed then.

    `parts` are those of the stores that the database has; the others are files that the front ends share. `others` are
    machines for front ends that the balancer gives nothing, and that are not started. `before` returns words to put
    before the programs of a "front end" or a "database"; `mail` and `store` are more keys of these sections.
    """

    def __init__(self, program, front_ends=("a", "b", "c"), others=(), users=("alice", "bob"), path=None,
                 network=Network, kinds=None, port_of=lambda kind, index: 0, progress=lambda text: None, settings=None,
                 parts=(), redundant=True, before=lambda what: [], mail="", store=""):
        self.program, self.progress = Path(program).absolute(), progress
        self.temporary = path is None
        self.path = Path(path or tempfile.mkdtemp(prefix="weir-cluster-"))
        self.kinds = kinds or KINDS
        self.parts, self.redundant, self.before = parts, redundant, before
        self.mail, self.store = mail, store
        self.path.chmod(0o755)
        self.network = network()
        self.pair = self.balancer = None
        self.front_ends = {}
        self.users = users
        try:
            (self.path / "users").write_text("".join(f"{user}:{HASH}\n" for user in users))
            (self.path / "users").chmod(0o600)
            (self.path / "zone").write_text(ZONE)
            (self.path / "site").mkdir()
            (self.path / "site" / "index.html").write_text("hello\n")
            self.chain, self.key = make_certificate(self.path)
            if parts or redundant:
                self.start_database(settings)
            self.start_front_ends(front_ends, others, port_of)
        except BaseException:
            self.close()
            raise

    def start_database(self, settings):
        self.progress("PostgreSQL and its standby start" if self.redundant else "PostgreSQL starts")
        self.pair = Pair(self.network, self.path, self.progress, settings, self.redundant)
        for server in self.pair.servers:
            server.machine.before = self.before("database")
        self.pair.start()

    def start_front_ends(self, names, others, port_of):
        made = [FrontEnd(self, name) for name in (*names, *others)]
        self.front_ends = {each.name: each for each in made}
        if self.parts:
            self.fill_database(made[0])
        self.progress(f"{len(names)} front ends start: {', '.join(str(self.front_ends[name]) for name in names)}")
        for name in names:
            self.front_ends[name].start()
        for name in names:
            self.front_ends[name].await_start()
        if self.network.outside:
            self.balancer = Balancer(self.network.outside, self.path, self.kinds, made[:len(names)], made[len(names):],
                                     port_of)

    def fill_database(self, front_end):
        """Makes the tables, by the program of a front end, the users, the zone and the key of its transfers."""
        front_end.configure()
        front_end.verb("store", "init")
        if "users" in self.parts:
            rows = ",".join(f"('{user}', '{HASH}')" for user in self.users)
            self.pair.query(f"INSERT INTO weir_user (name, hash) VALUES {rows}; INSERT INTO weir_snapshot"
                            " VALUES ('users', 1) ON CONFLICT (name) DO UPDATE SET version = weir_snapshot.version + 1")
        if "zones" in self.parts:
            front_end.verb("zone", "import", DOMAIN, self.path / "zone")
        if "keys" in self.parts:
            front_end.verb("zone", "set-key", TRANSFER_KEY, input=TRANSFER_SECRET + "\n")

    def stores(self, front_end):
        """The lines of a configuration that say where the stores are."""
        parts, store, mail = self.parts, "", [f"domains: [{DOMAIN}]"]
        if parts:
            more = self.store + front_end.store
            store = f"store: {{url: '{front_end.url or self.pair.url}', parts: [{', '.join(parts)}], directory: copies{more}}}\n"
        if "mailboxes" not in parts:
            mail.append(f"directory: {self.path}/mail")
        if "users" not in parts:
            mail.append(f"users: {self.path}/users")
        if "zones" in parts:
            dns = f"database-zones: {{transfer: {{keys: [{TRANSFER_KEY}]}}}}" if "keys" in parts else ""
        else:
            dns = f"zones: [{{name: {DOMAIN}, file: {self.path}/zone}}]"
        return f"""{store}tls: {{certificates: [{{chain: {self.chain}, key: {self.key}}}]}}
mail: {{{', '.join(mail)}{self.mail}}}
sites: [{{root: {self.path}/site}}]
dns: {{{dns}}}"""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for each in self.front_ends.values():
            each.stop()
        if self.balancer:
            self.balancer.stop()
        if self.pair:
            self.pair.stop()
        self.network.close()
        if self.temporary:
            shutil.rmtree(self.path)
