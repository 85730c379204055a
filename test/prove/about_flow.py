# SPDX-License-Identifier: GPL-2.0-or-later
"""bpf/assist: what flow.h chooses without a branch, and the checksums of l4port_remap.h."""
import z3

import terms
from about_icmp import UNREACHABLE
from about_nat import CHECK, ETH, PACKET, PARTIAL, TCP, UDP, V4, V6, at, check_none, check_of, packet_words
from about_table import SETTINGS, below, constant_field, note, noted
from kernel import set_packet
from machine import Ptr, State, fields
from theorem import failed, flag, returned, theorem

ICMP, ICMPV6 = 1, 58
ICMP_HEADER, ICMP_CHECK, ECHO_ID = 8, 2, 4


def flow_set(t):
    state = State()
    set_at = t.struct(state, "set", "nb_flow_set")
    ways = t.constant("NB_FLOW_WAYS")
    tags, seen = ([t.get(state, set_at, "nb_flow_set", f"heads[{i}].{what}") for i in range(ways)] for what in ("tag", "seen"))
    return state, set_at, tags, seen


def has_tag(t, tags, i, tag):
    """Of the first way's tag, one bit locks the set."""
    return tags[i] & ~t.constant("NB_FLOW_LOCKED") == tag & ~t.constant("NB_FLOW_LOCKED") if i == 0 else tags[i] == tag


@theorem("flow_way", "assist")
def flow_way(t):
    """nb_flow_tagged() is 0 exactly if no way of the set has the tag; else nb_flow_way() gives a way that has it: the only one,
    if one alone has it. For every tag, and all tags of a set, locked or not."""
    state, set_at, tags, _seen = flow_set(t)
    tag = z3.BitVec("tag", 32)
    row = t.value("prove_flow_tagged", [set_at, terms.wide(tag, 64)], 64, state)
    way = t.value("prove_flow_way", [row], 32)
    has = [has_tag(t, tags, i, tag) for i in range(len(tags))]
    t.holds("none", [], (row == 0) == z3.Not(z3.Or(*has)))
    t.holds("one of them", [z3.Or(*has)], z3.Or(*[z3.And(way == i, has[i]) for i in range(len(tags))]))


@theorem("flow_victim", "assist", quick=False)
def flow_victim(t):
    """nb_flow_victim(): a free way if there is one, else one that no way of the set is older than, counted from a tick ahead of
    now and over half of all ticks."""
    state, set_at, tags, seen = flow_set(t)
    now = z3.BitVec("now", 32)
    way = t.value("prove_flow_victim", [set_at, terms.wide(now, 64)], 32, state)
    age = [now + 1 - tick & 0x7FFFFFFF for tick in seen]
    free = [has_tag(t, tags, i, z3.BitVecVal(t.constant("NB_FLOW_TAG_FREE"), 32)) for i in range(len(tags))]
    t.holds("a way", [], z3.ULT(way, len(tags)))
    for i in range(len(tags)):
        t.holds("free", [z3.Or(*free), way == i], free[i])
        t.holds("oldest", [z3.Not(z3.Or(*free)), way == i], z3.And(*[z3.UGE(age[i], other) for other in age]))


@theorem("flow_key", "assist")
def flow_key(t):
    """nb_flow_order(): both directions of a connection get the same key, and opposite ends of it; only one between an address
    and port and itself has the same end in both."""
    state = State()
    there, back = (t.struct(state, name, "nb_tuple") for name in ("there", "back"))
    size = t.field("nb_tuple", "sport")[0]
    swapped = {"src": "dst", "dst": "src", "sport": "dport", "dport": "sport"}
    for path in t.obj.btf.fields("nb_tuple"):
        end = path.split(".")[0]
        t.put(state, back, "nb_tuple", path.replace(end, swapped.get(end, end), 1), t.get(state, there, "nb_tuple", path))
    itself = z3.And(*[terms.bits(state.load(there + i, 1), 8) == terms.bits(state.load(back + i, 1), 8) for i in range(size + 4)])
    for one in t.call("prove_flow_order", [there], state):
        for other in t.call("prove_flow_order", [back], one.copy()):
            ends = [terms.bits(terms.extract(way.regs[0], 0, 32), 32) for way in (one, other)]
            t.holds("ends", [*other.conditions, z3.Not(itself)], z3.And(ends[0] + ends[1] == 1, z3.ULE(ends[0], 1)))
            t.holds("itself", [*other.conditions, itself], z3.And(ends[0] == 0, ends[1] == 0))
            for i in range(t.sizeof("nb_tuple")):
                t.equal("one key", other, other.load(there + i, 1), other.load(back + i, 1), 8)


