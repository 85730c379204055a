# SPDX-License-Identifier: GPL-2.0-or-later
"""
Theorems: each is a function that proves one statement about functions of an object, or raises. Objects are made from
ebpf.bpf.c, assist.bpf.c and user.bpf.c, which say what is in them.
"""
import z3

import kernel
import solve
import terms
from machine import Fault, Machine, Ptr, State, fields

ALL = []


class Theorem:
    def __init__(self, function, name, source, quick):
        self.prove, self.name, self.source, self.quick = function, name, source, quick
        self.says = " ".join(function.__doc__.split())


def theorem(name, source, quick=True):
    """source: the object. quick: takes less than about ten seconds with objects.long not set."""
    def register(function):
        ALL.append(Theorem(function, name, source, quick))
        return function
    return register


class Subject:
    """An object to prove something about. long: all cases of what is listed case by case, not just the corners."""

    def __init__(self, obj, long=False):
        self.obj, self.long = obj, long
        self.goals = 0

    # ---- what the object says ----

    def constant(self, name):
        """An enumerator or macro, which the source lists by CONSTANT(); signed."""
        symbol = self.obj.symbols[f"constant_{name}"]
        return int.from_bytes(self.obj.sections[symbol.section][symbol.value: symbol.value + 8], "little", signed=True)

    def field(self, struct, path):
        return self.obj.btf.fields(struct)[path]

    def sizeof(self, struct):
        return self.obj.btf.sizeof(struct)

    # ---- states to begin with ----

    def machine(self, **models):
        helpers, kfuncs = {**kernel.HELPERS, **models.pop("helpers", {})}, {**kernel.KFUNCS, **models.pop("kfuncs", {})}
        return Machine(self.obj, helpers, kfuncs, kernel.context(self.obj), **models)

    def struct(self, state, name, struct, **values):
        """A struct in memory, whose fields are not known but for "values" (a.b is written a__b)."""
        at = state.add(name, self.sizeof(struct), fields(self.obj.btf, name, struct))
        for path, value in values.items():
            self.put(state, at, struct, path.replace("__", "."), value)
        return at

    def put(self, state, at, struct, path, value):
        off, size = self.field(struct, path)
        state.store(at + off, size, value)

    def get(self, state, at, struct, path):
        off, size = self.field(struct, path)
        return state.load(at + off, size)

    def address(self, state, at, struct, path):
        """The 8 words of 16 bits of an address."""
        return kernel.words(state, at + self.field(struct, f"{path}.w[0]" if path else "w[0]")[0], 16)

    def put_mapped(self, state, at, struct, path):
        """Makes an address an IPv4 one: ::ffff:a.b.c.d."""
        for i, word in enumerate((0, 0, 0xFFFF0000)):
            self.put(state, at, struct, f"{path}.w[{i}]" if path else f"w[{i}]", word)

    def call(self, function, args, state=None, **models):
        """All states in which the function can return."""
        return self.machine(**models).run(function, args, state or State())

    def value(self, function, args, width=64, state=None, **models):
        """What a function returns; its ways put together into one value."""
        result = None
        for end in self.call(function, args, state, **models):
            here = terms.extract(end.regs[0], 0, width)
            if result is not None:
                here = z3.If(z3.And(*end.conditions), terms.bits(here, width), terms.bits(result, width))
            result = here
        return result

    # ---- claims ----

    def holds(self, goal, given, statement):
        """By bits."""
        self.goals += 1
        if isinstance(statement, bool):
            if not statement:
                raise solve.Refuted(goal)
            return
        solve.by_bits(goal, given, statement)

    def holds_by_integers(self, goal, state, statement, given=()):
        self.goals += 1
        solve.by_integers(goal, [*state.conditions, *given], state.facts, statement)

    def equal(self, goal, state, left, right, width):
        """The same value."""
        self.goals += 1
        if isinstance(left, int) and isinstance(right, int):
            if left != right:
                raise solve.Refuted(f"{goal}: {left:#x}, {right:#x}")
        elif isinstance(left, int) or isinstance(right, int) or not z3.eq(left, right):
            solve.by_bits(goal, state.conditions, terms.bits(left, width) == terms.bits(right, width))

    def unchanged(self, goal, before, after, region, but=()):
        """All bytes of a region, except those at "but"."""
        for off in set(range(after.memory[region].size)) - set(but):
            cells = [state.memory[region].cells.get(off) for state in (after, before)]
            if cells[0] is not cells[1]:
                values = [state.load(Ptr(region, off), 1) for state in (after, before)]
                self.equal(f"{goal}: byte {off} of {region}", after, *values, 8)

    def same_sum(self, goal, state, left, right, given=()):
        """Both lists of words have the same sum in one's complement. From then on this is a fact of the state."""
        self.goals += 1
        solve.same_sum(goal, [*state.conditions, *given], state.facts, left, right)
        if solve.follows(state.conditions, given):
            state.facts.append((left, right))


def minus(words):
    return [(-1, word) for word in words]


def returned(state, width=32):
    """What a function returns as an int of C; it must be known."""
    value = terms.extract(state.regs[0], 0, width)
    if not isinstance(value, int):
        raise Fault(f"returns {value}")
    return terms.signed(value, width)


def flag(value):
    """The condition that a bool of C is true."""
    value = terms.extract(value, 0, 8)
    return z3.BoolVal(bool(value)) if isinstance(value, int) else value != 0


def failed(state):
    return any(event[0] == "failed" for event in state.events)
