"""Certificates in a database, which two front ends show beside the one of their configuration."""

import json
import re
import signal
import time

import pytest
from cryptography import x509

from conftest import wait_for
from stored import Site
from test_acme import scrape


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


@pytest.mark.parametrize("names, name, good", [
    (["example.org", "www.example.org"], "www.example.org", True), (["Example.org"], "eXample.org", True),
    (["*.example.org"], "*.example.org", True), (["*.example.org"], "www.example.org", True),
    (["*.example.org"], "example.org", False), (["*.example.org"], "a.www.example.org", False),
    (["example.org", "192.0.2.1"], "mine", False), (["example.org"], "one.example", False)])
def test_the_name_is_one_of_the_certificate(site, names, name, good):
    """`one.example` is its subject alone, by which no client finds it."""
    chain, key = site.authority.sign("one.example", names)
    said = site.verb("certificate", "import", name, chain, key, code=0 if good else 1)
    if not good:
        shown = ", ".join(name for name in names if name != "192.0.2.1")
        assert said == f"weir: '{name}' is no name of the certificate in {chain}: store it under one that it has: {shown}\n"
    assert site.database.query("SELECT count(*) FROM weir_certificate") == ("1" if good else "0")


def test_a_certificate_without_names_is_not_stored(site):
    chain, key = site.authority.sign("example.org", usage="clientAuth")
    said = site.verb("certificate", "import", "example.org", chain, key, code=1)
    assert "is for no name, so no client would get it: make one with a subjectAltName for example.org\n" in said


def expiry_of(text, name):
    """The two metrics of a certificate."""
    return [
        float(re.search(rf'^weir_tls_certificate_{metric}{{certificate="{re.escape(name)}"}} (\S+)$', text, re.M)[1])
        for metric in ("not_after_seconds", "days_left")]


def test_when_they_expire(site):
    site.config.write_text(site.config.read_text() + "admin: admin.sock\n")
    chain, key = site.authority.sign("one.example", ["example.org"], days=20)
    site.verb("certificate", "import", "example.org", chain, key)
    site.verb("certificate", "import", "old.example", *site.authority.sign("old", ["old.example"], days=-1))
    not_after = x509.load_pem_x509_certificate(chain.read_bytes()).not_valid_after
    listed = site.verb("certificate", "list").splitlines()
    date = r"20\d\d-\d\d-\d\d \d\d:\d\d"
    assert re.fullmatch(r"CERTIFICATE +STORED +EXPIRES", listed[0])
    assert re.fullmatch(rf"example.org +{date}  {not_after:%Y-%m-%d} \d\d:\d\d", listed[1])
    assert re.fullmatch(rf"old.example +{date}  {date}  expired", listed[2])
    server = site.serve()
    assert site.shown(server, "example.org") == "one.example"
    text = scrape(site.path / "admin.sock")
    seconds, days = expiry_of(text, "example.org")
    assert abs(seconds - time.time() - 20 * 86400) < 3600 and 19.9 < days < 20.1
    assert -1.1 < expiry_of(text, "old.example")[1] < -0.9
    status = json.loads(site.verb("status", "--json"))
    left = {item["file"]: item["days_left"] for item in status["certificates"][1:]}
    assert left == {"example.org": left["example.org"], "old.example": -1} and left["example.org"] in (19, 20)
    # Tickets have no version; nor is there one to be invented.
    versions = {item["snapshot"]: item.get("version") for item in status["store"]}
    assert versions["tickets"] is None and versions["certificates"] > 0
    assert 'weir_snapshot_version{snapshot="tickets"}' not in text
    site.verb("certificate", "remove", "old.example")
    wait_for(lambda: "old.example" not in scrape(site.path / "admin.sock"), what="the end of its metrics")
    # A reload has them, too.
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("reloaded")
    assert expiry_of(scrape(site.path / "admin.sock"), "example.org")[0] == seconds


def test_a_name_of_a_hostile_row_does_no_harm(site):
    site.load("one.example", ["example.org"])
    site.database.query("INSERT INTO weir_certificate SELECT E'a\\x1b[31m\"b', 'x', key, stored FROM weir_certificate")
    listed = site.verb("certificate", "list")
    assert '\na?[31m"b ' in listed and listed.splitlines()[1].endswith("  ?")
    server = site.serve()
    server.wait_stderr('a row that is left out: certificate a?[31m"b: ')
