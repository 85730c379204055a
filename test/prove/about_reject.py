# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets that the programs write anew: bpf/ebpf/reject.h, and the checksum that bpf/ebpf/host_no_route.h completes."""
import z3

import terms
from about_nat import CHECK, ETH, TCP, UDP, V4, V4_ADDRESSES, V6, V6_ADDRESSES, addresses, check_of, packet_words
from kernel import TC_ACT_REDIRECT, set_packet
from machine import Ptr, State
from theorem import failed, returned, theorem

TC_ACT_SHOT = 2
ICMP_HEADER, TCP_HEADER = 8, 20
PARTIAL = 3


def length_word(number):
    return terms.swap(number, 16)


def begin(t, v4, l4_off, end, summed, proto):
    """A packet of "end" bytes, and pkt as the parser leaves it: its addresses are those of the IP header."""
    state = State()
    skb = set_packet(state, end, end)
    state.kernel.update({"ip_summed": summed, "check_end": l4_off + CHECK[proto] + 2, "ifindex": 5})
    pkt = t.struct(state, "pkt", "nb_pkt", is_v4=int(v4), l4_off=l4_off, end=end, tuple__proto=proto)
    size, first = (4, V4_ADDRESSES) if v4 else (16, V6_ADDRESSES)
    for i, way in enumerate(("src", "dst")):
        if v4:
            t.put_mapped(state, pkt, "nb_pkt", f"tuple.{way}")
        cells = [state.memory["packet"].cell(ETH + first + size * i + byte) for byte in range(size)]
        state.memory[pkt.region].put(t.field("nb_pkt", f"tuple.{way}.w[0]")[0] + 16 - size, cells)
    return state, skb, pkt


def check_ip_header(t, name, end, v4, proto, payload):
    """The header fits the packet, and its checksum is right."""
    l4_off = ETH + (V4 if v4 else V6)
    t.holds(f"{name}: length of the packet", [], end.memory["packet"].size == l4_off + payload)
    if v4:
        t.equal(f"{name}: version", end, end.load(Ptr("packet", ETH), 1), 0x45, 8)
        t.equal(f"{name}: length", end, end.load(Ptr("packet", ETH + 2), 2), length_word(V4 + payload), 16)
        t.equal(f"{name}: protocol", end, end.load(Ptr("packet", ETH + 9), 1), proto, 8)
        t.same_sum(f"{name}: IP header", end, packet_words(end, ETH, V4), [])
    else:
        t.equal(f"{name}: version", end, end.load(Ptr("packet", ETH), 1), 0x60, 8)
        t.equal(f"{name}: length", end, end.load(Ptr("packet", ETH + 4), 2), length_word(payload), 16)
        t.equal(f"{name}: protocol", end, end.load(Ptr("packet", ETH + 6), 1), proto, 8)


def pseudo(end, v4, proto, length):
    header = packet_words(end, ETH + addresses(v4)[0], len(addresses(v4)))
    return [*header, length_word(length), length_word(proto)]


class Reject:
    """One case of a packet that is rejected: bytes of the IP packet, and of its IP header more than the least."""

    def __init__(self, v4, proto, summed=0, length=None, options=0, gateway=False):
        self.v4, self.proto, self.summed, self.gateway = v4, proto, summed, gateway
        self.plain = ETH + (V4 if v4 else V6)
        self.l4_off, self.options = self.plain + options, options
        self.length = length or self.l4_off + 60 - ETH
        self.name = f"rejected: IPv{4 if v4 else 6}, {self.length} bytes, header at {self.l4_off}, ip_summed {summed}"

    def begin(self, t):
        state, skb, pkt = begin(t, self.v4, self.l4_off, ETH + self.length, self.summed, self.proto)
        lookups(t, state, self.gateway, self.v4)
        return state, [skb, pkt]


@theorem("reset", "ebpf")
def reset(t):
    """nb_reject_reset(): the reset has a right IP header and a right TCP checksum, or with CHECKSUM_PARTIAL the sum of its
    pseudo header."""
    for v4 in (True, False):
        for options in (0, 8):
            for summed in (0, PARTIAL):
                case = Reject(v4, TCP, summed, options=options)
                state, args = case.begin(t)
                sent = 0
                for end in t.call("nb_reject_reset", args, state):
                    if returned(end) == TC_ACT_REDIRECT and not failed(end):
                        sent += 1
                        check_reset(t, case.name, end, v4, summed)
                    else:
                        t.holds(f"{case.name}: verdict", [], failed(end) or returned(end) == TC_ACT_SHOT)
                t.holds(f"{case.name}: some way sends it", [], sent > 0 or (summed == PARTIAL and options > 0))


def check_reset(t, name, end, v4, summed):
    l4_off = ETH + (V4 if v4 else V6)
    check_ip_header(t, name, end, v4, TCP, TCP_HEADER)
    header = pseudo(end, v4, TCP, TCP_HEADER)
    if summed == PARTIAL:
        t.same_sum(f"{name}: partial checksum", end, [check_of(end, l4_off + CHECK[TCP])], header)
    else:
        t.same_sum(f"{name}: checksum", end, header + packet_words(end, l4_off, TCP_HEADER), [])


