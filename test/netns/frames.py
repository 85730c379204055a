#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames as hexadecimal lines, for scenarios about what must not be touched.

frames.py make EXPRESSION...   one line for each scapy expression, a frame with its Ethernet header
frames.py send IFACE           sends the lines of stdin, as they are, out of that interface of this namespace
frames.py dump FILE            the frames of a capture file
frames.py fields FILE FIELD... FIELDs (scapy expressions of the frame p) of each frame of a capture file, a line each
frames.py checksums FILE       "good" for each frame whose IP, TCP and UDP checksums are right, "bad" else
"""
import socket
import struct
import sys


def frames_of(path):
    with open(path, "rb") as file:
        data = file.read()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    at = 24
    while at + 16 <= len(data):
        length = struct.unpack_from(order + "I", data, at + 8)[0]
        yield data[at + 16 : at + 16 + length]
        at += 16 + length


def send(iface):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((iface, 0))
        for line in sys.stdin:
            sock.send(bytes.fromhex(line.strip()))


def scapy_names():
    import scapy.all
    import scapy.contrib.igmp

    return {**vars(scapy.all), "IGMP": scapy.contrib.igmp.IGMP}


def make(expressions):
    names = scapy_names()
    for expression in expressions:
        print(bytes(eval(expression, names)).hex())


def fields(path, expressions):
    names = scapy_names()
    for frame in frames_of(path):
        names["p"] = names["Ether"](frame)
        print(*(eval(expression, names) for expression in expressions))


def checksums(path):
    names = scapy_names()
    for frame in frames_of(path):
        packet = names["Ether"](frame)
        fresh = packet.copy()
        for layer in ("IP", "TCP", "UDP"):
            if names[layer] in fresh and not (layer == "UDP" and fresh[names[layer]].chksum == 0):
                del fresh[names[layer]].chksum
        print("good" if bytes(fresh) == frame else "bad")


def main(verb, *arguments):
    if verb == "make":
        make(arguments)
    elif verb == "send":
        send(*arguments)
    elif verb == "dump":
        for frame in frames_of(*arguments):
            print(frame.hex())
    elif verb == "fields":
        fields(arguments[0], arguments[1:])
    elif verb == "checksums":
        checksums(*arguments)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:] or [""])
