# SPDX-License-Identifier: GPL-2.0-or-later
"""
Whether the proofs notice: each row breaks the arithmetic in one place and names the theorem that must be refuted, by a case
against it. A theorem that is proven all the same, or left open, fails the test. Each theorem has a row. The same of the machine
and of the models of the kernel, which the vectors or a theorem must find wrong.
"""
import os
import shutil
import subprocess
from unittest import mock

import elf
import kernel
import machine
import solve
import terms
import theorem

CSUM, NAT, CREATE, CONNTRACK = "bpf/lib/csum.h", "bpf/ebpf/nat.h", "bpf/ebpf/conn_create.h", "bpf/ebpf/conntrack.h"
VIA_HOST = "bpf/ebpf/via_host.h"
ICMP_PARSE, ICMP_NAT, ECHO = "bpf/lib/icmp_parse.h", "bpf/ebpf/icmp_nat.h", "bpf/ebpf/icmp_echo.h"
REJECT, NO_ROUTE, SERVICE = "bpf/ebpf/reject.h", "bpf/ebpf/host_no_route.h", "bpf/ebpf/service.h"
REMAP, FLOW = "bpf/assist/l4port_remap.h", "bpf/assist/flow.h"
INDEX, LIFE, PREFIX = "include/natbridge/conn_index.h", "include/natbridge/conn_life.h", "lib/maps/prefix.c"

