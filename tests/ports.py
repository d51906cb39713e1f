"""Ports for servers that need one before they start."""

import itertools
import os
import random
import socket

# Below the range from which the kernel takes ports for clients and for port 0, so that no other socket
# gets the port between this check and the start of the server.
FIRST, LAST = 10000, 32000


def share():
    """The ports of this process: of those that run tests at the same time, each has others."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    size = (LAST - FIRST) // count
    first = FIRST + size * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    begin = random.randrange(size)
    return [first + (begin + index) % size for index in range(size)]


unused = itertools.cycle(share())


def free_port(host="127.0.0.1"):
    """A port that nobody uses by UDP or TCP, and that was not returned for long."""
    for port in unused:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind((host, port))
                udp.bind((host, port))
            except OSError:
                continue
            return port
