"""SIGHUP and certificates: a good pair is served from then on, a bad one changes nothing, and neither
costs a connection or a session."""

import os
import shutil
import signal
import socket
import ssl

import pytest

from certificates import Authority
from conftest import together, wait_for
from ports import free_port
from secure import Secured, authority, configuration, context_for, fetch, pairs, secure
from wire import request

REQUEST = request("/")


@pytest.fixture
def renewable(weir, site, tmp_path, authority):
    """(server, install): a server of live.pem and live.key, which install(pair) replaces."""

    def install(pair):
        for path, name in zip(pair, ("live.pem", "live.key")):
            shutil.copy(path, tmp_path / "new")
            os.replace(tmp_path / "new", tmp_path / name)

    install(authority.sign("a.example"))
    live = (tmp_path / "live.pem", tmp_path / "live.key")
    (tmp_path / "weir.yaml").write_text(configuration([live]))
    return weir("-c", tmp_path / "weir.yaml", "--workers", 2), install


def reload(server, count=1):
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("weir: reloaded", count)


def serial(server, authority, name="a.example", **options):
    """Of the certificate that is served."""
    with Secured(server, authority, name, **options) as client:
        assert client.ask(REQUEST).text == "hello"
        return client.socket.getpeercert()["serialNumber"]


def test_renewed(renewable, authority):
    server, install = renewable
    old = serial(server, authority)
    with Secured(server, authority) as standing:
        install(authority.sign("a.example"))
        assert serial(server, authority) == old
        reload(server)
        seen = {serial(server, authority) for _ in range(20)}
        assert len(seen) == 1 and old not in seen
        assert standing.ask(REQUEST).text == "hello"
        assert standing.socket.getpeercert()["serialNumber"] == old


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed_after_a_reload(renewable, authority, version):
    server, install = renewable
    context = context_for(authority, minimum_version=version, maximum_version=version)
    with Secured(server, authority, context=context) as first:
        first.ask(REQUEST)
        session = first.socket.session
    for count in range(1, 4):
        install(authority.sign("a.example"))
        reload(server, count)
        for _ in range(6):
            with Secured(server, authority, context=context, session=session) as again:
                assert again.ask(REQUEST).text == "hello"
                assert again.socket.session_reused


def bad_pairs(authority, tmp_path):
    chain, key = authority.sign("a.example")
    empty = tmp_path / "empty"
    empty.write_text("")
    half = tmp_path / "half"
    half.write_bytes(chain.read_bytes()[:300])
    other = authority.sign("a.example")[1]
    return {
        "no certificate in PEM": [(empty, key), (half, key)],
        "no private key in PEM": [(chain, empty), (chain, chain)],
        "this key does not belong to the certificate": [(chain, other)],
    }


@together("the master warns before the server process refuses")
def test_bad_pairs_are_refused(renewable, authority, tmp_path):
    server, install = renewable
    old = serial(server, authority)
    count = 0
    with Secured(server, authority) as standing:
        for message, pairs_of in bad_pairs(authority, tmp_path).items():
            for pair in pairs_of:
                count += 1
                before = server.stderr
                install(pair)
                server.send_signal(signal.SIGHUP)
                server.wait_stderr("weir: not reloaded: the previous configuration", count)
                lines = server.stderr[len(before) :].splitlines()
                assert len(lines) == 2, lines
                assert message in lines[0]
                assert "weir.yaml:" in lines[0] and "live." in lines[0]
                assert serial(server, authority) == old
        (tmp_path / "live.key").unlink()
        server.send_signal(signal.SIGHUP)
        server.wait_stderr("live.key: cannot be read: No such file or directory")
        assert standing.ask(REQUEST).text == "hello"
    install(authority.sign("a.example"))
    reload(server)
    assert serial(server, authority) != old


def test_certificates_of_the_command_line(weir, site, tmp_path, authority):
    chain, key = authority.sign("a.example")
    shutil.copy(chain, tmp_path / "chain")
    shutil.copy(key, tmp_path / "key")
    server = weir(site, "--https", "127.0.0.1:0", "--cert", "chain", "--key", "key", cwd=tmp_path)
    old = serial(server, authority)
    chain, key = authority.sign("a.example")
    shutil.copy(chain, tmp_path / "chain")
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("/key: this key does not belong to the certificate")
    server.wait_stderr("not reloaded")
    assert serial(server, authority) == old
    shutil.copy(key, tmp_path / "key")
    reload(server)
    assert serial(server, authority) != old


def test_other_names(renewable, authority, tmp_path):
    """Certificates come and go with the configuration."""
    server, _ = renewable
    config = tmp_path / "weir.yaml"
    live = (tmp_path / "live.pem", tmp_path / "live.key")
    with pytest.raises(ssl.SSLCertVerificationError):
        serial(server, authority, "new.example")
    config.write_text(configuration([live, authority.sign("new.example")]))
    reload(server)
    serial(server, authority, "new.example")
    config.write_text(configuration([live]))
    reload(server, 2)
    with pytest.raises(ssl.SSLCertVerificationError):
        serial(server, authority, "new.example")


def test_from_http_to_https_on_the_same_port(weir, site, tmp_path, authority, pairs):
    port = free_port()
    config = tmp_path / "weir.yaml"
    plain = f"listen: [{{http: '127.0.0.1:{port}'}}]\nsites: [{{root: site}}]\n"
    config.write_text(plain)
    server = weir("-c", config, "--workers", 2)
    assert server.get("/").text == "hello"
    config.write_text(configuration(pairs.values(), port=port))
    reload(server)
    for _ in range(10):
        assert fetch(server, authority) == "hello"
    config.write_text(plain)
    reload(server, 2)
    for _ in range(10):
        assert server.get("/").text == "hello"


def test_old_sessions_do_not_spare_a_certificate(weir, site, tmp_path, authority, pairs):
    """A resumed session from before client certificates were required needs one now; so does one whose
    certificate another authority has signed."""
    config = tmp_path / "weir.yaml"
    config.write_text(configuration(pairs.values()))
    server = weir("-c", config, "--workers", 1)
    one, two = Authority(tmp_path, "One"), Authority(tmp_path, "Two")
    plain, certified = context_for(authority), context_for(authority)
    certified.load_cert_chain(*one.sign("alice", usage="clientAuth"))
    for count, (context, ca) in enumerate([(plain, one), (certified, two)], 1):
        with Secured(server, authority, context=context) as client:
            client.ask(REQUEST)
            session = client.socket.session
        tls = f"clients: required\nclients-ca: {ca.path}\n"
        config.write_text(configuration(pairs.values(), tls))
        reload(server, count)
        with pytest.raises((ssl.SSLError, OSError, AssertionError)):
            with Secured(server, authority, context=context, session=session) as client:
                client.ask(REQUEST)


def test_load_through_reloads(renewable, authority):
    """Swapping certificates does not disturb requests."""
    server, install = renewable
    with Secured(server, authority) as standing:
        for count in range(1, 16):
            install(authority.sign("a.example"))
            server.send_signal(signal.SIGHUP)
            for _ in range(3):
                assert fetch(server, authority) == "hello"
            assert standing.ask(REQUEST).text == "hello"
    wait_for(lambda: "weir: reloaded" in server.stderr)
    assert server.stop() == 0