def lookups(t, state, gateway, v4):
    """The maps that an error needs: room for a copy of the packet, and what the client's gateway is."""
    copy = state.add("copy", t.sizeof("nb_packet_copy"))
    endpoint = t.struct(state, "endpoint", "nb_endpoint")
    if v4:
        t.put_mapped(state, endpoint, "nb_endpoint", "gateway")
    state.kernel["map quotes"] = lambda way, _key: [(way, copy)]
    state.kernel["map endpoints"] = lambda way, _key: [(way, endpoint if gateway else 0)]


@theorem("unreachable", "ebpf")
def unreachable(t):
    """nb_reject_unreachable(): for packets of many lengths, even and odd, up to the limit and past it, the error has a right IP
    header and a right ICMP checksum, and quotes the packet as it was up to the limit."""
    for v4 in (True, False):
        least = (V4 if v4 else V6) + 8
        most = t.constant("NB_REJECT_QUOTED_V4" if v4 else "NB_REJECT_QUOTED_V6")
        lengths = {least, least + 1, most + 1}
        if t.long:
            lengths |= {*range(least, least + 40), *range(least, most, 67), *range(most - 8, most + 3)}
        for length in sorted(lengths):
            check_unreachable(t, Reject(v4, UDP, 0, length, gateway=bool(length % 2)), min(length, most))


def check_unreachable(t, case, quoted):
    name, icmp = case.name, case.plain
    state, args = case.begin(t)
    before, sent = state.copy(), 0
    for end in t.call("nb_reject_unreachable", args, state):
        if returned(end) != TC_ACT_REDIRECT or failed(end):
            t.holds(f"{name}: verdict", [], failed(end) and returned(end) == TC_ACT_SHOT)
            continue
        sent += 1
        check_ip_header(t, name, end, case.v4, 1 if case.v4 else 58, ICMP_HEADER + quoted)
        for i in range(quoted):
            copied = end.load(Ptr("packet", icmp + ICMP_HEADER + i), 1)
            t.equal(f"{name}: quoted", end, copied, before.load(Ptr("packet", ETH + i), 1), 8)
        covered = even(end, icmp, ICMP_HEADER + quoted) + ([] if case.v4 else pseudo(end, False, 58, ICMP_HEADER + quoted))
        t.same_sum(f"{name}: checksum", end, covered, [])
    t.holds(f"{name}: some way sends it", [], sent > 0)


def even(state, off, size):
    """The words of any number of bytes: a zero follows the last one of an odd number (RFC 1071)."""
    whole = packet_words(state, off, size & ~1)
    return whole + [terms.wide(state.load(Ptr("packet", off + size - 1), 1), 16)] if size % 2 else whole


class Complete:
    """One case of nb_complete_check(): bytes behind the IP header."""

    def __init__(self, v4, proto, payload):
        self.v4, self.proto, self.payload = v4, proto, payload
        self.l4_off = ETH + (V4 if v4 else V6)
        self.check = self.l4_off + CHECK[proto]
        self.name = f"completed over IPv{4 if v4 else 6}, protocol {proto}, {payload} bytes"

    def begin(self, t):
        end = self.l4_off + self.payload
        state, skb, pkt = begin(t, self.v4, self.l4_off, end, 0, self.proto)
        lookups(t, state, False, self.v4)
        packet = t.struct(state, "unquoted", "nb_unquoted", l4_off=self.l4_off, end=end, proto=self.proto)
        for way in ("src", "dst"):
            cells = state.bytes(pkt + t.field("nb_pkt", f"tuple.{way}.w[0]")[0], 16)
            state.memory[packet.region].put(t.field("nb_unquoted", f"{way}.w[0]")[0], cells)
        if self.v4:
            state.facts.append((packet_words(state, ETH, V4), []))
        return state, [skb, int(self.v4), packet]


@theorem("complete_check", "ebpf")
def complete_check(t):
    """nb_complete_check(): a checksum that is the sum of the pseudo header becomes the right one of the packet, if the IPv4
    header's own is right; any other is left alone. So a right one that looks like such a sum stays right. UDP's never becomes
    0."""
    for v4 in (True, False):
        for proto in (TCP, UDP):
            for payload in (20, 21, 1000) if t.long else (20, 21):
                check_complete(t, Complete(v4, proto, payload))


def check_complete(t, case):
    name, check = case.name, case.check
    state, args = case.begin(t)
    before = state.copy()
    for end in t.call("prove_complete_check", args, state):
        if failed(end):
            continue
        t.holds(f"{name}: done", [], returned(end) == t.constant("NB_CONTINUE"))
        t.unchanged(name, before, end, "packet", {check, check + 1})
        new, old, header = check_of(end, check), check_of(before, check), pseudo(end, case.v4, case.proto, case.payload)
        if new is old or not isinstance(new, int) and new.eq(old):
            check_other(t, name, end, old, header)
            continue
        t.same_sum(f"{name}: checksum", end, header + even(end, case.l4_off, case.payload), [])
        if case.proto == UDP:
            t.holds_by_integers(f"{name}: not none", end, lambda n: n.number(new) != 0)


def check_other(t, name, end, old, header):
    """Left alone: it is not the sum of the pseudo header (which is no 0: it holds the protocol)."""
    t.holds_by_integers(f"{name}: left alone", end, lambda n: differs(n, old, header))


def differs(n, old, header):
    return z3.Or(n.number(old) == 0, z3.Not(n.is_multiple(n.number(old) - n.total(header))))