@theorem("flow_set", "assist")
def flow_set_of_key(t):
    """nb_flow_set(): the set of a key is below the number of sets, for every key and every number of sets but 0; its tag is not
    that of a free way, with or without the bit that locks the set."""
    state = State()
    key = t.struct(state, "key", "nb_tuple")
    state.kernel["map flows"] = note("index", 0)
    for end in t.call("prove_flow_tag", [key], state):
        index, = noted(end, "index")
        below(t, "set of flows", end, index, constant_field(t, end, "flow_sets"))
        tag = terms.extract(end.regs[0], 0, 32)
        t.holds("tag", end.conditions, tag & ~t.constant("NB_FLOW_LOCKED") != t.constant("NB_FLOW_TAG_FREE"))


@theorem("flow_lifetime", "assist")
def flow_lifetime(t):
    """nb_flow_expired(): a flow that was seen has not expired exactly if that was at most its timeout ago, or in a tick that
    this CPU has yet to see; for timeouts and times of less than 2^31 ticks, around the wrap."""
    now, ago, flow = z3.BitVec("now", 32), z3.BitVec("ago", 32), z3.BitVec("state", 64)
    for proto in (ICMP, TCP, UDP):
        state = State()
        state.add(SETTINGS, t.sizeof("nb_settings"), fields(t.obj.btf, "settings", "nb_settings"))
        limit = t.value("prove_flow_timeout", [flow, proto], 32, state.copy())
        over = flag(t.value("prove_flow_expired", [flow, proto, terms.wide(now - ago, 64), terms.wide(now, 64)], 8, state))
        given = [z3.ULT(limit, 1 << 31)]
        t.holds(f"seen before, protocol {proto}", [*given, z3.ULT(ago, 1 << 31)], over == z3.UGT(ago, limit))
        t.holds(f"seen ahead, protocol {proto}", [*given, z3.UGE(ago, 1 << 31)], z3.Not(over))


# ---- remapped ports ----

class Remap:
    """A packet whose port, or id, becomes another one: the sender's or the receiver's."""

    def __init__(self, v4, proto, of_sender, summed):
        self.v4, self.proto, self.of_sender, self.summed = v4, proto, of_sender, summed
        self.l4 = ETH + (V4 if v4 else V6)
        self.check = self.l4 + CHECK.get(proto, ICMP_CHECK)
        self.port = self.l4 + ({True: 0, False: 2}[of_sender] if proto in CHECK else ECHO_ID)
        self.name = f"protocol {proto}, {'source' if of_sender else 'destination'}, ip_summed {summed}"

    def begin(self, t):
        state = State()
        skb = set_packet(state, PACKET, PACKET)
        state.kernel["ip_summed"] = self.summed
        pkt = t.struct(state, "pkt", "nb_pkt", is_v4=int(self.v4), l4_off=self.l4, tuple__proto=self.proto)
        for port, off in (("sport", 0), ("dport", 2)):
            place = self.l4 + (off if self.proto in CHECK else ECHO_ID)
            t.put(state, pkt, "nb_pkt", f"tuple.{port}", state.load(Ptr("packet", place), 2))
        return state, [skb, pkt, int(self.of_sender), terms.wide(z3.BitVec("port", 16), 64)]


@theorem("remap", "assist")
def remap(t):
    """nb_l4port_remap_write(): the port, or the echo's id, becomes the new one, and the sum of what the checksum covers stays
    the same; a partial checksum, which covers no port, stays; UDP's 0 stays 0, and nothing else becomes 0; no other byte
    changes."""
    for v4, proto in ((True, TCP), (True, UDP), (True, ICMP), (False, ICMPV6)):
        for of_sender in (True, False):
            for summed in range(4):
                check_remap(t, Remap(v4, proto, of_sender, summed))


