"""A site that takes uploads, and how much it weighs."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def drop(tmp_path):
    """A directory for uploads."""
    root = tmp_path / "drop"
    root.mkdir()
    return root


@pytest.fixture
def uploads(configured, drop):
    """A server that takes PUT, DELETE and forms into `drop`, up to 64 GiB."""
    return configured(
        "sites: [{root: drop, uploads: {put: true, delete: true, forms: true, max-size: 64G}}]\n"
    )


@pytest.fixture
def full(configured, tmp_path):
    """(server, directory): as `uploads`, on a disk of one megabyte."""
    root = tmp_path / "small"
    root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "weir-test", str(root)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("may not mount")
    try:
        server = configured(
            "sites: [{root: small, uploads: {put: true, forms: true, max-size: 1G}}]\n"
        )
        yield server, root
        server.stop()
    finally:
        subprocess.run(["umount", str(root)], check=True)
