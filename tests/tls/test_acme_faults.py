"""Each allocation of an order fails once, against an authority that checks all but the proofs."""

import subprocess

import pytest

from ca import fake
from conftest import program_of_tests


def test_each_allocation_of_an_order_fails(fake, tmp_path):
    program = program_of_tests("acme-order-faults")
    if not program:
        pytest.skip("acme-order-faults is not built")
    authority = fake()
    authority.prove_http_01 = lambda name, token, text: None
    store = tmp_path / "store"
    store.mkdir()
    result = subprocess.run(
        [program, authority.url + "/directory", authority.trust.path, store], capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 50
    assert authority.problems == [] and "certificate" in authority.seen
