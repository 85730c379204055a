# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs build/test/agent/watched, and asks it."""

import itertools
import os
import re
import socket
import subprocess
import time

# Nothing takes this long that does what it should.
PATIENCE = 10
# Each program has a loopback address of its own, so that no port is in use.
numbers = itertools.count(1)


def free_address():
    host = f"127.{os.getpid() % 250 + 1}.{os.getpid() // 250 % 250}.{next(numbers)}"
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()


class Answer:
    def __init__(self, data):
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.[01] (\d{3}) [\x20-\x7e]+", lines[0])
        assert match, f"no answer: {data[:200]!r}"
        self.code = int(match[1])
        self.headers = {key.lower(): value for key, value in (line.split(": ", 1) for line in lines[1:])}


class Watched:
    """host, port: None: free ones."""

    def __init__(self, directory, host=None, port=None, limits=(64, 10000, 1000), fails=False):
        self.host, self.port = (host, port) if host else free_address()
        self.log_file = open(os.path.join(directory, f"log-{id(self)}"), "w+")
        address = f"[{self.host}]" if ":" in self.host else self.host
        build = os.environ.get("BUILD", "build")
        self.process = subprocess.Popen(
            [f"{build}/test/agent/watched", f"{address}:{self.port}", *map(str, limits)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log_file, text=True)
        if not fails:
            self.expect("ready")

    def expect(self, wanted):
        line = self.process.stdout.readline().rstrip("\n")
        assert line == wanted, f"{line!r}; the log:\n{self.log()}"

    def do(self, *lines):
        for line in lines:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            self.expect("done")

    def log(self):
        with open(self.log_file.name) as file:
            return file.read()

    def connect(self, host=None):
        return socket.create_connection((host or self.host, self.port), PATIENCE)

    def send(self, data, host=None):
        """What the server says until it closes."""
        with self.connect(host) as connection:
            connection.sendall(data)
            return read_all(connection)

    def ask(self, path, method="GET", host=None, more=""):
        return Answer(self.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode(), host))

    def failure(self):
        assert self.process.wait(PATIENCE) == 1
        return self.log()

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.stdin.close()
        status = self.process.wait(PATIENCE)
        assert status == 0, f"exit status {status}; the log:\n{self.log()}"

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if not self.process.stdin.closed:
            self.process.stdin.close()
        self.process.stdout.close()
        self.log_file.close()


def read_all(connection):
    """Until the other side closes or resets."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


def wait_for(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.01)
