"""The figures that ./dev lint prints hold: the order of the layers, the prose, the names, the headers."""

import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent.parent


@pytest.mark.skipif(not (TOP / ".git").exists(), reason="not a clone: the tools ask git for the files")
@pytest.mark.parametrize("tool, needs", [("check-layers", []), ("check-prose", []), ("check-names", ["ctags", "c++"])])
def test_figures_hold(tool, needs):
    if not all(shutil.which(program) for program in ["git", *needs]):
        pytest.skip(f"no {' or '.join(['git', *needs])}")
    result = subprocess.run([TOP / "tools" / tool, "--list"], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_what_is_installed_needs_no_tests(weir_program):
    """./dev serve compiles what is installed, and neither tests nor benchmarks."""
    build = weir_program.parent
    if not (build / "build.ninja").exists():
        pytest.skip("the program was not compiled here")
    inputs = subprocess.run(
        ["ninja", "-C", build, "-t", "inputs", "product"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "src/daemon/weir" in inputs
    assert not [path for path in inputs if path.startswith(("tests/", "fuzz/", "bench/"))]


def arrows_of(archive):
    """The pairs of files of an archive, of which the first needs a name that the second defines."""
    output = subprocess.run(["nm", "--print-file-name", archive], capture_output=True, text=True, check=True).stdout
    defined, needed = {}, []
    for line in output.splitlines():
        file, *_, kind, name = line.rsplit(":", 1)[0].split(":")[-1:] + line.rsplit(":", 1)[1].split()
        if kind == "U":
            needed.append((file, name))
        elif kind in "TDBRVW":
            defined[name] = file
    return {(file, defined[name]) for file, name in needed if defined.get(name, file) != file}


def test_the_files_of_the_daemon_use_each_other_in_no_circle(weir_program):
    archive = weir_program.parent / "src" / "daemon" / "libweir-daemon.a"
    if not archive.exists() or not shutil.which("nm"):
        pytest.skip("the program was not compiled here, or there is no nm")
    arrows = arrows_of(archive)
    assert arrows
    # A file that needs none of those that are left is in no circle.
    while ends := {to for _, to in arrows} - {by for by, _ in arrows}:
        arrows = {(by, to) for by, to in arrows if to not in ends}
    # Nor is one that none of them needs.
    while begins := {by for by, _ in arrows} - {to for _, to in arrows}:
        arrows = {(by, to) for by, to in arrows if by not in begins}
    assert not arrows
