"""HAProxy in front of the front ends, with the PROXY protocol, so that they see the clients' addresses.

A client outside of the network connects to 127.0.0.1. Each kind of listener has a port for all front ends, and one for each
of them, which is passed on to it alone.
"""

import signal
import socket



HEAD = """
global
    maxconn 2000
defaults
    mode tcp
    balance roundrobin
    option redispatch
    retries 3
    timeout connect 2s
    timeout client 1h
    timeout server 1h
"""
CHECK = ("check check-send-proxy inter 300ms fastinter 100ms fall 2 rise 1 observe layer4 error-limit 1"
         " on-error mark-down")


def listen_outside(port):
    return socket.create_server(("127.0.0.1", port), backlog=512)


class Balancer:
    """`ports[kind]` is the port for all; `ports[kind, name]` leads to one front end."""

    def __init__(self, machine, directory, kinds, balanced, others, port_of):
        """`kinds` has the port of each kind at the front ends, `port_of(kind, index)` that outside; index 0 is for all."""
        self.sockets, self.ports, text, checked = {}, {}, HEAD, next(iter(kinds))
        for kind, inner in kinds.items():
            self.add(kind, port_of(kind, 0))
            text += f"listen {kind}\n    bind fd@{self.sockets[kind].fileno()}\n"
            for each in balanced:
                # One listener of each front end is checked; a check of TLS would be a handshake that fails.
                check = CHECK if kind == checked else f"track {checked}/{each.name}"
                text += f"    server {each.name} {each.address}:{inner} send-proxy {check}\n"
            for index, each in enumerate([*balanced, *others]):
                self.add((kind, each.name), port_of(kind, index + 1))
                text += (f"listen {kind}-{each.name}\n    bind fd@{self.sockets[kind, each.name].fileno()}\n"
                         f"    retries 0\n    server {each.name} {each.address}:{inner} send-proxy\n")
        path = directory / "haproxy.cfg"
        path.write_text(text)
        with (directory / "haproxy.log").open("a", encoding="utf-8") as log:
            descriptors = [each.fileno() for each in self.sockets.values()]
            self.process = machine.start(["haproxy", "-db", "-f", path], pass_fds=descriptors, stdout=log, stderr=log)
        for each in self.sockets.values():
            each.close()

    def add(self, key, port):
        self.sockets[key] = listen_outside(port)
        self.ports[key] = self.sockets[key].getsockname()[1]

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
