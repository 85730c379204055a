# SPDX-License-Identifier: GPL-2.0-or-later
"""Prefixes: lib/maps/prefix.c makes them, nb_in_prefix() of bpf/ebpf/service.h compares with them."""
import z3

import terms
from machine import Ptr, State
from theorem import theorem

BITS = 128
ALL = (1 << BITS) - 1
CORNERS = (0, 1, 24, 31, 32, 33, 64, 127, 128)
V4 = 0xFFFF << 32  # ::ffff:0:0/96


def number(state, at):
    """An address as one number, its first byte the highest."""
    return terms.bits(terms.swap(state.load(at, 16), BITS), BITS)


def value_of(state, prefix):
    return number(state, prefix)


def mask_of(state, prefix):
    return number(state, prefix + 16)


def is_none(value, mask):
    return z3.And(value == 0, mask == ALL)


def well_formed(value, mask):
    """The ones of the mask stand together at its beginning, and the value has no others."""
    return z3.And(~mask & (~mask + 1) == 0, value & ~mask == 0)


def is_v4(value, mask):
    """A range of IPv4 addresses."""
    return z3.And(mask & (ALL ^ 0xFFFFFFFF) == ALL ^ 0xFFFFFFFF, value & (ALL ^ 0xFFFFFFFF) == V4)


def inside(address, value, mask):
    return (address ^ value) & mask == 0


def two(t):
    state = State()
    return state, [t.struct(state, name, "nb_prefix") for name in ("one", "other")]


def compare(state, args):
    """memcmp() of which only whether it is 0 counts."""
    left, right, size = args[:3]
    return [(state, z3.If(terms.bits(state.load(left, size), 8 * size) == terms.bits(state.load(right, size), 8 * size),
                          z3.BitVecVal(0, 64), z3.BitVecVal(1, 64)))]


def leading_zeros(state, args):
    value, count = terms.extract(args[0], 0, 32), terms.bits(32, 64)
    for i in range(32):
        count = z3.If(terms.bits(value, 32) & (1 << i) != 0, z3.BitVecVal(31 - i, 64), count)
    return [(state, count)]


MODELS = {"memcmp": compare, "prove_clz": leading_zeros}


@theorem("prefix_make", "user")
def prefix_make(t):
    """nb_prefix_make(): for every address and prefix length, the range holds the addresses that begin with the same bits; of an
    IPv4 address, 96 bits more."""
    for length in range(BITS + 1) if t.long else CORNERS:
        state = State()
        prefix, addr = t.struct(state, "prefix", "nb_prefix"), t.struct(state, "addr", "nb_addr")
        address = number(state, addr)
        for end in t.call("prove_prefix_make", [prefix, addr, length], state, kfuncs=MODELS):
            value, mask = value_of(end, prefix), mask_of(end, prefix)
            for v4, ones in ((True, length + 96), (False, length)):
                if ones <= BITS:
                    expected = ALL ^ ((1 << (BITS - ones)) - 1)
                    given = [*end.conditions, inside(address, V4, ALL ^ 0xFFFFFFFF) == v4]
                    t.holds(f"/{length}", given, z3.And(mask == expected, value == address & expected))


@theorem("prefix_cover", "user")
def prefix_cover(t):
    """nb_prefix_cover(): for every two ranges the result is a range, no address of either is outside of it, and no smaller
    range holds both; that of two IPv4 ranges is one of IPv4; the range of nothing adds nothing. nb_prefix_none() is that range.
    So by induction the bounds of any list of ranges and VIPs hold all of them."""
    state, (one, other) = two(t)
    before = [value_of(state, one), mask_of(state, one), value_of(state, other), mask_of(state, other)]
    v1, m1, v2, m2 = before
    given = [well_formed(v1, m1), well_formed(v2, m2)]
    address = z3.BitVec("address", BITS)
    for end in t.call("prove_prefix_cover", [one, other], state, kfuncs=MODELS):
        value, mask = value_of(end, one), mask_of(end, one)
        known = [*end.conditions, *given]
        t.holds("nothing and the other", [*known, is_none(v1, m1)], z3.And(value == v2, mask == m2))
        t.holds("the one and nothing", [*known, is_none(v2, m2)], z3.And(value == v1, mask == m1))
        known += [z3.Not(is_none(v1, m1)), z3.Not(is_none(v2, m2))]
        t.holds("a range", known, well_formed(value, mask))
        t.holds("holds both", [*known, z3.Or(inside(address, v1, m1), inside(address, v2, m2))], inside(address, value, mask))
        longer = z3.LShR(mask, 1) | 1 << (BITS - 1)
        t.holds("the smallest", [*known, mask != ALL],
                z3.Or(longer & ~(m1 & m2) != 0, (v1 ^ v2) & longer != 0))
        t.holds("IPv4", [*known, is_v4(v1, m1), is_v4(v2, m2)], is_v4(value, mask))
    end, = t.call("prove_prefix_none", [one], state.copy(), kfuncs=MODELS)
    t.holds("nothing", [], is_none(value_of(end, one), mask_of(end, one)))


@theorem("in_prefix", "ebpf")
def in_prefix(t):
    """nb_may_be_vip(): true for an address exactly if the bounds of its family hold it. nb_may_go_to_vip(), on a header: the
    same for IPv6; for IPv4, with bounds that are an IPv4 range or nothing, true wherever nb_may_be_vip() is, and besides that
    only for 0.0.0.0 with bounds of nothing."""
    state = State()
    addr = t.struct(state, "addr", "nb_addr")
    address = number(state, addr)
    v4 = inside(address, V4, ALL ^ 0xFFFFFFFF)
    for end in t.call("prove_may_be_vip", [addr], state):
        bounds = [(value_of(end, at), mask_of(end, at)) for at in vips(t)]
        held = z3.If(v4, inside(address, *bounds[1]), inside(address, *bounds[0]))
        t.holds("an address", end.conditions, truth_of(end) == held)
    for is_v4_packet, size, off in ((True, 20, 16), (False, 40, 24)):
        state = State()
        header = state.add("header", size)
        for end in t.call("prove_may_go_to_vip", [header, int(is_v4_packet)], state):
            check_header(t, end, is_v4_packet, Ptr("header", off))


def vips(t):
    off = t.field("nb_settings", "vips[0].value.w[0]")[0], t.field("nb_settings", "vips[1].value.w[0]")[0]
    return [Ptr(".data.settings", at) for at in off]


def truth_of(end):
    result = terms.extract(end.regs[0], 0, 8)
    return z3.BoolVal(bool(result)) if isinstance(result, int) else result != 0


def check_header(t, end, v4, at):
    value, mask = [(value_of(end, place), mask_of(end, place)) for place in vips(t)][int(v4)]
    if not v4:
        t.holds("IPv6 header", end.conditions, truth_of(end) == inside(number(end, at), value, mask))
        return
    last = terms.bits(terms.swap(end.load(at, 4), 32), 32)
    address = z3.Concat(z3.BitVecVal(0xFFFF, 96), last)
    known = [*end.conditions, well_formed(value, mask)]
    t.holds("IPv4 header", [*known, is_v4(value, mask)], truth_of(end) == inside(address, value, mask))
    t.holds("IPv4 header, no bounds", [*known, is_none(value, mask)], truth_of(end) == (last == 0))
    t.holds("an IPv4 address is in no empty range", [is_none(value, mask)], z3.Not(inside(address, value, mask)))
