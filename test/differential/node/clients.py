# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections of clients in network namespaces, many at a time, and what becomes of each."""
import contextlib
import ctypes
import errno
import itertools
import os
import selectors
import socket
import struct
import time

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
HOME = os.open("/proc/self/ns/net", os.O_RDONLY)
# linux/in.h, linux/in6.h, linux/errqueue.h
IP_RECVERR, IPV6_RECVERR = 11, 25
# Clients' ports. One that comes again would meet what a proxy remembers of its last connection.
PORTS = itertools.cycle(range(33000, 61000))
BY_ICMP = (2, 3)  # SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6
FAILURES = {
    errno.EHOSTUNREACH: "host unreachable", errno.ENETUNREACH: "no route", errno.ECONNRESET: "reset", errno.EACCES: "prohibited",
}


@contextlib.contextmanager
def inside(namespace):
    """What is opened meanwhile belongs to that network namespace."""
    descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        enter(descriptor)
        yield
    finally:
        enter(HOME)
        os.close(descriptor)


def enter(descriptor):
    if LIBC.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def bind(client):
    """To the next port that no other socket has."""
    while True:
        try:
            client.bind(("", next(PORTS)))
            return
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise


class Connection:
    """
    A client's connection with one message under way. outcome: None, the server's answer as a list of words, or a failure as one
    of FAILURES, "port unreachable", "not permitted", "closed" or "silent". For TCP only an ICMP error makes "port unreachable" of a
    refusal.
    """

    def __init__(self, namespace, proto, address, port):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.proto, self.outcome, self.connected, self.text = proto, None, proto == "udp", b""
        self.otherwise = "silent"  # the outcome if nothing comes
        with inside(namespace):
            self.socket = socket.socket(family, socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        bind(self.socket)
        if proto == "tcp":
            self.keep_errors(1)
        error = self.socket.connect_ex((address, port))
        if error not in (0, errno.EINPROGRESS):
            self.fail(error)
        elif proto == "udp":
            self.say()

    def keep_errors(self, value):
        """Whether ICMP errors are kept, which also makes an established connection of TCP end by one."""
        if self.socket.family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, value)
        else:
            self.socket.setsockopt(socket.IPPROTO_IP, IP_RECVERR, value)

    def say(self):
        """Sends a message, after which "outcome" is what becomes of it."""
        self.outcome, self.otherwise, self.text = None, "silent", b""
        try:
            self.socket.send(b"hello\n")
        except OSError as error:
            self.fail(error.errno)

    def fail(self, error):
        if error == errno.EPERM:
            # A rule of the client's own host has dropped it. If it has rejected it, its ICMP error follows.
            self.otherwise = "not permitted"
        elif error == errno.ECONNREFUSED:
            self.outcome = "port unreachable" if self.proto == "udp" or self.has_icmp() else "reset"
        else:
            self.outcome = FAILURES.get(error) or os.strerror(error)

    def has_icmp(self):
        """Whether an ICMP error is what made it fail."""
        try:
            _, control, _, _ = self.socket.recvmsg(512, 512, socket.MSG_ERRQUEUE)
        except OSError:
            return False
        return any(struct.unpack_from("=IB", data)[1] in BY_ICMP for _, _, data in control)

    def events(self):
        return selectors.EVENT_READ if self.connected else selectors.EVENT_WRITE

    def proceed(self):
        """After an event."""
        error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self.fail(error)
        elif not self.connected:
            self.connected = True
            self.keep_errors(0)
            self.say()
        else:
            self.hear()

    def hear(self):
        try:
            got = self.socket.recv(4096)
        except BlockingIOError:
            return
        except OSError as error:
            self.fail(error.errno)
            return
        self.text += got
        if not got:
            self.outcome = "closed"
        elif self.text.endswith(b"\n"):
            self.outcome = self.text.decode().split()

    def close(self):
        self.socket.close()


def wait(connections, seconds):
    """Until each has an outcome, or that many seconds are over."""
    end = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        waiting = {connection for connection in connections if connection.outcome is None}
        for connection in waiting:
            selector.register(connection.socket, connection.events(), connection)
        while waiting and time.monotonic() < end:
            for key, _ in selector.select(max(0.0, end - time.monotonic())):
                connection = key.data
                connection.proceed()
                if connection.outcome is None:
                    selector.modify(connection.socket, connection.events(), connection)
                else:
                    selector.unregister(connection.socket)
                    waiting.remove(connection)
    for connection in waiting:
        connection.outcome = connection.otherwise
