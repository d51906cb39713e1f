"""The schema of the version before, `weir store migrate` beside its front ends, and --dry-run."""

import re
import subprocess

import pytest

from database import PROGRAMS

OLD = "DROP TABLE weir_acme_file, weir_acme_lease; UPDATE weir_schema SET version = 1 WHERE part = 'keys'"
VERSIONS = "SELECT string_agg(part || version, ' ' ORDER BY part) FROM weir_schema"


@pytest.fixture
def store(database, run, tmp_path):
    database.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    (tmp_path / "weir.yaml").write_text(
        f"listen: [{{http: '127.0.0.1:0'}}]\nsites: [{{root: '{tmp_path}'}}]\nstore: {database.url}\n")
    return lambda *words: run("store", "-c", tmp_path / "weir.yaml", *words)


def tables(database):
    return database.query("SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public'")


def test_a_dry_run_of_init_changes_nothing(store, database):
    done = store("init", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert tables(database) == ""
    assert "keys would go from version 0 to 2" in done.stderr
    # The statements are those that init runs.
    database.query(done.stdout)
    made = tables(database)
    database.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    assert store("init").returncode == 0
    assert tables(database) == made


def test_a_dry_run_of_migrate_changes_nothing(store, database):
    assert "there are no tables" in store("migrate", "-n").stderr
    store("init")
    done = store("migrate", "--dry-run")
    assert (done.returncode, done.stdout) == (0, "") and "there is nothing to do" in done.stderr
    database.query(OLD)
    before = tables(database)
    done = store("migrate", "-n")
    assert done.returncode == 0 and "keys would go from version 1 to 2" in done.stderr
    assert re.findall(r"CREATE TABLE IF NOT EXISTS (weir_acme_\w+)", done.stdout) == ["weir_acme_file", "weir_acme_lease"]
    assert "weir_certificate" not in done.stdout
    assert tables(database) == before and "keys1" in database.query(VERSIONS)


@pytest.mark.parametrize("words", [("check", "--dry-run"), ("-n", "import"), ("export", "-n", "x")])
def test_a_dry_run_is_for_init_and_migrate(store, words):
    done = store(*words)
    assert done.returncode == 2 and "--dry-run is for init and migrate" in done.stderr


def test_a_migration_waits_for_no_front_end(store, database):
    """Transactions that write to all tables are open meanwhile, and others begin behind it."""
    store("init")
    database.query(OLD)
    before = [name for name in tables(database).split() if name not in ("weir_schema", "weir_snapshot")]
    lock = "BEGIN; " + " ".join(f"LOCK TABLE {name} IN ROW EXCLUSIVE MODE;" for name in before) + " SELECT 'locked';\n"
    psql = subprocess.Popen(
        [str(PROGRAMS / "psql"), "-X", "-A", "-t", "-q", database.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, **database.options())
    try:
        psql.stdin.write(lock)
        psql.stdin.flush()
        assert psql.stdout.readline() == "locked\n"
        done = store("migrate")  # which would time out
        assert done.returncode == 0 and "keys: from version 1 to 2" in done.stderr
    finally:
        psql.stdin.close()
        psql.wait(60)


def test_a_version_that_is_due_is_no_failure(store, database, run, tmp_path):
    store("init")
    database.query(OLD)
    done = run("check", tmp_path / "weir.yaml")
    assert done.returncode == 0
    assert "the tables of keys in the database are of version 1, and this program knows 2: run `weir store migrate`" in done.stdout
    done = store("check")
    assert done.returncode == 1 and "version 1, of this program 2" in done.stdout and "run `weir store migrate`" in done.stdout
    assert store("migrate").returncode == 0
    assert store("check").returncode == 0
    assert "database: keys: read" in run("check", tmp_path / "weir.yaml").stdout


def test_an_older_program_uses_the_newer_tables(store, database):
    """The tables of version 2 are declared to be fit for programs of version 1."""
    store("init")
    assert database.query("SELECT version, oldest FROM weir_schema WHERE part = 'keys'") == "2|1"
