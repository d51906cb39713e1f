"""The lines that the server prints under "Try:" work as pasted; only the password is added."""

import shutil
import subprocess
from pathlib import Path

import pytest

from certificates import make_certificate

TOP = Path(__file__).resolve().parent.parent.parent
SECRET = "secret"
NEEDED = ("curl", "dig", "kdig", "bash")

CONFIG = """
listen:
  - http: 127.0.0.1:0
  - https: 127.0.0.1:0
  - smtp: 127.0.0.1:0
  - pop3: 127.0.0.1:0
  - ftp: 127.0.0.1:0
  - dns: 127.0.0.1:0
  - dot: 127.0.0.1:0
tls:
  certificates: [{chain: cert.pem, key: key.pem}]
sites:
  - root: www
    uploads: {put: true}
    auth: [{path: "", users: users}]
mail: {directory: mail, users: users, domains: [localhost]}
ftp: {root: www, users: users, writable: true}
dns: {zones: [{name: weir.test, file: zone}]}
"""


@pytest.mark.skipif(not all(map(shutil.which, NEEDED)), reason=f"needs {', '.join(NEEDED)}")
def test_each_line_works(weir, weir_program, tmp_path):
    (tmp_path / "www").mkdir()
    shutil.copy(TOP / "examples" / "weir.test.zone", tmp_path / "zone")
    make_certificate(tmp_path)
    subprocess.run(
        [weir_program, "passwd", "--users", "users", "alice"],
        input=f"{SECRET}\n".encode(),
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    (tmp_path / "weir.yaml").write_text(CONFIG)
    server = weir("-c", tmp_path / "weir.yaml")
    lines = server.stdout.split("Try:\n")[1].split("Stop with")[0].splitlines()
    assert len(lines) >= 9
    for line in lines:
        assert "USER" not in line and "FILE" not in line
        typed = line.replace("-u alice ", f"-u alice:{SECRET} ")
        result = subprocess.run(
            ["bash", "-o", "pipefail", "-c", typed], capture_output=True, timeout=60
        )
        assert result.returncode == 0, (line, result.stderr)
        assert b"HTTP/1.1 4" not in result.stdout, (line, result.stdout)
