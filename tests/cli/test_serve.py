"""Serving: the default, ports, listeners, workers, and what is printed."""

import re
import shutil
import signal
import socket
import subprocess

import pytest

from conftest import as_root, wait_for, said_of


def test_default_directory_is_made(weir, tmp_path):
    server = weir(cwd=tmp_path)
    reply = server.get("/")
    assert reply.status == 200
    assert "Weir is running" in reply.text
    assert (tmp_path / "public" / "index.html").read_bytes() == reply.body


def test_default_directory_is_kept(weir, tmp_path):
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "a.txt").write_text("mine")
    server = weir(cwd=tmp_path)
    assert server.get("/a.txt").text == "mine"
    assert not (tmp_path / "public" / "index.html").exists()


def test_default_address(run, tmp_path):
    """Without anything it listens on 127.0.0.1:8080; the port may be taken on this machine."""
    assert "http://127.0.0.1:8080/" in run("serve", "--help").stdout


def test_port_0(weir, site):
    server = weir(site, "--workers", 4)
    assert server.port > 0
    assert f"http://127.0.0.1:{server.port}/" in server.stdout
    for _ in range(20):
        assert server.get("/").text == "hello"


def test_banner(weir, site):
    server = weir("--root", site, "--workers", 1)
    assert str(site) in server.stdout
    assert f"curl -i {server.url}" in server.stdout
    assert "1 worker," in server.stdout


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
def test_printed_command_works(weir, site):
    server = weir(site)
    command = re.search(r"^  (curl .*)$", server.stdout, re.M)[1]
    result = subprocess.run(command, shell=True, capture_output=True, timeout=30)
    assert result.returncode == 0 and result.stdout.endswith(b"hello")


def test_directory_as_argument_and_option(weir, site):
    assert weir(site).get("/").text == "hello"
    assert weir("--root", site).get("/").text == "hello"


def test_several_listeners(weir, site):
    server = weir(site, "--http", "127.0.0.1:0", "--http", "127.0.0.1:0", "--http", "[::1]:0")
    assert len(set(server.ports)) == 3
    assert server.get("/", port=server.ports[0]).text == "hello"
    assert server.get("/", port=server.ports[1]).text == "hello"
    with socket.create_connection(("::1", server.ports[2]), timeout=30) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert client.makefile("rb").read().endswith(b"hello")


def test_every_address(weir, site):
    server = weir(site, "--http", ":0")
    assert "every other address" in server.stdout
    assert server.get("/").text == "hello"


def test_many_workers_serve(weir, site, tmp_path):
    """Each worker has its own socket; with 8 of them, 200 connections find every one, and all
    answer the same."""
    log = tmp_path / "log"
    server = weir(site, "--workers", 8, "--access-log", log)
    for _ in range(200):
        assert server.get("/").text == "hello"
    listening = subprocess.run(
        ["ss", "-Hltn", f"sport = :{server.port}"], capture_output=True, text=True
    ).stdout
    assert listening == "" or len(listening.splitlines()) == 8
    assert server.stop() == 0
    assert len(log.read_text().splitlines()) == 200


def test_access_log(weir, site, tmp_path):
    server = weir(site, "--access-log", "here.log", cwd=tmp_path)
    server.get("/?a", headers={"User-Agent": "test", "Referer": "http://x/"})
    server.get("/nothing")
    assert server.stop() == 0
    lines = (tmp_path / "here.log").read_text().splitlines()
    assert len(lines) == 2
    assert any(
        re.fullmatch(
            r'127\.0\.0\.1 - - \[.*\] "GET /\?a HTTP/1\.1" 200 5 "http://x/" "test" \d+\.\d+ [+X-] "-" [0-9a-f]{16}',
            line,
        )
        for line in lines
    ), lines


def test_access_log_off(weir, site, tmp_path):
    server = weir(site, "--access-log", "off", cwd=tmp_path)
    server.get("/")
    assert server.stop() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_options_win_over_the_configuration(weir, site, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "index.html").write_text("other")
    config = tmp_path / "weir.yaml"
    config.write_text(
        f"listen: [{{http: 127.0.0.1:1}}]\nworkers: 2\nsites: [{{root: {other}}}]\n"
    )
    server = weir("-c", config, "--http", "127.0.0.1:0", "--workers", 1)
    assert len(server.ports) == 1
    assert server.get("/").text == "other"
    assert "1 worker," in server.stdout
    server = weir("-c", config, "--http", "127.0.0.1:0", "--root", site)
    assert server.get("/").text == "hello"


def test_few_descriptors(weir_program, site, tmp_path):
    """With a low limit of open files more clients come than can be open at once: all are served, in
    turns, and the log stays empty. The server is stopped until all have sent their request, because it
    may close a connection that is silent."""
    out, err = tmp_path / "out", tmp_path / "err"
    command = f"ulimit -n 120; exec {weir_program} serve {site} --http 127.0.0.1:0 --workers 2 {' '.join(as_root())}"
    with open(out, "wb") as to, open(err, "wb") as to_err:
        process = subprocess.Popen(["sh", "-c", command], stdout=to, stderr=to_err)
    try:
        wait_for(lambda: "Stop with" in out.read_text(), what="the start")
        port = int(re.search(r"http://127\.0\.0\.1:(\d+)/", out.read_text())[1])
        process.send_signal(signal.SIGSTOP)
        clients = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(150)]
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        process.send_signal(signal.SIGCONT)
        for client in clients:
            with client, client.makefile("rb") as reply:
                assert reply.read().endswith(b"hello")
    finally:
        process.terminate()
        assert process.wait(60) == 0
    assert said_of(err.read_text()) == ""


@pytest.mark.parametrize("how", ["option", "file"])
def test_a_log_on_the_standard_output(weir, site, tmp_path, how):
    if how == "option":
        server = weir(site, "--access-log", "-")
    else:
        text = f"listen: [{{http: '127.0.0.1:0'}}]\naccess-log: '-'\nsites: [{{root: {site}}}]\n"
        (tmp_path / "weir.yaml").write_text(text)
        server = weir("-c", tmp_path / "weir.yaml")
    server.get("/")
    wait_for(lambda: '"GET / HTTP/1.1" 200 ' in server.stdout, what="the line")
