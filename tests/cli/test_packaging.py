"""The sources of the packages fit the program: the configuration, the units, the list of packages.
./dev package and tools/try-packages try the packages themselves."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent.parent
PACKAGING = TOP / "packaging"
UNITS = PACKAGING / "systemd"
EXPOSURE_MAX = 1.5
# Every build of a Debian package has these.
COMPILERS = {"gcc", "libc6-dev"}


def configuration_of_package(path):
    command = [PACKAGING / "configuration", TOP / "docs" / "weir.yaml", path]
    subprocess.run(command, check=True)
    return path.read_text()


def test_configuration_of_package_serves_the_welcome_page(tmp_path):
    configuration_of_package(tmp_path / "weir.yaml")
    program = os.environ.get("WEIR", TOP / "build" / "weir")
    result = subprocess.run(
        [PACKAGING / "smoke", program, tmp_path / "weir.yaml"], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_configuration_of_package_keeps_the_comments_of_the_default(tmp_path):
    default = (TOP / "docs" / "weir.yaml").read_text().splitlines()
    changed = configuration_of_package(tmp_path / "weir.yaml").splitlines()
    assert len(changed) == len(default)
    assert all(
        new == old or "#" not in old[:8] or "weir" in new or new == "privilege-separation: yes"
        for new, old in zip(changed, default)
    )


def test_configuration_of_package_needs_every_line_that_it_replaces(tmp_path):
    default = (TOP / "docs" / "weir.yaml").read_text()
    (tmp_path / "default.yaml").write_text(default.replace("#user: USER\n", ""))
    result = subprocess.run(
        [PACKAGING / "configuration", tmp_path / "default.yaml", tmp_path / "weir.yaml"],
        capture_output=True,
        text=True,
    )
    assert result.returncode != 0
    assert "#user: USER" in result.stderr


needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")


def exposure_of(unit):
    result = subprocess.run(
        ["systemd-analyze", "security", "--no-pager", "--offline=true", unit], capture_output=True, text=True
    )
    return float(re.search(r"Overall exposure level for \S+ ([\d.]+)", result.stdout)[1])


@needs_systemd
@pytest.mark.parametrize("name", ["weir.service", "weir@.service"])
def test_unit_is_hardened(name, tmp_path):
    assert exposure_of(UNITS / name) <= EXPOSURE_MAX
    weaker = tmp_path / name
    weaker.write_text((UNITS / name).read_text().replace("User=weir\n", ""))
    assert exposure_of(weaker) > EXPOSURE_MAX


@needs_systemd
@pytest.mark.parametrize("name", ["weir.service", "weir@.service"])
def test_unit_has_no_unknown_settings(name, tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/usr/bin/weir", str(program)).replace("/bin/kill", str(program))
        (tmp_path / unit.name).write_text(text)
    name = name.replace("@", "@shop")
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", tmp_path / name]
    if "@" in name:
        (tmp_path / name).write_text((tmp_path / "weir@.service").read_text())
    result = subprocess.run(command, capture_output=True, text=True)
    complaints = [line for line in result.stderr.splitlines() if str(tmp_path / name) in line]
    assert complaints == []


def test_units_differ_only_in_their_names_and_directories():
    def settings(name):
        return [line for line in (UNITS / name).read_text().splitlines() if line and not line.startswith("#")]

    one, instance = settings("weir.service"), settings("weir@.service")
    assert len(one) == len(instance)
    assert all(new == old or "%i" in new for new, old in zip(instance, one))


def test_package_needs_what_the_build_needs():
    packages = (TOP / "tools" / "packages.txt").read_text()
    wanted = set(re.findall(r"^([a-z0-9.+-]+)", re.search(r"\[build\]\n(.*?)\n\[", packages, re.S)[1], re.M))
    control = (PACKAGING / "debian" / "control").read_text()
    fields = re.search(r"^Build-Depends: (.*?)^\S", control, re.S | re.M)[1]
    named = set(re.findall(r"^\s*([a-z0-9.+-]+)", fields, re.M))
    assert wanted - COMPILERS <= named


def test_symbols_are_those_of_the_library(weir_program):
    """packaging/build symbols writes the list anew."""
    library = weir_program.parent / "src" / "libweir.so"
    if not library.exists() or not shutil.which("nm"):
        pytest.skip("no library, or no nm")
    listing = subprocess.run(
        ["nm", "--dynamic", "--defined-only", library], capture_output=True, text=True, check=True
    ).stdout
    exported = set(re.findall(r" [TDBR] (weir_\w+)@@", listing))
    listed = re.findall(
        r"^ (weir_\w+)@", (PACKAGING / "debian" / "libweir0.symbols").read_text(), re.M
    )
    assert exported == set(listed)
