"""The status page in Chromium: it loads under its policy without a complaint, its values and plots move, and it fits
a wide screen, a phone, light and dark. Set WEIR_SCREENSHOTS to a directory to have pictures taken."""

import base64
import json
import os
import shutil
import socket
from pathlib import Path

import pytest

from conftest import wait_for
from ports import free_port
from test_guard import HASH

webdriver = pytest.importorskip("selenium.webdriver", reason="needs python3-selenium")
if not shutil.which("chromium") or not shutil.which("chromedriver"):
    pytest.skip("needs chromium and chromium-driver", allow_module_level=True)

PATIENCE = 90
EVIL = "<img src=x onerror=alert(1)>"


def start_browser(profile, *more):
    """Chromium without a window, with further arguments."""
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = shutil.which("chromium")
    arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    for argument in (*arguments, f"--user-data-dir={profile}", *more):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    try:
        driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    except Exception as error:  # a container without what Chromium needs
        pytest.skip(f"Chromium does not start: {str(error).splitlines()[0]}")
    driver.set_page_load_timeout(PATIENCE)
    driver.set_script_timeout(PATIENCE)
    return driver


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    driver = start_browser(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def served(module_weir, tmp_path_factory):
    """A daemon with all protocols and an admin address, and the configuration's directory."""
    directory = tmp_path_factory.mktemp("served")
    (directory / "site").mkdir()
    (directory / "site" / "index.html").write_text("hello")
    (directory / "users").write_text(f"alice:{HASH}\n")
    (directory / "zone").write_text("@ 60 SOA ns. h. 77 1 1 1 1\n@ 60 NS ns.example.net.\n")
    port = free_port()
    (directory / "weir.yaml").write_text(
        "listen: [{http: '127.0.0.1:0'}, {smtp: '127.0.0.1:0'}, {pop3: '127.0.0.1:0'}, {ftp: '127.0.0.1:0'}, {dns: '127.0.0.1:0'}]\n"
        f"sites: [{{root: site}}]\nadmin: [admin.sock, '127.0.0.1:{port}']\nadmin-users: users\n"
        "mail: {directory: mail, users: users, domains: [example.org], relay: {host: '127.0.0.1:1', queue: queue}}\n"
        "ftp: {root: site, users: users}\n"
        "dns: {zones: [{name: example.org, file: zone}], forward: ['127.0.0.1:1']}\n"
    )
    server = module_weir("-c", directory / "weir.yaml")
    server.directory = directory
    server.page = f"http://127.0.0.1:{port}/"
    return server


@pytest.fixture
def loaded(browser, served):
    """The page, loaded with a name and a password; afterwards the browser must have had no complaint."""
    browser.get("about:blank")
    browser.get_log("browser")
    visit(browser, served.page)
    yield browser
    complaints = [entry for entry in browser.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]
    assert complaints == []


def visit(browser, url):
    basic = "Basic " + base64.b64encode(b"alice:secret").decode()
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {"Authorization": basic}})
    browser.get(url)
    wait_for(lambda: text(browser, "#state").startswith("live"), PATIENCE, what="the first event")


def text(browser, selector):
    return browser.execute_script("return document.querySelector(arguments[0])?.textContent ?? ''", selector)


def cell(browser, section, name):
    """The value of a row of a group."""
    return browser.execute_script(
        "return [...document.querySelectorAll(`#${arguments[0]} tr`)]"
        ".find((row) => row.children[0].textContent === arguments[1])?.children[1].textContent ?? ''",
        section, name,
    )


def look(browser, width, height, scheme, mobile=False):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile},
    )
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )


