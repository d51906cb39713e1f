"""What the documentation shows is true: its example is a good configuration, the manual builds, and
help, manual and completion know the same options."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from certificates import make_certificate

TOP = Path(__file__).resolve().parent.parent.parent
GUIDE = TOP / "docs" / "configuration.md"
MAIL = TOP / "docs" / "mail.md"
DNS = TOP / "docs" / "dns.md"
PAGES = ["weir.1", "weir.yaml.5", "libweir.3", "weir_producer.3"]


def yaml_blocks():
    return [
        block
        for path in (GUIDE, MAIL, DNS)
        for block in re.findall(r"```yaml\n(.*?)```", path.read_text(), re.S)
    ]


@pytest.mark.parametrize("index", range(4))
def test_examples_pass_check(run, tmp_path, index):
    assert len(yaml_blocks()) == 4
    for name in "public", "files":
        (tmp_path / name).mkdir()
    (tmp_path / "users").write_text("alice:!\n")
    (tmp_path / "aliases").write_text("sales: alice\n")
    (tmp_path / "relay-password").write_text("secret\n")
    (tmp_path / "transfer.key").write_text("c2VjcmV0IHNlY3JldCBzZWNyZXQ=\n")
    (tmp_path / "cookies").write_text("00112233445566778899aabbccddeeff\n")
    zone = re.search(r"```\n(\$TTL.*?)```", DNS.read_text(), re.S)[1]
    (tmp_path / "example.org.zone").write_text(zone)
    make_certificate(tmp_path, "chain.pem", "key.pem")
    text = yaml_blocks()[index].replace("/srv/www", "public")
    (tmp_path / "weir.yaml").write_text(text)
    result = run("check", "weir.yaml")
    assert result.returncode == 0, result.stderr


def keys_of_the_program():
    files = (TOP / "src" / "daemon").rglob("table_*.c")
    text = "".join(path.read_text() for path in files)
    return set(re.findall(r'\{"([a-z0-9-]+)",\s+&type_', text))


@pytest.mark.parametrize("path", [GUIDE, TOP / "man" / "weir.yaml.5.scd"])
def test_every_key_is_documented(path):
    text = path.read_text()
    keys = keys_of_the_program()
    assert len(keys) > 25
    for key in keys:
        assert re.search(rf"(\*{key}:?\*|\b{key}:\s)", text), key


def test_every_option_is_documented(run):
    options = set(re.findall(r"--[a-z0-9-]+", run("serve", "--help").stdout))
    assert len(options) >= 24
    for path in "man/weir.1.scd", "completion/weir.bash", "completion/_weir":
        text = (TOP / path).read_text()
        assert all(option in text for option in options), path
    text = (TOP / "completion/weir.fish").read_text()
    assert all(f"-l {option[2:]}" in text for option in options)


@pytest.mark.parametrize("verb", ["passwd", "queue"])
def test_every_option_of_a_tool_is_documented(run, verb):
    options = set(re.findall(r"--[a-z-]+", run(verb, "--help").stdout)) - {"--help"}
    assert len(options) >= 2
    for path in "man/weir.1.scd", "completion/weir.bash", "completion/_weir":
        text = (TOP / path).read_text()
        assert all(option in text for option in options), path
    text = (TOP / "completion/weir.fish").read_text()
    assert all(f"-l {option[2:]}" in text for option in options)


@pytest.mark.skipif(not shutil.which("scdoc"), reason="no scdoc")
@pytest.mark.parametrize("page", PAGES)
def test_manual_builds(page):
    source = (TOP / "man" / f"{page}.scd").read_text()
    result = subprocess.run(["scdoc"], input=source, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert ".TH" in result.stdout


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
@pytest.mark.parametrize(
    "words, expected",
    [
        (["weir", "s"], ["serve"]),
        (["weir", "serve", "--w"], ["--workers"]),
        (["weir", "check", "--c"], ["--config"]),
        (["weir", "serve", "--access-log", "of"], ["off"]),
    ],
)
def test_bash_completion(words, expected, tmp_path):
    script = f"""
source {TOP}/completion/weir.bash
COMP_WORDS=({" ".join(words)}) COMP_CWORD={len(words) - 1}
_weir weir '{words[-1]}' '{words[-2]}'
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    result = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert result.stdout.split() == expected, result.stderr
