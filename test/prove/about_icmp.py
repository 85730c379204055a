# SPDX-License-Identifier: GPL-2.0-or-later
"""
bpf/ebpf/icmp_nat.h, from the bytes of an error to its rewritten bytes: three checksums, of which the outer one covers what the
other two are in. Also bpf/ebpf/icmp_echo.h.
"""
import terms
from about_nat import CHECK, ETH, PACKET, PARTIAL, TCP, UDP, V4, V4_ADDRESSES, V4_CHECK, V6, V6_ADDRESSES, addresses, at, both_ports, \
    check_none, check_of, ip_at, know_differences, packet_words
from kernel import set_packet
from machine import State
from theorem import failed, minus, returned, theorem

ICMP_HEADER = 8
ICMP_CHECK = 2
UNREACHABLE = {True: 3, False: 1}
IPPROTO = {True: 1, False: 58}


class Error:
    """
    One case: family, protocol of the quoted packet, words of the two IP headers, how much is quoted behind the second one, and
    what the kernel knows of the checksum.
    """

    def __init__(self, v4, proto, quoted=20, outer_ihl=5, quoted_ihl=5, summed=0):
        self.v4, self.proto, self.quoted, self.summed = v4, proto, quoted, summed
        self.outer_ihl, self.quoted_ihl = outer_ihl, quoted_ihl
        self.icmp = ETH + (4 * outer_ihl if v4 else V6)
        self.ip = self.icmp + ICMP_HEADER
        self.l4 = self.ip + (4 * quoted_ihl if v4 else V6)
        self.end = self.l4 + quoted
        self.check = self.l4 + CHECK[proto]
        self.has_check = self.check + 2 <= self.end
        self.name = f"IPv{4 if v4 else 6}, {quoted} bytes of protocol {proto} quoted, headers of {outer_ihl} and {quoted_ihl} words, " \
            f"ip_summed {summed}"

    def begin(self, t):
        state = State()
        skb = set_packet(state, PACKET, PACKET)
        state.kernel["ip_summed"] = self.summed
        packet = state.memory["packet"]
        packet.store(self.icmp, 1, UNREACHABLE[self.v4])
        packet.store(self.ip, 1, 0x40 | self.quoted_ihl if self.v4 else 0x60)
        packet.store(self.ip + (9 if self.v4 else 6), 1, self.proto)
        pkt = t.struct(state, "pkt", "nb_pkt", is_v4=int(self.v4), l4_off=self.icmp, end=self.end, tuple__proto=IPPROTO[self.v4])
        self.set_outer(t, state, pkt)
        conn, work = t.struct(state, "conn", "nb_conn"), t.struct(state, "work", "nb_icmp_nat")
        for end in ("src", "dst") if self.v4 else ():
            t.put_mapped(state, conn, "nb_conn", end)
        self.know_differences(t, state, conn)
        return state, [skb, pkt, conn, work, 0]

    def set_outer(self, t, state, pkt):
        """The parser has put the outer addresses into pkt."""
        packet, size = state.memory["packet"], 4 if self.v4 else 16
        for i, end in enumerate(("src", "dst")):
            at_pkt = t.field("nb_pkt", f"tuple.{end}.w[0]")[0]
            if self.v4:
                t.put_mapped(state, pkt, "nb_pkt", f"tuple.{end}")
            cells = [packet.cell(ETH + addresses(self.v4)[0] + size * i + byte) for byte in range(size)]
            state.memory[pkt.region].put(at_pkt + 16 - size, cells)

    def know_differences(self, t, state, conn):
        """The entry's key is the quoted tuple, swapped."""
        new = [t.address(state, conn, "nb_conn", end)[6 if self.v4 else 0:] for end in ("src", "dst")]
        know_differences(t, state, conn, [*new[0], *new[1], *minus(self.quoted_addresses(state))],
                         [*both_ports(t, state, conn, "nb_conn"), *minus(packet_words(state, self.l4, 4))])

    def quoted_addresses(self, state):
        return packet_words(state, self.ip + addresses(self.v4)[0], len(addresses(self.v4)))

    def changed(self):
        allowed = ip_at(ETH, addresses(self.v4)) | ip_at(self.ip, addresses(self.v4)) | at(self.icmp + ICMP_CHECK, 2) | at(self.l4, 4)
        if self.v4:
            allowed |= at(ETH + V4_CHECK, 2) | at(self.ip + V4_CHECK, 2)
        return allowed | (at(self.check, 2) if self.has_check else set())


