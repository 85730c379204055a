# SPDX-License-Identifier: GPL-2.0-or-later
"""
bpf/ebpf/nat.h and what feeds it: the differences that an entry stores, and the rewrite of a packet with them. Every packet,
every stored checksum, every pair of tuples: the sum that a receiver computes stays what it was. So a right checksum becomes a
right one, and a wrong one stays wrong by the same difference.
"""
import z3

import terms
from kernel import done, set_packet, words
from machine import Ptr, State
from theorem import failed, minus, returned, theorem

TCP, UDP = 6, 17
ETH, V4, V6 = 14, 20, 40
V4_CHECK, V4_ADDRESSES, V6_ADDRESSES = 10, 12, 8
CHECK = {TCP: 16, UDP: 6}
HEADER = {TCP: 20, UDP: 8}
PARTIAL = 3
PACKET = 300


def addresses(v4):
    """The bytes of an IP header that are addresses."""
    return range(V4_ADDRESSES, V4) if v4 else range(V6_ADDRESSES, V6)


def at(off, size):
    return set(range(off, off + size))


def ip_at(off, offsets):
    return {off + i for i in offsets}


def packet_words(state, off, size):
    return words(state, Ptr("packet", off), size)


def check_of(state, off):
    return state.load(Ptr("packet", off), 2)


# ---- the differences ----

def tuples(t, state, v4):
    """A key and a connection, both IPv4 or any."""
    key, conn = t.struct(state, "key", "nb_tuple"), t.struct(state, "conn", "nb_conn")
    for end in ("src", "dst") if v4 else ():
        t.put_mapped(state, key, "nb_tuple", end)
        t.put_mapped(state, conn, "nb_conn", end)
    return key, conn


def both_addresses(t, state, where, struct):
    return t.address(state, where, struct, "src") + t.address(state, where, struct, "dst")


def both_ports(t, state, where, struct):
    return [t.get(state, where, struct, port) for port in ("sport", "dport")]


@theorem("differences", "ebpf")
def differences(t):
    """nb_conn_set_csum(): csum_addr is, in one's complement, the sum of the new addresses less the sum of the old ones, and
    csum_port the same of the ports; both have 16 bits; equal ports give 0. So is what the backend's entry gets in
    nb_plan_reply(), with the sign changed."""
    state = State()
    key, conn = tuples(t, state, False)
    for end in t.call("prove_conn_set_csum", [key, conn], state):
        check_differences(t, end, conn, key, "nb_tuple", conn, 1)
        ports = both_ports(t, end, key, "nb_tuple"), both_ports(t, end, conn, "nb_conn")
        same = [old == new for old, new in zip(*ports)]
        t.holds("no difference of ports", [*end.conditions, *same], terms.bits(t.get(end, conn, "nb_conn", "csum_port"), 32) == 0)
    state = State()
    state.kernel["map conn_index"] = done  # which is read ahead alone
    pkt, scratch = t.struct(state, "pkt", "nb_pkt"), t.struct(state, "scratch", "nb_scratch")
    key, fwd, rev = pkt + t.field("nb_pkt", "tuple.src.w[0]")[0], *(scratch + t.field("nb_scratch", f"{way}.conn.src.w[0]")[0]
                                                                     for way in ("client", "backend"))
    for end in t.call("prove_plan_reply", [pkt, scratch], state):
        check_differences(t, end, fwd, key, "nb_tuple", fwd, 1)
        check_differences(t, end, rev, key, "nb_tuple", fwd, -1)
        check_reply(t, end, key, scratch + t.field("nb_scratch", "backend.key.src.w[0]")[0], fwd, rev)


def check_differences(t, end, stored, key, struct, conn, sign):
    for what, of in (("csum_addr", both_addresses), ("csum_port", both_ports)):
        change = [*of(t, end, conn, "nb_conn"), *minus(of(t, end, key, struct))]
        value = t.get(end, stored, "nb_conn", what)
        t.same_sum(f"{what} of direction {sign}", end, [(sign, value)], change)
        t.holds(f"{what} has 16 bits", end.conditions, z3.ULE(terms.bits(value, 32), 0xFFFF))


def check_reply(t, end, key, rev_key, fwd, rev):
    """The reply's key is the client's entry swapped, and its entry the client's key swapped."""
    for one, one_struct, other, other_struct in ((rev_key, "nb_tuple", fwd, "nb_conn"), (rev, "nb_conn", key, "nb_tuple")):
        for a, b in (("src", "dst"), ("dst", "src")):
            for left, right in zip(t.address(end, one, one_struct, a), t.address(end, other, other_struct, b)):
                t.equal("the reply's addresses", end, left, right, 16)
        for a, b in (("sport", "dport"), ("dport", "sport")):
            t.equal("the reply's ports", end, t.get(end, one, one_struct, a), t.get(end, other, other_struct, b), 16)


