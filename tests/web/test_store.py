"""Files in the store: descriptors that are closed, roots that are replaced, attributes that are kept,
and disk space that an announced size does not reserve."""

import os
import subprocess
import threading
import time

import pytest
from client import Raw, names
from conftest import together, wait_for
from servers import drop, full, uploads  # noqa: F401


def descriptors(pid, root):
    """Paths below the root that the process has open, without the root itself."""
    found = []
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            path = os.readlink(entry.path)
        except OSError:
            continue
        if path.startswith(f"{root}/"):
            found.append(path)
    return found


@pytest.fixture
def workers(configured, drop):
    return configured(
        "workers: 3\n"
        "sites: [{root: drop, uploads: {put: true, delete: true, forms: true, max-size: 64G}}]\n"
    )


def at_once(count, call):
    """The results of `call(n)` for all n, begun together."""
    results, barrier = [], threading.Barrier(count)

    def run(n):
        barrier.wait()
        results.append(call(n))

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_one_of_many_with_the_same_if_match_wins(workers, drop):
    for _ in range(15):
        workers.request("PUT", "/f", b"0")
        etag = workers.get("/f").fields["ETag"]
        results = at_once(
            8, lambda n, etag=etag: workers.request("PUT", "/f", b"%d" % n, {"If-Match": etag}).status
        )
        assert sorted(results) == [204] + [412] * 7


def test_a_conditional_put_beside_a_delete_never_creates(workers, drop):
    for _ in range(15):
        workers.request("PUT", "/f", b"0")
        etag = workers.get("/f").fields["ETag"]

        def change(n, etag=etag):
            method = "DELETE" if n % 2 else "PUT"
            return workers.request(method, "/f", b"x", {"If-Match": etag}).status

        results = at_once(6, change)
        assert results.count(204) == 1 and results.count(412) + results.count(404) == 5


def test_replaced_within_a_moment_has_another_etag(workers, drop):
    seen = set()
    for n in range(30):
        assert workers.request("PUT", "/f", b"%02d" % n).status in (201, 204)
        seen.add(workers.get("/f").fields["ETag"])
    assert len(seen) == 30


@pytest.mark.parametrize("how", ["rm", "mv", "PUT", "DELETE"])
def test_a_removed_file_is_closed_while_the_server_is_idle(workers, drop, how):
    (drop / "large").write_bytes(bytes(4 << 20))
    (drop / "small").write_bytes(b"x")
    for _ in range(12):
        assert workers.get("/large").status == workers.get("/small").status == 200
    if how == "rm":
        (drop / "large").unlink()
    elif how == "mv":
        (drop / "other").write_bytes(b"new")
        (drop / "other").rename(drop / "large")
    else:
        assert workers.request(how, "/large", b"new").status == 204
    wait_for(lambda: not descriptors(workers.pid, drop), what="closing")
    assert workers.get("/small").text == "x"
    assert workers.get("/large").status == (200 if how in ("mv", "PUT") else 404)


def test_a_file_that_rested_is_served_again(workers, drop):
    (drop / "large").write_bytes(b"L" * (1 << 20))
    (drop / "small").write_bytes(b"small")
    for _ in range(2):
        for _ in range(6):
            assert workers.get("/large").text == "L" * (1 << 20)
            assert workers.get("/small").text == "small"
        wait_for(lambda: not descriptors(workers.pid, drop), what="resting")


def test_a_file_system_below_the_root_can_be_unmounted(workers, drop):
    (drop / "disk").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "weir-test", str(drop / "disk")]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("may not mount")
    (drop / "disk" / "f").write_bytes(bytes(100_000))
    for _ in range(6):
        assert workers.get("/disk/f").status == workers.get("/disk/").status == 200
    unmount = ["umount", str(drop / "disk")]
    wait_for(lambda: subprocess.run(unmount, capture_output=True, check=False).returncode == 0)


