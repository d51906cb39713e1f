"""The documents are true: their examples are good configurations, the manual builds, what is made from the
table of keys is up to date, and the charts show the saved results."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from certificates import make_certificate

TOP = Path(__file__).resolve().parent.parent.parent
GUIDE = TOP / "docs" / "configuration.md"
MAIL = TOP / "docs" / "mail.md"
DNS = TOP / "docs" / "dns.md"
PAGES = ["weir.1", "weir.yaml.5", "libweir.3", "weir_producer.3"]


# The public part of a key that nobody has.
TOKEN_KEY = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAMNOdu3Uck3x1q/eoKGtf0DPgQ7LwlcFvHwExXIXet/Q=
-----END PUBLIC KEY-----
"""


def yaml_blocks():
    return [
        block
        for path in (GUIDE, MAIL, DNS)
        for block in re.findall(r"```yaml\n(.*?)```", path.read_text(), re.S)
    ]


def make_files(path, text):
    """Writes weir.yaml, and the files that the examples name."""
    for name in "public", "files":
        (path / name).mkdir()
    (path / "users").write_text("alice:!\n")
    (path / "aliases").write_text("sales: alice\n")
    for name in "relay-password", "store-password":
        (path / name).write_text("secret\n")
    (path / "store-key").write_text("c3RvcmUga2V5IHN0b3JlIGtleSBzdG9yZSBrZXkgMzI=\n")
    (path / "tokens.pem").write_text(TOKEN_KEY)
    (path / "transfer.key").write_text("c2VjcmV0IHNlY3JldCBzZWNyZXQ=\n")
    (path / "cookies").write_text("00112233445566778899aabbccddeeff\n")
    zone = re.search(r"```\n(\$TTL.*?)```", DNS.read_text(), re.S)[1]
    (path / "example.org.zone").write_text(zone)
    make_certificate(path, "chain.pem", "key.pem")
    (path / "weir.yaml").write_text(text.replace("/srv/www", "public"))


@pytest.mark.parametrize("index", range(4))
def test_examples_pass_check(run, tmp_path, index):
    assert len(yaml_blocks()) == 4
    make_files(tmp_path, yaml_blocks()[index])
    result = run("check", "weir.yaml")
    assert result.returncode == 0, result.stderr


def test_the_configuration_of_a_front_end_passes_check(run, tmp_path):
    own, = re.findall(r"```yaml\n(include: .*?)```", (TOP / "docs" / "cluster.md").read_text(), re.S)
    make_files(tmp_path, own.replace("/var/lib/weir", str(tmp_path)))
    (tmp_path / "common.yaml").write_text(
        "store: {url: 'postgres://weir@127.0.0.1:1/weir', wait: 200ms}\nsites: [{root: public}]\n"
        "tls: {certificates: [{chain: chain.pem, key: key.pem}]}\n"
        "mail: {domains: [example.org], relay: {host: smtp.example.org}}\n"
    )
    result = run("check", "weir.yaml")
    assert result.returncode == 0, result.stderr
    shown = run("check", "--effective", "weir.yaml").stdout
    assert "hostname: one.example.org" in shown and "host: smtp.example.org" in shown and f"directory: {tmp_path}/store" in shown


