"""HTTP/2 with Chromium: a page, a WebSocket that the proxy passes on to a server of HTTP/1.1, and DNS over HTTPS."""

import json
import re
import subprocess

import pytest

from certificates import make_certificate
from conftest import program_of_tests, wait_for
from test_status_browser import start_browser

PATIENCE = 60
PROGRAM = program_of_tests("http-sockets")
pytestmark = pytest.mark.skipif(not PROGRAM, reason="tests/http-sockets is not built")


@pytest.fixture(scope="module")
def served(module_weir, tmp_path_factory):
    directory = tmp_path_factory.mktemp("served")
    (directory / "site").mkdir()
    (directory / "site" / "index.html").write_text("<!doctype html><title>page</title><p id=text>hello</p>")
    make_certificate(directory)
    (directory / "zone").write_text("@ 60 SOA ns. h. 1 1 1 1 1\n@ 60 NS ns.example.net.\npage 60 A 127.0.0.1\n")
    with subprocess.Popen([PROGRAM, "alone"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as echo:
        (directory / "weir.yaml").write_text(
            "listen: [{http: '127.0.0.1:0'}, {https: '127.0.0.1:0'}]\nworkers: 1\naccess-log: access.log\n"
            "tls: {certificates: [{chain: cert.pem, key: key.pem}]}\n"
            "dns: {zones: [{name: example.org, file: zone}]}\n"
            "sites: [{root: site, dns-over-https: on, "
            f"proxy: [{{path: /echo, to: 'http://127.0.0.1:{int(echo.stdout.readline())}'}}]}}]\n"
        )
        server = module_weir("-c", directory / "weir.yaml", cwd=directory)
        server.https = int(re.search(r"https://127\.0\.0\.1:(\d+)", server.stdout)[1])
        server.log = directory / "access.log"
        yield server
        echo.stdin.close()


@pytest.fixture(scope="module")
def browser(served, tmp_path_factory):
    """Chromium that looks all names up by the server."""
    profile = tmp_path_factory.mktemp("profile")
    lookups = {"mode": "secure", "templates": f"https://127.0.0.1:{served.https}/dns-query"}
    (profile / "Local State").write_text(json.dumps({"dns_over_https": lookups}))
    driver = start_browser(profile, "--ignore-certificate-errors")
    yield driver
    driver.quit()


def logged(server, text):
    wait_for(lambda: text in server.log.read_text(), PATIENCE, what=text)


def test_a_page_and_its_websocket_come_by_http_2(served, browser):
    browser.get(f"https://127.0.0.1:{served.https}/")
    assert browser.title == "page"
    protocol = "return performance.getEntriesByType('navigation')[0].nextHopProtocol"
    assert browser.execute_script(protocol) == "h2"
    heard = browser.execute_async_script(
        """
        const done = arguments[arguments.length - 1];
        const socket = new WebSocket(location.origin.replace('https', 'wss') + '/echo');
        let text;
        socket.onopen = () => socket.send('κόσμε '.repeat(20000));
        socket.onmessage = (event) => { text = event.data; socket.close(4001, 'enough'); };
        socket.onclose = (event) => done([text, event.code]);
        """
    )
    assert heard == ["κόσμε " * 20000, 4001]
    logged(served, '"GET /echo HTTP/2.0" 200 ')


def test_names_are_looked_up_by_http_2(served, browser):
    browser.get(f"http://page.example.org:{served.port}/")
    assert browser.title == "page"
    assert browser.find_element("id", "text").text == "hello"
    logged(served, '/dns-query HTTP/2.0" 200 ')
