# SPDX-License-Identifier: GPL-2.0-or-later
"""What the expressions of a script are made of. An instance speaks for one host of one arm in one family."""
import logging

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption, IPOption_Timestamp, fragment  # noqa: E402
from scapy.layers.inet6 import (  # noqa: E402
    ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RS, ICMPv6Unknown, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
    HBHOptUnknown, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether  # noqa: E402
from scapy.layers.sctp import SCTP  # noqa: E402
from scapy.packet import Packet, Padding, Raw  # noqa: E402

from frames import ones_sum  # noqa: E402
from nodes import ADDRESS, NETWORKS, vip  # noqa: E402
from wire import VNET, VNET_NEEDS_CSUM  # noqa: E402

CHUNKS = {  # RFC 9260, 3.2
    "DATA": 0, "INIT": 1, "INIT_ACK": 2, "SACK": 3, "HEARTBEAT": 4, "HEARTBEAT_ACK": 5, "ABORT": 6, "SHUTDOWN": 7, "SHUTDOWN_ACK": 8,
    "ERROR": 9, "COOKIE_ECHO": 10, "COOKIE_ACK": 11, "SHUTDOWN_COMPLETE": 14,
}
TAGS = {True: 0x1000001, False: 0x9000009}  # that the client, pod a, names in its INIT, and that the other side names

ERRORS = {
    4: {"net": (3, 0), "host": (3, 1), "port": (3, 3), "big": (3, 4), "quench": (4, 0), "redirect": (5, 1), "ttl": (11, 0),
        "param": (12, 0)},
    6: {"net": (1, 0), "host": (1, 3), "port": (1, 4), "big": (2, 0), "ttl": (3, 0), "param": (4, 0)},
}


class Speaker:
    def __init__(self, arm, family, host, received, services, ident):
        self.arm, self.family, self.host, self.received, self.ident = arm, family, host, received, ident
        self.names = {s["name"]: vip(family, s["vip"]) for s in services}
        self.names.update(ADDRESS[family])

    def scope(self):
        """The names that an expression may use."""
        scope = dict(self.names)
        for name in ("ip", "udp", "tcp", "sctp", "sback", "echo", "got", "back", "tback", "error", "frags", "ext", "frame", "offload"):
            scope[name] = getattr(self, name)
        scope.update(ICMPv6ND_NS=ICMPv6ND_NS, ICMPv6ND_NA=ICMPv6ND_NA, ICMPv6ND_RS=ICMPv6ND_RS)
        scope.update(Raw=Raw, ARP=ARP, Dot1Q=Dot1Q, Ether=Ether, IPv6=IPv6, TCP=TCP, IPOption=IPOption, bytes=bytes, mac=self.mac,
                     v4=self.family == 4, range=range)
        return scope

    def mac(self, host):
        return next(mac for mac, name in self.arm.macs.items() if name == host)

    def ip(self, dst, src=None, **fields):
        header = IP if self.family == 4 else IPv6
        if self.family == 4:
            fields.setdefault("id", self.ident)
        elif "ttl" in fields:
            fields["hlim"] = fields.pop("ttl")
        if self.family == 6 and "tos" in fields:
            fields["tc"] = fields.pop("tos")
        if fields.pop("stamp", False) and self.family == 4:
            fields["options"] = IPOption_Timestamp()
        return header(dst=dst, src=src or self.names[self.host], **fields)

    def ext(self, *kinds):
        """IPv6 extension headers, none in IPv4: hop, dest, route, atomic, source, unknown."""
        chain = None
        for kind in kinds if self.family == 6 else ():
            header = {
                "hop": lambda: IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)]),
                "dest": lambda: IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)]),
                "route": lambda: IPv6ExtHdrRouting(type=4, segleft=0),
                "atomic": lambda: IPv6ExtHdrFragment(id=99),
                "source": lambda: IPv6ExtHdrRouting(type=0, segleft=1, addresses=[self.names["c"]]),
                "unknown": lambda: IPv6ExtHdrHopByHop(options=[HBHOptUnknown(otype=0x1E, optdata=b"\0" * 4)]),
            }[kind]()
            chain = header if chain is None else chain / header
        return chain

    @staticmethod
    def udp(sport, dport, data="", **fields):
        return UDP(sport=sport, dport=dport, **fields) / Raw(data)

    @staticmethod
    def tcp(sport, dport, flags="S", data="", **fields):
        fields.setdefault("seq", 1000)
        return TCP(sport=sport, dport=dport, flags=flags, window=8192, **fields) / Raw(data)

    def sctp(self, sport, dport, kinds, data="", tag=None, reflected=False):
        """A packet with these chunks, "SACK SHUTDOWN" for instance, with the receiver's tag or, reflected, the sender's."""
        client, body = self.host == "a", b""
        for kind in kinds.split():
            chunk = data.encode() if kind == kinds.split()[-1] else b""
            if kind in ("INIT", "INIT_ACK"):
                chunk = TAGS[client].to_bytes(4, "big") + bytes.fromhex("0001a000000affff00001267") + chunk
            header = bytes([CHUNKS[kind], 1 if reflected else 0]) + (4 + len(chunk)).to_bytes(2, "big")
            body += header + chunk + bytes(-len(chunk) % 4)
        if tag is None:
            tag = 0 if kinds == "INIT" else TAGS[client if reflected else not client]
        return SCTP(sport=sport, dport=dport, tag=tag) / Raw(body)

    def sback(self, kinds, data="", **fields):
        """A packet of SCTP to where the last one came from."""
        to = self.got()
        return self.swapped(to) / self.sctp(to[SCTP].dport, to[SCTP].sport, kinds, data, **fields)

    def echo(self, number, reply=False):
        if self.family == 4:
            return ICMP(type=0 if reply else 8, id=number, seq=1) / Raw("ping")
        return (ICMPv6EchoReply if reply else ICMPv6EchoRequest)(id=number, seq=1, data=b"ping")

    def got(self, at=-1):
        """An IP packet that this host has received."""
        frames = self.received[self.host]
        if not frames or len(frames) < abs(at):
            raise LookupError(f"{self.host} has received nothing")
        return Ether(frames[at].data).payload

    def swapped(self, packet):
        header = IP if self.family == 4 else IPv6
        return self.ip(packet[header].src, src=packet[header].dst)

    def back(self, data="", **fields):
        """A UDP answer to what was received."""
        to = self.got()
        return self.swapped(to) / self.udp(to[UDP].dport, to[UDP].sport, data, **fields)

    def tback(self, flags, data="", **fields):
        """A segment to where the last one came from, with the numbers that it expects."""
        to = self.got()
        got = to[TCP].payload
        carried = len(got) - (len(got[Padding]) if Padding in got else 0) + sum(1 for flag in "SF" if flag in str(to[TCP].flags))
        fields.setdefault("seq", to[TCP].ack if "A" in str(to[TCP].flags) else 5000)
        fields.setdefault("ack", (to[TCP].seq + carried) % 2**32 if "A" in flags else 0)
        return self.swapped(to) / TCP(
            sport=to[TCP].dport, dport=to[TCP].sport, flags=flags, window=8192, **fields) / Raw(data)

    def error(self, kind="port", quote=8, of=None, src=None, dst=None, mtu=1400, spoil=False):
        """An ICMP error about a packet that was received, with so many bytes of it beyond its IP header."""
        about = of if of is not None else self.got()
        header = IP if self.family == 4 else IPv6
        about = header(bytes(about[header]))
        length = (about.ihl * 4 if self.family == 4 else 40) + quote
        outer = self.ip(dst or about.src, src=src or self.names[self.host])
        number, code = ERRORS[self.family][kind]
        word = {"big": mtu, "redirect": 0x0AF40009}.get(kind, 0).to_bytes(4, "big")
        body = word + bytes(about)[:length]
        if self.family == 6:
            return outer / ICMPv6Unknown(type=number, code=code, msgbody=body)
        outer.proto = 1
        return outer / Raw(icmp4(number, code, body, spoil))

    def frags(self, packet, size=64):
        if self.family == 4:
            return fragment(packet, fragsize=size)
        whole = bytes(packet)[40:]
        parts = [whole[i: i + size] for i in range(0, len(whole), size)]
        proto = packet.nh if packet.nh is not None else IPv6(bytes(packet)).nh
        proto = IPv6(bytes(packet)).nh if proto == 59 else proto
        return [
            IPv6(src=packet.src, dst=packet.dst, hlim=packet.hlim)
            / IPv6ExtHdrFragment(nh=proto, offset=i * size // 8, m=i < len(parts) - 1, id=self.ident)
            / Raw(part)
            for i, part in enumerate(parts)
        ]

    def frame(self, packet, dst=None, tag=None):
        """A whole frame; what is no frame yet is sent to its next hop."""
        inner = Dot1Q(vlan=tag) / packet if tag is not None else packet
        return Ether(src=self.arm.ports[self.host].mac, dst=dst or self.next_hop(packet)) / inner

    def offload(self, packet, size=0):
        """As a stack sends it: the checksum left to the hardware and, with a size, the cutting into segments."""
        data = bytearray(bytes(self.frame(packet)))
        v4 = data[12:14] == b"\x08\x00"
        start, proto = (14 + 4 * (data[14] & 15), data[23]) if v4 else (54, data[20])
        offset, header = (16, 4 * (data[start + 12] >> 4)) if proto == 6 else (6, 8)
        pseudo = bytes(data[26:34] if v4 else data[22:54]) + bytes([0, proto]) + (len(data) - start).to_bytes(4, "big")
        data[start + offset: start + offset + 2] = ones_sum(pseudo).to_bytes(2, "big")
        kind = (1 if v4 else 4) if proto == 6 else 5
        return bytes(data), VNET.pack(VNET_NEEDS_CSUM, kind if size else 0, start + header, size, start, offset)

    def next_hop(self, packet):
        header = IP if self.family == 4 else IPv6
        to = packet[header].dst if header in packet else None
        for network in NETWORKS:
            for host in network if self.host in network else ():
                if to == ADDRESS[self.family][host]:
                    return self.mac(host)
        return self.arm.gateway_mac(self.host)

    def evaluate(self, expression):
        """The frames that an expression stands for: the arguments of Port.send() for each."""
        # Scripts are part of this repository.
        builtins = {"len": len, "reversed": reversed, "list": list, "dict": dict, "str": str}
        value = eval(expression, {**self.scope(), "__builtins__": builtins})
        packets = value if isinstance(value, list) else [value]
        return [p if isinstance(p, tuple) else (self.whole(p),) for p in packets]

    def whole(self, packet):
        return bytes(packet if isinstance(packet, Ether) or not isinstance(packet, Packet) else self.frame(packet))


def icmp4(number, code, body, spoil=False):
    message = bytes([number, code, 0, 0]) + body
    total = sum(int.from_bytes((message + b"\0")[i: i + 2], "big") for i in range(0, len(message), 2))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return message[:2] + ((~total & 0xFFFF) ^ (0x55 if spoil else 0)).to_bytes(2, "big") + message[4:]
