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