# ---- a packet ----

class Rewrite:
    """One case of nb_translate(): family, protocol, where the header of layer 4 is, and what the kernel knows of the
    checksum."""

    def __init__(self, v4, proto, l4_off, summed=0, readable=True, later=False, linear=PACKET, deliver=True):
        self.v4, self.proto, self.l4_off, self.summed, self.readable = v4, proto, l4_off, summed, readable
        self.later, self.linear, self.deliver = later, linear, deliver
        self.name = f"IPv{4 if v4 else 6}, protocol {proto} at {l4_off}, ip_summed {summed}" + \
            ("" if readable else " not readable") + (", later fragment" if later else "")

    def begin(self, t):
        state = State()
        skb = set_packet(state, PACKET, self.linear)
        state.kernel["ip_summed"] = self.summed
        state.memory["kernel skb"].store(0, 1, self.summed)
        state.kernel["ksym bpf_cast_to_kern_ctx"] = int(self.readable)
        pkt = t.struct(state, "pkt", "nb_pkt", is_v4=int(self.v4), tuple__proto=self.proto, l4_off=self.l4_off,
                       later_fragment=int(self.later))
        conn = t.struct(state, "conn", "nb_conn")
        for end in ("src", "dst") if self.v4 else ():
            t.put_mapped(state, conn, "nb_conn", end)
        to = t.struct(state, "to", "nb_port") if self.deliver else 0
        self.know_differences(t, state, conn)
        return state, [skb, pkt, conn, to]

    def know_differences(self, t, state, conn):
        """The packet has the entry's key."""
        know_differences(t, state, conn, [*self.new_addresses(t, state, conn), *minus(self.addresses(state))],
                         [*both_ports(t, state, conn, "nb_conn"), *minus(packet_words(state, self.l4_off, 4))])

    def addresses(self, state):
        return packet_words(state, ETH + addresses(self.v4)[0], len(addresses(self.v4)))

    def new_addresses(self, t, state, conn):
        words_of_both = [t.address(state, conn, "nb_conn", end) for end in ("src", "dst")]
        return [word for words_of_one in words_of_both for word in (words_of_one[6:] if self.v4 else words_of_one)]

    def changed(self):
        """The bytes that may change."""
        allowed = at(0, 6) if self.deliver else set()
        allowed |= ip_at(ETH, addresses(self.v4)) | (at(ETH + V4_CHECK, 2) if self.v4 else set())
        return allowed if self.later else allowed | at(self.l4_off, 4) | at(self.l4_off + CHECK[self.proto], 2)


def know_differences(t, state, conn, addresses_changed, ports_changed):
    """What the theorem "differences" says of an entry: both are the change of a sum, in 16 bits."""
    for what, change in (("csum_addr", addresses_changed), ("csum_port", ports_changed)):
        stored = t.get(state, conn, "nb_conn", what)
        state.facts.append(([stored], change))
        state.conditions.append(z3.ULE(stored, 0xFFFF))


def check_rewrite(t, case):
    begun, args = case.begin(t)
    before, ways = begun.copy(), 0
    for end in t.call("nb_translate", args, begun):
        rc = returned(end)
        if rc == t.constant("NB_AGAIN"):
            t.unchanged(f"{case.name}: to be looked up again", before, end, "packet")
            continue
        if failed(end):
            t.holds(f"{case.name}: dropped if the kernel fails", [], rc == t.constant("NB_DROPPED") + t.constant("NB_DROP_WRITE"))
            continue
        ways += 1
        t.holds(f"{case.name}: translated", [], rc == t.constant("NB_CONTINUE"))
        t.unchanged(case.name, before, end, "packet", case.changed())
        check_new_tuple(t, case, end, args)
        if case.v4:
            check_ip(t, case, before, end)
        if not case.later:
            check_l4(t, case, before, end)
    t.holds(f"{case.name}: some way translates", [], ways > 0)


def check_new_tuple(t, case, end, args):
    conn, to = args[2], args[3]
    for old, new in zip(case.addresses(end), case.new_addresses(t, end, conn)):
        t.equal(f"{case.name}: addresses", end, old, new, 16)
    if case.deliver:
        mac = [end.load(to + t.field("nb_port", "mac[0]")[0] + i, 1) for i in range(6)]
        for i in range(6):
            t.equal(f"{case.name}: MAC", end, end.load(Ptr("packet", i), 1), mac[i], 8)
    if not case.later:
        for word, port in zip(packet_words(end, case.l4_off, 4), both_ports(t, end, conn, "nb_conn")):
            t.equal(f"{case.name}: ports", end, word, port, 16)


def check_ip(t, case, before, end):
    header = [packet_words(state, ETH, V4) for state in (end, before)]
    t.same_sum(f"{case.name}: sum of the IP header", end, *header)
    never_ones(t, f"{case.name}: checksum of the IP header", end, *(check_of(state, ETH + V4_CHECK) for state in (end, before)))


