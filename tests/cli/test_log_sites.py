"""Sites with an access log of their own: which lines go where, rotation, reloads, rights, a full disk."""

import json
import os
import re
import signal

import pytest

from conftest import let_others_enter, wait_for
from wire import Wire, request


def targets(path):
    """The paths of the requests in a log, whose lines must be whole."""
    if not path.exists():
        return []
    text = path.read_text()
    assert not text or text.endswith("\n")
    return [re.search(r'"GET (\S+) HTTP', line)[1] for line in text.splitlines()]


def ask(server, path, host):
    return server.get(path, {"Host": host}).status


THREE = """workers: 1
access-log: main
sites:
  - {root: site, names: [a.test]}
  - {root: site, names: [b.test], access-log: b}
  - {root: site, names: [c.test], access-log: off}
"""


def test_each_line_goes_to_the_log_of_its_site(configured, site, tmp_path):
    server = configured(THREE)
    for name in "abc":
        ask(server, f"/{name}", f"{name}.test")
    # It has no site.
    with Wire(server) as wire:
        wire.send(b"\0")
        wire.rest()
    assert server.stop() == 0
    main = (tmp_path / "main").read_text().splitlines()
    assert len(main) == 2 and "GET /a HTTP" in main[0] and "malformed" in main[1]
    assert targets(tmp_path / "b") == ["/b"]
    assert '"b.test"' in (tmp_path / "b").read_text()
    assert not (tmp_path / "off").exists()


def test_without_a_log_of_the_server(configured, site, tmp_path):
    server = configured(
        "sites: [{root: site, names: [a.test]}, {root: site, names: [b.test], access-log: b}]\n"
    )
    for name in "abab":
        ask(server, f"/{name}", f"{name}.test")
    assert server.stop() == 0
    assert targets(tmp_path / "b") == ["/b", "/b"]


def test_sites_share_a_file_with_each_other_and_with_the_server(configured, site, tmp_path):
    server = configured(
        "workers: 2\naccess-log: log\nsites:\n"
        "  - {root: site, names: [a.test], access-log: log}\n"
        "  - {root: site, names: [b.test], access-log: log}\n"
        "  - {root: site, names: [c.test]}\n"
    )
    for name in "abc" * 20:
        ask(server, f"/{name}", f"{name}.test")
    assert server.stop() == 0
    assert sorted(targets(tmp_path / "log")) == sorted(f"/{name}" for name in "abc" * 20)


@pytest.mark.parametrize("options", [[], ["--privilege-separation"]])
@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGHUP])
def test_rotation(configured, site, tmp_path, number, options):
    server = configured(THREE, *options)
    ask(server, "/before", "b.test")
    log = tmp_path / "b"
    wait_for(lambda: targets(log) == ["/before"], what="the line")
    log.rename(tmp_path / "b.1")
    server.send_signal(number)
    wait_for(log.exists, what="the new log")
    if number == signal.SIGHUP:
        server.wait_stderr("reloaded")
    ask(server, "/after", "b.test")
    wait_for(lambda: targets(log) == ["/after"], what="the line in the new log")
    assert targets(tmp_path / "b.1") == ["/before"]
    assert server.stop() == 0


@pytest.mark.parametrize("options", [[], ["--privilege-separation"]])
def test_a_reload_changes_the_logs_of_sites(configured, site, tmp_path, options):
    server = configured(THREE, *options)
    config = tmp_path / "weir.yaml"
    ask(server, "/1", "b.test")
    with Wire(server) as wire:
        # The connection stays, and its next request is of the new configuration.
        assert wire.ask(request("/2", "Host: b.test")).status == 404
        config.write_text(config.read_text().replace("access-log: b}", "access-log: other}"))
        server.send_signal(signal.SIGHUP)
        server.wait_stderr("reloaded")
        assert wire.ask(request("/3", "Host: b.test")).status == 404
    config.write_text(config.read_text().replace(", access-log: other}", "}"))
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("reloaded", 2)
    ask(server, "/4", "b.test")
    assert server.stop() == 0
    assert targets(tmp_path / "b") == ["/1", "/2"]
    assert targets(tmp_path / "other") == ["/3"]
    assert targets(tmp_path / "main") == ["/4"]


def test_logs_that_no_site_has_are_closed(configured, site, tmp_path):
    server = configured(THREE)
    config = tmp_path / "weir.yaml"
    text = config.read_text()

    def open_logs():
        names = [os.path.basename(name) for name in server.open_names()]
        return sorted(name for name in names if name in ("main", "b") or name.startswith("log"))

    assert open_logs() == ["b", "main"]
    for count in range(1, 4):
        config.write_text(text.replace("access-log: b}", f"access-log: log{count}}}"))
        server.send_signal(signal.SIGHUP)
        server.wait_stderr("reloaded", count)
        ask(server, "/", "b.test")
        wait_for(lambda count=count: open_logs() == [f"log{count}", "main"], what="the end of the old log")


def test_a_log_that_cannot_be_opened_refuses_the_reload(configured, site, tmp_path):
    server = configured(THREE)
    config = tmp_path / "weir.yaml"
    (tmp_path / "directory").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    text = config.read_text()
    for count, name in enumerate(("directory", "loop", "missing/log"), 1):
        config.write_text(text.replace("access-log: b}", f"access-log: {name}}}"))
        server.send_signal(signal.SIGHUP)
        server.wait_stderr("not reloaded", count)
    ask(server, "/still", "b.test")
    wait_for(lambda: targets(tmp_path / "b") == ["/still"], what="the line")


def test_form_and_ids(configured, site, tmp_path):
    server = configured(THREE + "log-format: json\n")
    for name in "ab":
        ask(server, f"/{name}", f"{name}.test")
    assert server.stop() == 0
    lines = [json.loads((tmp_path / name).read_text()) for name in ("main", "b")]
    assert [line["target"] for line in lines] == ["/a", "/b"]
    assert lines[0]["id"] != lines[1]["id"]


def test_a_full_disk_of_one_site(configured, site, tmp_path):
    server = configured(THREE.replace("access-log: b}", "access-log: /dev/full}"))
    for _ in range(20):
        assert ask(server, "/", "b.test") == 200
    server.wait_stderr("cannot write the log /dev/full")
    assert ask(server, "/a", "a.test") == 404
    wait_for(lambda: targets(tmp_path / "main") == ["/a"], what="the line of the other site")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_log_belongs_to_the_user(configured, site, tmp_path):
    let_others_enter(tmp_path)
    (tmp_path / "logs").mkdir(mode=0o755)
    server = configured("user: nobody\n" + THREE.replace("access-log: b}", "access-log: logs/b}").replace("access-log: main", "access-log: logs/main"))
    ask(server, "/b", "b.test")
    wait_for(lambda: targets(tmp_path / "logs" / "b") == ["/b"], what="the line")
    assert (tmp_path / "logs" / "b").owner() == "nobody"


def test_check_prints_them(run, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "weir.yaml").write_text(THREE)
    result = run("check", "--effective", "weir.yaml")
    assert result.returncode == 0, result.stderr
    printed = re.sub("['\"]", "", result.stdout)
    assert f"access-log: {tmp_path}/b" in printed and "access-log: off" in printed
