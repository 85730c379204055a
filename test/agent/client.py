# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs build/test/agent/client and reads what it prints."""

import os
import queue
import re
import signal
import subprocess
import threading
import time

# Nothing takes this long that does what it should.
PATIENCE = 10
SHORT = ("pause-ms=50", "pause-max-ms=400", "short-ms=100")


class Client:
    def __init__(self, directory, *options, environment=None):
        self.log_path = os.path.join(directory, f"log-{id(self)}")
        self.log_file = open(self.log_path, "w+")
        build = os.environ.get("BUILD", "build")
        self.process = subprocess.Popen(
            [f"{build}/test/agent/client", *SHORT, *options], env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log_file, text=True, errors="replace")
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def log(self):
        with open(self.log_path) as file:
            return file.read()

    def line(self, timeout=PATIENCE):
        try:
            line = self.lines.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"the client says nothing; its log:\n{self.log()}") from None
        if line is None:
            raise AssertionError(f"the client ended, {self.process.wait()}; its log:\n{self.log()}")
        return line

    def expect(self, *lines):
        """Exactly these come next; each is a regular expression."""
        for wanted in lines:
            line = self.line()
            assert re.fullmatch(wanted, line), f"{line!r} instead of {wanted!r}; the log:\n{self.log()}"

    def logged(self, pattern, timeout=PATIENCE):
        """Waits for it."""
        deadline = time.monotonic() + timeout
        while not re.search(pattern, self.log()):
            assert time.monotonic() < deadline, f"not logged: {pattern}; the log:\n{self.log()}"
            time.sleep(0.02)

    def stop(self):
        """Ends it and returns its last lines; nothing else may have come."""
        self.process.send_signal(signal.SIGTERM)
        rest = []
        while (line := self.lines.get(timeout=PATIENCE)) is not None:
            rest.append(line)
        status = self.process.wait(PATIENCE)
        assert status == 0, f"exit status {status}; the log:\n{self.log()}"
        return rest

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log_file.close()