def never_ones(t, goal, end, new, old):
    """A checksum becomes 0xffff, which no one else writes, only if it was that and nothing changes."""
    conn = Ptr("conn")
    differ = t.get(end, conn, "nb_conn", "csum_addr"), t.get(end, conn, "nb_conn", "csum_port")
    t.holds_by_integers(goal, end, lambda n: implies(n.number(new) == 0xFFFF, n.number(old) == 0xFFFF,
                                                     n.number(differ[0]) == 0))


def implies(condition, *statements):
    return z3.Implies(condition, z3.And(*statements))


def check_l4(t, case, before, end):
    """Over the pseudo header and the header of layer 4: what else they hold, and the data, does not change."""
    new, old = (check_of(state, case.l4_off + CHECK[case.proto]) for state in (end, before))
    there = [terms.bits(old, 16) != 0] if case.proto == UDP else []
    if case.summed == PARTIAL:
        # The sum of the pseudo header as it is, without ports.
        t.same_sum(f"{case.name}: partial sum", end, [new, *minus(case.addresses(end))], [old, *minus(case.addresses(before))], there)
    else:
        covered = [case.addresses(state) + packet_words(state, case.l4_off, HEADER[case.proto]) for state in (end, before)]
        t.same_sum(f"{case.name}: sum of pseudo header and header", end, *covered, there)
    if case.proto == UDP:
        check_none(t, case, end, new, old)


def check_none(t, case, end, new, old):
    """UDP's 0 stands for no checksum: it stays, and no checksum becomes 0."""
    new, old = terms.bits(new, 16), terms.bits(old, 16)
    t.holds_by_integers(f"{case.name}: no checksum", end, lambda n: (n.number(new) == 0) == (n.number(old) == 0))


@theorem("translate", "ebpf")
def translate(t):
    """nb_translate(): addresses and ports become those of the entry, the MAC that of the receiver, and no other byte changes
    but checksums. The sum of the IP header, and of pseudo header and header of TCP or UDP, stays the same in one's complement;
    of a partial checksum, that of the pseudo header. UDP's 0 stays 0, and nothing else becomes 0."""
    for v4 in (True, False):
        plain = ETH + (V4 if v4 else V6)
        for proto in (TCP, UDP):
            for readable in (True, False):
                for summed in range(4) if t.long or readable else (0, PARTIAL):
                    check_rewrite(t, Rewrite(v4, proto, plain, summed, readable))


@theorem("translate_options", "ebpf", quick=False)
def translate_options(t):
    """The same with IP options of every length and with extension headers of every length that is walked over, in later
    fragments, without a receiver's MAC, and where headers are not in the linear part of the packet."""
    last = t.constant("NB_OFF_MAX")
    for v4, offs in ((True, range(ETH + V4 + 4, ETH + 64, 4)), (False, range(ETH + V6 + 8, last + 1, 8))):
        for off in offs:
            for proto in (TCP, UDP):
                check_rewrite(t, Rewrite(v4, proto, off, deliver=bool(off % 8)))
                check_rewrite(t, Rewrite(v4, proto, off, PARTIAL, readable=bool(off % 8)))
        plain = ETH + (V4 if v4 else V6)
        for off in (plain, plain + 8):
            for proto in (TCP, UDP):
                check_rewrite(t, Rewrite(v4, proto, off, linear=0))
                check_rewrite(t, Rewrite(v4, proto, off, later=True))


@theorem("complete", "ebpf")
def complete(t):
    """A packet with CHECKSUM_COMPLETE: the sum that the kernel keeps of an IPv4 packet changes as the packet's does. (Of an
    IPv6 packet it changes by the difference of the addresses, while the packet's stays the same: bpf_l4_csum_replace() would
    need BPF_F_IPV6 of Linux 6.16. No such packet comes here: forwarding, by a bridge as well, ends CHECKSUM_COMPLETE.)"""
    for v4 in (True, False):
        for proto in (TCP, UDP):
            case = Rewrite(v4, proto, ETH + (V4 if v4 else V6), 2)
            begun, args = case.begin(t)
            before = begun.copy()
            for end in t.call("nb_translate", args, begun):
                if failed(end) or returned(end) != t.constant("NB_CONTINUE"):
                    continue
                old = check_of(before, case.l4_off + CHECK[proto])
                there = [terms.bits(old, 16) != 0] if proto == UDP else []
                covered = [packet_words(state, ETH, case.l4_off + HEADER[proto] - ETH) for state in (end, before)]
                wrong = [] if v4 else minus([t.get(end, args[2], "nb_conn", "csum_addr")])
                t.same_sum(f"{case.name}: skb->csum", end, [end.kernel["csum"], *minus(covered[0])],
                           [before.kernel["csum"], *minus(covered[1]), *wrong], there)
