"""Logs that are sent to syslog and to the journal: datagrams, levels, rotation, a service that is gone or does
not read."""

import json
import re
import signal
import socket
import tempfile
from pathlib import Path

import pytest

from conftest import wait_for
from test_guard import HASH
from test_metrics import http, samples
from wire import Wire, request

SYSLOG = re.compile(rb"<(\d+)>([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) weir\[(\d+)\]: ([^\n]*)")


class Service:
    """Listens as syslog or the journal does. `lines` are the datagrams that have come."""

    def __init__(self, path):
        self.path = path
        self.lines = []
        self.start()

    def start(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.path.chmod(0o666)
        self.socket.setblocking(False)

    def stop(self):
        self.socket.close()
        self.path.unlink()

    def read(self, count):
        """Returns all datagrams, once there are `count`."""

        def enough():
            try:
                while True:
                    self.lines.append(self.socket.recv(1 << 18))
            except BlockingIOError:
                return len(self.lines) >= count

        wait_for(enough, what=f"{count} datagrams")
        return self.lines


@pytest.fixture
def service():
    """A path of a socket has 107 bytes at most, and tmp_path may be longer."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        service = Service(Path(directory) / "log")
        yield service
        service.socket.close()


def fields_of(datagram):
    """The fields of the journal's native protocol, each of which must be a line NAME=value."""
    assert datagram.endswith(b"\n")
    fields = dict(line.split(b"=", 1) for line in datagram[:-1].split(b"\n"))
    assert len(fields) == datagram.count(b"\n")
    assert all(re.fullmatch(rb"[A-Z][A-Z0-9_]*", name) for name in fields)
    return {name.decode(): value.decode() for name, value in fields.items()}


SITE = "workers: 1\nsites: [{root: site}]\n"
# It would end a line, or a field, and forge another.
AGENT = 'x\\" status=200 \t\xe9 PRIORITY=0'


def test_syslog(configured, site, service):
    server = configured(f"{SITE}access-log: 'syslog:{service.path}'\n")
    server.get("/", {"User-Agent": AGENT})
    server.get("/nothing")
    first, second = (SYSLOG.fullmatch(line) for line in service.read(2))
    assert (first[1], second[1]) == (b"30", b"28")
    assert int(first[3]) == server.pid
    assert rb'"GET / HTTP/1.1" 200 5 "-" "x\x5C\x22 status=200 \x09\xE9 PRIORITY=0"' in first[4]
    assert b"GET /nothing HTTP/1.1" in second[4]


def test_syslog_has_the_form_of_the_log(configured, site, service):
    server = configured(f"{SITE}access-log: 'syslog:{service.path}'\nlog-format: json\n")
    server.get("/")
    (line,) = service.read(1)
    assert SYSLOG.fullmatch(line)[4].startswith(b'{"time":"')


@pytest.mark.parametrize("form", ["text", "json"])
def test_journal(configured, site, service, form):
    """Whatever the form of the other logs is."""
    server = configured(f"{SITE}access-log: 'journal:{service.path}'\nlog-format: {form}\n")
    server.get("/", {"User-Agent": AGENT})
    server.get("/nothing")
    first, second = map(fields_of, service.read(2))
    assert (first["PRIORITY"], second["PRIORITY"]) == ("6", "4")
    assert first["SYSLOG_IDENTIFIER"] == "weir" and first["WEIR_KIND"] == "http"
    assert first["WEIR_AGENT"] == r"x\x5C\x22 status=200 \x09\xE9 PRIORITY=0"
    assert first["WEIR_STATUS"] == "200" and second["WEIR_STATUS"] == "404"
    assert re.fullmatch("[0-9a-f]{16}", first["REQUEST_ID"])
    assert first["REQUEST_ID"] != second["REQUEST_ID"]
    assert f' id="{first["REQUEST_ID"]}" ' in first["MESSAGE"]


def test_events_of_mail_have_levels(weir, tmp_path, service):
    (tmp_path / "users").write_text(f"alice:{HASH}\n")
    (tmp_path / "weir.yaml").write_text(
        f"listen: [{{pop3: '127.0.0.1:0'}}]\nmail-log: 'journal:{service.path}'\n"
        "mail: {directory: mail, users: users, domains: [example.org]}\n"
        "guard: {first-delay: 10ms, most-delay: 10ms}\n"
    )
    server = weir("-c", tmp_path / "weir.yaml")
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(b"USER alice\r\nPASS x\r\nUSER alice\r\nPASS secret\r\nQUIT\r\n")
        while client.recv(4096):
            pass
    denied, login = map(fields_of, service.read(2)[:2])
    assert (denied["WEIR_EVENT"], denied["PRIORITY"]) == ("denied", "4")
    assert (login["WEIR_EVENT"], login["PRIORITY"], login["WEIR_USER"]) == ("login", "6", "alice")


@pytest.mark.parametrize("options", [[], ["--privilege-separation"]])
def test_lines_arrive_after_a_rotation_and_a_reload(configured, site, service, tmp_path, options):
    """A confined server makes a socket of its own when it opens its logs anew."""
    server = configured(f"{SITE}access-log: 'syslog:{service.path}'\n", *options)
    server.get("/0")
    service.read(1)
    for count, number in enumerate((signal.SIGUSR1, signal.SIGHUP), 1):
        server.send_signal(number)
        if number == signal.SIGHUP:
            server.wait_stderr("reloaded")
        server.get(f"/{count}")
        assert f"GET /{count} HTTP/1.1".encode() in service.read(count + 1)[count]
    # A reload from a file to a socket, too.
    text = (tmp_path / "weir.yaml").read_text()
    (tmp_path / "weir.yaml").write_text(text.replace("syslog:", "journal:"))
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("reloaded", 2)
    server.get("/3")
    assert fields_of(service.read(4)[3])["WEIR_TARGET"] == "/3"
    assert "cannot" not in server.stderr


def test_a_service_that_restarts_gets_lines_again(configured, site, service):
    server = configured(f"{SITE}access-log: 'syslog:{service.path}'\n")
    service.stop()
    server.get("/lost")
    server.wait_stderr(f"cannot write the log syslog:{service.path}: No such file or directory")
    service.start()
    server.get("/found")
    assert b"/found" in service.read(1)[0]
    server.wait_stderr("can be written again")
    server.get("/next")
    _, told, found = service.read(3)
    assert SYSLOG.fullmatch(told)[1] == b"28"
    assert b"# 1 lines were lost here: the socket was full or too slow" in told
    assert b"/next" in found


def test_a_service_that_does_not_read_holds_nobody_up(configured, site, service, tmp_path):
    """Lines are lost and counted, each request is answered, and the end comes."""
    server = configured(f"{SITE}access-log: 'syslog:{service.path}'\nadmin: admin.sock\n")
    count = 2000
    with Wire(server) as wire:
        for _ in range(count // 100):
            wire.send(request("/") * 100)
            for _ in range(100):
                assert wire.reply().text == "hello"
    server.wait_stderr("cannot write the log syslog:")


    def counted(what):
        values = samples(http(tmp_path / "admin.sock", "/metrics")[2])[0]
        return values[f"weir_log_{what}_total", f'log="syslog:{service.path}"']

    wait_for(lambda: counted("lines") == count, what="the count of lines")
    assert 0 < counted("lost_lines") < count
    assert server.stop() == 0
    assert len(service.read(1)) < count


# -- levels --------------------------------------------------------------------------------------------


def test_level_of_the_configuration_and_of_the_console(configured, site, service, run, tmp_path):
    text = f"{SITE}access-log: 'syslog:{service.path}'\nadmin: admin.sock\n"
    server = configured(text + "log-level: warning\n")

    def level(*words):
        result = run("console", "--admin", tmp_path / "admin.sock", "log", "level", *words)
        assert result.returncode == (words == ("no",)), result.stderr
        return result.stdout.strip() or result.stderr.strip()

    assert level() == "warning"
    server.get("/")
    server.get("/warning")
    assert b"/warning" in service.read(1)[0]
    assert level("error") == ""
    server.get("/error")
    level("info")
    server.get("/")
    assert b"GET / HTTP/1.1" in service.read(2)[1]
    assert "info, warning or error" in level("no")
    assert level() == "info"
    server.send_signal(signal.SIGHUP)
    wait_for(lambda: level() == "warning", what="the level of the configuration")
    # A reload is no error, and this level leaves its line out.
    assert "reloaded" not in server.stderr
    (tmp_path / "weir.yaml").write_text("nonsense: 1\n")
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("not reloaded")
    assert level() == "warning"


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_the_lines_of_the_daemon_have_the_form(configured, site, tmp_path, form):
    server = configured(f"{SITE}log-format: {form}\n")
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("reloaded")
    (tmp_path / "weir.yaml").write_text('"a\\n\\x22": 1\n')
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("not reloaded")
    lines = [line for line in server.err.read_text().splitlines() if "parsers" not in line]
    if form == "json":
        lines = list(map(json.loads, lines))
        levels = [line["level"] for line in lines]
        assert all(line["kind"] == "weir" for line in lines)
    else:
        pattern = r'time="[^"]+" kind="weir" level="([a-z]+)" message="([^"\\]|\\x[0-9A-F]{2})*"'
        levels = [re.fullmatch(pattern, line)[1] for line in lines]
    # The second reload is refused with a line for each problem.
    assert len(levels) > 2 and levels == ["info"] + ["error"] * (len(levels) - 1)


@pytest.mark.parametrize("path", ["log", "/" + "x" * 107])
def test_a_path_that_cannot_be_one_of_a_socket(run, tmp_path, path):
    (tmp_path / "weir.yaml").write_text(f"access-log: 'syslog:{path}'\nsites: [{{root: .}}]\n")
    result = run("check", "weir.yaml")
    assert result.returncode == 1 and "the path of a socket" in result.stderr


def test_the_name_is_printed_with_its_path(run, tmp_path):
    (tmp_path / "weir.yaml").write_text("access-log: journal\nmail-log: syslog\nsites: [{root: .}]\n")
    result = run("check", "--effective", "weir.yaml")
    assert result.returncode == 0, result.stderr
    printed = re.sub("['\"]", "", result.stdout)
    assert "access-log: journal:/run/systemd/journal/socket" in printed
    assert "mail-log: syslog:/dev/log" in printed
