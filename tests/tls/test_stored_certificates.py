"""Certificates in a database, which two front ends show beside the one of their configuration."""

import signal

import pytest

from stored import Site


@pytest.fixture
def site(database, weir, weir_program, tmp_path):
    return Site(database, weir, weir_program, tmp_path)


def test_all_front_ends_show_the_certificates_of_the_database(site):
    site.load("one.example", ["example.org", "*.example.org"])
    servers = [site.serve(), site.serve()]
    for server in servers:
        # From the first handshake on.
        assert site.shown(server, "example.org") == "one.example"
        assert site.shown(server, "www.example.org") == "one.example"
        assert site.shown(server, "else.example") == "fallback.example"
    site.load("two.example", ["example.org"])
    site.await_shown(servers, "example.org", "two.example")
    assert "example.org  " in site.verb("certificate", "list")
    assert site.database.query("SELECT key LIKE 'sealed:%' FROM weir_certificate") == "t"
    # A reload has another context, with the same certificates.
    servers[0].send_signal(signal.SIGHUP)
    servers[0].wait_stderr("reloaded")
    assert site.shown(servers[0], "example.org") == "two.example"
    site.verb("certificate", "remove", "example.org")
    site.await_shown(servers, "example.org", "fallback.example")
    assert "no such certificate" in site.verb("certificate", "remove", "example.org", code=1)


def test_the_last_certificates_stay(site):
    site.load("one.example", ["example.org"])
    server = site.serve()
    # A row that is damaged, or that nobody can decrypt.
    site.database.query("UPDATE weir_certificate SET chain = 'x'; UPDATE weir_snapshot SET version = version + 1")
    server.wait_stderr("a row that is left out: certificate example.org: no certificate in PEM")
    assert "; the one before stays in use\n" in server.stderr
    assert site.shown(server, "example.org") == "one.example"
    # A reload has it, too.
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("reloaded")
    assert site.shown(server, "example.org") == "one.example"
    site.load("two.example", ["example.org"])
    site.await_shown([server], "example.org", "two.example")
    site.database.stop()
    server.wait_stderr("the certificates are not renewed from the database")
    assert site.shown(server, "example.org") == "two.example"
    site.database.start()
    site.load("three.example", ["example.org"])
    site.await_shown([server], "example.org", "three.example")


def test_bad_rows_are_left_out_alone(site):
    with_key = site.config.read_text()
    site.config.write_text(with_key.replace(", secret-key-file: store-key", ""))
    for name in "a.example", "b.example", "c.example", "www.example":
        site.load(f"of.{name}", [name], name)
    site.database.query("UPDATE weir_certificate SET chain = 'x' WHERE name = 'a.example'")
    site.database.query(
        "UPDATE weir_certificate SET key = (SELECT key FROM weir_certificate WHERE name = 'www.example')"
        " WHERE name = 'b.example'"
    )
    site.database.query("UPDATE weir_certificate SET key = 'y' WHERE name = 'c.example'")
    site.config.write_text(with_key)
    site.load("of.enc.example", ["enc.example"], "enc.example")
    # With the key.
    server = site.serve()
    left_out = "a row that is left out: certificate "
    for text in (
        "a.example: no certificate in PEM",
        "b.example: this key does not belong to the certificate",
        "c.example: ",
    ):
        server.wait_stderr(left_out + text)
    for name, wanted in (
        ("a.example", "fallback.example"),
        ("b.example", "fallback.example"),
        ("c.example", "fallback.example"),
        ("enc.example", "of.enc.example"),
        ("www.example", "of.www.example"),
    ):
        assert site.shown(server, name) == wanted
    # With another one, and without any.
    (site.path / "other-key").write_text("b3RoZXIga2V5IG90aGVyIGtleSBvdGhlciBrZXkgMzI=\n")
    (site.path / "other-key").chmod(0o600)
    for change, why in (
        (": other-key", "it is encrypted by another key than 'secret-key-file'"),
        (None, "it is encrypted, and there is no 'secret-key-file'"),
    ):
        before = ", secret-key-file: store-key" if change is None else ": store-key"
        site.config.write_text(with_key.replace(before, change or ""))
        server = site.serve()
        server.wait_stderr(f"{left_out}enc.example: {why}")
        assert site.shown(server, "www.example") == "of.www.example"
        assert site.shown(server, "enc.example") == "fallback.example"


def test_files_that_are_no_pair_are_not_stored(site):
    chain, _ = site.authority.sign("one.example", ["example.org"])
    _, key = site.authority.sign("two.example", ["example.org"])
    said = site.verb("certificate", "import", "example.org", chain, key, code=1)
    assert f"{key}: this key does not belong to the certificate" in said
    assert "no certificate in PEM" in site.verb("certificate", "import", "a", key, key, code=1)
    assert "No such file" in site.verb("certificate", "import", "a", chain, site.path / "nowhere", code=1)
    assert "must have no spaces" in site.verb("certificate", "import", "a b", chain, key, code=1)
    assert "import NAME CHAIN KEY" in site.verb("certificate", "import", "a", code=2)
    assert site.verb("certificate", "list") == "weir: there is no certificate in the database\n"
