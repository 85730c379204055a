# SPDX-License-Identifier: GPL-2.0-or-later
"""Raw sockets in other network namespaces: frames out, and everything that comes in."""
import ctypes
import glob
import os
import select
import socket
import struct
import time

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_VNET_HDR = 15
PACKET_IGNORE_OUTGOING = 23
SO_RCVBUFFORCE = 33
SO_MARK = 36
SO_RCVMARK = 75  # Linux 5.19
SO_PRIORITY = 12
SO_RCVPRIORITY = 82  # Linux 6.14
RECEIVE_BUFFER = 1 << 24  # a thousand frames that one step sends, before the first is read
CLONE_NEWNET = 0x40000000
# struct tpacket_auxdata (linux/if_packet.h)
AUXDATA = struct.Struct("=IIIHHHH")
TP_STATUS_CSUMNOTREADY = 1 << 3
TP_STATUS_VLAN_VALID = 1 << 4
# struct virtio_net_hdr (linux/virtio_net.h): flags, gso_type, hdr_len, gso_size, csum_start, csum_offset
VNET = struct.Struct("=BBHHHH")
VNET_NEEDS_CSUM = 1

_libc = ctypes.CDLL(None, use_errno=True)


def enter(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        if _libc.setns(fd, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {path}")
    finally:
        os.close(fd)


class Frame:
    """A frame as a pod received it."""

    def __init__(self, data, partial, tag, gso=None, marks=()):
        self.data = data
        self.marks = marks  # of the socket buffer: mark and priority, those that are not 0
        self.partial = partial  # the checksum of TCP or UDP is still to be completed
        self.gso = gso  # of a packet of several segments: (virtio's type, size of a segment), else None
        self.tag = tag  # of an accelerated VLAN header, or None


class Port:
    """The end of a link in a namespace."""

    def __init__(self, namespace, device="eth0"):
        self.namespace, self.device = namespace, device
        self.open()

    def open(self):
        """To be called again when another namespace has got that name."""
        namespace, device = self.namespace, self.device
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        enter(f"/run/netns/{namespace}")
        try:
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        finally:
            _libc.setns(home, CLONE_NEWNET)
            os.close(home)
        self.socket.bind((device, ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        self.socket.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        for option in (SO_RCVMARK, SO_RCVPRIORITY):
            try:
                self.socket.setsockopt(socket.SOL_SOCKET, option, 1)
            except OSError:  # an older kernel: the marks are not compared
                pass
        self.mac = ":".join(f"{b:02x}" for b in self.socket.getsockname()[4])

    def send(self, data, offload=VNET.pack(0, 0, 0, 0, 0, 0)):
        self.socket.send(offload + data)

    def receive(self):
        data, ancillary, _, _ = self.socket.recvmsg(70000, 256, socket.MSG_DONTWAIT)
        flags, kind_of_gso, _, size, _, _ = VNET.unpack(data[: VNET.size])
        status, tag, marks = 0, None, []
        for level, kind, content in ancillary:
            if level == SOL_PACKET and kind == PACKET_AUXDATA:
                status, _, _, _, _, tci, _ = AUXDATA.unpack(content[: AUXDATA.size])
                tag = tci & 0xFFF if status & TP_STATUS_VLAN_VALID else None
            elif level == socket.SOL_SOCKET and kind in (SO_MARK, SO_PRIORITY) and any(content):
                marks.append(("mark" if kind == SO_MARK else "priority", struct.unpack("=I", content[:4])[0]))
        partial = bool(flags & VNET_NEEDS_CSUM or status & TP_STATUS_CSUMNOTREADY)
        return Frame(data[VNET.size:], partial, tag, (kind_of_gso, size) if kind_of_gso else None, marks)


def softirqs():
    """The files that tell whether the kernel has put off packets to a thread of each CPU: empty where they cannot be seen."""
    found = []
    for path in glob.glob("/proc/[0-9]*/comm"):
        try:
            with open(path, encoding="ascii", errors="replace") as file:
                if file.read().startswith("ksoftirqd/"):
                    found.append(os.path.dirname(path) + "/stat")
        except OSError:  # it has ended
            pass
    return found


SOFTIRQS = softirqs()


def put_off():
    """Whether such a thread waits for a CPU."""
    for path in SOFTIRQS:
        with open(path, encoding="ascii") as file:
            if file.read().rpartition(") ")[2].startswith("R"):
                return True
    return False


def gather(ports, quiet=0.03, longest=5.0):
    """Frames of all ports, by port, until none has come for a while; ten times that while the kernel has packets to deal with."""
    frames = {port: [] for port in ports}
    by_fd = {port.socket.fileno(): port for port in ports}
    poller = select.poll()
    for fd in by_fd:
        poller.register(fd, select.POLLIN)
    end, silent = time.monotonic() + longest, 0
    while time.monotonic() < end:
        ready = poller.poll(quiet * 1000)
        silent = 0 if ready else silent + 1
        if silent and (silent == 10 or not put_off()):
            break
        for fd, _ in ready:
            try:
                frames[by_fd[fd]].append(by_fd[fd].receive())
            except BlockingIOError:
                pass
    return frames
