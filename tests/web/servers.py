"""Fixtures: a server of a configuration, and sites that take uploads. Tests import those they use."""

import subprocess

import pytest


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
