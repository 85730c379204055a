#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The first two packets of an SCTP association, by raw sockets: no SCTP in the kernel is needed.

sctp.py serve PORT FAMILY             answers each INIT to that port; what it has seen goes into the answer
sctp.py ask ADDRESS PORT SOURCE-PORT  sends INIT; prints the address and port that the server has seen

Both take packets with a right checksum only (RFC 9260, appendix A).
"""
import socket
import struct
import sys

HEADER = struct.Struct("!HHII")
INIT, INIT_ACK = 1, 2
WAIT = 5.0  # seconds for an answer


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return struct.pack("<I", crc ^ 0xFFFFFFFF)


def packet(sport, dport, tag, kind, text=b""):
    chunk = bytes([kind, 0]) + struct.pack("!HIIHHI", 20 + len(text), 0x1234567, 65536, 1, 1, 1) + text + bytes(-len(text) % 4)
    data = HEADER.pack(sport, dport, tag, 0) + chunk
    return data[:8] + crc32c(data) + data[12:]


def receive(sock):
    """A right packet: its sender, ports, first chunk's type and what follows INIT's fields."""
    while True:
        data, sender = sock.recvfrom(65536)
        if sock.family == socket.AF_INET:
            data = data[4 * (data[0] & 15):]
        if len(data) >= 32 and crc32c(data[:8] + bytes(4) + data[12:]) == data[8:12]:
            sport, dport, _, _ = HEADER.unpack_from(data)
            return sender[0], sport, dport, data[12], data[32:12 + struct.unpack_from("!H", data, 14)[0]]


def serve(port, family):
    sock = socket.socket(socket.AF_INET if family == "4" else socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_SCTP)
    print("ready", flush=True)
    while True:
        sender, sport, dport, kind, _ = receive(sock)
        if kind == INIT and dport == int(port):
            sock.sendto(packet(dport, sport, 0x1234567, INIT_ACK, f"{sender} {sport}".encode()), (sender, 0))


def ask(address, port, source):
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_SCTP)
    sock.settimeout(WAIT)
    sock.sendto(packet(int(source), int(port), 0, INIT), (address, 0))
    while True:
        sender, sport, dport, kind, text = receive(sock)
        if (sender, sport, dport, kind) == (address, int(port), int(source), INIT_ACK):
            print(text.decode())
            return


{"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
