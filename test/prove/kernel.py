# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the kernel does in the helpers that the proven functions call (net/core/filter.c, net/core/utils.c,
include/net/checksum.h), on values that may be unknown. vectors.py holds these models against the kernel that runs.

What they assume of bpf_csum_diff() is its contract alone: 32 bits that are, in one's complement, what the second buffer has
more than the first, plus the seed; and that a sum over a buffer is 0 only if all of the buffer is. Kernels and machines differ
in which of those numbers they return.

state.kernel: "linear", bytes of the packet up to data_end; "ip_summed" and "csum", of the kernel's sk_buff.
"""
import itertools

import z3

import terms
from machine import Fault, Ptr, calculate

EFAULT = terms.ones(64) - 13
CHECKSUM_COMPLETE, CHECKSUM_PARTIAL = 2, 3
PSEUDO_HDR, MARK_MANGLED_0, FIELD_SIZE = 1 << 4, 1 << 5, 0xF
ADJ_ROOM_MAC, ETH_HLEN, TC_ACT_REDIRECT = 1, 14, 7
STACK = 512  # MAX_BPF_STACK: what bpf_csum_diff() takes at most, both buffers together

fresh = itertools.count()


def new(name, width):
    return z3.BitVec(f"{name}!{next(fresh)}", width)


def fails(state, helper):
    """The helper has done nothing and says so."""
    state = state.copy()
    state.events.append(("failed", helper))
    return state, EFAULT


def split(state, condition):
    """[(state, whether it holds there)] for a condition or a bool."""
    if isinstance(condition, bool):
        return [(state, condition)]
    other = state.copy()
    return [(way, holds) for way, holds in ((state, True), (other, False)) if way.note(condition if holds else z3.Not(condition))]


# ---- include/net/checksum.h ----

def csum_add(a, b):
    total = calculate(0x00, terms.wide(a, 33), terms.wide(b, 33), 33)
    return calculate(0x00, terms.extract(total, 0, 32), terms.wide(terms.extract(total, 32, 1), 32), 32)


def csum_sub(a, b):
    return csum_add(a, terms.complement(b, 32))


def csum_fold(total):
    for _ in range(2):
        total = calculate(0x00, terms.wide(terms.extract(total, 0, 16), 32), terms.wide(terms.extract(total, 16, 16), 32), 32)
    return terms.complement(terms.extract(total, 0, 16), 16)


def replaced(check, old, added):
    """csum_replace4(): a checksum over data in which "old" becomes "added"; csum_replace_by_diff() where nothing was there."""
    begun = terms.complement(terms.wide(check, 32), 32)
    return csum_fold(csum_add(begun if old is None else csum_sub(begun, old), added))


def replaced_partial(check, old, added):
    """The same in the sum of a pseudo header."""
    begun = terms.wide(check, 32)
    return terms.complement(csum_fold(csum_add(begun if old is None else csum_sub(begun, old), added)), 16)


# ---- helpers ----

def csum_diff(state, args):
    old, old_len, added, added_len, seed = args
    if old_len % 4 or added_len % 4 or old_len + added_len > STACK:
        raise Fault(f"bpf_csum_diff() of {old_len} and {added_len} bytes")
    taken, given = (words(state, ptr, size) if size else [] for ptr, size in ((old, old_len), (added, added_len)))
    seed = terms.extract(seed, 0, 32)
    if all(isinstance(word, int) for word in taken + given + [seed]):
        return [(state, known_diff(taken, given, seed))]
    result = new("csum_diff", 32)
    state.facts.append(([result], [*given, *[(-1, word) for word in taken], seed]))
    if not taken and any(isinstance(word, int) and word for word in given):
        state.conditions.append(result != 0)
    return [(state, terms.wide(result, 64))]


def known_diff(taken, given, seed):
    total = seed + sum(given) + sum(word ^ 0xFFFF for word in taken)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def l4_csum_replace(state, args):
    _skb, off, old, added, flags = args
    size = flags & FIELD_SIZE
    if flags & ~(PSEUDO_HDR | MARK_MANGLED_0 | FIELD_SIZE) or size not in (0, 2, 4) or off & 1 or off > 0xFFFF:
        raise Fault(f"bpf_l4_csum_replace() at {off} with flags {flags:#x}")
    if size == 0 and old != 0:
        raise Fault("bpf_l4_csum_replace() of a difference from something")
    failed = fails(state, "l4_csum_replace")
    at = Ptr("packet", off)
    ways = [failed]
    old, added = terms.extract(old, 0, 32), terms.extract(added, 0, 32)
    for way, none in split(state, is_zero(way_check(state, at)) if flags & MARK_MANGLED_0 else False):
        ways += [(way, 0)] if none else update(way, at, old, added, flags)
    return ways


def way_check(state, at):
    return state.load(at, 2)


def is_zero(value):
    return value == 0 if isinstance(value, int) else terms.truth(value == 0)


def update(state, at, old, added, flags):
    """inet_proto_csum_replace4(), inet_proto_csum_replace_by_diff()."""
    ways = []
    old = old if flags & FIELD_SIZE else None
    for way, partial in split(state, equals(state.kernel["ip_summed"], CHECKSUM_PARTIAL)):
        check, pseudo, sign = way.load(at, 2), flags & PSEUDO_HDR, 1 if partial else -1
        if partial and not pseudo:
            ways.append((way, 0))
            continue
        new = (replaced_partial if partial else replaced)(check, old, added)
        if pseudo and not partial:
            csum = way.kernel["csum"]
            way.kernel["csum"] = complete(csum, old, added)
            way.facts.append(([way.kernel["csum"]], [csum, (-1, added), 0 if old is None else old]))
        for end, zero in split(way, is_zero(new) if flags & MARK_MANGLED_0 else False):
            end.store(at, 2, 0xFFFF if zero else new)
            # What the theorem "kernel_sums" says of the two functions.
            end.facts.append(([0xFFFF if zero else new], [check, (sign, added), (-sign, 0 if old is None else old)]))
            ways.append((end, 0))
    return ways


def complete(csum, old, added):
    """skb->csum, which means something with CHECKSUM_COMPLETE alone."""
    if old is None:
        return terms.complement(csum_sub(added, csum), 32)
    return terms.complement(csum_add(csum_sub(terms.complement(csum, 32), old), added), 32)


def equals(value, constant):
    return value == constant if isinstance(value, int) else terms.truth(value == constant)


def skb_store_bytes(state, args):
    _skb, off, source, size, flags = args
    if flags:
        raise Fault(f"bpf_skb_store_bytes() with flags {flags:#x}")
    failed = fails(state, "skb_store_bytes")
    state.memory["packet"].put(off, state.bytes(source, size))
    return [failed, (state, 0)]


def skb_pull_data(state, args):
    if args[1] > state.memory["packet"].size:
        return [fails(state, "skb_pull_data")]
    failed = fails(state, "skb_pull_data")
    state.kernel["linear"] = max(state.kernel["linear"], args[1])
    return [failed, (state, 0)]


def skb_load_bytes(state, args):
    _skb, off, target, size, _ = args
    failed = fails(state, "skb_load_bytes")
    state.memory[target.region].put(target.off, state.bytes(Ptr("packet", off), size))
    return [failed, (state, 0)]


def skb_change_tail(state, args):
    """Cuts the packet off, or puts zeros behind it; not before the end of a checksum field that is yet to be filled."""
    _skb, size, _flags = args[:3]
    packet = state.memory["packet"]
    if state.kernel["ip_summed"] == CHECKSUM_PARTIAL and size < state.kernel["check_end"]:
        return [(state, EFAULT)]
    failed = fails(state, "skb_change_tail")
    for off in range(packet.size, size):
        packet.cells[off] = (0, 0)
    packet.cells = {off: packet.cell(off) for off in range(min(packet.size, size))} | {off: (0, 0) for off in range(packet.size, size)}
    packet.size = state.kernel["linear"] = size
    return [failed, (state, 0)]


def skb_adjust_room(state, args):
    """BPF_ADJ_ROOM_MAC: zeros behind the Ethernet header, or less there."""
    _skb, change, mode, flags = args[:4]
    if mode != ADJ_ROOM_MAC or flags:
        raise Fault("bpf_skb_adjust_room() in a mode that has no model")
    failed = fails(state, "skb_adjust_room")
    packet, change = state.memory["packet"], terms.signed(terms.extract(change, 0, 32), 32)
    cells = [packet.cell(off) for off in range(packet.size)]
    cells[ETH_HLEN:ETH_HLEN - min(change, 0)] = [(0, 0)] * max(change, 0)
    packet.cells, packet.size = dict(enumerate(cells)), len(cells)
    state.kernel["linear"] = packet.size
    return [failed, (state, 0)]


def done(state, _args):
    """A helper that changes nothing that matters here."""
    return [(state, 0)]


def redirect(state, args):
    state.events.append(("redirected", args[0]))
    return [(state, TC_ACT_REDIRECT)]


def map_lookup(state, args):
    """state.kernel["map NAME"]: function(state, key) -> list of (state, address of a value or 0)."""
    lookup = state.kernel.get(args[0].region, done if args[0].region == "map counters" else None)
    if not lookup:
        raise Fault(f"lookup in {args[0].region}")
    return lookup(state, args[1])


def random(state, _args):
    return [(state, terms.wide(new("random", 32), 64))]


def words(state, ptr, size):
    """The 16-bit words of "size" bytes, as a checksum takes them."""
    return [state.load(ptr + i, 2) for i in range(0, size, 2)]


HELPERS = {1: map_lookup, 7: random, 9: skb_store_bytes, 11: l4_csum_replace, 26: skb_load_bytes, 28: csum_diff, 32: done,
           38: skb_change_tail, 39: skb_pull_data, 50: skb_adjust_room, 155: redirect}


def cast_to_kern_ctx(state, _args):
    return [(state, Ptr("kernel skb"))]


def fold(state, args):
    """
    A use of nb_csum_fold() or nb_csum_fold_small() that is a call (see fold_calls.h): what the theorems "fold", "fold_small"
    and "fold_arguments" say of it.
    """
    if isinstance(args[0], int):
        return [(state, known_diff([], [args[0]], 0))]
    result = new("folded", 16)
    state.facts.append(([result], [args[0]]))
    state.conditions.append((result == 0) == (args[0] == 0))
    return [(state, terms.wide(result, 64))]


KFUNCS = {"bpf_cast_to_kern_ctx": cast_to_kern_ctx, "prove_fold_called": fold, "prove_fold_small_called": fold}


def context(obj):
    """The fields of struct __sk_buff; data and data_end are where the packet is."""
    if "__sk_buff" not in obj.btf.structs:
        return {}
    fields = obj.btf.fields("__sk_buff")

    def load(state, off, size):
        if off == fields["data"][0]:
            return Ptr("packet")
        if off == fields["data_end"][0]:
            return Ptr("packet", state.kernel["linear"])
        name = next((name for name, place in fields.items() if place == (off, size)), None)
        if name not in state.kernel:
            raise Fault(f"load of {name} of the context, at {off}")
        return terms.wide(state.kernel[name], 64)
    return {"skb": load}


def set_packet(state, size, linear, fill=None):
    """A packet of "size" bytes that are not known, "linear" of them in reach. The state of its checksum is not known either."""
    state.add("packet", size, fill)
    state.kernel["linear"] = linear
    state.kernel["ip_summed"] = z3.BitVec("ip_summed", 2)
    state.kernel["csum"] = z3.BitVec("csum", 32)
    rest = z3.BitVec("sk_buff", 6)
    state.add("kernel skb", 1, lambda off: (z3.Concat(rest, z3.BitVec("ip_summed", 2)), 0))
    return Ptr("skb")
