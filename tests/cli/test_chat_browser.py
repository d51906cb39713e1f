"""The page of the chat example in Chromium: two browsers and a client with lines hear each other."""

import socket

import pytest

from conftest import wait_for
from ports import free_port
from test_examples import compiled, example, installed, library_path  # noqa: F401: fixtures
from test_status_browser import browser  # noqa: F401: a fixture

PATIENCE = 90


def lines(browser):
    return browser.execute_script(
        "return [...document.querySelectorAll('#lines li')].map((item) => item.textContent)"
    )


def say(browser, text):
    browser.execute_script(
        "document.forms[0].line.value = arguments[0]; document.forms[0].requestSubmit()", text
    )


def test_browsers_and_lines_hear_each_other(browser, example):  # noqa: F811: fixtures
    port, web = free_port(), free_port()
    example("chat", f"127.0.0.1:{port}", f"127.0.0.1:{web}", port=port)
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get(f"http://127.0.0.1:{web}/")
    wait_for(lambda: any(line.startswith("you are ") for line in lines(browser)), PATIENCE, what="the welcome")
    first = browser.current_window_handle
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        client.settimeout(PATIENCE)
        heard = b""
        client.sendall(b"from a line\r\n")
        wait_for(lambda: any(line.endswith(": from a line") for line in lines(browser)), PATIENCE, what="the line")
        say(browser, "κόσμε <b>bold</b>")
        while "κόσμε <b>bold</b>\r\n".encode() not in heard:
            more = client.recv(1000)
            assert more, heard
            heard += more
    browser.switch_to.new_window("tab")
    browser.get(f"http://127.0.0.1:{web}/")
    wait_for(lambda: any(line.startswith("you are ") for line in lines(browser)), PATIENCE, what="the welcome")
    say(browser, "from the other <i>tab</i>")
    browser.close()
    browser.switch_to.window(first)
    wait_for(
        lambda: any(line.endswith(": from the other <i>tab</i>") for line in lines(browser)), PATIENCE, what="its line"
    )
    complaints = [
        entry for entry in browser.get_log("browser")
        if entry["level"] in ("WARNING", "SEVERE") and "favicon" not in entry["message"]
    ]
    assert complaints == []
