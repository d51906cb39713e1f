"""A small STOR waits for nothing but the disk: its system calls and the turns of its loop are few.

Calls are counted, not timed, so that a load on the machine changes nothing.
"""

import collections
import ftplib
import io
import re
import shutil
import signal
import subprocess

import pytest

from served import Client, Reusing, authority, hashed, pair, served, tree, users

STORES = 10
# Calls of all threads for EPSV and STOR, measured and half as many again.
CALLS_MAX = {"clear": 120, "tls": 150}
# Turns of the loops.
TURNS_MAX = {"clear": 30, "tls": 40}
SYNCS = ("fsync", "fdatasync", "syncfs")


def traced(server, trace, run):
    """The calls of the server while `run` runs: [(name, line)]."""
    command = ["strace", "-f", "-o", trace, "-p", str(server.serving_pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        if "attached" not in strace.stderr.readline():
            pytest.skip("strace may not attach")
        run(2)
        before = trace.stat().st_size
        run(STORES)
        strace.send_signal(signal.SIGINT)
    calls = []
    for line in trace.read_bytes()[before:].decode(errors="replace").splitlines():
        match = re.match(r"\d+ +(?:<\.\.\. )?(\w+)(?: resumed>|\()", line)
        if match and "unfinished" not in line:
            calls.append((match[1], line))
    return calls


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace")
@pytest.mark.parametrize("how", ["clear", "tls"])
def test_sixteen_bytes_wait_for_the_disk_alone(served, tree, authority, tmp_path, how):
    server = served()
    client = Client(server, "alice") if how == "clear" else Reusing(server, authority)
    number = 0

    def store(count):
        nonlocal number
        for _ in range(count):
            number += 1
            client.storbinary(f"STOR f{number}", io.BytesIO(b"sixteen bytes ok"))

    with client:
        calls = traced(server, tmp_path / "trace", store)
    assert (tree / "alice" / f"f{number}").read_bytes() == b"sixteen bytes ok"
    counts = collections.Counter(name for name, _ in calls)
    each = sum(counts.values()) / STORES
    assert each <= CALLS_MAX[how], counts.most_common()
    syncs = sum(counts[name] for name in SYNCS)
    # The file and its directory, each once.
    assert STORES <= syncs <= 2 * STORES, counts.most_common()
    turns = sum(count for name, count in counts.items() if name.startswith("epoll_"))
    assert turns / STORES <= TURNS_MAX[how], counts.most_common()
    assert not counts["nanosleep"] and not counts["clock_nanosleep"]
