"""A PostgreSQL with a synchronous standby, and the watch that promotes it.

    primary ──WAL──▶ standby        a commit is acknowledged when both have it
       ▲                ▲
       └──── Watch ─────┘           asks both twice a second

The watch is a single process, so it needs no election. It keeps two rules:

  - A standby is promoted only if it was synchronous up to the primary's end, since it has every acknowledged commit then.
    The primary is killed first, if it still runs.
  - Where the standby is away, the watch first forgets that it may be promoted, and only then lets the primary go on alone.

A server that was away comes back as a standby, with a fresh copy of the primary.
"""

import contextlib
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import psycopg2
from psycopg2 import extensions

from bed_network import USER, Failed, await_true, end, run

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
PORT = 5432
DATABASE = "postgres"
ROLE = "weir"
# How long a server may not answer before it counts as dead.
PATIENCE_S = 2
WATCH_PAUSE_S = 0.5
# How long the processes of a server may take to hear of a setting.
RELOAD_S = 0.2
# How long a standby may be away before it becomes a new copy: the primary keeps no more than wal_keep_size for it.
AWAY_S = 20

SETTINGS = """
port = {port}
listen_addresses = '{address}'
unix_socket_directories = '{path}'
max_connections = 200
wal_level = replica
hot_standby = on
max_wal_senders = 5
wal_keep_size = 512MB
wal_sender_timeout = 10s
wal_receiver_timeout = 10s
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 200ms
primary_conninfo = 'host={peer} port={peer_port} user=weir application_name={name} connect_timeout=2'
tcp_keepalives_idle = 5
tcp_keepalives_interval = 1
tcp_keepalives_count = 5
tcp_user_timeout = 10s
"""


