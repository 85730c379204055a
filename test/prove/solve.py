# SPDX-License-Identifier: GPL-2.0-or-later
"""
Whether a statement holds for all values of what is unknown in it, by z3: over bits (bit vectors, which suits masks and
comparisons), or over integers (linear arithmetic with division by powers of two, which suits one's complement sums, where
bits fail). Integers() translates a term of bits into integers without changing its value; checks.py compares the two.
"""
import itertools

import z3

ONES = 65535  # the modulus of a one's complement sum over words of 16 bits
# What one statement may take, in z3's own measure: the same on any machine. A second is about 700,000 of it.
LIMIT, SHORT, FIRST = 60000000, 2000000, 200000


BITS, INTEGERS = "bits", "integers"


class Refuted(Exception):
    """The statement is wrong; the text is a case of it."""


class Unknown(Exception):
    """The solver gave up."""


def ask(logic, wrong, goal, limit, options=None):
    """
    True if the conditions "wrong" cannot hold together, None if that was not seen within the limit. Each question is put to z3
    as if it were the first one: what was asked before does not change how long it takes.
    """
    context = z3.Context()
    solver = z3.SolverFor("QF_BV", context) if logic == BITS else z3.Solver(ctx=context)
    solver.set(rlimit=limit, **(options or {}))
    solver.add(*[condition.translate(context) for condition in wrong])
    answer = solver.check()
    if answer == z3.sat:
        raise Refuted(f"{goal}: {describe(solver.model())}")
    return True if answer == z3.unsat else None


def decide(logic, questions, goal, limit=LIMIT):
    """
    Whether one of the questions, which are lists of conditions, has a "cannot hold together" for its answer. Each one has more
    conditions than the one before: a case against it says something only of the last one. One over integers is put in several
    ways, each longer than the one before, since which way is the short one is a matter of luck: z3's older solver of linear
    arithmetic is most often faster for sums, and the newer one knows products.
    """
    size, open_ones = limit if logic == BITS else min(FIRST, limit), list(questions)
    for seed in itertools.count():
        for question in list(open_ones):
            for solver in (2, 6) if logic == INTEGERS else (0,):
                try:
                    if ask(logic, question, goal, size, {"arith.solver": solver, "random_seed": seed} if solver else {}):
                        return
                except Refuted:
                    if question is questions[-1]:
                        raise
                    open_ones.remove(question)
                    break
        if size >= limit:
            raise Unknown(f"{goal}: not decided within {limit}")
        size = min(4 * size, limit)


def describe(model):
    values = sorted((str(name), model[name]) for name in model.decls() if "!" not in str(name))
    return ", ".join(f"{name} = {value.as_long():#x}" for name, value in values if hasattr(value, "as_long"))


def by_bits(goal, given, statement):
    """given, statement: conditions over bit vectors."""
    decide(BITS, [[*given, z3.Not(statement)]], goal)


def follows(given, conditions):
    """Whether the conditions are known to hold; False also where that is not seen at once."""
    if not conditions:
        return True
    try:
        return bool(ask(BITS, [*given, z3.Not(z3.And(*conditions))], "", SHORT))
    except Refuted:
        return False


