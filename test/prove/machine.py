# SPDX-License-Identifier: GPL-2.0-or-later
"""
Executes eBPF instructions on values that may be unknown: a function of an object, from given arguments and memory to all states
in which it can return. The instructions are those of RFC 9669, as the kernel's interpreter has them (kernel/bpf/core.c).

A value is a number (int), an unknown one (a bit vector of 64 bits), or an address (Ptr). At a branch whose condition is unknown
the execution goes both ways, and each way notes its condition; a way that no value can take is left out. Loops are executed as
they come: one whose end depends on an unknown value would not end, and is stopped.
"""
import z3

import solve
import terms

M64, M32 = terms.ones(64), terms.ones(32)
STEPS = 200000
FEASIBLE = 200000  # z3's measure of work: a way is followed if it is not ruled out with that

CALL, EXIT = 8, 9
PSEUDO_CALL = 1
EXCHANGE = 0xE1


class Fault(Exception):
    """The code does what this machine does not know, or what no program may."""


class Ptr:
    """An address: an offset, which is known, in a region of memory."""

    __slots__ = ("region", "off")

    def __init__(self, region, off=0):
        self.region, self.off = region, off

    def __add__(self, distance):
        return Ptr(self.region, self.off + distance)

    def __eq__(self, other):
        return isinstance(other, Ptr) and (self.region, self.off) == (other.region, other.off)

    def __repr__(self):
        return f"{self.region}+{self.off}"


# ---- instructions ----

