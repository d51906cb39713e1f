"""The CPU time of a server's processes, also of those that end during the measurement."""
import os
import time

import measure

CGROUPS = (("/sys/fs/cgroup/cpuacct", "cpuacct.usage"), ("/sys/fs/cgroup", "cpu.stat"))


def spent_s(text):
    """Reads version 1's file, which is a number of nanoseconds, or the table of version 2."""
    fields = text.split()
    return int(fields[1]) / 1e6 if fields[0] == "usage_usec" else int(fields[0]) / 1e9


class Account:
    """A control group for one server. Where none can be made, the server's tree in /proc is read
    instead, which loses the time of orphans."""

    count = 0

    def __init__(self):
        self.path = self.root = None
        for directory, file in CGROUPS:
            path = f"{directory}/weir-bench-{os.getpid()}-{Account.count}"
            try:
                os.mkdir(path)
            except OSError:
                continue
            if os.path.exists(f"{path}/{file}") and os.path.exists(f"{path}/cgroup.procs"):
                self.path, self.file = path, f"{path}/{file}"
                break
            os.rmdir(path)
        Account.count += 1

    def begin(self):
        """Returns the words to put before a command, so that it and all its children are counted here."""
        if not self.path:
            return []
        return ["sh", "-c", 'echo $$ >"$0" && exec "$@"', f"{self.path}/cgroup.procs"]

    def pids(self):
        if self.path:
            return [int(pid) for pid in measure.read(f"{self.path}/cgroup.procs").split()]
        return measure.tree_of(self.root) if self.root else []

    def cpu_s(self):
        if self.path:
            return spent_s(measure.read(self.file))
        total = measure.cpu_s(self.pids())
        for pid in self.pids():
            try:
                fields = measure.read(f"/proc/{pid}/stat").rpartition(")")[2].split()
                total += (int(fields[13]) + int(fields[14])) / measure.TICKS_PER_S
            except OSError:
                pass
        return total

    def wait_until_quiet(self, most_s=60.0):
        deadline = time.monotonic() + most_s
        before = self.cpu_s()
        while time.monotonic() < deadline:
            time.sleep(0.2)
            after = self.cpu_s()
            if after - before < 0.002:
                return
            before = after
        raise measure.Failed(f"the server is still busy after {most_s:.0f} s")

    def remove(self):
        deadline = time.monotonic() + 5
        while self.path and time.monotonic() < deadline:
            try:
                os.rmdir(self.path)
                return
            except OSError:
                time.sleep(0.02)
