"""Each allocation of an order fails once, against an authority that checks all but the proofs."""

import os
import subprocess
import tempfile

import pytest

from ca import fake
from conftest import program_of_tests
from test_acme_shared import empty  # noqa: F401  (a fixture)


@pytest.fixture
def store():
    """A directory in memory: each step of an order syncs."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as path:
        yield path


def order_faults(authority, store, *more):
    """Returns what the program prints."""
    program = program_of_tests("acme-order-faults")
    if not program:
        pytest.skip("acme-order-faults is not built")
    authority.prove_http_01 = lambda name, token, text: None
    result = subprocess.run(
        [program, authority.url + "/directory", authority.trust.path, store, *more],
        capture_output=True, text=True, timeout=300,
    )
    assert result.returncode == 0, result.stderr
    assert authority.problems == []
    return result.stdout


def test_each_allocation_of_an_order_fails(fake, store):
    assert int(order_faults(fake(), store)) > 50


def test_an_order_that_is_processed_without_end(fake, store):
    """It is looked at for 15 minutes; one that has waited already, once."""
    authority = fake()
    authority.delay_polls = 10**6
    first, second = [line.split() for line in order_faults(authority, store, "once").splitlines()]
    assert first[0] == "waits" and 15 * 60 <= int(first[1]) < 16 * 60
    assert second[0] == "waits" and int(second[1]) < 30
    assert len(authority.orders_asked) == 1 and authority.seen.count("poll") > 30
    authority.delay_polls = 0
    assert order_faults(authority, store, "once").split()[0] == "good"
    assert len(authority.orders_asked) == 2  # of the second order of this program, which had nothing to resume


def test_allocations_of_a_shared_order_fail(fake, store, tmp_path, empty, run):
    (tmp_path / "weir.yaml").write_text(
        f"store: {{url: '{empty.url}', parts: [keys]}}\nlisten: [{{http: '127.0.0.1:1'}}]\nsites: [{{root: .}}]\n")
    done = run("store", "-c", tmp_path / "weir.yaml", "init")
    assert done.returncode == 0, done.stderr
    assert int(order_faults(fake(), store, empty.url)) > 40
    assert empty.query("SELECT count(*) FROM weir_acme_file WHERE path LIKE 'challenges/%'") == "0"
    assert empty.query("SELECT count(*) FROM weir_certificate") == "1"