def test_a_root_that_was_replaced_is_noticed(workers, drop):
    (drop / "f").write_text("old")
    assert workers.get("/f").text == "old"
    drop.rename(drop.with_name("away"))
    drop.mkdir()
    (drop / "f").write_text("new")
    wait_for(lambda: workers.get("/f").text == "new", what="the new root")
    wait_for(lambda: workers.request("PUT", "/g", b"g").status and names(drop) == ["f", "g"])


def test_a_root_that_cannot_be_reached_is_logged_once(workers, drop):
    """All workers and handlers together; and that it can be again."""
    (drop / "f").write_text("old")

    def lines(text):
        for _ in range(12):
            workers.get("/f")
        return workers.stderr.count(text)

    drop.rename(drop.with_name("away"))
    lost = f"the root {drop} cannot be reached by its path any more (No such file or directory)"
    wait_for(lambda: lines(lost))
    time.sleep(1.5)
    assert workers.get("/f").text == "old" and lines(lost) == 1
    drop.with_name("away").rename(drop)
    again = f"the root {drop} can be reached again"
    wait_for(lambda: lines(again))
    time.sleep(1.5)
    assert lines(again) == lines(lost) == 1


@together("a process without capabilities gives no file away")
def test_a_replacement_keeps_mode_owner_and_attributes(workers, drop):
    path = drop / "f"
    path.write_text("old")
    path.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(path, 1234, 5678)
    try:
        os.setxattr(path, "user.note", b"kept")
        noted = True
    except OSError:
        noted = False
    assert workers.request("PUT", "/f", b"new").status == 204
    status = path.stat()
    assert path.read_text() == "new" and status.st_mode & 0o7777 == 0o600
    if os.geteuid() == 0:
        assert (status.st_uid, status.st_gid) == (1234, 5678)
    if noted:
        assert os.getxattr(path, "user.note") == b"kept"
    path.chmod(0o4755)
    assert workers.request("PUT", "/f", b"newer").status == 204
    assert path.stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize("target", ["other", "none", "/none", "../outside"])
def test_a_symbolic_link_is_replaced_and_a_hard_link_cut(workers, drop, target):
    (drop / "other").write_text("other")
    (drop / "hard").hardlink_to(drop / "other")
    (drop / "link").symlink_to(target)
    assert workers.request("PUT", "/link", b"new").status == 204
    assert not (drop / "link").is_symlink() and (drop / "link").read_text() == "new"
    assert workers.request("PUT", "/hard", b"new").status == 204
    assert (drop / "other").read_text() == "other"


@pytest.mark.parametrize(
    "umask, key, mode", [(0o077, "", 0o600), (0o022, "", 0o644), (0o077, ", mode: 0664", 0o664)]
)
def test_new_files_obey_the_umask_or_the_configured_mode(configured, drop, umask, key, mode):
    old = os.umask(umask)
    try:
        server = configured(f"sites: [{{root: drop, uploads: {{put: true{key}}}}}]\n")
    finally:
        os.umask(old)
    assert server.request("PUT", "/f", b"x").status == 201
    assert (drop / "f").stat().st_mode & 0o7777 == mode


def test_announced_bytes_hold_no_room(configured, tmp_path):
    root = tmp_path / "disk"
    root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=60m", "weir-test", str(root)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("may not mount")
    try:
        server = configured("sites: [{root: disk, uploads: {put: true, max-size: 1G}}]\n")
        held = [Raw(server.port) for _ in range(3)]
        for n, raw in enumerate(held):
            raw.send(b"PUT /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\nx" % n)
        time.sleep(0.5)
        assert os.statvfs(root).f_bfree * os.statvfs(root).f_frsize > 55 << 20
        assert server.request("PUT", "/f", bytes(40 << 20)).status == 201
        for raw in held:
            raw.socket.close()
        server.stop()
    finally:
        subprocess.run(["umount", str(root)], check=True)
