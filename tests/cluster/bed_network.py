"""A network of this machine's own: one namespace with a bridge, and a namespace for each machine on it.

    Network ── bridge 10.77.0.1 ─┬─ Machine 10.77.0.11
                                 └─ Machine 10.77.0.12

Nothing outside can reach it or is reached, so that its addresses collide with nothing. Root makes it; another user does
by a user namespace, in which that user is root. A socket that listens outside is handed to a program inside: a socket
belongs to the network in which it was made. Loopback is the same for programs that share 127.0.0.1, for measurements.
"""

import array
import os
import pwd
import signal
import socket
import subprocess
import sys
import time

from ports import free_port

SECONDS = 60
# Ends a program with the process that started it, also where that one is killed.
WITH_PARENT = ["setpriv", "--pdeathsig", "KILL"]
USER = "postgres"  # of the servers of PostgreSQL, which refuse to run as root

# Listens, and sends the socket to the process that started it. Its arguments: address, port, descriptor.
LISTEN = """
import array, socket, sys
made = socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=512)
socket.socket(fileno=int(sys.argv[3])).sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
    array.array("i", [made.fileno()]))])
"""


class Failed(Exception):
    """Something did not happen, or not in time."""


def await_true(condition, what, seconds=SECONDS, pause=0.01):
    """Returns the condition's first true value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise Failed(f"{what} did not happen within {seconds} seconds")
        time.sleep(pause)
        pause = max(pause, min(pause * 1.2, 0.1))


def run(command, **options):
    """Runs a program to its end, and returns its output."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise Failed(f"{' '.join(str(word) for word in command)}: {done.stdout}{done.stderr}")
    return done.stdout


def end(process, signal_number=signal.SIGTERM, seconds=SECONDS):
    """Ends a program that was started here, and waits for it."""
    if process.poll() is None:
        process.send_signal(signal_number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Machine:
    """A machine has an address. `inside` are the words to put before a command that runs there."""

    def __init__(self, name, address, inside, network):
        self.name, self.address, self.inside, self.network = name, address, inside, network
        self.holder = None
        self.before = []  # words before every program that is started here

    def __str__(self):
        return f"{self.name} ({self.address})"

    def start(self, command, as_user=False, own_mounts=False, **options):
        """Starts a program, which ends with this process; `as_user`: not as root; `own_mounts`: it sees mounts of its own."""
        user = self.network.as_user() if as_user else []
        mounts = ["unshare", "--mount"] if own_mounts else []
        words = [*self.before, *self.inside, *mounts, *user, *WITH_PARENT, *(str(word) for word in command)]
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, start_new_session=True, **options)

    def run(self, command, as_user=False, **options):
        user = self.network.as_user() if as_user else []
        return run([*self.inside, *user, *command], **options)

    def listen(self, port):
        """Returns a socket that listens here, for this process to accept from."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            made = subprocess.Popen([*self.inside, sys.executable, "-c", LISTEN, self.address, str(port),
                                     str(theirs.fileno())], pass_fds=[theirs.fileno()])
            theirs.close()
            words = array.array("i")
            _, extra, _, _ = ours.recvmsg(1, socket.CMSG_SPACE(words.itemsize))
            made.wait()
            if not extra:
                raise Failed(f"cannot listen on {self.address}:{port}")
            words.frombytes(extra[0][2][:words.itemsize])
            return socket.socket(fileno=words[0])

    # -- faults; only in a namespace of its own

    def part_from(self, other):
        """Loses every packet between the two, in both directions."""
        for machine, peer in ((self, other), (other, self)):
            machine.run(["nft", "add table inet cut; add chain inet cut in { type filter hook input priority 0; };"
                         f" add rule inet cut in ip saddr {peer.address} drop"])

    def rejoin(self, other):
        for machine in (self, other):
            machine.run(["nft", "delete table inet cut"])


class Network:
    """In namespaces, from its creation to close(). `outside` is the machine at the bridge's own address."""

    def __init__(self):
        self.count = 10
        self.machines = []
        self.root = os.geteuid() == 0
        unshare = ["unshare", "--net"] if self.root else ["unshare", "--user", "--map-root-user", "--net"]
        self.holder = self.hold([], unshare)
        enter = ["nsenter", "-t", str(self.holder.pid), "-n"]
        self.inside = enter if self.root else [*enter[:3], "-U", "--preserve-credentials", "-n"]
        run([*self.inside, "sh", "-ec", "ip link set lo up; ip link add hub type bridge; ip link set hub up;"
             " ip address add 10.77.0.1/24 dev hub"])
        self.outside = Machine("balancer", "10.77.0.1", self.inside, self)

    @staticmethod
    def hold(inside, unshare):
        """Starts a process that does nothing but keep a namespace."""
        command = [*inside, *unshare, *WITH_PARENT, "sh", "-c", "echo ready; exec sleep infinity"]
        holder = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, start_new_session=True)
        if holder.stdout.readline() != b"ready\n":
            raise Failed(f"cannot make a network: {holder.stderr.read().decode().strip()}")
        return holder

    def as_user(self):
        """The words before a command that must not run as root."""
        if self.root:
            entry = pwd.getpwnam(USER)
            return ["setpriv", "--reuid", str(entry.pw_uid), "--regid", str(entry.pw_gid), "--clear-groups"]
        return ["unshare", "--user", f"--map-user={os.getuid() or 1000}"]

    def own(self, path):
        """Gives a file or directory to the user of as_user()."""
        if self.root:
            entry = pwd.getpwnam(USER)
            os.chown(path, entry.pw_uid, entry.pw_gid)

    @staticmethod
    def port(wanted):
        """Returns the port that a program listens on: each machine has all of them."""
        return wanted

    def machine(self, name):
        self.count += 1
        made = Machine(name, f"10.77.0.{self.count}", None, self)
        made.holder = self.hold(self.inside, ["unshare", "--net"])
        pid = made.holder.pid
        made.inside = ["nsenter", "-t", str(pid), "-n"] if self.root else [
            "nsenter", "-t", str(pid), "-U", "--preserve-credentials", "-n"]
        run([*self.inside, "sh", "-ec", f"ip link add port{self.count} type veth peer name eth0 netns {pid};"
             f" ip link set port{self.count} master hub up"])
        run([*made.inside, "sh", "-ec", f"ip link set lo up; ip address add {made.address}/24 dev eth0;"
             " ip link set eth0 up"])
        self.machines.append(made)
        return made

    def close(self):
        for machine in self.machines:
            end(machine.holder, signal.SIGKILL)
        end(self.holder, signal.SIGKILL)


class Loopback:
    """All machines are this one, and there is no balancer: clients connect to the front ends."""

    outside = None
    as_user, own = Network.as_user, Network.own

    def __init__(self):
        self.root = os.geteuid() == 0

    @staticmethod
    def port(_):
        return free_port()

    def machine(self, name):
        return Machine(name, "127.0.0.1", [], self)

    def close(self):
        pass
