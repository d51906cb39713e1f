"""The command line: help, versions, mistakes, exit codes."""

import re

import pytest


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["help"]])
def test_help(run, arguments):
    result = run(*arguments)
    assert result.returncode == 0
    assert result.stdout.startswith("usage: weir VERB")
    assert "serve" in result.stdout and "check" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize("verb", ["serve", "check", "console"])
def test_help_of_verb(run, verb):
    result = run(verb, "--help")
    assert result.returncode == 0
    assert result.stdout.startswith(f"usage: weir {verb}")
    assert run(verb, "-h").stdout == result.stdout


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(run, option):
    result = run(option)
    assert result.returncode == 0
    assert re.fullmatch(r"weir \d+\.\d+\.\d+\n", result.stdout)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "a verb is missing"),
        (["srve"], "no verb 'srve'"),
        (["--foo"], "no option '--foo'"),
        (["serve", "--foo"], "no option '--foo'"),
        (["serve", "-x"], "no option '-x'"),
        (["serve", "--http"], "--http needs a value"),
        (["serve", "-c"], "-c needs a value"),
        (["serve", "--http", "8080"], "'8080'"),
        (["serve", "--http", "localhost:80"], "'localhost:80'"),
        (["serve", "--http", "127.0.0.1:65536"], "'127.0.0.1:65536'"),
        (["serve", "--workers", "0"], "1 to 64"),
        (["serve", "--workers", "65"], "1 to 64"),
        (["serve", "--workers", "two"], "--workers must be a whole number or auto"),
        (["serve", "--access-log", ""], "--access-log must be a path"),
        (["serve", "a", "b"], "'b' is another"),
        (["serve", "a", "--root", "b"], "is another"),
        (["check"], "check needs a file"),
        (["check", "a", "b"], "'b' is another"),
        (["check", "--foo"], "no option '--foo'"),
    ],
)
def test_usage_errors(run, arguments, message):
    result = run(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert message in result.stderr
    assert "--help`" in result.stderr


def test_missing_root(run, tmp_path):
    result = run("serve", "nowhere", "--http", "127.0.0.1:0")
    assert result.returncode == 1
    assert "cannot serve nowhere: No such file or directory" in result.stderr


def test_root_that_is_a_file(run, tmp_path):
    (tmp_path / "file").write_text("")
    result = run("serve", "file", "--http", "127.0.0.1:0")
    assert result.returncode == 1
    assert "Not a directory" in result.stderr


def test_missing_configuration(run):
    result = run("serve", "-c", "nowhere.yaml")
    assert result.returncode == 1
    assert "nowhere.yaml: No such file or directory" in result.stderr


def test_log_that_cannot_be(run, site):
    result = run("serve", site, "--http", "127.0.0.1:0", "--access-log", "no/such/log")
    assert result.returncode == 1
    assert "cannot write the log" in result.stderr


def test_address_in_use(run, weir, site):
    server = weir(site)
    result = run("serve", site, "--http", f"127.0.0.1:{server.port}")
    assert result.returncode == 1
    assert f"cannot listen on 127.0.0.1:{server.port}: Address already in use" in result.stderr
    assert "another program" in result.stderr
    assert server.get("/").text == "hello"


def test_address_of_another_machine(run, site):
    result = run("serve", site, "--http", "192.0.2.1:0")
    assert result.returncode == 1
    assert "cannot listen on 192.0.2.1:0" in result.stderr
