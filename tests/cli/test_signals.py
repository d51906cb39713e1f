"""Signals: the end in order and at once, and reloads, good and bad."""

import datetime
import re
import signal
import socket
import time

import pytest

from conftest import wait_for
from ports import free_port

LARGE = 32 * 1024 * 1024


class Download:
    """A client that asks for a file and does not read it yet."""

    def __init__(self, server, path):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", server.port))
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        self.first = self.socket.recv(1000)

    def rest(self):
        """How many bytes of body came, up to the end of the connection."""
        head, _, body = self.first.partition(b"\r\n\r\n")
        assert b"200 OK" in head
        count = len(body)
        while chunk := self.socket.recv(1 << 16):
            count += len(chunk)
        return count


@pytest.fixture
def large(site):
    (site / "large.bin").write_bytes(bytes(LARGE))
    return site


def refuses(server):
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=60).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # it came while the listener was being closed
    return False


def configure(path, port, root, more=""):
    path.write_text(f"listen: [{{http: '127.0.0.1:{port}'}}]\nsites: [{{root: {root}}}]\n{more}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_ends_at_once(weir, site, number):
    server = weir(site, "--workers", 3)
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as idle:
        server.get("/")
        begun = time.monotonic()
        server.send_signal(number)
        assert server.wait() == 0
        assert time.monotonic() - begun < 25  # the drain has 30 s
        assert idle.recv(1) == b""
    assert server.stderr == ""


def test_download_is_finished(weir, large):
    server = weir(large, "--workers", 2)
    download = Download(server, "/large.bin")
    server.send_signal(signal.SIGTERM)
    wait_for(lambda: refuses(server), what="the end of listening")
    assert server.process.poll() is None
    time.sleep(0.3)
    assert download.rest() == LARGE
    assert server.wait() == 0


def test_drain_ends_in_time(weir, large, tmp_path):
    config = tmp_path / "weir.yaml"
    configure(config, 0, large, "limits: {drain: 500ms}\n")
    server = weir("-c", config)
    download = Download(server, "/large.bin")
    begun = time.monotonic()
    server.send_signal(signal.SIGTERM)
    assert server.wait() == 0
    assert 0.4 < time.monotonic() - begun < 25  # by default it is 30 s
    with pytest.raises(ConnectionResetError):
        download.rest()


def test_second_signal_ends_at_once(weir, large):
    server = weir(large)
    download = Download(server, "/large.bin")
    server.send_signal(signal.SIGTERM)
    wait_for(lambda: refuses(server), what="the end of listening")
    assert server.process.poll() is None
    server.send_signal(signal.SIGTERM)
    assert server.wait(60) == 1
    assert "ending at once" in server.stderr
    with pytest.raises(ConnectionResetError):
        download.rest()


def test_log_has_what_the_drain_finished(weir, large, tmp_path):
    log = tmp_path / "log"
    server = weir(large, "--access-log", log)
    download = Download(server, "/large.bin")
    server.send_signal(signal.SIGTERM)
    assert download.rest() == LARGE
    assert server.wait() == 0
    assert f" 200 {LARGE} " in log.read_text()


def test_reload_changes_sites(weir, site, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "index.html").write_text("other")
    config = tmp_path / "weir.yaml"
    configure(config, 0, site)
    server = weir("-c", config, "--workers", 4)
    assert server.get("/").text == "hello"
    configure(config, 0, other)
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("weir: reloaded")
    for _ in range(40):
        assert server.get("/").text == "other"


def test_bad_reload_is_refused(weir, site, tmp_path):
    config = tmp_path / "weir.yaml"
    configure(config, 0, site)
    server = weir("-c", config)
    config.write_text("sites: [{rooot: x}]\nworkers: many\n")
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("not reloaded: the previous configuration stays in effect")
    assert f"{config}:1:10: there is no key 'rooot' in a site; did you mean 'root'?" in server.stderr
    assert f"{config}:2:10: 'workers' must be" in server.stderr
    assert server.get("/").text == "hello"
    configure(config, 0, site)
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("weir: reloaded")


def test_reload_keeps_what_is_in_flight(weir, large, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    config = tmp_path / "weir.yaml"
    configure(config, 0, large)
    server = weir("-c", config, "--workers", 1)
    download = Download(server, "/large.bin")
    for count in range(1, 4):
        configure(config, 0, other)
        server.send_signal(signal.SIGHUP)
        server.wait_stderr("weir: reloaded", count)
    assert server.get("/large.bin").status == 404
    download.socket.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert download.rest() > LARGE


def test_lines_on_stderr_have_the_time(weir, site):
    server = weir(site)
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("weir: reloaded")
    when = re.search(r"^(\S+) weir: reloaded$", server.err.read_text(), re.M)[1]
    said = datetime.datetime.strptime(when, "%Y-%m-%dT%H:%M:%S%z")
    assert abs((datetime.datetime.now(datetime.timezone.utc) - said).total_seconds()) < 3600


def test_the_journal_of_systemd_has_its_own_times_and_gets_levels(weir, site):
    """The inode of stderr identifies the journal; a process that is run by exec has the same one."""
    script = 'export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) && exec "$@"'
    server = weir(site, prefix=["sh", "-c", script, "sh"])
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("weir: reloaded")
    assert server.err.read_text().splitlines()[-1] == "<6>weir: reloaded"


def test_reload_changes_listeners(weir, large, tmp_path):
    config = tmp_path / "weir.yaml"
    first, second = free_port(), free_port()
    configure(config, first, large)
    server = weir("-c", config, "--workers", 2)
    download = Download(server, "/large.bin")
    configure(config, second, large)
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("weir: reloaded")
    assert server.get("/", port=second).text == "hello"
    wait_for(lambda: refuses(server), what="the end of the first listener")
    assert download.rest() == LARGE
    configure(config, first, large)
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("weir: reloaded", 2)
    assert server.get("/", port=first).text == "hello"


def test_reload_to_a_taken_address_is_refused(weir, site, tmp_path):
    config = tmp_path / "weir.yaml"
    configure(config, 0, site)
    server = weir("-c", config)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        configure(config, taken.getsockname()[1], site)
        server.send_signal(signal.SIGHUP)
        server.wait_stderr("not reloaded")
    assert "Address already in use" in server.stderr
    assert server.get("/").text == "hello"


def test_reload_changes_log_and_limits(weir, site, tmp_path):
    config = tmp_path / "weir.yaml"
    configure(config, 0, site, "access-log: one.log\n")
    server = weir("-c", config, "--workers", 2)
    server.get("/first")
    for count in range(1, 6):
        name = "two.log" if count % 2 else "one.log"
        configure(config, 0, site, f"access-log: {name}\nlimits: {{idle: {count}s}}\n")
        server.send_signal(signal.SIGHUP)
        server.wait_stderr("weir: reloaded", count)
        assert server.get(f"/round{count}").status == 404
    assert server.stop() == 0
    one, two = (tmp_path / "one.log").read_text(), (tmp_path / "two.log").read_text()
    assert "/first" in one and "/round2" in one and "/round4" in one
    assert "/round1" in two and "/round3" in two and "/round5" in two


def test_log_is_opened_anew(weir, site, tmp_path):
    log = tmp_path / "log"
    server = weir(site, "--access-log", log, "--workers", 2)
    server.get("/before")
    wait_for(lambda: "/before" in log.read_text(), what="the line")
    log.rename(tmp_path / "log.1")
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("weir: reloaded")
    for _ in range(10):
        server.get("/after")
    assert server.stop() == 0
    assert log.read_text().count("/after") == 10
    assert "/after" not in (tmp_path / "log.1").read_text()


def test_load_through_reloads(weir, site, tmp_path):
    """Clients notice nothing while sites are swapped."""
    config = tmp_path / "weir.yaml"
    configure(config, 0, site)
    server = weir("-c", config, "--workers", 2)
    for count in range(1, 31):
        server.send_signal(signal.SIGHUP)
        for _ in range(5):
            assert server.get("/").text == "hello"
    server.wait_stderr("weir: reloaded")


def test_sigusr1_opens_the_logs_anew(weir, site, tmp_path):
    log = tmp_path / "access.log"
    server = weir(site, "--access-log", log)
    server.get("/")
    wait_for(lambda: log.exists() and log.stat().st_size, what="the first line of the log")
    log.rename(tmp_path / "access.log.1")
    server.send_signal(signal.SIGUSR1)
    wait_for(log.exists, what="the new log")
    server.get("/")
    wait_for(lambda: log.stat().st_size, what="a line in the new log")
    server.send_signal(signal.SIGTERM)
    assert server.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGALRM, signal.SIGPWR])
