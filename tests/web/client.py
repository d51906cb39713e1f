"""A client that sends exact bytes, as no well-behaved client would; and functions that look at the
server's process and directory."""

import os
import re
import socket
import struct
import time
from pathlib import Path


class Raw:
    """One connection. `with Raw(port) as raw:` closes it in the end."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data, step=None, pause=0.0):
        """Sends all of it, `step` bytes a packet."""
        for at in range(0, len(data), step or len(data) or 1):
            self.socket.sendall(data[at : at + (step or len(data))])
            if pause:
                time.sleep(pause)

    def until(self, mark):
        """Receives up to the mark; the bytes, with the mark."""
        while mark not in self.rest:
            data = self.socket.recv(65536)
            assert data, self.rest
            self.rest += data
        end = self.rest.index(mark) + len(mark)
        taken, self.rest = self.rest[:end], self.rest[end:]
        return taken

    def status(self):
        """Reads a whole reply; its status."""
        head = self.until(b"\r\n\r\n")
        status = int(head.split()[1])
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        if length and status not in (204, 304):
            size = int(length[1])
            while len(self.rest) < size:
                data = self.socket.recv(65536)
                assert data
                self.rest += data
            self.rest = self.rest[size:]
        return status

    def reset(self):
        """Closes with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def resident(pid):
    """Bytes of memory that the process has."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ValueError(pid)


def names(directory):
    """All names in a directory, hidden ones too."""
    return sorted(entry.name for entry in directory.iterdir())


def open_temporaries(pid, directory):
    """Files in the directory that the process has open but that have no name of their own yet."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            continue
        if target.startswith((f"{directory}/#", f"{directory}/.weir-")):
            found.append(target)
    return found