def check_error(t, case):
    begun, args = case.begin(t)
    before = begun.copy()
    ways = 0
    for end in t.call("prove_icmp_error", args, begun):
        rc = returned(end)
        if rc == t.constant("NB_DROPPED") + t.constant("NB_DROP_WRITE"):
            t.holds(f"{case.name}: dropped only if the kernel fails", [], failed(end))
        elif failed(end):
            check_not_fixed(t, case, before, end)
        elif rc == t.constant("NB_PASS"):
            t.unchanged(f"{case.name}: not an error about a connection", before, end, "packet")
        else:
            ways += 1
            t.holds(f"{case.name}: translated", [], rc == t.constant("NB_CONTINUE"))
            check_translated(t, case, before, end, args)
    t.holds(f"{case.name}: some way translates", [], ways > 0)


def check_translated(t, case, before, end, args):
    t.unchanged(case.name, before, end, "packet", case.changed())
    check_new(t, case, end, args[2])
    if case.v4:
        for what, off in (("outer", ETH), ("quoted", case.ip)):
            header = [packet_words(state, off, V4) for state in (end, before)]
            t.same_sum(f"{case.name}: sum of the {what} IP header", end, *header)
    check_quoted(t, case, before, end)
    check_message(t, case, before, end)


def check_not_fixed(t, case, before, end):
    """The quoted checksum alone could not be stored: it is left as it is, and the message's checksum fits that."""
    t.unchanged(case.name, before, end, "packet", case.changed() - at(case.check, 2))
    check_message(t, case, before, end)


def check_new(t, case, end, conn):
    """The quoted packet goes from the entry's destination to its source, as the error's receiver has sent it."""
    size = 2 if case.v4 else 8
    found = case.quoted_addresses(end)
    for i, way in enumerate(("dst", "src")):
        for old, new in zip(found[size * i:], t.address(end, conn, "nb_conn", way)[-size:]):
            t.equal(f"{case.name}: quoted addresses", end, old, new, 16)
    for old, port in zip(packet_words(end, case.l4, 4), ("dport", "sport")):
        t.equal(f"{case.name}: quoted ports", end, old, t.get(end, conn, "nb_conn", port), 16)
    outer = packet_words(end, ETH + addresses(case.v4)[0], len(addresses(case.v4)))[size:]
    for old, new in zip(outer, t.address(end, conn, "nb_conn", "dst")[-size:]):
        t.equal(f"{case.name}: the receiver's address", end, old, new, 16)


def check_quoted(t, case, before, end):
    if not case.has_check:
        return
    new, old = (check_of(state, case.check) for state in (end, before))
    there = [terms.bits(old, 16) != 0] if case.proto == UDP else []
    covered = [case.quoted_addresses(state) + packet_words(state, case.l4, 4) + [check_of(state, case.check)]
               for state in (end, before)]
    t.same_sum(f"{case.name}: sum of the quoted header", end, *covered, there)
    if case.proto == UDP:
        check_none(t, case, end, new, old)


def check_message(t, case, before, end):
    """What the outer checksum covers: the message, and in ICMPv6 the addresses of the outer header."""
    covered = [packet_words(state, case.icmp, case.end - case.icmp & ~1) +
               ([] if case.v4 else packet_words(state, ETH + V6_ADDRESSES, 32)) for state in (end, before)]
    if case.summed != PARTIAL:
        t.same_sum(f"{case.name}: sum of the message", end, *covered)
        return
    # Yet to be filled: the sum of the pseudo header, which ICMP has none of.
    pseudo = [[check_of(state, case.icmp + ICMP_CHECK),
               *minus([] if case.v4 else packet_words(state, ETH + V6_ADDRESSES, 32))] for state in (end, before)]
    t.same_sum(f"{case.name}: partial sum of the message", end, *pseudo)


