# SPDX-License-Identifier: GPL-2.0-or-later
"""
Source ports: nb_l4port_random() of bpf/ebpf/via_host.h, the search of bpf/assist/l4port_remap.h, and the set of known ports.
"""
import z3

import terms
from kernel import done
from machine import Ptr, State, possible
from theorem import theorem

# The classes that the kernel keeps apart: of the old port, and what a new one may be (nf_nat_l4proto_unique_tuple()). Those from
# 61000 on are the node's (NB_NODE_L4PORT of natbridge/abi.h).
CLASSES = ((0, 511, 1, 511), (512, 1023, 600, 1023), (1024, 65535, 1024, 60999))


def random_port(t, old, random):
    """The port, and the old one, as numbers: in a packet both are in network byte order."""
    port = t.value("prove_l4port_random", [terms.wide(terms.swap(old, 16), 64)], 16,
                   helpers={7: lambda state, _args: [(state, terms.wide(random, 64))]})
    return terms.swap(port, 16)


@theorem("l4port_random", "ebpf")
def l4port_random(t):
    """nb_l4port_random(): for every old port and every random number, the new port is in the old one's class and not 0; and
    each port of the class comes for some random number."""
    old, random = z3.BitVec("old", 16), z3.BitVec("random", 32)
    port = random_port(t, old, random)
    for first, last, least, most in CLASSES:
        given = [z3.UGE(old, first), z3.ULE(old, last)]
        t.holds(f"class of {first}", given, z3.And(z3.UGE(port, least), z3.ULE(port, most)))
        span = most - least + 1
        for new in range(least, most + 1, 1 if t.long else 16):
            chosen = -(-((new - least) << 32) // span)  # the least random number that gives it
            t.equal(f"port {new} of the class of {first}", State(), random_port(t, first, chosen), new, 16)


def remap_step(t):
    """nb_l4port_remap_search_step(), when neither conntrack nor the table knows the tuple: the ways in which it chooses a
    port."""
    state = State()
    pkt = t.struct(state, "pkt", "nb_pkt", tuple__proto=6, is_v4=1)
    search = t.struct(state, "search", "nb_l4port_remap_search", port=0)
    state.store(search + t.field("nb_l4port_remap_search", "pkt")[0], 8, pkt)
    state.store(search + t.field("nb_l4port_remap_search", "skb")[0], 8, Ptr("skb"))
    state.kernel.update({"map flows": lambda way, _key: [(way, 0)]})
    i, start, first = z3.BitVec("i", 64), *(t.get(state, search, "nb_l4port_remap_search", name) for name in ("start", "first"))
    # What nb_l4port_remap_find() begins with: two ports, one of them times 31.
    state.conditions += [z3.ULT(i, t.constant("NB_L4PORT_REMAP_TRIES")), z3.ULE(start, 65535 * 31 + 65535)]
    for end in t.call("nb_l4port_remap_search_step", [i, search], state, kfuncs={"bpf_skb_ct_lookup": done}):
        if terms.extract(end.regs[0], 0, 32) == 1:
            yield end.conditions, t.get(end, search, "nb_l4port_remap_search", "port"), i, first


@theorem("l4port_remap", "assist")
def l4port_remap(t):
    """The search for a remapped port first tries the port that it is given, if there is one, and then ports from
    NB_L4PORT_REMAP_FIRST to 65535 alone, of which it tries none twice."""
    least, searched = t.constant("NB_L4PORT_REMAP_FIRST"), 0
    for conditions, port, i, first in remap_step(t):
        given = z3.And(i == 0, first != 0)
        t.holds("the given one", [*conditions, given], terms.bits(port, 16) == first)
        if not possible([*conditions, z3.Not(given)]):
            continue
        searched += 1
        port, other = terms.swap(port, 16), z3.BitVec("other i", 64)
        t.holds("range", [*conditions, z3.Not(given)], z3.UGE(port, least))
        t.holds("none twice", [*conditions, z3.Not(given), z3.ULT(other, t.constant("NB_L4PORT_REMAP_TRIES")), i != other],
                port != z3.substitute(port, (i, other)))
    t.holds("some way searches", [], searched > 0)
