"""Files that sessions have fetched: the cache of no loop holds what another session has removed."""

import io

import pytest

from conftest import wait_for
from served import Client, authority, hashed, pair, served, tree, users

SIZE = 4 << 20


def removed_files(server):
    """The open files of the server that have no name any more."""
    return [path for path in server.open_names() if path.endswith(" (deleted)")]


@pytest.mark.parametrize("how", ["DELE", "RNTO", "STOR", "unlink"])
def test_a_removed_file_is_closed_by_all_sessions(served, tree, how):
    """The sessions that have fetched it are idle and stay connected."""
    path = tree / "large"
    path.write_bytes(b"x" * SIZE)
    (tree / "other").write_bytes(b"other")
    server = served(workers=4)
    clients = [Client(server, "carol") for _ in range(16)]
    for client in clients:
        assert len(client.get("large")) == SIZE
    if how == "DELE":
        clients[0].delete("large")
    elif how == "RNTO":
        clients[0].rename("other", "large")
    elif how == "STOR":
        clients[0].storbinary("STOR large", io.BytesIO(b"new"))
    else:
        path.unlink()
    wait_for(lambda: not removed_files(server), what="that removed files are closed")
    for client in clients:
        client.close()
