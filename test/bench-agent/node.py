# SPDX-License-Identifier: GPL-2.0-or-later
"""The node: a network namespace with a way to the API server; processes that are started in it and measured."""
import contextlib
import ctypes
import http.client
import os
import re
import subprocess
import time

NAME = "bench"
NETNS = f"{os.environ['CLUSTER']}-node"
API_NETNS = f"{os.environ['CLUSTER']}-1"
API_ADDRESS = "192.0.2.253"
ADDRESS, GATEWAY = "172.31.254.2", "172.31.254.1"
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """Something that was measured did not do what it is measured for."""


def enter(netns):
    with open(f"/run/netns/{netns}") as file:
        if LIBC.setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {netns}")


@contextlib.contextmanager
def inside(cpu=None):
    """What is started meanwhile is in the node, and on that CPU. Else this program is beside the API server."""
    before = os.sched_getaffinity(0)
    enter(NETNS)
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
        enter(API_NETNS)


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


def create():
    """A new one, without rules."""
    subprocess.run(["ip", "-n", API_NETNS, "link", "del", "node"], stderr=subprocess.DEVNULL)
    subprocess.run(["ip", "netns", "del", NETNS], stderr=subprocess.DEVNULL)
    ip("netns", "add", NETNS)
    ip("-n", API_NETNS, "link", "add", "node", "type", "veth", "peer", "name", "eth0", "netns", NETNS)
    for netns, device, address in ((API_NETNS, "node", GATEWAY), (NETNS, "eth0", ADDRESS)):
        ip("-n", netns, "address", "add", f"{address}/30", "dev", device)
        ip("-n", netns, "link", "set", device, "up")
    ip("-n", NETNS, "link", "set", "lo", "up")
    ip("-n", NETNS, "route", "add", "default", "via", GATEWAY)


def matches(command, pattern):
    """How often it is in the lines of a command's output."""
    wanted = re.compile(pattern)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        found = sum(len(wanted.findall(line)) for line in process.stdout)
    if process.returncode:
        raise Failed(f"{' '.join(command)}: exit status {process.returncode}")
    return found


class Process:
    """A program that runs in the node, on one CPU."""

    def __init__(self, proxy, log, cpu):
        self.proxy = proxy
        self.started = time.monotonic()
        with inside(cpu), open(log, "ab") as file:
            self.popen = subprocess.Popen(proxy.command(), env=proxy.environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        self.pid = self.popen.pid

    def cpu(self):
        """Seconds that it and the children it has waited for have used: of its own in ns, of these in ticks of 10 ms."""
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        children = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
        # The clock of another process's CPU time: clock_getcpuclockid(3).
        return time.clock_gettime((~self.pid << 3) | 2) + children

    def memory(self):
        """Bytes: resident, the most that was resident, and what no other process has too."""
        with open(f"/proc/{self.pid}/status") as file:
            status = dict(line.split(":", 1) for line in file)
        with open(f"/proc/{self.pid}/smaps_rollup") as file:
            private = sum(int(line.split()[1]) for line in file if line.startswith("Private_"))
        return {"resident": kilobytes(status["VmRSS"]), "peak": kilobytes(status["VmHWM"]), "private": private * 1024}

    def metrics(self):
        if self.popen.poll() is not None:
            raise Failed(f"{self.proxy.name} ended with status {self.popen.returncode}")
        connection = http.client.HTTPConnection(ADDRESS, self.proxy.port, timeout=60)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        except (ConnectionError, TimeoutError):
            return ""  # it does not listen yet, or the kernel keeps its CPU busy with its rules
        finally:
            connection.close()

    def wait(self, condition, seconds):
        """Until its metrics fulfil it. To ask costs it time as well, so it is asked ever less often."""
        pause, end = 0.05, time.monotonic() + seconds
        while True:
            time.sleep(pause)
            metrics = self.metrics()
            if metrics and condition(metrics):
                return metrics
            if time.monotonic() > end:
                raise Failed(f"{self.proxy.name} does not get ready within {seconds} s")
            pause = min(pause * 1.25, 2)

    def end(self):
        """Not before the kernel has freed what it had, and what its tables had."""
        self.popen.terminate()
        try:
            self.popen.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


def kilobytes(text):
    return int(text.split()[0]) * 1024