class Integers:
    """
    Integers that have the values of terms of bits. Each unknown term becomes an unknown integer in its range. "side" holds what
    is then known of these: ranges, and the facts that were added.
    """

    def __init__(self):
        self.fresh = itertools.count()
        self.done, self.divided, self.side, self.any = {}, {}, [], False

    def number(self, term):
        """The integer of a term: a number, or (integer of z3, lowest value, highest value)."""
        return self.parts(term)[0]

    def parts(self, term):
        if isinstance(term, int):
            return term, term, term
        found = self.done.get(term.get_id())
        if not found:
            found = self.done[term.get_id()] = (*self.translate(term), term)  # the term, so that its id stays its own
        return found[:3]

    def translate(self, term):
        width, kind = term.size(), term.decl().kind()
        if z3.is_bv_value(term):
            return (term.as_long(),) * 3
        if kind == z3.Z3_OP_UNINTERPRETED:
            return self.unknown(str(term), width)
        if kind in TRANSLATIONS:
            return self.lowest(*TRANSLATIONS[kind](self, term, width), width)
        # Any number: what holds for all of them holds for the term.
        self.any = True
        return self.unknown(f"any!{next(self.fresh)}", width)

    def unknown(self, name, width):
        number = z3.Int(name)
        self.side.append(z3.And(number >= 0, number < 1 << width))
        return number, 0, (1 << width) - 1

    def divide(self, number, least, most, at):
        """Quotient and rest of a division by 2^at, which is a new unknown number each."""
        if isinstance(number, int):
            return number >> at, number & ((1 << at) - 1)
        key = number.get_id(), at
        if key not in self.divided:
            quotient, rest = z3.Ints(f"q!{next(self.fresh)} r!{next(self.fresh)}")
            self.side += [number == quotient * (1 << at) + rest, quotient >= least >> at, quotient <= most >> at,
                          rest >= 0, rest < 1 << at]
            self.divided[key] = quotient, rest, number  # the number, so that its id stays its own
        return self.divided[key][:2]

    def is_multiple(self, number):
        """Whether a sum is 0 in one's complement."""
        if isinstance(number, int):
            return z3.BoolVal(number % ONES == 0)
        quotient, rest = z3.Ints(f"q!{next(self.fresh)} r!{next(self.fresh)}")
        self.side += [number == quotient * ONES + rest, rest >= 0, rest < ONES]
        return rest == 0

    def lowest(self, number, least, most, width):
        """What is left of a number in so many bits."""
        if least >= 0 and not most >> width:
            return number, least, most
        return self.divide(number, least, most, width)[1], 0, (1 << width) - 1

    def add(self, term, _width):
        parts = [self.parts(child) for child in term.children()]
        return total(part[0] for part in parts), sum(part[1] for part in parts), sum(part[2] for part in parts)

    def multiply(self, term, width):
        if term.num_args() != 2:
            raise Unknown("product of more than two numbers")
        (a, least_a, most_a), (b, least_b, most_b) = (self.parts(child) for child in term.children())
        if isinstance(a, int) and a >> (width - 1):  # the product with a negative number
            a = least_a = most_a = a - (1 << width)
        ends = [x * y for x in (least_a, most_a) for y in (least_b, most_b)]
        return a * b, min(ends), max(ends)

    def scaled(self, a, b):
        """
        a * b / 2^32 for two numbers of 32 bits: less than each, or 0. No more than that is kept. checks.scaled() proves it.
        """
        result, self.any = z3.Int(f"s!{next(self.fresh)}"), True
        for part in (a, b):
            self.side.append(z3.If(part[0] == 0, result == 0, z3.And(result >= 0, result < part[0])))
        return result, 0, min(a[2], b[2])

    def subtract(self, term, _width):
        (a, least_a, most_a), (b, least_b, most_b) = (self.parts(child) for child in term.children())
        return a - b, least_a - most_b, most_a - least_b

    def complement(self, term, width):
        number, least, most = self.parts(term.arg(0))
        ones = (1 << width) - 1
        return ones - number, ones - most, ones - least

    def concat(self, term, _width):
        at, sums = 0, []
        for child in reversed(term.children()):
            sums.append([part * (1 << at) for part in self.parts(child)])
            at += child.size()
        return tuple(total(part[i] for part in sums) for i in range(3))

    def extract(self, term, width):
        _high, at = term.params()
        inner = term.arg(0)
        if at == 32 and inner.decl().kind() == z3.Z3_OP_BMUL and inner.num_args() == 2:
            factors = [self.parts(child) for child in inner.children()]
            if all(not isinstance(part[0], int) and not part[2] >> 32 for part in factors):
                return self.lowest(*self.scaled(*factors), width)
        number, least, most = self.parts(inner)
        if at:
            number, least, most = self.divide(number, least, most, at)[0], least >> at, most >> at
        return self.lowest(number, least, most, width)

    def extend(self, term, _width):
        return self.parts(term.arg(0))

    def choose(self, term, _width):
        (a, least_a, most_a), (b, least_b, most_b) = self.parts(term.arg(1)), self.parts(term.arg(2))
        return z3.If(self.condition(term.arg(0)), a, b), min(least_a, least_b), max(most_a, most_b)

    def condition(self, term):
        """The same condition over integers."""
        kind = term.decl().kind()
        if kind in (z3.Z3_OP_TRUE, z3.Z3_OP_FALSE):
            return term
        if kind == z3.Z3_OP_NOT:
            return z3.Not(self.condition(term.arg(0)))
        if kind in (z3.Z3_OP_AND, z3.Z3_OP_OR):
            return (z3.And if kind == z3.Z3_OP_AND else z3.Or)(*[self.condition(child) for child in term.children()])
        if kind == z3.Z3_OP_EQ and z3.is_bv(term.arg(0)):
            return self.relation(term, lambda a, b: a == b)
        if kind == z3.Z3_OP_DISTINCT and z3.is_bv(term.arg(0)):
            return self.relation(term, lambda a, b: a != b)
        if kind == z3.Z3_OP_ULEQ:
            return self.relation(term, lambda a, b: a <= b)
        if kind == z3.Z3_OP_ULT:
            return self.relation(term, lambda a, b: a < b)
        raise Unknown(f"no condition over integers for {term.decl()}")

    def conditions(self, terms):
        """Those that can be translated: a statement that holds without the others holds with them."""
        found = []
        for term in terms:
            try:
                found.append(self.condition(term))
            except Unknown:
                pass
        return found

    def relation(self, term, holds):
        held = holds(*(self.number(child) for child in term.children()))
        return z3.BoolVal(held) if isinstance(held, bool) else held

    def total(self, words):
        """The sum of words: terms, numbers, and (factor, term)."""
        return total(word[0] * self.number(word[1]) if isinstance(word, tuple) else self.number(word) for word in words)

    def same(self, left, right):
        """A fact: both sums are the same in one's complement."""
        factor = z3.Int(f"k!{next(self.fresh)}")
        self.side.append(self.total(left) - self.total(right) == ONES * factor)


