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
