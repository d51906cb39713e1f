"""`store`: its keys, and the listeners that allow it."""


import pytest


URL = "postgres://weir@127.0.0.1:5433/weir"


@pytest.fixture
def check(run, tmp_path):
    (tmp_path / "www").mkdir(exist_ok=True)

    def check_store(text, *arguments):
        (tmp_path / "weir.yaml").write_text(f"{text}\nsites: [{{root: www}}]\n")
        return run("check", *arguments, tmp_path / "weir.yaml")

    return check_store


def test_a_store_is_a_url_or_a_mapping(check):
    short = check(f"store: {URL}", "--effective")
    assert short.returncode == 0, short.stderr
    assert "parts: [users, mailboxes, queue, zones, keys]" in short.stdout
    long = check(f"store: {{url: '{URL}', parts: [users, queue], connections: 2, prepare: no}}", "--effective")
    assert long.returncode == 0, long.stderr
    assert "parts: [users, queue]" in long.stdout and "connections: 2\n" in long.stdout


@pytest.mark.parametrize(
    "text, said",
    [
        ("store: postgres://weir@one?x", "the URL of the database is malformed"),
        ("store: postgres:///weir", "must name a host"),
        ("store: postgres://weir@one?sslmode=bogus", "'sslmode' in the URL of the database must be disable"),
        ("store: {url: 'postgres://one', parts: [users, mails]}", "'parts' must be one of users"),
        ("store: {url: 'postgres://one', parts: users}", "'parts' must be a list such as"),
        ("store: {parts: [users]}", "a store lacks 'url'"),
        ("store: {url: 'postgres://one', connections: 1}", "'connections' must be from 2 to"),
        ("store: {url: 'postgres://one', password-file: nowhere}", "nowhere: No such file"),
    ],
)
def test_mistakes_are_found(check, text, said):
    done = check(text)
    assert done.returncode == 1
    assert said in done.stderr


@pytest.mark.parametrize(
    "parts, more, said",
    [
        ("[users]", "dns: {}\n", "needs mailboxes: 'mailboxes' in 'parts' of 'store'"),
        ("[mailboxes]", "dns: {}\n", "needs users, each with a mailbox: 'users' in 'parts' of 'store'"),
        ("[users, mailboxes]", "dns: {database-zones: {}}\n", "'zones' in 'parts' of 'store'"),
    ],
)
def test_a_part_that_a_listener_needs(check, parts, more, said):
    done = check(f"listen: [{{smtp: '127.0.0.1:0'}}, {{dns: '127.0.0.1:0'}}]\nmail: {{domains: [example.org]}}\n"
                 f"store: {{url: '{URL}', parts: {parts}}}\n{more}")
    assert done.returncode == 1 and said in done.stderr


def test_files_that_go_before_the_database(check, tmp_path):
    (tmp_path / "users").write_text("")
    (tmp_path / "users").chmod(0o600)
    mail = "listen: [{smtp: '127.0.0.1:0'}]\nmail: {domains: [example.org], directory: mail, users: users}\n"
    wait = "wait: 200ms"
    done = check(f"{mail}store: {{url: '{URL}', {wait}}}")
    assert done.returncode == 0
    assert f"mailboxes are the Maildirs in {tmp_path / 'mail'}, and not those of the database" in done.stderr
    assert f"users of mail are those of {tmp_path / 'users'}, and not those of the database" in done.stderr
    assert "of the database: remove" not in check(f"{mail}store: {{url: '{URL}', parts: [queue], {wait}}}").stderr


def test_a_password_is_in_a_file_of_its_own(check, tmp_path):
    password = tmp_path / "password"
    password.write_text("open sesame\n")
    password.chmod(0o644)
    text = f"store: {{url: '{URL}', password-file: password}}"
    done = check(text)
    assert done.returncode == 0 and f"read the password file {password}" in done.stderr
    password.chmod(0o600)
    done = check(text, "--effective")
    assert done.returncode == 0 and "password file" not in done.stderr
    assert "sesame" not in done.stdout + done.stderr
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PGPASSWORD", "other")
        assert "PGPASSWORD" not in check(text, "--effective").stderr
        assert "or the password into a 'password-file'" in check(f"store: {URL}").stderr
    password.write_text("\n")
    assert "the first line must be the password, and it is empty" in check(text).stderr


def test_the_server_may_do_what_the_url_needs(check, tmp_path):
    authority = tmp_path / "ca.pem"
    authority.write_text("")
    done = check(
        f"privilege-separation: yes\nstore: postgres://weir@db:5433,/run/postgresql/weir?sslrootcert={authority}".replace(
            ",/run", ",%2Frun"
        )
    )
    assert done.returncode == 0, done.stderr
    assert f"reads {authority}" in done.stdout
    assert "connects to port 5433" in done.stdout and "connects to port 53\n" in done.stdout
    assert "connects to Unix sockets" in done.stdout