@theorem("icmp_error", "ebpf_folds")
def icmp_error(t):
    """An ICMP error about a translated connection, parsed and rewritten: the sums of the outer IP header, of the quoted IP
    header, of the quoted pseudo header and header of TCP or UDP if its checksum is quoted, and of the whole message (ICMPv6:
    with the outer addresses) stay the same in one's complement; UDP's 0 stays 0, and nothing else becomes 0; no other byte
    changes."""
    for v4 in (True, False):
        for proto in (TCP, UDP):
            for quoted in (8, 17, 18, 20, 41) if t.long else (8,) if proto == TCP else (20,):
                check_error(t, Error(v4, proto, quoted))
            for summed in (1, 2, 3) if t.long else ():
                check_error(t, Error(v4, proto, summed=summed))


@theorem("icmp_error_options", "ebpf_folds", quick=False)
def icmp_error_options(t):
    """The same with IP options of every length, outside and quoted, of TCP and UDP in turn."""
    for outer in range(5, 16):
        for quoted in range(5, 16):
            check_error(t, Error(True, (TCP, UDP)[(outer + quoted) % 2], 20, outer, quoted))


@theorem("echo", "ebpf")
def echo(t):
    """An echo request turned into its reply: the sums of the ICMP message (ICMPv6: with its addresses) and of the IP header
    stay the same; type, addresses, MACs and the ICMP checksum change alone. So of a first fragment, whose checksum covers more
    than the fragment."""
    for v4 in (True, False):
        for ihl in range(5, 16) if v4 and t.long else (5, 15) if v4 else (10,):
            for summed in range(3):
                check_echo(t, v4, ETH + 4 * ihl, summed)


def check_echo(t, v4, icmp, summed):
    name = f"echo, IPv{4 if v4 else 6} at {icmp}"
    state = State()
    skb = set_packet(state, PACKET, PACKET)
    state.kernel["ip_summed"] = summed
    state.memory["packet"].store(icmp, 1, 8 if v4 else 128)
    state.memory["packet"].store(12, 2, 0x0008 if v4 else 0xDD86)
    pkt = t.struct(state, "pkt", "nb_pkt", is_v4=int(v4), l4_off=icmp)
    size, first = (4, V4_ADDRESSES) if v4 else (16, V6_ADDRESSES)
    for i, end in enumerate(("src", "dst")):
        cells = [state.memory["packet"].cell(ETH + first + size * i + byte) for byte in range(size)]
        state.memory[pkt.region].put(t.field("nb_pkt", f"tuple.{end}.w[0]")[0] + 16 - size, cells)
    before = state.copy()
    for end in t.call("prove_echo", [skb, pkt], state):
        if failed(end):
            t.holds(f"{name}: given up if the kernel fails", [], returned(end) == t.constant("NB_PASS"))
            continue
        t.unchanged(name, before, end, "packet", at(0, 12) | ip_at(ETH, addresses(v4)) | {icmp} | at(icmp + ICMP_CHECK, 2))
        swapped = [packet_words(before, ETH + first + size, size), packet_words(before, ETH + first, size)]
        for old, new in zip(packet_words(end, ETH + first, 2 * size), swapped[0] + swapped[1]):
            t.equal(f"{name}: addresses", end, old, new, 16)
        covered = [packet_words(way, icmp, 40) + ([] if v4 else packet_words(way, ETH + first, 2 * size)) for way in (end, before)]
        t.same_sum(f"{name}: sum of the message", end, *covered)
        if v4:
            t.same_sum(f"{name}: sum of the IP header", end, *[packet_words(way, ETH, V4) for way in (end, before)])