class Server:
    """One server. It listens at its machine, and on a Unix socket in its directory, which the bed uses."""

    def __init__(self, name, machine, directory, settings):
        self.name, self.machine = name, machine
        self.path = directory / name
        self.path.mkdir()
        machine.network.own(self.path)
        self.port = machine.network.port(PORT)
        self.data, self.log = self.path / "data", self.path / "log"
        self.settings = settings
        self.process = None

    def __str__(self):
        return str(self.machine)

    def run(self, program, *arguments):
        # Settings of libpq and of the loader come from nobody else.
        env = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LD_"))}
        return self.machine.run([PROGRAMS / program, *arguments], as_user=True, cwd=self.path, env=env)

    def create(self):
        template = os.environ.get("WEIR_DATABASE_TEMPLATE")  # ./dev test has made it
        if template:
            run(["cp", "-a", template, self.data])
        else:
            self.run("initdb", "--no-sync", "-A", "trust", "-U", ROLE, "-E", "UTF8", "-D", self.data)
        network = self.machine.address.rsplit(".", 1)[0]
        with (self.data / "pg_hba.conf").open("a", encoding="utf-8") as file:
            file.write(f"host all all {network}.0/24 trust\nhost replication all {network}.0/24 trust\n")

    def copy(self, primary):
        """Becomes a copy of the primary, to be started as its standby."""
        shutil.rmtree(self.data, ignore_errors=True)
        self.run("pg_basebackup", "--no-sync", "-c", "fast", "-X", "stream", "-D", self.data, "-d",
                 f"host={primary.machine.address} port={primary.port} user={ROLE} connect_timeout=2")
        (self.data / "standby.signal").touch()

    def configure(self, peer, synchronous):
        """Writes the settings; `synchronous` is the name of the standby that commits wait for, or ""."""
        text = SETTINGS.format(port=self.port, address=self.machine.address, path=self.path,
                               peer=peer.machine.address, peer_port=peer.port, name=self.name)
        text += "\n".join(f"{name} = '{value}'" for name, value in self.settings.items())
        self.synchronous = synchronous
        (self.data / "postgresql.auto.conf").write_text(f"{text}\nsynchronous_standby_names = '{synchronous}'\n")

    def start(self):
        with self.log.open("a", encoding="utf-8") as log:
            self.process = self.machine.start([PROGRAMS / "postgres", "-D", self.data], as_user=True,
                                              own_mounts=self.machine.network.root, cwd=self.path, stdout=log,
                                              stderr=log)
        return self

    def await_start(self):
        def is_up():
            if self.process.poll() is not None:
                raise Failed(f"PostgreSQL ended: {self.log.read_text()[-1000:]}")
            return self.ask("SELECT 1")

        await_true(is_up, f"the start of {self.name}", pause=0.05)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def connect(self):
        connection = psycopg2.connect(host=str(self.path), port=self.port, user=ROLE, dbname=DATABASE, connect_timeout=2,
                                      options=f"-c statement_timeout={PATIENCE_S * 1000}")
        connection.set_isolation_level(extensions.ISOLATION_LEVEL_AUTOCOMMIT)
        return connection

    def query(self, sql, limit_s=None):
        """Returns the rows; raises psycopg2.Error."""
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                if limit_s is not None:
                    cursor.execute(f"SET statement_timeout = {int(limit_s * 1000)}")
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def ask(self, sql):
        """As query(), but None if the server does not answer."""
        try:
            return self.query(sql)
        except psycopg2.Error:
            return None

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def kill(self):
        """Ends it at once, as a machine that loses its power would, but for what the kernel has to write."""
        end(self.process, signal.SIGKILL)
        # Its children end when they find that it is gone; until then a new server could not start.
        await_true(lambda: not self.leftovers(), f"the end of {self.name}")

    def mount(self, path, size, options="defaults"):
        """Gives a directory of its data a disk of its own, which is as large as that; only as root."""
        run(["nsenter", "-m", "-t", self.process.pid, "mount", "-t", "tmpfs", "-o", f"size={size},{options}", "small", path])
        run(["nsenter", "-m", "-t", self.process.pid, "chown", USER, path])

    def unmount(self, path):
        run(["nsenter", "-m", "-t", self.process.pid, "umount", "-l", path])

    def leftovers(self):
        """Returns the processes that have the directory of the data as theirs."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/cwd"):
            try:
                if os.readlink(entry) == str(self.data):
                    found.append(int(entry.parent.name))
            except OSError:
                pass
        return found

    def pause(self, on=True):
        """Stops all its processes, or lets them go on."""
        self.signal_all(signal.SIGSTOP if on else signal.SIGCONT)

    def signal_all(self, number):
        for pid in self.leftovers():
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, number)

    def stop(self):
        if self.process:
            end(self.process, signal.SIGINT)


class Pair:
    """Two servers, one of them the primary, and their watch. `progress` gets lines for people.

    Without `redundant`, there is a primary alone, and no watch.
    """

    def __init__(self, network, directory, progress=lambda text: None, settings=None, redundant=True):
        self.progress, self.redundant = progress, redundant
        self.servers = [Server(name, network.machine(name), directory, settings or {}) for name in ("one", "two")]
        self.primary, self.standby = self.servers
        # Whether the standby has all that was acknowledged: only then it may be promoted.
        self.promotable = False
        self.streamed_s = 0  # when the standby was last seen to stream, or begun
        self.ending = threading.Event()
        self.lock = threading.RLock()
        self.paused = False
        self.watch = threading.Thread(target=self.run, name="watch")

    @property
    def url(self):
        servers = self.servers if self.redundant else self.servers[:1]
        hosts = ",".join(f"{server.machine.address}:{server.port}" for server in servers)
        return f"postgres://{ROLE}@{hosts}/{DATABASE}?target_session_attrs=read-write"

    @property
    def local_url(self):
        """The URL for programs outside of the network: by Unix sockets."""
        return (f"postgresql://{ROLE}@/{DATABASE}?host={','.join(str(server.path) for server in self.servers)}"
                f"&port={','.join(str(server.port) for server in self.servers)}&target_session_attrs=read-write")

    def query(self, sql, limit_s=None):
        return self.primary.query(sql, limit_s)

    def start(self):
        self.primary.create()
        self.primary.configure(self.standby, "")
        self.primary.start().await_start()
        if self.redundant:
            self.join_standby()
            await_true(self.step, "the standby", pause=0.1)
            self.watch.start()
        return self

    def join_standby(self):
        self.progress(f"{self.standby} becomes a standby: a copy of {self.primary}")
        self.standby.copy(self.primary)
        self.standby.configure(self.primary, "")
        self.standby.start()
        self.streamed_s = time.monotonic()

    # -- the watch

    def run(self):
        while not self.ending.wait(WATCH_PAUSE_S):
            try:
                with self.lock:
                    if not self.paused:
                        self.step()
            except (Failed, OSError, psycopg2.Error) as failure:
                self.progress(f"the watch: {failure}")

    def step(self):
        """Looks at both, does what must be done, and returns whether the standby may be promoted now."""
        state = self.state_of_primary()
        if state is None:
            self.fail_over()
        elif not self.standby.is_running():
            self.go_on_alone(f"{self.standby} is gone")
            self.join_standby()
        elif state == "streaming":
            self.streamed_s = time.monotonic()
            self.wait_for_standby()
        else:
            self.go_on_alone(f"{self.primary} does not reach {self.standby}")
            if time.monotonic() > self.streamed_s + AWAY_S:
                self.standby.kill()
                self.join_standby()
        return self.promotable

    def state_of_primary(self):
        """Returns the state of its standby, "" without one; None if it does not answer."""
        end_s = time.monotonic() + PATIENCE_S
        while self.primary.is_running():
            rows = self.primary.ask(
                "SELECT state FROM pg_stat_replication WHERE coalesce(reply_time > now() - interval '4 s', true)"
                f" AND application_name = '{self.standby.name}'")
            if rows is not None:
                return rows[0][0] if rows else ""
            if time.monotonic() > end_s:
                break
            time.sleep(0.1)
        return None

    def set_synchronous(self, name):
        """Has commits wait for the standby of this name, or for none; returns when the primary heard it."""
        if self.primary.synchronous != name:
            self.primary.configure(self.standby, name)
            self.primary.reload()
        await_true(lambda: not self.primary.is_running()
                   or self.primary.ask("SHOW synchronous_standby_names") == [(name,)], "the reload")

    def wait_for_standby(self):
        if self.promotable:
            return
        self.set_synchronous(self.standby.name)
        # A commit that was acknowledged before they waited must be on the standby, too. The process that has commits
        # wait reads the setting on its own, a moment after the sessions.
        time.sleep(RELOAD_S)
        mark = self.primary.query("SELECT pg_current_wal_flush_lsn()")[0][0]
        state = ("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'"
                 f" AND flush_lsn >= '{mark}' AND application_name = '{self.standby.name}'")
        if self.primary.ask(state):
            self.progress(f"{self.standby} is synchronous: a commit waits for it")
            self.promotable = True

    def go_on_alone(self, why):
        if self.promotable or self.primary.synchronous:
            self.progress(f"{why}: {self.primary} goes on alone")
        self.promotable = False
        self.set_synchronous("")

    def fail_over(self):
        dead, heir = self.primary, self.standby
        if not self.promotable:
            self.revive()
            return
        self.progress(f"{dead} does not answer; {heir} is promoted")
        dead.kill()
        if not heir.is_running():
            heir.start().await_start()
        heir.configure(dead, "")
        heir.run("pg_ctl", "promote", "-D", heir.data, "-t", "60", "-s")
        heir.reload()
        self.primary, self.standby = heir, dead
        self.promotable = False

    def revive(self):
        """Starts the primary again: nobody else has all that was acknowledged."""
        if not self.primary.is_running():
            self.progress(f"{self.primary} is started again")
            self.primary.start()
        self.primary.await_start()

    # -- for tests

    def hold(self, on=True):
        """Has the watch do nothing, or watch again."""
        with self.lock:
            self.paused = on

    def kill_primary(self, at_once=False):
        """Kills it at a moment at which the standby may be promoted, and returns it.

        `at_once`: none of its processes goes on for a moment, as they do when their parent alone is dead.
        """
        def kill():
            with self.lock:
                if self.promotable:
                    if at_once:
                        self.primary.pause()
                        self.primary.signal_all(signal.SIGKILL)
                    self.primary.process.kill()
                    return self.primary
        return await_true(kill, "a standby that may be promoted")

    def await_redundant(self):
        """Waits until a commit is on both."""
        await_true(lambda: self.promotable and self.primary.is_running(), "two servers", pause=0.05)

    def stop(self):
        self.ending.set()
        if self.watch.is_alive():
            self.watch.join()
        for server in (self.standby, self.primary):
            server.stop()
