"""The options and actions of verbs: which command lines are good, and the messages about the others."""

import re
import subprocess
from pathlib import Path

import pytest

WRONG = [
    (["zone", "lsit"], "there is no action 'lsit'; did you mean 'list'?"),
    (["zone", "publish"], "there is no action 'publish': list, import, export, history, remove, keys, set-key or remove-key"),
    (["zone", "import", "example.org"], "it is `weir zone import ZONE FILE`"),
    (["zone", "export", "example.org", "7", "8"], "it is `weir zone export ZONE [SERIAL]`"),
    (["zone", "list", "example.org"], "it is `weir zone list`"),
    (["zone", "--algorithm"], "--algorithm needs a value"),
    (["zone", "-a", "hmac-sha256", "list"], "there is no option '-a'"),
    (["zone", "--algoritm=x", "list"], "there is no option '--algoritm'; did you mean '--algorithm'?"),
    (["certificate", "lsit"], "there is no action 'lsit'; did you mean 'list'?"),
    (["certificate", "import", "one", "chain.pem"], "it is `weir certificate import NAME CHAIN KEY`"),
    (["certificate", "-c"], "-c needs a value"),
    (["certificate", "--algorithm", "hmac-sha256", "list"], "there is no option '--algorithm'"),
    (["store"], "an action is missing: init, migrate, check, import or export"),
    (["store", "-x", "check"], "there is no option '-x'"),
    (["store", "migrat"], "there is no action 'migrat'; did you mean 'migrate'?"),
    (["store", "check", "users"], "it is `weir store check`"),
    (["store", "export"], "it is `weir store export [PART...] DIR [URL]`"),
    (["queue", "-q", "q", "retyr", "x"], "there is no action 'retyr'; did you mean 'retry'?"),
    (["queue", "-q", "q", "--al"], "--all is for retry, not for list"),
    (["config", "defualt"], "there is no action 'defualt'; did you mean 'default'?"),
    (["config"], "an action is missing: default, bash, zsh, fish, manual, options or listing"),
    (["config", "bash", "zsh"], "it is `weir config bash`"),
    (["status", "--jsno"], "there is no option '--jsno'; did you mean '--json'?"),
    (["status", "--json", "-xh"], "there is no option '-x'"),
    (["status", "now"], "status takes no words, and 'now' is one"),
    (["top", "--sort=size"], "--sort must be quiet, sent or replies, not 'size'"),
    (["top", "once"], "top takes no words, and 'once' is one"),
    (["upgrade", "-c", "x", "now"], "upgrade takes no words, and 'now' is one"),
    (["fetch", "--json=1", "http://localhost/"], "there is no option '--json'"),
    (["fetch", "--insecure=no", "http://localhost/"], "--insecure takes no value"),
    (["fetch", "-X"], "-X needs a value"),
    (["console", "--sort"], "there is no option '--sort'"),
    (["check", "--efective"], "there is no option '--efective'; did you mean '--effective'?"),
    (["serve", "--htttp", ":80"], "there is no option '--htttp'; did you mean '--http'?"),
]


@pytest.mark.parametrize("words, said", WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_a_wrong_command_line_is_refused(weir_program, words, said):
    done = subprocess.run([weir_program, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == f"weir: {said}\nTry `weir {words[0]} --help`.\n"


VERBS = "check config passwd queue certificate zone store console status top upgrade fetch serve".split()


@pytest.mark.parametrize("verb", VERBS)
def test_options_stand_anywhere_and_help_comes_first(weir_program, verb):
    lines = [["--help"], ["-h"], ["-c", "nowhere.yaml", "--help"], ["nonsense", "--help"]]
    for words in lines[:2] if verb in ("config", "fetch") else lines[:3] if verb == "console" else lines:
        done = subprocess.run([weir_program, verb, *words], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"usage: weir {verb} ")


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "serve"])
def test_each_option_that_help_has_is_read(weir_program, verb):
    """With a value if it has one, in the long form and by its letter; and no verb has another option than its help."""
    values = {"--sort": "sent", "--timeout": "5s", "--field": "A: b"}
    text = subprocess.run([weir_program, verb, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout
    options = re.findall(r"^  (?:-(\w), )?(--[a-z-]+)( [A-Z]+)?(?:\s|$)", text, re.M)
    assert ("h", "--help", "") in options
    for letter, name, value in options:
        for words in [name, *([f"-{letter}"] if letter else [])]:
            line = [words, *([values.get(name, "x")] if value else []), "--help"]
            done = subprocess.run([weir_program, verb, *line], capture_output=True, text=True, timeout=60)
            assert (done.returncode, done.stdout) == (0, text), (line, done.stderr)
        if value:
            done = subprocess.run([weir_program, verb, name], capture_output=True, text=True, timeout=60)
            assert (done.returncode, done.stderr.split("\n")[0]) == (2, f"weir: {name} needs a value")


def test_options_of_a_command_are_its_own(weir_program):
    """Those behind the first word belong to the command of the console."""
    words = ["console", "--admin", "/nowhere", "status", "--help"]
    done = subprocess.run([weir_program, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "/nowhere" in done.stderr


def test_a_verb_is_suggested(weir_program):
    for word, said in ("stauts", "there is no verb 'stauts'; did you mean 'status'?"), ("imap", "there is no verb 'imap'"):
        done = subprocess.run([weir_program, word], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (2, f"weir: {said}\nTry `weir --help`.\n")


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


@pytest.mark.skipif(Path("/etc/weir/weir.yaml").exists(), reason="the machine has a configuration")
@pytest.mark.parametrize("words", [["zone"], ["certificate"], ["store", "check"], ["console", "help"], ["status"]])
def test_without_a_configuration_a_verb_names_the_option(weir_program, words):
    done = subprocess.run([weir_program, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "/etc/weir/weir.yaml: No such file or directory" in done.stderr
    assert "name the configuration by `-c FILE`" in done.stderr


@pytest.mark.parametrize("word, kind, meant", [("--hepl", "option", "--help"), ("version", "verb", "--version"), ("quee", "verb", "queue")])
def test_a_mistyped_first_word_gets_a_proposal(weir_program, word, kind, meant):
    done = subprocess.run([weir_program, word], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == f"weir: there is no {kind} '{word}'; did you mean '{meant}'?\nTry `weir --help`.\n"
