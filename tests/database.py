"""A PostgreSQL server of a test's own, as tests/postgres/database.c has one for the unit tests."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from conftest import wait_for
from ports import free_port

PROGRAMS = Path("/usr/lib/postgresql/15/bin")


class Database:
    """Runs from its creation to stop(), in a directory of its own, as a user other than root."""

    def __init__(self):
        self.port = free_port()
        self.path = Path(tempfile.mkdtemp(prefix="weir-postgres-"))
        self.user = "postgres" if os.geteuid() == 0 else None
        if self.user:
            entry = pwd.getpwnam(self.user)
            os.chown(self.path, entry.pw_uid, entry.pw_gid)
        template = os.environ.get("WEIR_DATABASE_TEMPLATE")  # ./dev test has made it
        if template:
            subprocess.run(["cp", "-a", template, str(self.path / "data")], check=True)
        else:
            self.run("initdb", "--no-sync", "-A", "trust", "-U", "weir", "-E", "UTF8", "--locale=C", "-D", self.path / "data")
        with (self.path / "data" / "postgresql.auto.conf").open("a") as file:
            file.write(
                f"port = {self.port}\nlisten_addresses = '127.0.0.1'\n"
                f"unix_socket_directories = '{self.path}'\nfsync = off\nautovacuum = off\n"
            )
        self.process = None
        self.start()

    def options(self):
        """Makes a child process the server's user; libpq in it reads no settings of others."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LD_"))}
        return {"user": self.user, "group": self.user, "extra_groups": [], "cwd": self.path, "env": env} if self.user else {
            "cwd": self.path,
            "env": env,
        }

    def run(self, program, *arguments):
        command = [str(word) for word in (PROGRAMS / program, *arguments)]
        result = subprocess.run(command, capture_output=True, text=True, **self.options())
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def start(self):
        with (self.path / "log").open("a") as log:
            self.process = subprocess.Popen(
                [str(PROGRAMS / "postgres"), "-D", str(self.path / "data")], stdout=log, stderr=log, **self.options()
            )
        ready = [str(PROGRAMS / "pg_isready"), "-q", "-h", str(self.path), "-p", str(self.port)]
        wait_for(lambda: subprocess.run(ready).returncode == 0, what="the start of PostgreSQL")

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)

    def remove(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(60)
        shutil.rmtree(self.path)

    @property
    def url(self):
        return f"postgres://weir@127.0.0.1:{self.port}/postgres"

    def query(self, sql):
        return self.run(
            "psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql, self.url
        ).strip()