def total(numbers):
    """Their sum; those that are known first, so that none stands beside the others for nothing."""
    numbers = list(numbers)
    known = sum(number for number in numbers if isinstance(number, int))
    others = [number for number in numbers if not isinstance(number, int)]
    return sum(others[1:], others[0] + known if known else others[0]) if others else known


TRANSLATIONS = {
    z3.Z3_OP_BADD: Integers.add, z3.Z3_OP_BMUL: Integers.multiply, z3.Z3_OP_BSUB: Integers.subtract,
    z3.Z3_OP_BNOT: Integers.complement, z3.Z3_OP_CONCAT: Integers.concat, z3.Z3_OP_EXTRACT: Integers.extract,
    z3.Z3_OP_ZERO_EXT: Integers.extend, z3.Z3_OP_ITE: Integers.choose,
}


def by_integers(goal, conditions, facts, statement):
    """
    conditions: over bit vectors. facts: pairs of sums that are the same. statement: function(integers) -> a condition over
    integers. What is not needed only makes a question longer: it is asked without conditions and facts, too.
    """
    questions, whole = [], None
    for some, more in (([], []), (conditions, []), (conditions, facts)):
        whole = Integers()
        given = whole.conditions(some)
        for left, right in more:
            whole.same(left, right)
        wrong = z3.Not(statement(whole))  # adds to "side", too
        questions.append([*given, *whole.side, wrong])
    try:
        decide(INTEGERS, questions[:1] if not conditions and not facts else questions, goal)
    except Refuted as case:
        if whole.any:
            raise Unknown(f"{goal}: not translated as a whole") from case
        raise


def same_sum(goal, conditions, facts, left, right):
    """
    Both sums of words (see Integers.total()) are the same in one's complement. Facts are first used where they make the
    statement shorter: their difference is 0, so a multiple of it may be added. The solver then gets the rest.
    """
    rest, known = Combination(left, right), [Combination(*fact) for fact in facts]
    while True:
        shorter = min((rest.plus(fact, factor) for fact in known for factor in (1, -1)), key=len, default=rest)
        if len(shorter) >= len(rest):
            break
        rest = shorter
    if not len(rest) and rest.constant % ONES == 0:
        return
    by_integers(goal, conditions, facts, rest.is_zero)


def most(term):
    """No value of the term is higher; of a sum, also without its wrap."""
    kind = term.decl().kind()
    if z3.is_bv_value(term):
        return term.as_long()
    if kind == z3.Z3_OP_ZERO_EXT:
        return most(term.arg(0))
    if kind == z3.Z3_OP_BADD:
        return sum(most(child) for child in term.children())
    return (1 << term.size()) - 1


class Combination:
    """The difference of two sums of words: factors by term, and a constant."""

    def __init__(self, left=(), right=()):
        self.parts, self.constant = {}, 0
        for words, sign in ((left, 1), (right, -1)):
            for word in words:
                factor, term = word if isinstance(word, tuple) else (1, word)
                self.add(sign * factor, term)

    def add(self, factor, term):
        """What is a sum itself is taken apart, so that facts meet its parts."""
        if isinstance(term, int):
            self.constant += factor * term
            return
        kind, width = term.decl().kind(), term.size()
        if kind == z3.Z3_OP_ZERO_EXT:
            self.add(factor, term.arg(0))
        elif kind == z3.Z3_OP_BNOT:
            self.constant += factor * ((1 << width) - 1)
            self.add(-factor, term.arg(0))
        elif z3.is_bv_value(term):
            self.constant += factor * term.as_long()
        elif kind == z3.Z3_OP_BADD and most(term) >> width == 0:
            for child in term.children():
                self.add(factor, child)
        elif kind == z3.Z3_OP_EXTRACT and not term.params()[1] and most(term.arg(0)) >> width == 0:
            self.add(factor, term.arg(0))
        else:
            self.add_part(factor, term.get_id(), term)

    def add_part(self, factor, key, term):
        total = factor + self.parts.pop(key, (0, term))[0]
        if total:
            self.parts[key] = (total, term)

    def plus(self, other, factor):
        result = Combination()
        result.parts, result.constant = dict(self.parts), self.constant + factor * other.constant
        for key, (part, term) in other.parts.items():
            result.add_part(factor * part, key, term)
        return result

    def is_zero(self, integers):
        return integers.is_multiple(total([integers.total(self.words()), self.constant]))

    def words(self):
        return list(self.parts.values())

    def __len__(self):
        return len(self.parts)