ROWS = (
    # name, theorem, file, text, text in its place
    ("fold_last_carry", "fold", CSUM, "return (sum & 0xffff) + (sum >> 16);", "return sum & 0xffff;"),
    ("fold_upper_half", "fold", CSUM, "sum = (sum & 0xffffffff) + (sum >> 32);", ""),
    ("fold_small_carry", "fold_small", CSUM, "return sum + (sum >> 16);", "return sum;"),
    ("folded_carry", "folded", CSUM, "return (sum & 0xffff) + (sum >> 16);", "return sum & 0xffff;"),
    ("fold_argument", "fold_arguments", NAT, "conn->csum_addr + (__u16)~ip->check", "(conn->csum_addr << 5) + (__u16)~ip->check"),
    ("fold_argument_assist", "fold_arguments_assist", REMAP, "(__u16)~from + to)", "((__u64)(__u16)~from << 40) + to)"),
    ("pseudo_length", "pseudo_header", CSUM, ".len = bpf_htonl(len)", ".len = len"),
    ("difference_sign", "differences", NAT, "nb_csum_change(&from, &to, 1)", "nb_csum_change(&to, &from, 1)"),
    ("difference_not_folded", "differences", NAT, "nb_csum_fold(nb_csum_change(key->src.w, conn->src.w, 2 * 4))",
     "nb_csum_change(key->src.w, conn->src.w, 2 * 4)"),
    ("difference_words", "differences", NAT, "conn->src.w, 2 * 4)", "conn->src.w, 7)"),
    ("reply_sign", "differences", CREATE, "rev->csum_addr = (__u16)~fwd->csum_addr;", "rev->csum_addr = fwd->csum_addr;"),
    ("ports_forgotten", "translate", NAT, "conn->csum_addr + conn->csum_port + (__u16)~check", "conn->csum_addr + (__u16)~check"),
    ("check_not_complement", "translate", NAT, "conn->csum_port + (__u16)~check", "conn->csum_port + check"),
    ("ip_check_not_complement", "translate", NAT, "conn->csum_addr + (__u16)~ip->check", "conn->csum_addr + ip->check"),
    ("partial_complement", "translate", NAT, "return nb_csum_fold_small(conn->csum_addr + check);",
     "return ~nb_csum_fold_small(conn->csum_addr + check);"),
    ("zero_written", "translate", NAT, "nat->csum_state) ?: 0xffff;", "nat->csum_state);"),
    ("none_becomes_some", "translate", NAT, "else if (l4->udp.check)\n", "else\n"),
    ("kernel_zero", "translate", NAT, "flags = BPF_F_MARK_MANGLED_0;", "flags = 0;"),
    ("kernel_pseudo", "translate", NAT, "flags | BPF_F_PSEUDO_HDR", "flags"),
    ("source_only", "translate", NAT, "ip->daddr = conn->dst.w[3];", "ip->daddr = conn->src.w[3];"),
    ("later_fragment", "translate_options", NAT, "(nb_nat_is_apart(pkt, pkt->is_v4) && !pkt->later_fragment &&",
     "(nb_nat_is_apart(pkt, pkt->is_v4) &&"),
    ("complete_is_whole", "complete", CSUM, "if (ip_summed == CHECKSUM_COMPLETE)", "if (0)"),
    ("quoted_sign", "icmp_error", ICMP_NAT, "return l4_fixed ? (__u16)~addr : port;", "return l4_fixed ? addr : port;"),
    ("quoted_ipv6", "icmp_error", ICMP_NAT, "return l4_fixed ? 0 : addr + port;", "return l4_fixed ? 0 : port;"),
    ("quoted_zero", "icmp_error", ICMP_NAT, "if (pkt->tuple.proto == IPPROTO_UDP && !sum)", "if (0)"),
    ("quoted_none", "icmp_error", ICMP_PARSE, "return check && (!udp || *check) ? check : NULL;", "return check;"),
    ("quoted_ports", "icmp_error", ICMP_NAT, "{ conn->dport, conn->sport }", "{ conn->sport, conn->dport }"),
    ("quoted_options", "icmp_error_options", ICMP_PARSE, "pkt->quoted_off + 4 * ip->ihl;", "pkt->quoted_off + sizeof(*ip);"),
    ("echo_byte_order", "echo", ECHO, "request, bpf_htons(reply << 8)", "request, reply << 8"),
    ("reset_partial", "reset", REJECT, "tcp.check = partial ? nb_csum_fold(sum)", "tcp.check = partial ? ~nb_csum_fold(sum)"),
    ("error_pseudo_length", "unreachable", REJECT, "nb_csum_pseudo(&from, &pkt->tuple.src, sizeof(icmp) + len",
     "nb_csum_pseudo(&from, &pkt->tuple.src, len"),
    ("completed_ipv6", "complete_check", NO_ROUTE, "bpf_csum_diff((__be32 *)&ip, sizeof(ip), NULL, 0, sum)",
     "bpf_csum_diff(NULL, 0, (__be32 *)&ip, sizeof(ip), sum)"),
    ("remap_old_port", "remap", REMAP, "of_sender ? pkt->tuple.sport : pkt->tuple.dport, port, flags)",
     "of_sender ? pkt->tuple.dport : pkt->tuple.sport, port, flags)"),
    ("remap_sign", "remap_quoted", REMAP, "(__u16)~from + to", "from + (__u16)~to"),
    ("remap_zero", "remap_quoted", REMAP, "if (pkt->tuple.proto == IPPROTO_UDP && !check)", "if (0)"),
    ("port_span", "l4port_random", VIA_HOST, "span = NB_NODE_L4PORT - 1024;", "span = NB_NODE_L4PORT - 1025;"),
    ("port_class", "l4port_random", VIA_HOST, "span = 511;", "span = 512;"),
    ("port_zero", "l4port_random", VIA_HOST, "low = 1;", "low = 0;"),
    ("remap_range", "l4port_remap", REMAP, "% NB_L4PORT_REMAP_PORTS)", "% 8192)"),
    ("make_ipv4", "prefix_make", PREFIX, "(nb_addr_is_v4(addr) ? 96 : 0)", "0"),
    ("cover_too_small", "prefix_cover", PREFIX, "mask &= ~(0xffffffffU >>", "mask &= ~(0x7fffffffU >>"),
    ("cover_next_word", "prefix_cover", PREFIX, "ended = mask != 0xffffffffU;", "ended = false;"),
    ("in_prefix_word", "in_prefix", SERVICE, "nb_in_prefix_word(prefix, addr->w[1], 1)", "nb_in_prefix_word(prefix, addr->w[1], 2)"),
    ("backend_past_end", "backend_choose", SERVICE, "((__u64)hash * frontend->count) >> 32;",
     "((__u64)hash * (frontend->count + 1ULL)) >> 32;"),
    ("set_home_too_far", "set_home", INDEX, "* nb_set_count(table) >> 32;", "* nb_set_count(table) >> 31;"),
    ("next_loses_bits", "set_home", INDEX, "return hash << 21 | hash >> 43;", "return hash << 21 | hash >> 44;"),
    ("way_zero", "way", INDEX, "| (entry_id + 1);", "| entry_id;"),
    ("too_many_entries", "entry_ids", "lib/maps/settings.h", "NB_CONNECTIONS_MAX = 1 << 23,", "NB_CONNECTIONS_MAX = 1 << 24,"),
    ("key_without_word", "same_key", INDEX, "(x[1] ^ y[1]) | ", ""),
    ("hash_shift", "conn_hash", INDEX, "return hash ^ hash >> 32;", "return hash ^ hash >> 33;"),
    ("hash_factor", "conn_hash_sum", INDEX, "word[i] * nb_set_seed(table, i);", "word[i] * nb_set_seed(table, i & 7);"),
    ("life_state_mask", "life_read", LIFE, "return life >> NB_LIFE_STATE_SHIFT & 15;", "return life >> NB_LIFE_STATE_SHIFT & 7;"),
    ("life_use_added", "life_write", LIFE, "return (life & ~(7ULL << NB_LIFE_USE_SHIFT)) |", "return life |"),
    ("life_carry", "life_write", LIFE, "return life + (1ULL << NB_GEN_SHIFT);", "return life + (1ULL << (NB_GEN_SHIFT - 1));"),
    ("tag_of_use", "tag", LIFE, "return nb_life_same_gen(word, life) ? word : 0;", "return nb_life_same(word, life) ? word : 0;"),
    ("expired_late", "expired", CONNTRACK, "(__s32)(nb_life_expires(life) - now) <= 0", "(__s32)(nb_life_expires(life) - now) < 0"),
    ("expired_unsigned", "expired", CONNTRACK, "(__s32)(nb_life_expires(life) - now) <= 0", "nb_life_expires(life) <= now"),
    ("victim_shift", "flow_victim", FLOW, "(age | free << 31) << 3 | i;", "(age | free << 31) << 2 | i;"),
    ("way_rank", "flow_way", FLOW, "{ 0, 1, 6, 2, 7, 5, 4, 3 };", "{ 0, 1, 6, 2, 7, 5, 3, 4 };"),
    ("way_locked", "flow_way", FLOW, "differs &= ~(__u64)NB_FLOW_LOCKED;", ""),
    ("flow_order", "flow_key", FLOW, "return tuple->src.w[i] > tuple->dst.w[i];", "return tuple->src.w[i] > tuple->dst.w[3];"),
    ("flow_set_too_far", "flow_set", FLOW, "((hash >> 32) * nb_constants.flow_sets) >> 32;",
     "((hash >> 32) * nb_constants.flow_sets) >> 31;"),
    ("flow_tag_free", "flow_set", FLOW, "*tag = (__u32)(hash >> 16) | NB_FLOW_TAG_TAKEN;", "*tag = (__u32)(hash >> 63);"),
    ("flow_unsigned", "flow_lifetime", FLOW,
     "return (__s32)(now - seen) > (__s32)nb_flow_timeout(flow, proto);", "return now - seen > nb_flow_timeout(flow, proto);"),
)
COPIED = ("bpf", "include", "lib", "test/prove/bpf")


