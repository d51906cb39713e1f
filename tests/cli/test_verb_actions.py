"""Verbs with actions: which command lines are good, and the messages about the others."""

import subprocess

import pytest

WRONG = [
    (["zone", "lsit"], "there is no action 'lsit': list, import, export, history, remove, keys, set-key or remove-key"),
    (["zone", "import", "example.org"], "it is `weir zone import ZONE FILE`"),
    (["zone", "export", "example.org", "7", "8"], "it is `weir zone export ZONE [SERIAL]`"),
    (["zone", "list", "example.org"], "it is `weir zone list`"),
    (["zone", "--algorithm"], "--algorithm needs a value"),
    (["zone", "-a", "hmac-sha256", "list"], "there is no option '-a'"),
    (["certificate", "lsit"], "there is no action 'lsit': list, import or remove"),
    (["certificate", "import", "one", "chain.pem"], "it is `weir certificate import NAME CHAIN KEY`"),
    (["certificate", "-c"], "-c needs a value"),
    (["certificate", "--algorithm", "hmac-sha256", "list"], "there is no option '--algorithm'"),
    (["store", "-x", "check"], "there is no option '-x'"),
]


@pytest.mark.parametrize("words, said", WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_a_wrong_command_line_is_refused(weir_program, words, said):
    done = subprocess.run([weir_program, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == f"weir: {said}\nTry `weir {words[0]} --help`.\n"


@pytest.mark.parametrize("verb", ["zone", "certificate", "store"])
def test_options_stand_anywhere_and_help_comes_first(weir_program, verb):
    for words in ["--help"], ["-h"], ["nonsense", "-c", "nowhere.yaml", "--help"]:
        done = subprocess.run([weir_program, verb, *words], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and f"weir {verb}" in done.stdout and done.stderr == ""


@pytest.mark.parametrize("words", [["zone"], ["zone", "list"], ["certificate"], ["certificate", "list"]], ids=" ".join)
def test_the_first_action_is_the_default(weir_program, tmp_path, words):
    config = tmp_path / "weir.yaml"
    config.write_text("listen: [{http: '127.0.0.1:0'}]\nsites: [{root: .}]\n")
    done = subprocess.run([weir_program, *words, "--config", config], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr == f"weir: {config}: there is no 'store'\n"


def test_a_serial_and_a_secret_are_checked(weir_program):
    words = [weir_program, "zone", "export", "example.org", "x"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "'x' is not a serial" in done.stderr
    words = [weir_program, "zone", "--algorithm", "md5", "set-key", "k.example"]
    done = subprocess.run(words, input="", capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "'md5' is not an algorithm" in done.stderr
