# SPDX-License-Identifier: GPL-2.0-or-later
"""
Where things are found: include/natbridge/conn_index.h, and the choice of a backend in bpf/ebpf/service.h.
"""
import z3

import solve
import terms
from machine import Ptr, State, calculate
from theorem import theorem

CONSTANTS, SETTINGS = ".rodata.constants", ".data.settings"


def constant_field(t, state, name):
    """A field of nb_constants, which the program has read by now."""
    return state.load(Ptr(CONSTANTS, t.field("nb_constants", name)[0]), 4)


def note(name, value):
    """A lookup that finds nothing, and notes its key, of 4 bytes at "value"."""
    def lookup(state, key):
        state.events.append((name, state.load(key + value, 4)))
        return [(state, 0)]
    return lookup


def noted(state, name):
    return [event[1] for event in state.events if event[0] == name]


def below(t, goal, state, index, count):
    """index < count, which is not 0. Integers prove it; bits are quick to find a case against it."""
    count, index = terms.bits(count, 32), terms.bits(index, 32)
    solve.ask(solve.BITS, [*state.conditions, count != 0, z3.UGE(index, count)], goal, solve.SHORT)
    t.holds_by_integers(goal, state, lambda n: z3.Implies(n.number(count) > 0, n.number(index) < n.number(count)))


@theorem("set_home", "ebpf")
def set_home(t):
    """nb_set_home(): below the number of sets, for every hash and every number of sets but 0. nb_hash_next() loses nothing of a
    hash: it rotates it."""
    hash_of = z3.BitVec("hash", 64)
    for end in t.call("prove_set_home", [hash_of]):
        below(t, "home", end, terms.extract(end.regs[0], 0, 32), constant_field(t, end, "conn_sets"))
    t.holds("next", [], t.value("prove_hash_next", [hash_of]) == z3.RotateLeft(hash_of, 21))


@theorem("way", "ebpf")
def way(t):
    """nb_way_word(): never 0, which is a free way, and nb_way_entry_id() gives the entry_id back, for every hash and each
    entry_id below 2^25 - 1. nb_way_is() compares the lowest 39 bits of the hashes, and tells other words from "except"."""
    hash_of, other, number = z3.BitVec("hash", 64), z3.BitVec("other", 64), z3.BitVec("entry_id", 32)
    id_bits = t.constant("NB_ENTRY_ID_BITS")
    given = [z3.ULT(number, (1 << id_bits) - 1)]
    word = t.value("prove_way_word", [hash_of, terms.wide(number, 64)])
    t.holds("not free", given, word != 0)
    t.holds("the entry_id", given, t.value("prove_way_entry_id", [word], 32) == number)
    excepted = z3.BitVec("except", 64)
    found = t.value("prove_way_is", [word, other, excepted], 8) != 0
    t.holds("the hash", given, found == z3.And(z3.Extract(63 - id_bits, 0, hash_of) == z3.Extract(63 - id_bits, 0, other),
                                               word != excepted))


@theorem("entry_ids", "user")
def entry_ids(t):
    """No table has an entry_id that a way cannot hold: two entries for each of at most NB_CONNECTIONS_MAX connections."""
    t.holds("the last entry_id", [], 2 * t.constant("NB_CONNECTIONS_MAX") - 1 < (1 << t.constant("NB_ENTRY_ID_BITS")) - 1)


@theorem("same_key", "ebpf")
def same_key(t):
    """nb_key_same(): true exactly if all 40 bytes are the same; and nb_tuple_same(), exactly if all but the padding are."""
    state = State()
    a, b = (t.struct(state, name, "nb_tuple") for name in ("a", "b"))
    size = t.sizeof("nb_tuple")
    for function, compared in (("prove_key_same", size), ("prove_tuple_same", size - 3)):
        result = t.value(function, [a, b], 8, state.copy())
        equal = z3.And(*[terms.bits(state.load(a + i, 1), 8) == terms.bits(state.load(b + i, 1), 8) for i in range(compared)])
        t.holds(function, [], (result != 0) == equal)


def rounds(value):
    """The end of nb_conn_hash(): shift and product by an odd number in turn. Each can be undone."""
    def shift(number):
        return calculate(0xA0, terms.shift_right(number, 32, 64), number, 64)
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = calculate(0x20, shift(value), factor, 64)
    return shift(value)


@theorem("conn_hash", "ebpf")
def conn_hash(t):
    """nb_conn_hash(): the sum of the tuple's words times the factors, and then rounds that can be undone: different sums give
    different hashes."""
    state = State()
    key = t.struct(state, "key", "nb_tuple")
    seed = [Ptr(SETTINGS, t.field("nb_settings", f"index_seed[{i}]")[0]) for i in range(t.sizeof("nb_tuple") // 4)]
    # Two words and their factors make any sum.
    total = z3.BitVec("sum", 64)
    state.add(SETTINGS, t.sizeof("nb_settings"))
    for i, factor in enumerate(seed):
        state.store(factor, 8, (1, 1 << 32)[i] if i < 2 else 0)
        state.store(key + 4 * i, 4, terms.extract(total, 32 * i, 32) if i < 2 else 0)
    result = t.value("prove_conn_hash", [key], 64, state)
    t.holds("the rounds", [], result == rounds(total))
    x = z3.BitVec("x", 64)
    t.holds("a shift undone", [], x == (x ^ z3.LShR(x, 32)) ^ z3.LShR(x ^ z3.LShR(x, 32), 32))
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        t.equal("a product undone", State(), factor * pow(factor, -1, 1 << 64) % (1 << 64), 1, 64)


@theorem("conn_hash_sum", "ebpf")
def conn_hash_sum(t):
    """The sum in nb_conn_hash() counts each word of the tuple once, times its own factor."""
    size = t.sizeof("nb_tuple")
    for i in range(size // 4):
        state = State()
        key = state.add("key", size, lambda off: (0, 0))
        state.add(SETTINGS, t.sizeof("nb_settings"))
        factor, word = z3.BitVec("factor", 64), z3.BitVec("word", 32)
        state.store(Ptr(SETTINGS, t.field("nb_settings", f"index_seed[{i}]")[0]), 8, factor)
        state.store(key + 4 * i, 4, word)
        t.holds(f"word {i}", [], t.value("prove_conn_hash", [key], 64, state) == rounds(terms.wide(word, 64) * factor))


@theorem("backend_choose", "ebpf")
def backend_choose(t):
    """nb_backend_choose(): the index is below the frontend's count, for every hash, every random number and every count, also
    after the set was replaced."""
    for again in (1, 0):
        state = State()
        looked_up = state.add("looked up", t.sizeof("nb_looked_up"))
        state.kernel["map looked_up"] = lambda way, _key, at=looked_up: [(way, at)]
        tuple_at, first = t.struct(state, "tuple", "nb_tuple"), t.struct(state, "first", "nb_frontend")
        second, out = t.struct(state, "second", "nb_frontend"), t.struct(state, "out", "nb_backend")
        state.kernel["map backends"] = note("index", t.field("nb_backend_key", "index")[0])
        state.kernel["map frontends"] = lambda way, _key: [(way, second)]
        ends = t.call("prove_backend_choose", [tuple_at, first, again, out], state)
        t.holds("all three tries", [], max(len(noted(end, "index")) for end in ends) == 3)
        for end in ends:
            for i, index in enumerate(noted(end, "index")):
                below(t, "index", end, index, t.get(end, second if i else first, "nb_frontend", "count"))