def test_other_signals_drain(weir, large, number):
    server = weir(large)
    download = Download(server, "/large.bin")
    server.send_signal(number)
    wait_for(lambda: refuses(server), what="the end of listening")
    assert download.rest() == LARGE
    assert server.wait() == 0


def test_an_upgrade_needs_privilege_separation(weir, site):
    server = weir(site, "--privilege-separation=no")
    server.send_signal(signal.SIGUSR2)
    server.wait_stderr("not upgraded: an upgrade needs 'privilege-separation: yes'")
    assert server.get("/").text == "hello"


def test_connections_of_one_address_are_bounded(weir, site, tmp_path):
    port = free_port()
    path = tmp_path / "weir.yaml"
    configure(path, port, site, "limits: {connections-per-address: 3}\n")
    server = weir("-c", path)
    clients = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(4)]

    def is_served(client):
        try:
            client.sendall(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            return client.recv(100).startswith(b"HTTP/1.1 200")
        except ConnectionError:
            return False

    # Any worker may accept any of them first.
    served = [client for client in clients if is_served(client)]
    assert len(served) == 3
    served[0].close()

    def another_is_served():
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
                client.sendall(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
                return client.recv(100).startswith(b"HTTP/1.1 200")
        except ConnectionResetError:
            return False

    wait_for(another_is_served, what="a place for another connection")
    for client in clients[1:]:
        client.close()
    server.send_signal(signal.SIGTERM)
    assert server.wait() == 0


def test_a_reload_leaves_the_sessions_of_other_services(weir, site, tmp_path):
    """A new rate limit of DNS opens the listener of DNS anew, and closes no connection of HTTP."""
    port = free_port()
    path = tmp_path / "weir.yaml"
    zone = tmp_path / "example.zone"
    zone.write_text("@ 60 IN SOA ns.example. h.example. 1 60 60 60 60\n@ 60 IN NS ns.elsewhere.\n")

    def write(rate):
        path.write_text(
            f"listen: [{{http: '127.0.0.1:{port}'}}, {{dns: '127.0.0.1:{free_port()}'}}]\n"
            f"sites: [{{root: {site}}}]\n"
            f"dns: {{zones: [{{name: example, file: {zone}}}], rate-limit: {{replies: {rate}}}}}\n"
        )

    write(20)
    server = weir("-c", path)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        for rate in (30, 40):
            client.sendall(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
            reloads = server.stderr.count("reloaded")
            write(rate)
            server.send_signal(signal.SIGHUP)
            wait_for(lambda: server.stderr.count("reloaded") > reloads, what="the reload")
            time.sleep(0.3)
        client.sendall(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
    server.send_signal(signal.SIGTERM)
    assert server.wait() == 0
