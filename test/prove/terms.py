# SPDX-License-Identifier: GPL-2.0-or-later
"""
Values of a known number of bits: numbers (int) where they are known, else terms of z3. Every function here gives the simplest
term that it can see: bits that are zero, or pieces of one value, do not get lost in masks and shifts. z3's own simplifier is
not used, since it pushes pieces into sums, which makes one's complement sums hard to prove.
"""
import z3


def ones(width):
    return (1 << width) - 1


def bits(value, width=64):
    return z3.BitVecVal(value, width) if isinstance(value, int) else value


def is_op(term, op):
    return not isinstance(term, int) and z3.is_app_of(term, op)


def signed(value, width):
    return value - (1 << width) if value >> (width - 1) else value


def wide(value, width):
    """The same number in more bits."""
    if isinstance(value, int) or value.size() == width:
        return value
    if is_op(value, z3.Z3_OP_ZERO_EXT):
        value = value.arg(0)
    return z3.ZeroExt(width - value.size(), value)


def extract(value, at, width):
    """The bits from "at" on."""
    if isinstance(value, int) or not width:
        return value >> at & ones(width) if width else 0
    if width == value.size():
        return value
    if is_op(value, z3.Z3_OP_ZERO_EXT):
        return extract_wide(value.arg(0), at, width)
    if is_op(value, z3.Z3_OP_EXTRACT):
        return extract(value.arg(0), at + value.params()[1], width)
    if is_op(value, z3.Z3_OP_BNOT):
        return complement(extract(value.arg(0), at, width), width)
    if is_op(value, z3.Z3_OP_CONCAT):
        return extract_concat(value.children(), at, width)
    return z3.Extract(at + width - 1, at, value)


def extract_wide(inner, at, width):
    if at >= inner.size():
        return 0
    return wide(extract(inner, at, min(width, inner.size() - at)), width)


def extract_concat(parts, at, width):
    taken, low = [], 0
    for part in reversed(parts):
        begin, end = max(at, low), min(at + width, low + part.size())
        if begin < end:
            taken.append((extract(number(part), begin - low, end - begin), end - begin))
        low += part.size()
    return concat(taken)


def number(term):
    return term.as_long() if z3.is_bv_value(term) else term


def concat(parts):
    """Of (value, width), the lowest first."""
    joined = []
    for value, width in flat(parts):
        before = joined[-1] if joined else None
        if before and isinstance(value, int) and isinstance(before[0], int):
            joined[-1] = (value << before[1] | before[0], before[1] + width)
        elif before and follows(value, before[0]):
            joined[-1] = (extract(value.arg(0), before[0].params()[1], before[1] + width), before[1] + width)
        else:
            joined.append((value, width))
    if len(joined) == 1:
        return joined[0][0]
    if isinstance(joined[-1][0], int) and joined[-1][0] == 0:
        return wide(concat(joined[:-1]), sum(width for _, width in joined))
    return z3.Concat(*[bits(value, width) for value, width in reversed(joined)])


def flat(parts):
    for value, width in parts:
        if is_op(value, z3.Z3_OP_ZERO_EXT):
            inner = value.arg(0)
            yield from flat([(inner, inner.size()), (0, width - inner.size())])
        elif is_op(value, z3.Z3_OP_CONCAT):
            yield from flat([(number(part), part.size()) for part in reversed(value.children())])
        elif width:
            yield value, width


def follows(high, low):
    """Both are pieces of one value, next to each other."""
    return (is_op(high, z3.Z3_OP_EXTRACT) and is_op(low, z3.Z3_OP_EXTRACT) and z3.eq(high.arg(0), low.arg(0)) and
            high.params()[1] == low.params()[0] + 1)


def complement(value, width):
    if isinstance(value, int):
        return value ^ ones(width)
    return value.arg(0) if is_op(value, z3.Z3_OP_BNOT) else ~value


def flip(value, flipped, width):
    """value ^ flipped; None: the ones of "flipped" are not the lowest bits."""
    count = flipped.bit_length()
    if not flipped:
        return value
    if flipped != ones(count):
        return None
    return concat([(complement(extract(value, 0, count), count), count), (extract(value, count, width - count), width - count)]
                  if count < width else [(complement(value, width), width)])


def swap(value, width):
    """Its bytes in the reverse order."""
    return concat([(extract(value, at, 8), 8) for at in range(width - 8, -8, -8)])


def shift_left(value, distance, width):
    return concat([(0, distance), (extract(value, 0, width - distance), width - distance)]) if distance else value


def shift_right(value, distance, width):
    return wide(extract(value, distance, width - distance), width)


def mask(value, kept, width):
    """value & kept: pieces of the value, with zeros between them."""
    parts, at = [], 0
    while at < width:
        one, length = kept >> at & 1, 1
        while at + length < width and kept >> (at + length) & 1 == one:
            length += 1
        parts.append((extract(value, at, length) if one else 0, length))
        at += length
    return concat(parts)


def join(a, b, width):
    """a | b where one fills bits that are zero in the other. None: they overlap."""
    for high, low in ((a, b), (b, a)):
        at = used_bits(low, width)
        if at <= trailing_zeros(high, width):
            return concat([(extract(low, 0, at), at), (extract(high, at, width - at), width - at)])
    return None


def used_bits(value, width):
    """The bits from this one on are zero."""
    if isinstance(value, int):
        return value.bit_length()
    return value.arg(0).size() if is_op(value, z3.Z3_OP_ZERO_EXT) else width


def trailing_zeros(value, width):
    if isinstance(value, int):
        return (value & -value).bit_length() - 1 if value else width
    if is_op(value, z3.Z3_OP_ZERO_EXT):
        return trailing_zeros(value.arg(0), value.arg(0).size())
    if is_op(value, z3.Z3_OP_CONCAT):
        last = number(value.arg(value.num_args() - 1))
        return trailing_zeros(last, value.arg(value.num_args() - 1).size()) if isinstance(last, int) else 0
    return 0


def truth(condition):
    """A condition; a bool if it does not depend on what is unknown."""
    if isinstance(condition, bool):
        return condition
    simple = z3.simplify(condition)
    return True if z3.is_true(simple) else False if z3.is_false(simple) else condition
