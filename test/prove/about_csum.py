# SPDX-License-Identifier: GPL-2.0-or-later
"""bpf/lib/csum.h, and the sums of the kernel's helpers."""
import z3

import kernel
import terms
from machine import State
from theorem import minus, theorem

# The least sum that nb_csum_fold() gets wrong: its first two halves add up to 2^32 + 0xffff.
TOO_MUCH = (1 << 48) + (1 << 32) - 1
PROMISED, PROMISED_SMALL = (1 << 47) - 1, (1 << 20) - 1


def word(value, i):
    return z3.Extract(16 * i + 15, 16 * i, value)


@theorem("fold", "ebpf")
def fold(t):
    """nb_csum_fold(): for every sum below 2^48 + 2^32 - 1 (its callers promise less than 2^47), the result has 16 bits, is the
    same in one's complement, and is 0 only for 0. So a folded difference of 0 still means that nothing changes. That bound is
    exact."""
    total = z3.BitVec("sum", 64)
    state = State()
    result = t.value("prove_csum_fold", [total])
    state.conditions.append(z3.ULT(total, TOO_MUCH))
    t.same_sum("the same sum", state, [result], [total])
    t.holds("16 bits", state.conditions, z3.ULE(result, 0xFFFF))
    t.holds_by_integers("0 for 0 alone", state, lambda n: (n.number(result) == 0) == (n.number(total) == 0))
    wrong = t.value("prove_csum_fold", [TOO_MUCH])
    t.holds("the bound", [], wrong % 0xFFFF != TOO_MUCH % 0xFFFF)


@theorem("fold_small", "ebpf")
def fold_small(t):
    """nb_csum_fold_small(): the same as nb_csum_fold() for every number of 32 bits (its callers promise less than 2^20)."""
    total = z3.BitVec("sum", 32)
    small, result = (t.value(name, [terms.wide(total, 64)], 32) for name in ("prove_csum_fold_small", "prove_csum_fold"))
    state = State()
    t.same_sum("the same sum", state, [small], [total])
    t.holds_by_integers("the very same", state, lambda n: n.number(small) == n.number(result))


def folds_of(t, case, function):
    """All arguments of nb_csum_fold() in one case, each with the state of its call."""
    found = []

    def called(most):
        def note(state, args):
            found.append((state.copy(), args[0], most))
            return [(state, terms.wide(kernel.new("folded", 16), 64))]
        return note
    state, args = case.begin(t)
    t.call(function, args, state,
           kfuncs={"prove_fold_called": called(PROMISED), "prove_fold_small_called": called(PROMISED_SMALL)})
    return found


def bounded(t, found):
    t.holds("some call", [], len(found) > 0)
    for state, argument, most in found:
        t.holds_by_integers(f"at most {most:#x}", state, lambda n, argument=argument, most=most: n.number(argument) <= most)


@theorem("fold_arguments", "ebpf_folds")
def fold_arguments(t):
    """No use of nb_csum_fold() in mode ebpf gives it 2^47 or more, and none of nb_csum_fold_small() 2^20: translation in
    every state of the checksum, ICMP errors, resets, port unreachable, completed checksums."""
    from about_icmp import Error
    from about_nat import ETH, TCP, UDP, V4, V6, Rewrite
    from about_reject import Complete, Reject
    for v4 in (True, False):
        for proto in (TCP, UDP):
            for summed in (0, 3):
                bounded(t, folds_of(t, Rewrite(v4, proto, ETH + (V4 if v4 else V6), summed), "nb_translate"))
            bounded(t, folds_of(t, Error(v4, proto), "prove_icmp_error"))
            bounded(t, folds_of(t, Complete(v4, proto, 20), "prove_complete_check"))
        for summed in (0, 3):
            bounded(t, folds_of(t, Reject(v4, TCP, summed), "nb_reject_reset"))
        bounded(t, folds_of(t, Reject(v4, UDP, 0), "nb_reject_unreachable"))


@theorem("fold_arguments_assist", "assist_folds")
def fold_arguments_assist(t):
    """The same in mode assist."""
    from about_flow import Quoted
    for v4 in (True, False):
        for proto in (6, 17):
            bounded(t, folds_of(t, Quoted(v4, proto, 20, True), "prove_remap_write_quoted"))


@theorem("folded", "ebpf")
def folded(t):
    """A difference that is folded to 16 bits does what the one of 32 bits does, wherever an entry's is used: its complement in
    16 bits is the difference with the sign changed, and added to a checksum it gives the same in one's complement, here and in
    bpf_l4_csum_replace() with any flags."""
    diff, check = z3.BitVec("diff", 32), z3.BitVec("check", 16)
    state = State()
    short = terms.extract(t.value("prove_csum_fold", [terms.wide(diff, 64)]), 0, 16)
    t.same_sum("the same sum", state, [short], [diff])
    t.same_sum("the sign", state, [terms.complement(short, 16)], minus([diff]))
    for name, function in (("checksum", kernel.replaced), ("partial checksum", kernel.replaced_partial)):
        results = [function(check, None, terms.wide(added, 32)) for added in (diff, short)]
        t.same_sum(name, state, *[[result] for result in results])
    csum = z3.BitVec("csum", 32)
    t.same_sum("skb->csum", state, *[[kernel.complete(csum, None, terms.wide(added, 32))] for added in (diff, short)])
    # Which of the two forms of 0 comes out differs where the sum is 0 in one's complement alone.
    for name, function in (("checksum", kernel.replaced), ("partial checksum", kernel.replaced_partial)):
        results = [function(check, None, terms.wide(added, 32)) for added in (diff, short)]
        t.holds_by_integers(f"the very same {name}", state, lambda n: n.number(results[0]) == n.number(results[1]))


@theorem("kernel_sums", "ebpf")
def kernel_sums(t):
    """The kernel's csum_replace4() and csum_replace_by_diff(): the new checksum is the old one less what is added to the data,
    in one's complement; of a partial checksum, plus what is added. Of skb->csum as well, plus the change of the checksum."""
    check, old, added, csum = z3.BitVec("check", 16), z3.BitVec("old", 32), z3.BitVec("added", 32), z3.BitVec("csum", 32)
    state = State()
    for before in (None, old):
        less = 0 if before is None else before
        t.same_sum("checksum", state, [kernel.replaced(check, before, added)], [check, (-1, added), less])
        t.same_sum("partial checksum", state, [kernel.replaced_partial(check, before, added)], [check, added, (-1, less)])
        t.same_sum("skb->csum", state, [kernel.complete(csum, before, added)], [csum, (-1, added), less])


@theorem("pseudo_header", "ebpf")
def pseudo_header(t):
    """nb_csum_pseudo(): the sum of the pseudo header of IPv6 (RFC 8200, 8.1), and for two IPv4 addresses that of TCP and UDP
    over IPv4 (RFC 9293, RFC 768)."""
    for v4 in (True, False):
        state = State()
        ends = [t.struct(state, name, "nb_addr") for name in ("src", "dst")]
        for end in ends if v4 else ():
            t.put_mapped(state, end, "nb_addr", "")
        length, proto = z3.BitVec("len", 16), z3.BitVec("proto", 8)
        covered = [part for end in ends for part in t.address(state, end, "nb_addr", "")[6 if v4 else 0:]]
        covered += [terms.swap(length, 16), terms.concat([(0, 8), (proto, 8)])]
        for end in t.call("prove_csum_pseudo", [*ends, terms.wide(length, 64), terms.wide(proto, 64)], state):
            t.same_sum(f"pseudo header of IPv{4 if v4 else 6}", end, [terms.extract(end.regs[0], 0, 32)], covered)
