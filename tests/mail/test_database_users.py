"""Users and aliases in the database: they follow it, and stay while it is away, slow, or of another version."""

import ftplib
import json
import os
import poplib
import re
import signal
import smtplib
import subprocess

import pytest

from conftest import wait_for

# Hashes of "one" by crypt's cheapest method, so that logins take no time.
ONE = "$5$rounds=1000$salt$o5a4W36GiQx5S8yqOpnz8PiOuK2pLD6VWBcIlFOvyT9"


class Site:
    """A configuration whose users are in the database, its tables, and the servers that use it."""

    def __init__(self, database, run, weir, path):
        self.database, self.run, self.weir, self.path = database, run, weir, path
        self.config = path / "weir.yaml"
        self.write()

    def write(self, store="directory: copies", mail="domains: [example.org]", more="", url=None):
        self.config.write_text(
            f"listen: [{{pop3: '127.0.0.1:0'}}, {{smtp: '127.0.0.1:0'}}, {{ftp: '127.0.0.1:0'}}]\n"
            f"store: {{url: '{url or self.database.url}', parts: [users], refresh: 200ms, wait: 1s,"
            f" answer: 1s, {store}}}\n"
            f"mail: {{directory: mail, {mail}}}\nftp: {{root: ., anonymous: no}}\nmail-log: mail.log\n"
            f"guard: {{enabled: no}}\nworkers: 2\nadmin: admin.sock\n{more}"
        )

    def sql(self, text):
        """A change, of which the servers hear."""
        self.database.query(
            f"BEGIN; {text}; UPDATE weir_snapshot SET version = version + 1 WHERE name = 'users'; COMMIT"
        )

    def verb(self, *words, code=0, text=None):
        done = subprocess.run(
            [self.weir_program, *words], cwd=self.path, input=text, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    def console(self, *words):
        return self.verb("console", "-c", "weir.yaml", *words)

    def serve(self, **options):
        self.started = self.weir("-c", self.config, cwd=self.path, **options)
        return self.started

    def login(self, user="alice", password="one"):
        client = poplib.POP3("127.0.0.1", self.started.ports[0], timeout=60)
        try:
            client.user(user)
            client.pass_(password)
            return True
        except poplib.error_proto as error:
            assert "[AUTH]" in str(error), error
            return False
        finally:
            client.close()

    def accepts(self, recipient):
        with smtplib.SMTP("127.0.0.1", self.started.ports[1], "client.example", timeout=60) as client:
            client.ehlo()
            client.mail("a@else.example")
            return client.rcpt(recipient)[0] == 250


@pytest.fixture
def site(database, run, weir, weir_program, tmp_path):
    database.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    made = Site(database, run, weir, tmp_path)
    made.weir_program = str(weir_program)
    assert "users: from version 0 to " in made.verb("store", "-c", "weir.yaml", "init")
    database.query(
        f"INSERT INTO weir_user VALUES ('alice', '{ONE}', ''), ('bob', '!{ONE}', '');"
        "INSERT INTO weir_alias VALUES ('sales', 'alice, bob'); INSERT INTO weir_snapshot VALUES ('users', 1)"
    )
    return made


def test_tables_that_are_missing_are_found_and_made(site, database):
    assert "users      schema" in site.verb("store", "-c", "weir.yaml", "check")
    database.query("DROP TABLE weir_alias, weir_queue_message; DROP INDEX weir_body_sweep_due")
    said = site.verb("store", "-c", "weir.yaml", "check", code=1)
    assert re.search('users +weir_alias .*"weir_alias" does not exist', said)
    assert re.search('queue +weir_queue_message .*"weir_queue_message" does not exist', said)
    assert re.search("bodies to be removed +0", said) and "3 problems" in said
    assert re.search("mailboxes +weir_body_sweep_due +the index does not exist", said)
    assert "`weir store init` makes it" in said
    said = site.verb("store", "-c", "weir.yaml", "init")
    assert "all tables are there, and up to date" in said and "migrate" not in said
    assert re.search("zones +schema +version 1, of this program 1", said)
    assert "problem" not in site.verb("store", "-c", "weir.yaml", "check")
    assert database.query("SELECT count(*) FROM weir_user").strip() == "2"


def test_a_user_who_lacks_rights_is_found(site, database):
    database.query(
        "DROP ROLE IF EXISTS poor; CREATE ROLE poor LOGIN; GRANT USAGE ON SCHEMA public TO poor;"
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO poor; GRANT ALL ON weir_user, weir_alias TO poor"
    )
    assert "rights of" not in site.verb("store", "-c", "weir.yaml", "check")
    config = site.config.read_text()
    assert "//weir@" in config
    queue = config.replace("parts: [users]", "parts: [users, queue]")
    queue = queue.replace("org]}", "org], relay: {host: 127.0.0.1, queue: queue}}")
    site.config.write_text(queue.replace("//weir@", "//poor@"))
    said = site.verb("store", "-c", "weir.yaml", "check", code=1)
    assert re.search("rights of poor +not all of SELECT, INSERT, UPDATE and DELETE on weir_acme_file, ", said)
    assert "weir_queue, " in said and "weir_alias" not in said.partition("rights of")[2].partition("\n")[0]
    said = site.verb("store", "-c", "weir.yaml", "init", code=1)
    assert "permission denied for " in said and "must own the database to make or change them" in said
    said = site.verb("queue", "-c", "weir.yaml", "retry", "--all", code=1)
    assert "the user lacks rights in the database; `weir store check` lists the tables" in said
    site.config.write_text(queue)
    database.query("DROP TABLE weir_queue")
    said = site.verb("queue", "-c", "weir.yaml", code=1)
    assert "the database refuses the statement; `weir store check` finds the reason" in said


def test_a_user_who_is_the_target_of_an_alias_stays(site):
    """Servers use all rows or none: without bob, `sales` would keep them from every later change."""
    said = site.verb("passwd", "-c", "weir.yaml", "bob", "--delete", code=1)
    assert "bob is not removed, since no server could use the users without it: aliases: sales: no such user" in said
    assert site.database.query("SELECT count(*) FROM weir_user WHERE name = 'bob'").strip() == "1"
    site.sql("UPDATE weir_alias SET targets = 'alice'")
    assert site.verb("passwd", "-c", "weir.yaml", "bob", "--delete") == "weir: the database: bob removed\n"
    # With a mistake that is there already, a removal may be what mends it.
    site.sql("INSERT INTO weir_user VALUES ('eve', '', '')")
    site.verb("passwd", "-c", "weir.yaml", "eve", "--delete")
    assert "problem" not in site.verb("store", "-c", "weir.yaml", "check")


@pytest.mark.parametrize(
    "change, mistake",
    [
        ("INSERT INTO weir_user VALUES ('eve', '', '')", "users: eve: not a hash of crypt"),
        ("INSERT INTO weir_alias VALUES ('help', 'carol')", "aliases: help: no such user or alias: carol"),
        ("INSERT INTO weir_alias VALUES (E'a\\nb', 'alice')", 'the row of "a'),
    ],
)
def test_rows_that_no_server_can_use_are_found(site, change, mistake):
    assert "database: users: read\n" in site.verb("check", "weir.yaml")
    site.sql(change)
    said = site.verb("store", "-c", "weir.yaml", "check", code=1)
    assert re.search(f"users +rows +{mistake}.*  <- no server uses a change", said) and "1 problem\n" in said
    said = site.verb("check", "weir.yaml")
    assert "good, with problems of the database" in said and f"users: no server can use them: {mistake}" in said
    said = site.verb("passwd", "-c", "weir.yaml", "alice", "--lock")
    assert f"no server uses this change before another row is corrected: {mistake}" in said
    assert "alice locked" in said
    # Other parts do not need the users.
    site.config.write_text(f"store: {{url: '{site.database.url}', parts: [zones]}}\nsites: [{{root: .}}]\n")
    assert "problem" not in site.verb("store", "-c", "weir.yaml", "check")


def test_tables_that_are_too_new_are_not_migrated(site, database):
    database.query("UPDATE weir_schema SET version = 99, oldest = 98 WHERE part = 'users'")
    said = site.verb("store", "-c", "weir.yaml", "migrate", code=1)
    assert "the tables of users are too new for this program: upgrade it" in said and "up to date" not in said
    database.query("UPDATE weir_schema SET oldest = 1 WHERE part = 'users'")
    assert "newer than this program, which can use them" in site.verb("store", "-c", "weir.yaml", "migrate")


def test_verbs_say_how_to_make_tables_that_are_missing(site, database):
    site.config.write_text(site.config.read_text().replace("parts: [users]", "parts: [users, zones, keys]"))
    database.query("DROP TABLE weir_zone, weir_certificate")
    for verb in "zone", "certificate":
        said = site.verb(verb, "-c", "weir.yaml", "list", code=1)
        assert f'relation "weir_{verb}" does not exist' in said and "`weir store init` makes them" in said


def test_a_verb_that_waits_says_for_what(site):
    site.config.write_text(site.config.read_text().replace("wait: 1s", "wait: 3s"))
    site.database.stop()
    said = site.verb("store", "-c", "weir.yaml", "check", code=1)
    assert re.search("the database: .*; trying for 3 s in all\n", said)
    config = site.config.read_text().replace("parts: [users]", "parts: [users, keys]")
    site.config.write_text(config.replace("directory: copies", "directory: elsewhere"))
    said = site.verb("check", "weir.yaml")
    # One line for all parts, and one for each copy.
    assert "database: users, keys: not read: " in said and said.count("not read") == 1
    assert "there is no copy users yet: a server makes it" in said
    site.database.start()


def test_an_encoding_that_lacks_characters_is_found(site, database):
    database.query("DROP DATABASE IF EXISTS latin")
    database.query("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    site.write(url=database.url.replace("/postgres", "/latin"))
    site.verb("store", "-c", "weir.yaml", "init")
    said = site.verb("store", "-c", "weir.yaml", "check", code=1)
    assert re.search("encoding +LATIN1, which lacks characters; make the database with the encoding UTF8", said)
    assert "1 problem\n" in said


# -- changes -------------------------------------------------------------------------------------------


def test_servers_follow_changes(site):
    site.serve()
    assert site.login() and not site.login("bob") and not site.login(password="two")
    assert site.accepts("sales@example.org") and not site.accepts("carol@example.org")
    site.sql(f"INSERT INTO weir_user VALUES ('carol', '{ONE}', '')")
    wait_for(lambda: site.accepts("carol@example.org"), what="the new user")
    assert site.login("carol")
    with ftplib.FTP(timeout=60) as client:
        client.connect("127.0.0.1", site.started.ports[2])
        client.login("carol", "one")
        assert "mail.log" in client.nlst()
    site.sql("DELETE FROM weir_alias; UPDATE weir_user SET hash = '!' || hash WHERE name = 'carol'")
    wait_for(lambda: not site.accepts("sales@example.org"), what="the end of an alias")
    assert not site.login("carol")
    # Other domains: the same users, without the database.
    site.database.stop()
    site.write(mail="domains: [example.net]")
    site.started.send_signal(signal.SIGHUP)
    site.started.wait_stderr("weir: reloaded")
    assert site.accepts("carol@example.net") and not site.accepts("carol@example.org")
    site.database.start()


def test_a_row_that_is_wrong_changes_nothing(site):
    site.serve()
    site.sql("INSERT INTO weir_user VALUES ('dave', 'no hash', '')")
    site.started.wait_stderr("weir: the users of the database are not renewed: users: dave: ")
    assert site.accepts("alice@example.org") and not site.accepts("dave@example.org")
    site.sql(f"UPDATE weir_user SET hash = '{ONE}' WHERE name = 'dave'")
    site.started.wait_stderr("weir: the users of the database are renewed again")
    assert site.accepts("dave@example.org")


def test_passwd_changes_the_database(site):
    def passwd(*words, text="two\n", code=0):
        return site.verb("passwd", "-c", "weir.yaml", *words, code=code, text=text)

    site.database.query("UPDATE weir_user SET attributes = 'home=/ rights=rl' WHERE name = 'alice'")
    site.serve()
    assert "the database: alice changed" in passwd("alice")
    wait_for(lambda: site.login(password="two"), what="the new password")
    rest = site.database.query("SELECT attributes FROM weir_user WHERE name = 'alice'")
    assert re.fullmatch(r"scram=SCRAM-SHA-256\S+ home=/ rights=rl", rest)
    assert "alice locked" in passwd("alice", "--lock") and "alice locked" in passwd("alice", "--lock")
    wait_for(lambda: not site.login(password="two"), what="the lock")
    assert "alice unlocked" in passwd("alice", "--unlock")
    wait_for(lambda: site.login(password="two"), what="the end of the lock")
    assert "erin added" in passwd("erin", "--no-scram")
    wait_for(lambda: site.login("erin", "two"), what="the new user")
    assert "erin removed" in passwd("erin", "--delete")
    wait_for(lambda: not site.accepts("erin@example.org"), what="the end of the user")
    assert "there is no user erin" in passwd("erin", "--lock", code=1)
    assert "there is no user erin" in passwd("erin", "--delete", code=1)
    assert "exclude each other" in passwd("erin", "--delete", "--lock", code=2)
    site.database.stop()
    assert "weir: the database: " in passwd("alice", code=1)
    site.database.start()


def test_100000_users(site):
    site.serve()
    site.sql(
        f"INSERT INTO weir_user SELECT 'user' || n, '{ONE}', 'home=/ rights=r' FROM generate_series(1, 99998) n;"
        "INSERT INTO weir_alias SELECT 'alias' || n, 'user' || n FROM generate_series(1, 50000) n"
    )
    wait_for(lambda: site.accepts("alias50000@example.org"), what="the users")
    assert site.login("user99998")
    # One more than there may be: the last ones stay.
    site.sql("INSERT INTO weir_user VALUES ('more', '!', '')")
    site.started.wait_stderr("the users of the database are not renewed")
    assert site.login("user99998")


# -- faults --------------------------------------------------------------------------------------------


def test_the_last_users_stay_while_the_database_is_away(site):
    site.serve()
    site.database.stop()
    assert site.login() and site.accepts("sales@example.org")
    site.started.wait_stderr("weir: the users of the database are not renewed: ")
    assert site.login() and not site.accepts("carol@example.org")
    status = json.loads(site.verb("status", "-c", "weir.yaml", "--json"))["store"][0]
    assert status["snapshot"] == "users" and status["version"] == 1 and status["failing"] != "no"
    assert re.search(r"users: version 1, from the database, confirmed \d+ s ago; the database: ", site.console("store"))
    metrics = site.verb("fetch", "--unix-socket", "admin.sock", "http://weir/metrics")
    assert float(re.search(r'^weir_snapshot_age_seconds\{snapshot="users"\} (\S+)$', metrics, re.M)[1]) > 0
    assert 'weir_snapshot_version{snapshot="users"} 1\n' in metrics
    site.database.start()
    site.sql(f"INSERT INTO weir_user VALUES ('carol', '{ONE}', '')")
    wait_for(lambda: site.accepts("carol@example.org"), what="the new user")


def test_a_database_that_hangs_stops_no_login(site):
    site.serve()
    with subprocess.Popen(
        ["psql", "-X", "-q", site.database.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as psql:
        psql.stdin.write("BEGIN; LOCK TABLE weir_user, weir_snapshot, weir_schema; SELECT 'locked';\n")
        psql.stdin.flush()
        wait_for(lambda: "locked" in psql.stdout.readline(), what="the lock")
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        wait_for(lambda: site.database.query(waiting) != "0", what="a server that waits")
        assert site.login() and site.accepts("sales@example.org")
        site.started.wait_stderr("weir: the users of the database are not renewed: ")
        assert site.login()
    site.sql(f"INSERT INTO weir_user VALUES ('carol', '{ONE}', '')")
    wait_for(lambda: site.accepts("carol@example.org"), what="the new user")


def test_a_start_without_the_database(site):
    site.serve().stop()
    site.database.stop()
    assert "database: users: not read: " in site.verb("check", "weir.yaml")
    site.serve()
    assert re.search(r"the users of the database are those of the copy .*/copies/users, confirmed \d+ s ago: ", site.started.stderr)
    assert site.login() and site.accepts("sales@example.org")
    site.database.start()
    site.sql(f"INSERT INTO weir_user VALUES ('carol', '{ONE}', '')")
    wait_for(lambda: site.login("carol"), what="the new user")
    site.started.stop()
    # A copy that is damaged is none.
    site.database.stop()
    copy = site.path / "copies" / "users"
    copy.write_bytes(copy.read_bytes().replace(b"carol", b"mallo"))
    assert "cannot load the users of the database" in site.verb("serve", "-c", "weir.yaml", "--user", "root", code=1)
    site.database.start()


@pytest.mark.parametrize(
    "change, said",
    [
        ("DROP TABLE weir_schema, weir_user", "the tables of users in the database are not there: run `weir store"),
        ("UPDATE weir_schema SET version = 99, oldest = 98", "in the database are too new for this program"),
    ],
)
def test_a_schema_that_does_not_fit_is_refused(site, change, said):
    assert "the database" not in site.verb("check", "weir.yaml")
    site.serve().stop()
    site.database.query(change)
    assert said in site.verb("check", "weir.yaml")
    assert said in site.verb("serve", "-c", "weir.yaml", "--user", "root", code=1)


def test_a_schema_that_is_one_version_newer_is_served(site):
    site.database.query("UPDATE weir_schema SET version = version + 1 WHERE part = 'users'")
    site.serve()
    assert site.login()
    site.database.query("UPDATE weir_schema SET oldest = version WHERE part = 'users'")
    site.started.wait_stderr("the tables of users in the database are too new for this program: upgrade it")
    assert site.login()
    site.database.query("UPDATE weir_schema SET oldest = 1, version = version - 1 WHERE part = 'users'")
    site.started.wait_stderr("the tables of users in the database have version ")


# -- the process ---------------------------------------------------------------------------------------


def test_another_database_needs_another_process(site):
    site.serve()
    site.write(store="directory: copies, connections: 3")
    site.started.send_signal(signal.SIGHUP)
    if site.started.child_count():
        site.started.wait_stderr("weir: reloaded")
    else:
        site.started.wait_stderr("a change of 'store', or of its password, needs a restart")
        site.started.wait_stderr("weir: not reloaded")
    assert site.login()


@pytest.mark.parametrize("local", [False, True], ids=["tcp", "unix"])
@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_confined_server_reaches_the_database(site, local):
    url = f"postgres://weir@/postgres?host={site.database.path}&port={site.database.port}" if local else None
    site.write(url=url, more="user: nobody\nprivilege-separation: yes\n")
    for path in (site.path, *site.path.parents[:3]):
        path.chmod(0o755)
    site.path.chmod(0o777)
    site.serve()
    assert site.login()
    site.sql(f"INSERT INTO weir_user VALUES ('carol', '{ONE}', '')")
    wait_for(lambda: site.login("carol"), what="the new user")
    assert (site.path / "copies" / "users").stat().st_uid != 0
    if local:
        return
    # A reload that has another database, by another process.
    first = site.started.server_pid
    site.write(more="user: nobody\nprivilege-separation: yes\n", store="connections: 3")
    site.started.send_signal(signal.SIGHUP)
    wait_for(lambda: site.started.server_pid != first, what="the other process")
    wait_for(lambda: site.login("carol"), what="the other process")


def test_front_ends_count_wrong_passwords_together(site):
    site.write(more="guard: {first-delay: 100ms, most-delay: 200ms}\n")
    site.config.write_text(site.config.read_text().replace("guard: {enabled: no}\n", ""))
    site.config.write_text(site.config.read_text().replace("admin: admin.sock", "admin: two.sock"))
    two = site.weir("-c", site.config, cwd=site.path)
    site.config.write_text(site.config.read_text().replace("admin: two.sock", "admin: admin.sock"))
    site.serve()
    assert not site.login(password="wrong")
    counted = "127.0.0.1 .* 1 "
    wait_for(lambda: re.search(counted, site.verb("console", "--admin", "two.sock", "guard", "list")), what="the count")
    assert "cleared 1 network" in site.verb("console", "--admin", "two.sock", "guard", "clear", "127.0.0.1")
    wait_for(lambda: site.database.query("SELECT count(*) FROM weir_guard") == "0", what="the end of the count")
    assert two.stop() == 0