def test_generated_documents_are_up_to_date():
    program = os.environ.get("WEIR", TOP / "build" / "weir")
    result = subprocess.run(
        [TOP / "tools" / "generate", "--check", program], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("verb", ["serve", "check", "config", "passwd", "queue", "console", "fetch"])
def test_every_option_of_a_verb_is_documented(run, verb):
    options = set(re.findall(r"^  (?:-[a-z], )?(--[a-z0-9-]+)", run(verb, "--help").stdout, re.M))
    assert "--help" in options
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
        (["weir", "s"], ["serve", "store", "status"]),
        (["weir", "serve", "--w"], ["--workers"]),
        (["weir", "check", "--c"], ["--config"]),
        (["weir", "serve", "--access-log", "of"], ["off"]),
        (["weir", "status", ""], []),
        (["weir", "certificate", ""], ["list", "import", "remove"]),
        (["weir", "zone", "import", "example.org", "exa"], ["example.zone"]),
        (["weir", "certificate", "import", "example.org", "exa"], ["example.zone"]),
        (["weir", "store", "export", "mail", ""], ["backup", "init", "migrate", "check", "import"]
            + ["export", "users", "mailboxes", "queue", "zones", "keys"]),
    ],
)
def test_bash_completion(words, expected, tmp_path):
    (tmp_path / "example.zone").touch()
    (tmp_path / "backup").mkdir()
    script = f"""
source {TOP}/completion/weir.bash
COMP_WORDS=({" ".join(words)}) COMP_CWORD={len(words) - 1}
_weir weir '{words[-1]}' '{words[-2]}'
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    result = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert result.stdout.split() == expected, result.stderr


def test_the_completion_has_every_command_of_the_console():
    manual = (TOP / "man" / "weir.1.scd").read_text()
    commands = manual.partition("# COMMANDS OF THE CONSOLE")[2].partition("; generated")[0]
    lines = [line for line in commands.splitlines() if line.startswith("*")]
    names = {re.match(r"\*?([a-z]+)", name)[1] for line in lines for name in line.split(", *")}
    completion = (TOP / "completion" / "weir.bash").read_text()
    assert set(re.search(r"console:\*\).*-W '([a-z ]+)'", completion)[1].split()) == names


def test_the_charts_are_those_of_the_saved_results(tmp_path):
    sys.path.insert(0, str(TOP / "bench" / "lib"))
    try:
        import charts
    finally:
        sys.path.pop(0)
    assert "overview" in charts.draw_all(directory=tmp_path)
    drawn = {path.name: path.read_text() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_text() for path in (TOP / "docs" / "charts").iterdir()}
    assert drawn == kept
    for text in (TOP / "README.md").read_text(), (TOP / "bench" / "RESULTS.md").read_text():
        for name in re.findall(r"charts/([a-z-]+\.svg)", text):
            assert name in drawn


def test_the_reference_has_every_function(tmp_path):
    subprocess.run([TOP / "tools" / "reference", tmp_path], check=True, capture_output=True)
    index = (tmp_path / "index.html").read_text()
    for header in (TOP / "include" / "weir").glob("*.h"):
        functions = set(re.findall(r"WEIR_API [^;{]*?\b(weir_\w+)\(", header.read_text()))
        page = (tmp_path / f"{header.stem}.html").read_text()
        for function in functions:
            assert f'"{header.stem}.html#{function}"' in index
            assert f'id="{function}"' in page


def prose_of(text):
    """The words outside of code blocks, tables and headings."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    lines = [line for line in text.splitlines() if not re.match(r"\s*[|#]", line)]
    return " ".join(lines).split()


def test_the_architecture_is_short_and_its_index_leads_somewhere():
    text = (TOP / "ARCHITECTURE.md").read_text()
    assert len(prose_of(text)) <= 1000
    paths = re.findall(r"`(src/[\w/.]+)`", text)
    assert len(set(paths)) >= 40
    assert [path for path in paths if not (TOP / path).exists()] == []


DOCUMENTS = sorted(path.relative_to(TOP) for path in [*TOP.glob("*.md"), *(TOP / "docs").glob("*.md")])


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_links_between_documents_lead_somewhere(path):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (TOP / path).read_text())
    assert [link for link in links if not (TOP / path.parent / link).exists()] == []


def is_metric(name, headers):
    """Whether a table of metrics has this name: written out, or made of the name of a counter."""
    sources = "".join(source.read_text() for source in (TOP / "src").rglob("*.c"))
    counter = re.fullmatch(r"weir_(?:loop|resolver|upstream)_([a-z_]+)_total", name)
    return f'"{name}"' in sources or bool(
        counter and re.search(rf"(?:COUNT\(|uint64_t ){counter[1]}\b", headers)
    )


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_names_of_the_library_in_documents_exist(path):
    headers = "".join(header.read_text() for header in (TOP / "include" / "weir").glob("*.h"))
    names = set(re.findall(r"\bweir_[a-z0-9_]+\b", (TOP / path).read_text())) - {"weir_noun_verb"}
    schema = "".join(source.read_text() for source in (TOP / "src" / "database").glob("schema*.c"))
    names -= set(re.findall(r"TABLE IF NOT EXISTS (weir_\w+)", schema))
    declared = set(re.findall(r"\bweir_[a-z0-9_]+\b", headers)) | {"weir_version"}
    declared |= {name for name in names if is_metric(name, headers)}
    for schema in (TOP / "src" / "database").glob("schema*.c"):
        declared |= set(re.findall(r"CREATE TABLE IF NOT EXISTS (weir_\w+)", schema.read_text()))
    assert sorted(name for name in names if name not in declared and not name.endswith("_")) == []