def check_remap(t, case):
    state, args = case.begin(t)
    before = state.copy()
    for end in t.call("prove_remap_write", args, state):
        if failed(end):
            dropped = t.constant("NB_DROPPED") + t.constant("NB_DROP_WRITE")
            t.holds(f"{case.name}: dropped if the kernel fails", [], returned(end) == dropped)
            continue
        t.holds(f"{case.name}: written", [], returned(end) == t.constant("NB_CONTINUE"))
        t.unchanged(case.name, before, end, "packet", at(case.port, 2) | at(case.check, 2))
        t.equal(f"{case.name}: port", end, end.load(Ptr("packet", case.port), 2), z3.BitVec("port", 16), 16)
        new, old = (check_of(way, case.check) for way in (end, before))
        if case.summed == PARTIAL:
            t.equal(f"{case.name}: partial", end, new, old, 16)
            continue
        there = [terms.bits(old, 16) != 0] if case.proto == UDP else []
        t.same_sum(f"{case.name}: sum", end, *[packet_words(way, case.l4, 20) for way in (end, before)], there)
        if case.proto == UDP:
            check_none(t, case, end, new, old)


class Quoted:
    """The same in the packet that an ICMP error quotes: its tuple, swapped, is that of pkt."""

    def __init__(self, v4, proto, quoted, of_sender):
        self.v4, self.proto, self.quoted, self.of_sender = v4, proto, quoted, of_sender
        self.icmp = ETH + (V4 if v4 else V6)
        self.l4 = self.icmp + ICMP_HEADER + (V4 if v4 else V6)
        self.end, self.check = self.l4 + quoted, self.l4 + CHECK[proto]
        self.port = self.l4 + (2 if of_sender else 0)
        self.has_check = self.check + 2 <= self.end
        self.name = f"IPv{4 if v4 else 6}, {quoted} bytes of protocol {proto} quoted, {'source' if of_sender else 'destination'}"

    def begin(self, t):
        state = State()
        skb = set_packet(state, PACKET, PACKET)
        state.kernel["ip_summed"] = 0
        state.memory["packet"].store(self.icmp, 1, UNREACHABLE[self.v4])
        pkt = t.struct(state, "pkt", "nb_pkt", is_v4=int(self.v4), l4_off=self.icmp, quoted_off=self.icmp + ICMP_HEADER,
                       quoted_l4_off=self.l4, end=self.end, tuple__proto=self.proto)
        for port, off in (("sport", 2), ("dport", 0)):
            t.put(state, pkt, "nb_pkt", f"tuple.{port}", state.load(Ptr("packet", self.l4 + off), 2))
        return state, [skb, pkt, int(self.of_sender), terms.wide(z3.BitVec("port", 16), 64)]


@theorem("remap_quoted", "assist")
def remap_quoted(t):
    """nb_l4port_remap_write_quoted(): the same in the packet that an ICMP error quotes, and the sum of the ICMP message stays
    the same, whether the quoted checksum is there, is UDP's 0 or is not quoted."""
    for v4 in (True, False):
        for proto in (TCP, UDP):
            for quoted in (8, 17, 18, 20) if t.long else (8, 20):
                for of_sender in (True, False):
                    check_remap_quoted(t, Quoted(v4, proto, quoted, of_sender))


def check_remap_quoted(t, case):
    state, args = case.begin(t)
    before = state.copy()
    for end in t.call("prove_remap_write_quoted", args, state):
        if returned(end) != t.constant("NB_CONTINUE"):
            t.holds(f"{case.name}: dropped only if the kernel fails", [], failed(end))
            continue
        allowed = at(case.port, 2) | at(case.icmp + ICMP_CHECK, 2) | (at(case.check, 2) if case.has_check else set())
        t.unchanged(case.name, before, end, "packet", allowed)
        t.equal(f"{case.name}: port", end, end.load(Ptr("packet", case.port), 2), z3.BitVec("port", 16), 16)
        if case.has_check and not failed(end):
            check_quoted(t, case, before, end)
        t.same_sum(f"{case.name}: sum of the message", end,
                   *[packet_words(way, case.icmp, case.end - case.icmp & ~1) for way in (end, before)])


def check_quoted(t, case, before, end):
    new, old = (check_of(way, case.check) for way in (end, before))
    there = [terms.bits(old, 16) != 0] if case.proto == UDP else []
    covered = [packet_words(way, case.l4, 4) + [check_of(way, case.check)] for way in (end, before)]
    t.same_sum(f"{case.name}: quoted sum", end, *covered, there)
    if case.proto == UDP:
        check_none(t, case, end, new, old)