def broken(op, index, function):
    """machine.ARITHMETIC with another function: index 0 on numbers, 1 on bit vectors."""
    functions = list(machine.ARITHMETIC[op])
    functions[index] = function
    return mock.patch.dict(machine.ARITHMETIC, {op: tuple(functions)})


# name, the step that must fail, what is wrong meanwhile
MODELS = (
    ("machine_shift", "machine_ebpf", lambda: broken(0x70, 0, lambda a, b, w: a >> (b & 31))),
    ("machine_swap", "machine_ebpf", lambda: mock.patch.object(terms, "swap", lambda value, width: value)),
    ("machine_terms", "terms", lambda: broken(0x10, 1, lambda a, b, w: b - a)),
    ("machine_pieces", "terms", lambda: mock.patch.object(terms, "trailing_zeros", lambda value, width: width)),
    ("kernel_check", "machine_assist", lambda: mock.patch.object(kernel, "csum_add", lambda a, b: machine.calculate(0x00, a, b, 32))),
    ("kernel_difference", "kernel_sums", lambda: mock.patch.object(kernel, "csum_sub", kernel.csum_add)),
)


def steps(objects, others):
    """others: the steps of the proofs."""
    functions = {name: function for name, _, function in others}
    return [("mutations_cover", "each theorem has a mutation", cover),
            *[(row[0], f"{row[1]} is refuted", lambda row=row: refuted(objects, row)) for row in ROWS],
            *[(name, f"{step} fails", lambda step=step, wrong=wrong: fails(functions[step], wrong)) for name, step, wrong in MODELS]]


def cover():
    missing = {one.name for one in theorem.ALL} - {row[1] for row in ROWS} - {row[1] for row in MODELS}
    if missing:
        raise AssertionError(f"no mutation of {' '.join(sorted(missing))}")
    return f"{len(theorem.ALL)} theorems"


def fails(function, wrong):
    with wrong():
        try:
            function()
        except (solve.Refuted, machine.Fault, AssertionError) as reason:
            return str(reason)[:100]
    raise AssertionError("nothing was found wrong")


def refuted(objects, row):
    name, wanted, *change = row
    one = next(one for one in theorem.ALL if one.name == wanted)
    subject = theorem.Subject(elf.Object(build(objects, name, change, one.source)))
    try:
        one.prove(subject)
    except solve.Refuted as case:
        return str(case)[:100]
    raise AssertionError(f"{wanted} is proven all the same")


def build(objects, name, change, source):
    """The object of the changed sources. source: as in theorem(); ebpf_folds is ebpf.bpf.c, compiled with FOLD_CALLS."""
    path, old, new = change
    folder = os.path.join(objects.folder, "mutated", name)
    shutil.rmtree(folder, ignore_errors=True)
    for tree in COPIED:
        shutil.copytree(tree, os.path.join(folder, tree))
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if text.count(old) != 1:
        raise AssertionError(f"{path} has the text {text.count(old)} times: {old}")
    with open(os.path.join(folder, path), "w", encoding="utf-8") as file:
        file.write(text.replace(old, new))
    made = os.path.join(os.path.abspath(objects.folder), "mutated", f"{name}.o")
    file, _, folds = source.partition("_")
    command = f"{objects.compiler()} {'-DFOLD_CALLS' if folds else ''} -Wno-error -c test/prove/bpf/{file}.bpf.c -o '{made}'"
    subprocess.run(command, shell=True, check=True, cwd=folder, stderr=subprocess.PIPE)
    shutil.rmtree(folder)
    return made
