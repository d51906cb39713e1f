"""USDT probes: those that the documents list are in the program, where it was built with them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]


def test_the_program_has_the_probes_of_the_documents(weir_program):
    if not shutil.which("readelf"):
        pytest.skip("readelf is not installed")
    notes = subprocess.run(
        ["readelf", "-n", weir_program], capture_output=True, text=True, check=True
    ).stdout
    built = set(re.findall(r"Provider: weir\s+Name: (\w+)", notes))
    if not built:
        pytest.skip("built without sys/sdt.h")
    text = (TOP / "docs" / "probes.md").read_text()
    assert built == set(re.findall(r"^\| `(\w+)` \|", text, re.M))
    used = set(re.findall(r"weir:weir:(\w+)", text))
    assert used and used <= built
