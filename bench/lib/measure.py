"""CPU time and memory of a server's processes, and the load that keeps the server busy."""
import glob
import json
import os
import re
import select
import subprocess
import time

PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A measurement failed, for this reason."""


def read(path):
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read()


def tree_of(pid):
    """Returns the process and its descendants."""
    children = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            # The name, in brackets, may contain anything.
            fields = read(path).rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(path.split("/")[2]))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def cpu_s(pids):
    """Returns the CPU time of all threads of the processes: in nanoseconds, or in ticks on old kernels."""
    total = 0.0
    for pid in pids:
        try:
            paths = glob.glob(f"/proc/{pid}/task/*/schedstat")
            if paths:
                total += sum(int(read(path).split()[0]) for path in paths) / 1e9
            else:
                fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
                total += (int(fields[11]) + int(fields[12])) / TICKS_PER_S
        except OSError:
            pass
    return total


def rollup_bytes(pids, field):
    """The sum of a field of smaps_rollup."""
    total = 0
    for pid in pids:
        try:
            for line in read(f"/proc/{pid}/smaps_rollup").splitlines():
                if line.startswith(field + ":"):
                    total += int(line.split()[1]) << 10
        except OSError:
            pass
    return total


def pss_bytes(pids):
    """Returns the user memory of the processes. Shared memory is counted once."""
    return rollup_bytes(pids, "Pss")


def tcp_bytes():
    """Returns the memory of all TCP sockets of the machine."""
    for line in read("/proc/net/sockstat").splitlines():
        if line.startswith("TCP:"):
            return int(line.split("mem ")[1].split()[0]) * PAGE_SIZE
    raise Failed("/proc/net/sockstat has no line for TCP")


def socket_bytes(own, peer):
    """Returns the memory of the TCP sockets whose own port is `own`, or whose peer's port is `peer`."""
    total, counted = 0, False
    listed = subprocess.run(["ss", "-tmnH", "state", "established"], check=True, capture_output=True, text=True)
    for line in listed.stdout.splitlines():
        if not line[0].isspace():
            fields = line.split()
            counted = fields[2].endswith(f":{own}") or fields[3].endswith(f":{peer}")
        if counted and (found := re.search(r"skmem:\((.*?)\)", line)):
            sizes = dict(re.findall(r"([a-z_]+)(\d+)", found.group(1)))
            # Received, queued for sending, reserved for either, and options.
            total += sum(int(sizes[name]) for name in "rwfo")
    return total


def wait_until_quiet(pids, most_s=60.0):
    """Waits until the processes use less than 1 % of a core; before that they still fill buffers."""
    deadline = time.monotonic() + most_s
    before = cpu_s(pids)
    while time.monotonic() < deadline:
        time.sleep(0.3)
        after = cpu_s(pids)
        if after - before < 0.003:
            return
        before = after
    raise Failed(f"the server is still busy after {most_s:.0f} s")


class Load:
    """A run of build/bench/load, from `with` to the end of its block; load.c describes the protocol."""

    def __init__(self, program, core, kind, port, path, **options):
        command = ["taskset", "-c", str(core), program, kind, str(port), path]
        for name, value in options.items():
            if value is not None:
                command += [f"--{name}", str(value)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, start_new_session=True)

    def line(self, most_s=120.0):
        ready, _, _ = select.select([self.process.stdout], [], [], most_s)
        text = self.process.stdout.readline().decode() if ready else ""
        if not text:
            self.process.kill()
            raise Failed(self.process.stderr.read().decode().strip() or "the load printed nothing")
        return text

    def wait_until_ready(self):
        if self.line() != "ready\n":
            raise Failed("the load is not ready")

    def go(self):
        """Makes the requests and returns the result."""
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return json.loads(self.line())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