# By bits 4 .. 7 of the instruction: on numbers, and on bit vectors. Shifts take the lowest bits of the distance.
ARITHMETIC = {
    0x00: (lambda a, b, w: a + b, lambda a, b, w: a + b),
    0x10: (lambda a, b, w: a - b, lambda a, b, w: a - b),
    0x20: (lambda a, b, w: a * b, lambda a, b, w: a * b),
    0x30: (lambda a, b, w: a // b if b else 0, lambda a, b, w: z3.If(b == 0, terms.bits(0, w), z3.UDiv(a, b))),
    0x40: (lambda a, b, w: a | b, lambda a, b, w: a | b),
    0x50: (lambda a, b, w: a & b, lambda a, b, w: a & b),
    0x60: (lambda a, b, w: a << (b & (w - 1)), lambda a, b, w: a << (b & (w - 1))),
    0x70: (lambda a, b, w: a >> (b & (w - 1)), lambda a, b, w: z3.LShR(a, b & (w - 1))),
    0x80: (lambda a, b, w: -a, lambda a, b, w: -a),
    0x90: (lambda a, b, w: a % b if b else a, lambda a, b, w: z3.If(b == 0, a, z3.URem(a, b))),
    0xA0: (lambda a, b, w: a ^ b, lambda a, b, w: a ^ b),
    0xB0: (lambda a, b, w: b, lambda a, b, w: b),
    0xC0: (lambda a, b, w: terms.signed(a, w) >> (b & (w - 1)), lambda a, b, w: a >> (b & (w - 1))),
}

COMPARISON = {
    0x10: (lambda a, b, w: a == b, lambda a, b: a == b),
    0x20: (lambda a, b, w: a > b, z3.UGT),
    0x30: (lambda a, b, w: a >= b, z3.UGE),
    0x40: (lambda a, b, w: bool(a & b), lambda a, b: a & b != 0),
    0x50: (lambda a, b, w: a != b, lambda a, b: a != b),
    0x60: (lambda a, b, w: terms.signed(a, w) > terms.signed(b, w), lambda a, b: a > b),
    0x70: (lambda a, b, w: terms.signed(a, w) >= terms.signed(b, w), lambda a, b: a >= b),
    0xA0: (lambda a, b, w: a < b, z3.ULT),
    0xB0: (lambda a, b, w: a <= b, z3.ULE),
    0xC0: (lambda a, b, w: terms.signed(a, w) < terms.signed(b, w), lambda a, b: a < b),
    0xD0: (lambda a, b, w: terms.signed(a, w) <= terms.signed(b, w), lambda a, b: a <= b),
}


def calculate(op, a, b, width):
    if isinstance(a, int) and isinstance(b, int):
        return ARITHMETIC[op][0](a, b, width) & terms.ones(width)
    known = simple(op, a, b, width)
    return ARITHMETIC[op][1](terms.bits(a, width), terms.bits(b, width), width) if known is None else known


def simple(op, a, b, width):
    """The result where it is made of pieces of what is there; else None."""
    if op == 0xB0:
        return b
    if op in (0x00, 0x40):  # where no bits meet, a sum is the two behind each other as well
        joined = terms.join(a, b, width)
        if joined is not None:
            return joined
    if op in (0x00, 0x20, 0xA0) and isinstance(a, int):
        a, b = b, a
    if op == 0x10 and not isinstance(a, int) and not isinstance(b, int) and z3.eq(a, b):
        return 0
    if not isinstance(b, int):
        return None
    if op in (0x20, 0x30, 0x90) and b and b & (b - 1) == 0:
        at = b.bit_length() - 1
        return {0x20: terms.shift_left, 0x30: terms.shift_right, 0x90: low_bits}[op](a, at, width)
    if op == 0x20 and b == 0:
        return 0
    if op == 0x60:
        return terms.shift_left(a, b & (width - 1), width)
    if op == 0x70:
        return terms.shift_right(a, b & (width - 1), width)
    if op == 0x50:
        return terms.mask(a, b, width)
    if op == 0xA0:
        return terms.flip(a, b, width)
    return a if b == 0 and op in (0x00, 0x10) else None


def low_bits(value, count, width):
    return terms.wide(terms.extract(value, 0, count), width)


# ---- memory ----

class Region:
    """
    Bytes by offset. fill(off) gives (term, number of the term's byte) for a byte that nothing was stored in. A stored address
    takes 8 bytes, of which none is read alone.
    """

    def __init__(self, name, size, fill):
        self.name, self.size, self.fill, self.cells = name, size, fill, {}

    def copy(self):
        other = Region(self.name, self.size, self.fill)
        other.cells = dict(self.cells)
        return other

    def cell(self, off):
        found = self.cells.get(off)
        if found is None:
            if not 0 <= off < self.size:
                raise Fault(f"access to byte {off} of {self.name}, which has {self.size}")
            found = self.cells[off] = self.fill(off)
        return found

    def load(self, off, size):
        first = self.cell(off)
        if isinstance(first[0], Ptr):
            if size != 8 or first[1]:
                raise Fault(f"part of an address is read from {self.name}+{off}")
            return first[0]
        return join_bytes([self.cell(off + i) for i in range(size)])

    def store(self, off, size, value):
        if not 0 <= off <= self.size - size:
            raise Fault(f"store to byte {off} of {self.name}, which has {self.size}")
        if not isinstance(value, Ptr):
            value = terms.extract(value, 0, 8 * size)
        for i in range(size):
            self.cells[off + i] = (value, i)

    def put(self, off, cells):
        """Bytes as cell() gives them."""
        if not 0 <= off <= self.size - len(cells):
            raise Fault(f"store to byte {off} of {self.name}, which has {self.size}")
        for i, cell in enumerate(cells):
            self.cells[off + i] = cell


def join_bytes(cells):
    """A value of the bytes (term, number), the lowest first."""
    if any(isinstance(term, Ptr) for term, _ in cells):
        raise Fault("part of an address is read")
    pieces = []
    for term, number in cells:
        if pieces and pieces[-1][0] is term and pieces[-1][1] + pieces[-1][2] == number:
            pieces[-1][2] += 1
        else:
            pieces.append([term, number, 1])
    return terms.concat([(terms.extract(term, 8 * number, 8 * count), 8 * count) for term, number, count in pieces])


def unknown(name, unit=2):
    """For Region.fill: each group of "unit" bytes is an unknown value of its own."""
    made = {}

    def fill(off):
        first = off // unit * unit
        if first not in made:
            made[first] = z3.BitVec(f"{name}[{first}]", 8 * unit)
        return made[first], off - first
    return fill


def fields(btf, name, struct_name):
    """The same for a struct: each field is a value of its own, and each half of an address."""
    places = {}
    for path, (at, size) in btf.fields(struct_name).items():
        step = 2 if ".w[" in path or path.startswith("w[") else size
        for part in range(at, at + size, step):
            value = z3.BitVec(f"{name}.{path}" + (f"/{part - at}" if step != size else ""), 8 * step)
            places.update({part + i: (value, i) for i in range(step)})
    padding = unknown(f"{name} padding", 1)
    return lambda off: places.get(off) or padding(off)


def known(data):
    return lambda off: (data[off], 0)


# ---- execution ----

class State:
    """
    Registers and memory at some point, how the execution came there (conditions), and what is known besides (facts: see
    solve.py). events: for models, which also keep what they need in "kernel".
    """

    def __init__(self):
        self.regs, self.pc, self.frames, self.memory = [None] * 11, None, [], {}
        self.conditions, self.facts, self.events, self.kernel, self.steps = [], [], [], {}, 0

    def copy(self):
        other = State()
        other.regs, other.pc, other.frames = list(self.regs), self.pc, [(pc, list(regs)) for pc, regs in self.frames]
        other.memory = {name: region.copy() for name, region in self.memory.items()}
        other.conditions, other.facts, other.events = list(self.conditions), list(self.facts), list(self.events)
        other.kernel, other.steps = dict(self.kernel), self.steps
        return other

    def add(self, name, size, fill=None):
        self.memory[name] = Region(name, size, fill or unknown(name))
        return Ptr(name)

    def load(self, ptr, size):
        return self.memory[ptr.region].load(ptr.off, size)

    def store(self, ptr, size, value):
        self.memory[ptr.region].store(ptr.off, size, value)

    def bytes(self, ptr, count):
        return [self.memory[ptr.region].cell(ptr.off + i) for i in range(count)]

    def note(self, condition):
        """False: no value meets all conditions."""
        if condition is True:
            return True
        if condition is False:
            return False
        self.conditions.append(condition)
        return possible(self.conditions)


def possible(conditions):
    """False only if no value meets all of them."""
    try:
        return not solve.ask(solve.BITS, conditions, "", FEASIBLE)
    except solve.Refuted:
        return True


class Machine:
    """
    An object with models of what the kernel gives. helpers: number -> function(state, args), kfuncs: name -> the same; each
    returns a list of (state, value). loads: region -> function(state, off, size) for memory that is no plain one (the context).
    data: symbol -> Ptr, for global data and maps; what is missing there is an address of its own.
    """

    def __init__(self, obj, helpers=None, kfuncs=None, loads=None, stubs=None):
        self.obj, self.helpers, self.kfuncs, self.loads, self.stubs = obj, helpers or {}, kfuncs or {}, loads or {}, stubs or {}

    def run(self, function, args, state):
        """All states in which the function returns, the value in regs[0]."""
        symbol = self.obj.symbols[function]
        state.pc = (symbol.section, symbol.value // 8)
        state.regs[1: 1 + len(args)] = args
        self.enter(state)
        ended, left = [], [state]
        while left:
            current = left.pop()
            while current:
                following = self.step(current)
                if current.pc is None:
                    ended.append(current)
                    break
                current = following.pop() if following else None
                left.extend(following)
        return ended

    def enter(self, state):
        stack = f"stack{len(state.frames)}"
        state.add(stack, 512, unknown(f"{stack} never written", 1))
        state.regs[10] = Ptr(stack, 512)

    def step(self, state):
        """The states that follow."""
        section, index = state.pc
        code, regs, off, imm = self.obj.instructions(section)[index]
        state.steps += 1
        if state.steps > STEPS:
            raise Fault("does not end")
        state.pc = (section, index + 1)
        dst, src, kind = regs & 15, regs >> 4, code & 7
        if kind in (4, 7):
            self.arithmetic(state, code, dst, src, imm)
            return [state]
        if kind in (5, 6):
            return self.jump(state, code, dst, src, off, imm)
        if kind == 0:
            state.regs[dst] = self.wide_immediate(state, imm)
        elif kind == 1:
            state.regs[dst] = self.load(state, code, state.regs[src], off)
        elif kind == 3 and code & 0xE0 == 0xC0:
            self.exchange(state, code, dst, src, off, imm)
        else:
            self.store(state, code, dst, state.regs[src] if kind == 3 else imm & M64, off)
        return [state]

    def arithmetic(self, state, code, dst, src, imm):
        width, op, regs = 64 if code & 7 == 7 else 32, code & 0xF0, state.regs
        if op == 0xD0:
            self.byte_order(state, code, dst, imm)
            return
        other = regs[src] if code & 8 else imm & M64
        if isinstance(regs[dst], Ptr) and op != 0xB0 or isinstance(other, Ptr):
            regs[dst] = on_address(op, width, regs[dst], other)
            return
        before = 0 if op == 0xB0 else regs[dst]
        piece = [terms.extract(value, 0, width) for value in (before, other)]
        regs[dst] = terms.wide(calculate(op, *piece, width), 64)

    @staticmethod
    def byte_order(state, code, dst, imm):
        value = terms.extract(state.regs[dst], 0, imm)
        state.regs[dst] = terms.wide(terms.swap(value, imm) if code & 8 else value, 64)

    def wide_immediate(self, state, imm):
        section, index = state.pc
        high = self.obj.instructions(section)[index][3]
        state.pc = (section, index + 1)
        symbol = self.obj.relocs.get(section, {}).get(8 * (index - 1))
        if symbol:
            return self.address(state, symbol, imm)
        return (high & M32) << 32 | imm & M32

    def address(self, state, symbol, addend):
        """Of global data by its section, and of anything else by its name."""
        if symbol.section is None:
            return state.kernel.get("ksym " + symbol.name, 0)
        if symbol.section == ".maps":
            return Ptr("map " + symbol.name)
        if symbol.section not in state.memory:
            data = self.obj.sections[symbol.section]
            constant = symbol.section == ".rodata"
            state.add(symbol.section, len(data), known(data) if constant else unknown(symbol.section, 4))
        return Ptr(symbol.section, symbol.value + addend)

    def load(self, state, code, base, off):
        size = {0x00: 4, 0x08: 2, 0x10: 1, 0x18: 8}[code & 0x18]
        if not isinstance(base, Ptr):
            raise Fault(f"load from {base}, which is no address")
        if base.region in self.loads:
            return self.loads[base.region](state, base.off + off, size)
        value = state.load(base + off, size)
        return value if isinstance(value, Ptr) else terms.wide(value, 64)

    def store(self, state, code, dst, value, off):
        size = {0x00: 4, 0x08: 2, 0x10: 1, 0x18: 8}[code & 0x18]
        if isinstance(value, Ptr) and size != 8:
            raise Fault("part of an address is stored")
        if state.regs[dst].region in self.loads:
            state.events.append(("stored", state.regs[dst] + off, value))
            return
        state.store(state.regs[dst] + off, size, value)

    @staticmethod
    def exchange(state, code, dst, src, off, imm):
        """The one atomic instruction that what is proven has: a barrier, where loads need one. Nobody else is at the memory."""
        if imm != EXCHANGE:
            raise Fault(f"atomic instruction {imm:#x}")
        size, at = 8 if code & 0x18 == 0x18 else 4, state.regs[dst] + off
        before = state.load(at, size)
        state.store(at, size, state.regs[src])
        state.regs[src] = terms.wide(before, 64)

    def jump(self, state, code, dst, src, off, imm):
        op, regs = code & 0xF0, state.regs
        section, following = state.pc
        if op == CALL << 4:
            return self.call(state, src, imm)
        if op == EXIT << 4:
            self.leave(state)
            return [state]
        target = (section, following + off)
        if op == 0:
            state.pc = target
            return [state]
        condition = compare(op, 64 if code & 7 == 5 else 32, regs[dst], regs[src] if code & 8 else imm & M64)
        if isinstance(condition, bool):
            state.pc = target if condition else state.pc
            return [state]
        taken = state.copy()
        taken.pc = target
        return [way for way, holds in ((state, z3.Not(condition)), (taken, condition)) if way.note(holds)]

    def call(self, state, src, imm):
        section, following = state.pc
        symbol = self.obj.relocs.get(section, {}).get(8 * (following - 1))
        if symbol and symbol.section is None:
            if symbol.name not in self.kfuncs:
                raise Fault(f"call of {symbol.name}()")
            return self.helper(state, self.kfuncs[symbol.name])
        if symbol and symbol.name in self.stubs:
            return self.helper(state, self.stubs[symbol.name])
        if src == PSEUDO_CALL:
            target = symbol.value // 8 + (imm + 1 if symbol.kind == 3 else 0) if symbol else following + imm
            state.frames.append((state.pc, state.regs[6:11]))
            state.pc = (symbol.section if symbol else section, target)
            self.enter(state)
            return [state]
        if imm not in self.helpers:
            raise Fault(f"call of helper {imm}")
        return self.helper(state, self.helpers[imm])

    @staticmethod
    def helper(state, model):
        """What follows a model's call. One that fails in a new way copies the state itself."""
        after = []
        for way, value in model(state, state.regs[1:6]):
            way.regs[0] = value
            way.regs[1:6] = [None] * 5
            after.append(way)
        return after

    @staticmethod
    def leave(state):
        if not state.frames:
            state.pc = None
            return
        del state.memory[f"stack{len(state.frames)}"]
        state.pc, kept = state.frames.pop()
        state.regs[1:6] = [None] * 5
        state.regs[6:11] = kept


def on_address(op, width, a, b):
    if op == 0xB0 and width == 64:
        return b
    if width == 64 and op == 0x00 and isinstance(a, Ptr) and isinstance(b, int):
        return a + terms.signed(b, 64)
    if width == 64 and op == 0x00 and isinstance(b, Ptr) and isinstance(a, int):
        return b + terms.signed(a, 64)
    if width == 64 and op == 0x10 and isinstance(a, Ptr):
        if isinstance(b, int):
            return a + -terms.signed(b, 64)
        if isinstance(b, Ptr) and a.region == b.region:
            return (a.off - b.off) & M64
    raise Fault(f"operation {op:#x} of {width} bits on {a} and {b}")


def compare(op, width, a, b):
    """A bool, or a condition."""
    if isinstance(a, Ptr) or isinstance(b, Ptr):
        if isinstance(a, Ptr) and isinstance(b, Ptr) and a.region == b.region:
            return COMPARISON[op][0](a.off, b.off, 64)
        if b == 0 and op in (0x10, 0x50):
            return op == 0x50
        raise Fault(f"comparison {op:#x} of {a} and {b}")
    a, b = terms.extract(a, 0, width), terms.extract(b, 0, width)
    if isinstance(a, int) and isinstance(b, int):
        return COMPARISON[op][0](a, b, width)
    return terms.truth(COMPARISON[op][1](terms.bits(a, width), terms.bits(b, width)))
