"""Applications that speak FastCGI: php-fpm with scripts in a directory, and one whose replies are exact bytes."""

import socket
import struct
import subprocess
import threading

from conftest import as_root, let_others_enter, wait_for

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = range(1, 8)


def record(kind, content=b"", padding=0, version=1, request=1):
    return struct.pack("!BBHHBB", version, kind, request, len(content), padding, 0) + content + bytes(padding)


def end(app_status=0, protocol_status=0):
    return record(END, struct.pack("!IBBBB", app_status, protocol_status, 0, 0, 0))


class Application:
    """`reply` has the bytes that each request gets, whose variables and body are appended to `requests`."""

    def __init__(self, path):
        self.reply, self.requests, self.connections = b"", [], 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile("rb") as stream:
            try:
                while request := self.read(stream):
                    self.requests.append(request)
                    connection.sendall(self.reply)
                    if not request["keep"]:
                        return
            except (OSError, struct.error):
                pass

    def read(self, stream):
        streams, keep = {PARAMS: b"", STDIN: b""}, False
        while True:
            header = stream.read(8)
            if len(header) < 8:
                return None
            version, kind, request, size, padding, _ = struct.unpack("!BBHHBB", header)
            content = stream.read(size)
            stream.read(padding)
            assert version == 1 and request == 1
            if kind == BEGIN:
                keep = bool(content[2])
            else:
                streams[kind] += content
            if kind == STDIN and not size:
                return {"keep": keep, "params": pairs(streams[PARAMS]), "body": streams[STDIN]}

    def close(self):
        self.listener.close()


def pairs(data):
    """The variables of PARAMS."""
    found, at = {}, 0

    def size():
        nonlocal at
        long = data[at] & 0x80
        value = struct.unpack_from("!I", data, at)[0] & 0x7FFFFFFF if long else data[at]
        at += 4 if long else 1
        return value

    while at < len(data):
        sizes = size(), size()
        name, value = (data[at : at + sizes[0]], data[at + sizes[0] : at + sum(sizes)])
        found[name.decode()] = value.decode("latin-1")
        at += sum(sizes)
    return found


class Php:
    """php-fpm with `children` processes. It is stopped by its process id."""

    def __init__(self, directory, children=4, more=""):
        self.socket, self.log = directory / "php.sock", directory / "php.log"
        let_others_enter(directory)
        configuration = directory / "php-fpm.conf"
        configuration.write_text(
            f"""
[global]
daemonize = no
error_log = {self.log}
[www]
listen = {self.socket}
listen.mode = 0666
pm = static
pm.max_children = {children}
catch_workers_output = no
ping.path = /ping
php_admin_value[upload_max_filesize] = 1G
php_admin_value[post_max_size] = 1G
php_admin_value[upload_tmp_dir] = {directory}
php_admin_value[output_buffering] = 0
php_admin_value[log_errors] = on
php_admin_value[display_errors] = off
{more}
"""
        )
        command = ["php-fpm8.2", "-n", "-y", configuration, *(["-R"] if as_root() else [])]
        if as_root():
            configuration.write_text(configuration.read_text() + "user = root\ngroup = root\n")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.socket.exists, what="the start of php-fpm")

    def close(self):
        self.process.terminate()
        self.process.wait()
