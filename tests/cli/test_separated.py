"""A few tests of each protocol, again with privilege separation: files are read and written, sockets opened and logs
kept by a confined server process. WEIR_SEPARATED=yes does so for any test."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
CHOSEN = [
    "web/test_put.py::test_curl",
    "web/test_put.py::test_only_one_makes_it",
    "web/test_auth.py::test_the_log_names_who_got_in",
    "ftp/test_rights.py::test_each_right_by_itself",
    "ftp/test_clients.py::test_what_ftp_writes_http_serves",
    "mail/test_mail_pop3.py::test_deletions_only_at_quit",
    "mail/test_mail_relay.py::test_through_a_second_weir",
    "dns/test_dns_daemon.py::test_dns_over_tls_with_kdig",
    "dns/test_dns_daemon_forward.py::test_by_all_carriers",
    "tls/test_reload.py::test_renewed",
]


def test_some_of_each_protocol(weir_program):
    command = [sys.executable, "-B", "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-q", "-rs"]
    environment = {**os.environ, "WEIR_SEPARATED": "yes", "WEIR": str(weir_program)}
    result = subprocess.run(
        [*command, *(TESTS / name for name in CHOSEN)], env=environment, capture_output=True, text=True, cwd=TESTS.parent
    )
    assert result.returncode == 0, result.stdout + result.stderr
