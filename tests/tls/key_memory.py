"""Key processes, and private keys in the memory of processes."""

import os
import re
import subprocess

import pytest

from conftest import wait_for

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="not root")
REGION_MAX = 1 << 28  # the shadow of a sanitizer is larger


def key_pid(server, but=None):
    """The id of its key process, once it is the only one, and another than `but`."""

    def alone():
        pids = server.children("keys")
        return len(pids) == 1 and pids[0] != but and pids[0]

    return wait_for(alone, what="one key process")


def secrets_of(key):
    """The private numbers of a key, in both orders of their bytes."""
    text = subprocess.run(
        ["openssl", "pkey", "-in", key, "-text", "-noout"], capture_output=True, text=True, check=True
    ).stdout
    found = []
    for name in ("priv", "prime1", "prime2", "privateExponent"):
        for digits in re.findall(rf"^{name}:\n((?: +[0-9a-f:]+\n)+)", text, re.M):
            number = bytes.fromhex(re.sub(r"[\s:]", "", digits)).lstrip(b"\0")
            found += [number, number[::-1]]
    assert found
    return found


def memory_has(pid, secrets):
    """Whether one of the secrets is in the memory of the process; only root can look."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            start, end = (int(number, 16) for number in line.split()[0].split("-"))
            if line.split()[1][0] != "r" or end - start > REGION_MAX:
                continue
            try:
                memory.seek(start)
                data = memory.read(end - start)
            except (OSError, ValueError, OverflowError):
                continue  # of the kernel
            if any(secret in data for secret in secrets):
                return True
    return False
