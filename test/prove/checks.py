# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the theorems rest on besides z3: that they are about the instructions that are loaded, that no use of a checksum is left
out, and that terms and integers say the same.
"""
import glob
import random
import re

import z3

import machine
import solve
import terms
import vectors

# Which functions theorems execute as the programs have them, by the object that the programs are in.
SHIPPED = {
    "natbridge": ("ebpf", ["nb_translate", "nb_reject_reset", "nb_reject_unreachable"]),
    "assist": ("assist", ["nb_l4port_remap_search_step"]),
}

# How often each file calls what adds to a checksum. A theorem is about each; whoever adds a call adds to one, and then here.
USES = {
    "nb_csum_fold": {"bpf/ebpf/nat.h": 2, "bpf/ebpf/icmp_nat.h": 5, "bpf/ebpf/reject.h": 6, "bpf/ebpf/host_no_route.h": 2,
                     "bpf/assist/l4port_remap.h": 1},
    "nb_csum_fold_small": {"bpf/ebpf/nat.h": 3},
    "nb_csum_change": {"bpf/ebpf/nat.h": 2},
    "bpf_csum_diff": {"bpf/lib/csum.h": 1, "bpf/ebpf/icmp_nat.h": 1, "bpf/ebpf/reject.h": 4,
                      "bpf/ebpf/host_no_route.h": 1},
    "bpf_l4_csum_replace": {"bpf/ebpf/nat.h": 2, "bpf/ebpf/icmp_nat.h": 2, "bpf/ebpf/icmp_echo.h": 1, "bpf/assist/l4port_remap.h": 2},
    "bpf_l3_csum_replace": {},
    "bpf_csum_update": {},
}


def steps(objects, long):
    rounds = vectors.LONG if long else vectors.SHORT
    return [
        ("shipped", "the functions that are executed whole are those of the programs, instruction by instruction",
         lambda: shipped(objects)),
        ("uses", "a theorem is about each use of a checksum helper", uses),
        ("integers", "a term and its integer have the same value, for random values",
         lambda: integers(10 * rounds)),
        ("scaled", "the upper half of a product of two numbers of 32 bits is less than each of them, or 0 with it", scaled),
        ("terms", "each instruction gives the same for terms as for numbers, for random values", lambda: symbolic(10 * rounds)),
        ("machine_ebpf", "the machine and the kernel execute the functions of mode ebpf alike, on random values and corners",
         lambda: vectors.compare(objects, "ebpf", rounds)),
        ("machine_assist", "the same of mode assist", lambda: vectors.compare(objects, "assist", rounds)),
        ("complete_in_kernel", "the kernel finds a translated packet's CHECKSUM_COMPLETE right over IPv4",
         lambda: vectors.complete(objects, rounds)),
    ]


def shipped(objects):
    for program, (name, functions) in SHIPPED.items():
        ours, theirs = objects[name], objects.program(program)
        for function in functions:
            if ours.function(function) != theirs.function(function):
                raise AssertionError(f"{function}() is another one in {program}.bpf.o")
    return f"{sum(len(functions) for _, functions in SHIPPED.values())} functions"


def uses():
    found = {}
    for path in sorted(glob.glob("bpf/*/*.h") + glob.glob("bpf/*.c")):
        with open(path, encoding="utf-8") as file:
            text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
        for name in USES:
            count = len(re.findall(rf"\b{name}\(", text)) - len(re.findall(rf"__always_inline __u\d+ {name}\(", text))
            if count:
                found.setdefault(name, {})[path] = count
    for name, expected in USES.items():
        if found.get(name, {}) != expected:
            raise AssertionError(f"{name}() is used {found.get(name, {})}; theorems are about {expected}")
    return f"{sum(sum(files.values()) for files in USES.values())} uses"


def integers(rounds):
    """Random terms of what solve.Integers translates, with random values in place of what is not known."""
    rng = random.Random(1)
    for _ in range(rounds):
        names = [z3.BitVec(f"x{i}", width) for i, width in enumerate((16, 32, 64))]
        term = random_term(rng, names, 64, 5)
        values = [(name, rng.choice([0, (1 << name.size()) - 1, rng.getrandbits(name.size())])) for name in names]
        expected = z3.simplify(z3.substitute(term, *[(name, z3.BitVecVal(value, name.size())) for name, value in values])).as_long()
        numbers = solve.Integers()
        number = numbers.number(term)
        solver = z3.Solver()
        solver.add(*numbers.side, *[z3.Int(str(name)) == value for name, value in values], number != expected)
        if numbers.any or solver.check() != z3.unsat:
            raise AssertionError(f"{term} is not {number} with {values}")
    return f"{rounds} terms"


def scaled():
    """So a hash or a random number picks one of any number of things."""
    a, b, high, low = z3.Ints("a b high low")
    wrong = [a >= 0, a < 1 << 32, b > 0, b < 1 << 32, a * b == high * (1 << 32) + low, low >= 0, low < 1 << 32, high >= b]
    solve.decide(solve.INTEGERS, [wrong], "less than a factor")
    return ""


def symbolic(rounds):
    """machine.calculate() and compare() on random terms, with random values in place of what is not known."""
    rng, count = random.Random(2), 0
    names = [z3.BitVec(f"x{i}", width) for i, width in enumerate((8, 16, 32, 64))]
    for _ in range(rounds):
        values = [(name, z3.BitVecVal(rng.choice([0, 1, terms.ones(name.size()), rng.getrandbits(name.size())]), name.size()))
                  for name in names]
        for op in machine.ARITHMETIC.keys() | machine.COMPARISON.keys():
            width = rng.choice((32, 64))
            operands = [shape(rng, names, width) for _ in range(2)]
            known = [value_of(operand, values) for operand in operands]
            if op in machine.ARITHMETIC:
                check_terms(op, operands, values, machine.calculate(op, *operands, width), machine.calculate(op, *known, width))
            if op in machine.COMPARISON:
                condition = machine.compare(op, width, *operands)
                found = condition if isinstance(condition, bool) else z3.is_true(z3.simplify(z3.substitute(condition, *values)))
                check_terms(op, operands, values, int(found), int(machine.compare(op, width, *known)))
            count += 1
    return f"{count} operations"


def shape(rng, names, width):
    """An operand as programs have them: a number, an unknown value, pieces of some next to each other or alone."""
    kind, value = rng.randrange(5), rng.choice(names)
    if kind == 0:
        return rng.choice([0, 1, 8, 16, 31, 0xFF, 0xFFFF, terms.ones(width), rng.getrandbits(width)])
    if kind == 1:
        return names[3] if width == 64 else names[2]
    if kind == 2:
        at = rng.randrange(0, 64, 8)
        return terms.wide(terms.extract(names[3], at, min(rng.choice((8, 16, 32)), 64 - at)), width)
    if kind == 3:
        low = rng.choice((8, 16))
        pieces = rng.choice([0, terms.extract(names[2], 8, low)]), terms.extract(names[3], 3, width - low)
        return terms.concat([(pieces[0], low), (pieces[1], width - low)])
    return terms.wide(value, width) if value.size() <= width else terms.extract(value, 0, width)


def value_of(term, values):
    return term if isinstance(term, int) else z3.simplify(z3.substitute(term, *values)).as_long()


def check_terms(op, operands, values, found, expected):
    if value_of(found, values) != expected:
        raise AssertionError(f"operation {op:#x} of {operands} is {value_of(found, values):#x}, not {expected:#x}, with {values}")


def random_term(rng, names, width, depth):
    """A term of that width."""
    if not depth or rng.random() < 0.1:
        fitting = [name for name in names if name.size() == width]
        return rng.choice(fitting) if fitting and rng.random() < 0.8 else z3.BitVecVal(rng.getrandbits(width), width)

    def part(size=width):
        return random_term(rng, names, size, depth - 1)
    kind = rng.randrange(8)
    if kind == 0:
        return part() + part()
    if kind == 1:
        return part() - part()
    if kind == 2:
        return ~part()
    if kind == 3 and width > 8:
        high = rng.choice([size for size in (8, 16, 32) if size < width])
        return z3.Concat(part(high), part(width - high))
    if kind == 4 and width < 64:
        at = rng.randrange(64 - width + 1)
        return z3.Extract(at + width - 1, at, part(64))
    if kind == 5 and width > 16:
        return z3.ZeroExt(width - 16, part(16))
    if kind == 6:
        return z3.If(rng.choice([z3.ULT, z3.ULE, lambda a, b: a == b, lambda a, b: a != b])(part(), part()), part(), part())
    return part() * z3.BitVecVal(rng.choice([0, 1, 31, (1 << width) - 1, rng.getrandbits(width)]), width)
