"""Ports for servers that need one before they start."""

import random
import socket

# Below the range from which the kernel takes ports for clients and for port 0, so that no other socket
# gets the port between this check and the start of the server.
FIRST, LAST = 10000, 32000


def free_port(host="127.0.0.1"):
    """A port that nobody uses by UDP or TCP. Two callers hardly ever get the same one."""
    while True:
        port = random.randrange(FIRST, LAST)
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind((host, port))
                udp.bind((host, port))
            except OSError:
                continue
            return port
