"""./dev serve, in a network of its own: what it prints works, as root too.

Nothing is compiled: fake programs replace meson, ninja and dpkg-query.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent.parent
FAKES = {
    "meson": "exit 0",
    "ninja": 'ln -sf "$WEIR_PROGRAM" build/weir',
    "dpkg-query": 'printf "installed=%s " "$@"',
}
# Starts it, runs the commands that it has printed, and stops it.
SCRIPT = r"""
ip link set lo up || exit 77
./dev serve >log 2>&1 </dev/null &
server=$!
trap 'kill $server' EXIT
until grep -q '^Stop with' log; do
    kill -0 $server 2>/dev/null || { cat log; exit 1; }
    sleep 0.1
done
sed -n 's/^  \(\(curl\|printf\|echo\) .*\)/\1/p' log | sed "s/-u me /-u me:$(cat state/mail-password) /" >commands
while read -r line; do
    bash -o pipefail -c "$line" >line.log 2>&1 </dev/null || { echo "FAILED $line"; cat line.log log; exit 1; }
done <commands
trap '' EXIT
kill -TERM $server && wait $server && wc -l <commands
"""


@pytest.fixture
def tree(tmp_path):
    """A tree, and fake programs that would compile it."""
    for name in ("tools", "examples", "docs", "src", "README.md"):
        (tmp_path / name).symlink_to(TOP / name)
    shutil.copy(TOP / "dev", tmp_path / "dev")
    (tmp_path / "bin").mkdir()
    for name, body in FAKES.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def test_what_it_prints_works(tree, weir_program):
    for program in ("unshare", "ip", "curl", "openssl"):
        if not shutil.which(program):
            pytest.skip(f"no {program}")
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    if subprocess.run(["unshare", *user, "--net", "true"], capture_output=True).returncode != 0:
        pytest.skip("cannot make a network")
    path = f"{tree / 'bin'}:{os.environ['PATH']}"
    environment = dict(os.environ, PATH=path, WEIR_PROGRAM=str(weir_program))
    result = subprocess.run(
        ["unshare", *user, "--net", "bash", "-c", SCRIPT],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if result.returncode == 77:
        pytest.skip("cannot set up a network")
    assert result.returncode == 0, result.stdout + result.stderr
    assert int(result.stdout) >= 5