def keep_picture(browser, name):
    if directory := os.environ.get("WEIR_SCREENSHOTS"):
        size = browser.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        picture = browser.execute_cdp_cmd(
            "Page.captureScreenshot",
            {"captureBeyondViewport": True, "clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}},
        )
        Path(directory, f"{name}.png").write_bytes(base64.b64decode(picture["data"]))


def test_the_values_are_live(loaded, served):
    before = cell(loaded, "http", "2xx")
    for _ in range(5):
        served.get("/")
    wait_for(lambda: int(cell(loaded, "http", "2xx")) == int(before) + 5, PATIENCE, what="the requests")
    with socket.create_connection(("127.0.0.1", served.port)):
        def is_shown():
            return loaded.execute_script(
                "return document.querySelector('#connections tbody tr').children[1].textContent") == "1"
        wait_for(is_shown, PATIENCE, what="the connection")
    assert loaded.title.startswith("Weir on 127.0.0.1:")


def test_the_plots_have_the_lines_of_the_configuration(loaded):
    titles = loaded.execute_script("return [...document.querySelectorAll('figcaption')].map((e) => e.textContent)")
    assert titles == [
        "Requests a second", "Latency in ms (last 10 s)", "Connections by protocol", "Connections by state",
        "Waiting to leave", "Bytes a second", "Mail queue", "DNS cache",
    ]
    labels = loaded.execute_script(
        "return [...document.querySelectorAll('figure:first-child .u-label')].map((e) => e.textContent)")
    assert labels[1:] == ["http", "smtp", "pop3", "ftp", "dns"]
    # The canvases have been drawn on.
    drawn = """return [...document.querySelectorAll('canvas')].map((canvas) =>
        canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((byte) => byte))"""
    assert loaded.execute_script(drawn) == [True] * 8


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width, height, mobile", [(1400, 900, False), (390, 844, True)])
def test_it_fits(loaded, served, scheme, width, height, mobile):
    look(loaded, width, height, scheme, mobile)
    shown = "return getComputedStyle(document.body).backgroundColor"
    expected = {"light": "rgb(243, 245, 248)", "dark": "rgb(15, 20, 26)"}[scheme]
    wait_for(lambda: loaded.execute_script(shown) == expected, PATIENCE, what="the colours")
    narrow = "const top = document.documentElement; return top.scrollWidth <= top.clientWidth"
    wait_for(lambda: loaded.execute_script(narrow), PATIENCE, what="a page without a horizontal bar")
    columns = loaded.execute_script("return getComputedStyle(document.querySelector('#plots')).gridTemplateColumns")
    assert (len(columns.split()) == 1) == mobile
    wide = """return [...document.querySelectorAll('figure')].every((figure) =>
        figure.querySelector('canvas').getBoundingClientRect().right <= figure.getBoundingClientRect().right)"""
    wait_for(lambda: loaded.execute_script(wide), PATIENCE, what="plots within their frames")
    keep_picture(loaded, f"status-{scheme}-{width}")


def test_names_are_text(loaded, served):
    """An event with hostile texts makes neither an element nor a complaint."""
    data = loaded.execute_async_script(
        "const done = arguments[0]; const events = new EventSource('events');"
        "events.onmessage = (event) => { events.close(); done(event.data); }"
    )
    event = json.loads(data)
    event["warnings"] = [{"time": EVIL, "text": EVIL}, {"time": "", "text": "</table><script>alert(2)</script>"}]
    event["slow"] = [{"peer": EVIL, EVIL: EVIL}]
    event["protocols"] = [{"protocol": EVIL, "requests": 1, "mean_per_second": 1.5}]
    event["connections"] = [{"listener": EVIL, "idle": 1, "receiving": 0, "replying": 0}]
    event["process"][EVIL] = EVIL
    # In one step, since the next event of the server has other texts.
    before, after, *texts = loaded.execute_script(
        "const count = () => document.querySelectorAll('img, script').length;"
        "const before = count(); onEvent({data: arguments[0]});"
        "return [before, count(), ...['warnings', 'slow', 'connections', 'process', 'plots'].map("
        "    (id) => document.getElementById(id).textContent)]",
        json.dumps(event),
    )
    assert before == after == 2
    for found in texts:
        assert EVIL in found


def test_the_page_says_when_it_is_cut_off(browser, module_weir, tmp_path):
    """A daemon of its own, since the browser complains of its end."""
    (tmp_path / "site").mkdir()
    (tmp_path / "users").write_text(f"alice:{HASH}\n")
    port = free_port()
    (tmp_path / "weir.yaml").write_text(
        f"listen: [{{http: '127.0.0.1:0'}}]\nsites: [{{root: site}}]\nadmin: '127.0.0.1:{port}'\nadmin-users: users\n"
    )
    server = module_weir("-c", tmp_path / "weir.yaml")
    visit(browser, f"http://127.0.0.1:{port}/")
    server.stop()
    wait_for(lambda: text(browser, "#state").startswith("no connection"), PATIENCE, what="a word about it")
    assert browser.execute_script("return document.querySelectorAll('main tr').length") > 5
    # It comes back by itself.
    server = module_weir("-c", tmp_path / "weir.yaml")
    wait_for(lambda: text(browser, "#state").startswith("live"), PATIENCE, what="another event")
