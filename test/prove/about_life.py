# SPDX-License-Identifier: GPL-2.0-or-later
"""
The words of an entry, include/natbridge/conn_life.h: no field of theirs changes another one. And nb_life_expired(), around the
wrap.
"""
import z3

import terms
from theorem import flag, theorem

# The fields of "life" from the lowest bit on, and the bits of each.
FIELDS = {"expires": 32, "flags": 3, "state": 4, "use": 3, "gen": 22}
HALF = 1 << 31


def new(name, width):
    """An unknown number of so many bits: alone, and as an argument, in 64."""
    value = z3.BitVec(name, width)
    return value, terms.wide(value, 64)


def packed(fields):
    return z3.Concat(*reversed(fields.values()))


def life_of(name):
    """A life, and its fields."""
    fields = {field: z3.BitVec(f"{name}.{field}", width) for field, width in FIELDS.items()}
    return packed(fields), fields


@theorem("life_read", "ebpf")
def life_read(t):
    """nb_life_expires(), _flags(), _state() and _use() give the fields of life; nb_life_is_steady() is true exactly if the use
    is NB_USE_TAKEN and the flag NB_LIFE_STEADY; nb_life_same() compares use and generation, nb_life_same_gen() the
    generation."""
    (life, one), (other, two) = life_of("life"), life_of("other")
    for field in ("expires", "flags", "state", "use"):
        t.holds(field, [], t.value(f"prove_life_{field}", [life], 32) == terms.wide(one[field], 32))
    steady = z3.And(one["use"] == t.constant("NB_USE_TAKEN"), one["flags"] & t.constant("NB_LIFE_STEADY") != 0)
    same_gen = one["gen"] == two["gen"]
    t.holds("steady", [], flag(t.value("prove_life_is_steady", [life])) == steady)
    t.holds("one generation", [], flag(t.value("prove_life_same_gen", [life, other])) == same_gen)
    t.holds("one connection", [], flag(t.value("prove_life_same", [life, other])) == z3.And(same_gen, one["use"] == two["use"]))


@theorem("life_write", "ebpf")
def life_write(t):
    """nb_life_with(), nb_life_with_expires(), nb_life_with_use() and nb_life_next() change the fields that they are named after
    and no other one, for every life and every value that fits; the generation after the last one is 0, and no carry leaves
    it."""
    life, fields = life_of("life")
    (expires, expires_arg), (flags, flags_arg) = new("expires", 32), new("flags", 3)
    (state, state_arg), (use, use_arg) = new("state", 4), new("use", 3)
    for function, args, changed in (
            ("with", [state_arg, flags_arg, expires_arg], {"state": state, "flags": flags, "expires": expires}),
            ("with_expires", [expires_arg], {"expires": expires}), ("with_use", [use_arg], {"use": use}),
            ("next", [], {"gen": fields["gen"] + 1})):
        t.holds(function, [], t.value(f"prove_life_{function}", [life, *args]) == packed({**fields, **changed}))


@theorem("tag", "ebpf")
def tag(t):
    """nb_tagged() gives back, of a word that nb_tag() made, value and small number exactly if both lives have one generation,
    and else 0: for all values, and all small numbers up to NB_SMALL_MASK."""
    (life, one), (other, two) = life_of("life"), life_of("other")
    (value, value_arg), (more, more_arg) = new("value", 32), new("more", 10)
    word = t.value("prove_tag", [life, more_arg, value_arg])
    t.holds("the word", [], word == z3.Concat(one["gen"], more, value))
    known = t.value("prove_tagged", [word, other])
    t.holds("of another connection", [one["gen"] != two["gen"]], known == 0)
    t.holds("of the same connection", [one["gen"] == two["gen"]], known == word)
    t.holds("the small number", [], t.value("prove_tagged_more", [word], 32) == terms.wide(more, 32))
    t.holds("its bits", [], t.constant("NB_SMALL_MASK") == terms.ones(10))


@theorem("expired", "ebpf")
def expired(t):
    """nb_life_expired(): a lifetime of less than 2^31 ticks, written at any tick, has expired exactly from its end on, for 2^31
    ticks; whatever the other fields of life are. (A tick later it would seem to live again.)"""
    life, fields = life_of("life")
    written, later, lifetime = (z3.BitVec(name, 32) for name in ("written", "later", "lifetime"))
    over = flag(t.value("prove_life_expired", [life, terms.wide(written + later, 64)]))
    given = [fields["expires"] == written + lifetime, z3.ULT(lifetime, HALF)]
    t.holds("as defined", [*given, z3.ULE(later, lifetime + (HALF - 1))], over == z3.UGE(later, lifetime))
