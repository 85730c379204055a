// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The least that programs at pods' ports cost, for the bench to tell what a datapath could reach at best
 * (needs tcx, Linux 6.6).
 *
 *   bound hooks PORT PORT   programs that do nothing, at both hooks of both ports
 *   bound peer PORT PORT    what is for the pod of the other port goes to it by bpf_redirect_peer()
 *   bound route LINK PORT   IPv4 that comes in by LINK goes to the pod of PORT in the same way, and what
 *                           that pod sends to the next hop by bpf_redirect_neigh()
 *
 * A port is the host's end of a pod's veth pair, in this namespace. The programs stay until the port is
 * deleted.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lib/datapath/tc_hook.h"

#define TCX_NEXT    (-1)
#define TCX_INGRESS ((enum bpf_attach_type)46) /* of Linux 6.6 */
#define TCX_EGRESS  ((enum bpf_attach_type)47)
#define COUNT(a)    (sizeof(a) / sizeof((a)[0]))

static int fail(const char *what)
{
	fprintf(stderr, "bound: %s: %s\n", what, strerror(errno));
	return 1;
}

static int attach(unsigned int ifindex, enum bpf_attach_type hook, const struct bpf_insn *insns, size_t count)
{
	LIBBPF_OPTS(bpf_prog_attach_opts, opts);
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "nbt_bound", "GPL", insns, count, NULL);

	if (fd < 0)
		return fail("load");
	return bpf_prog_attach_opts(fd, (int)ifindex, hook, &opts) ? fail("attach") : 0;
}

static int attach_empty(unsigned int ifindex, enum bpf_attach_type hook)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TCX_NEXT },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return attach(ifindex, hook, insns, COUNT(insns));
}

static int hooks(const unsigned int port[2])
{
	for (int i = 0; i < 2; i++)
		if (attach_empty(port[i], TCX_INGRESS) || attach_empty(port[i], TCX_EGRESS))
			return 1;
	return 0;
}

/* Broadcasts and multicasts stay on the bridge, which brings the answers to them; all else is the other
 * pod's. */
static int attach_peer(unsigned int ifindex, unsigned int other)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_LDX | BPF_MEM | BPF_W,
		  .dst_reg = BPF_REG_2,
		  .src_reg = BPF_REG_1,
		  .off = offsetof(struct __sk_buff, data) },
		{ .code = BPF_LDX | BPF_MEM | BPF_W,
		  .dst_reg = BPF_REG_3,
		  .src_reg = BPF_REG_1,
		  .off = offsetof(struct __sk_buff, data_end) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_4, .src_reg = BPF_REG_2 },
		{ .code = BPF_ALU64 | BPF_ADD /* | BPF_K, which is 0 as well */,
		  .dst_reg = BPF_REG_4,
		  .imm = 14 },
		{ .code = BPF_JMP | BPF_JGT | BPF_X, .dst_reg = BPF_REG_4, .src_reg = BPF_REG_3, .off = 6 },
		{ .code = BPF_LDX | BPF_MEM | BPF_B, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_2 },
		{ .code = BPF_JMP | BPF_JSET | BPF_K, .dst_reg = BPF_REG_2, .imm = 1, .off = 4 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = (__s32)other },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 0 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_peer },
		{ .code = BPF_JMP | BPF_EXIT },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TCX_NEXT },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return attach(ifindex, TCX_INGRESS, insns, COUNT(insns));
}

/* IPv4 that comes in by a device goes to another one; the rest stays. by: a helper. */
static int attach_route(unsigned int ifindex, unsigned int other, __s32 by)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_LDX | BPF_MEM | BPF_W,
		  .dst_reg = BPF_REG_2,
		  .src_reg = BPF_REG_1,
		  .off = offsetof(struct __sk_buff, protocol) },
		{ .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = BPF_REG_2, .imm = htons(ETH_P_IP), .off = 6 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = (__s32)other },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_4, .imm = 0 },
		{ .code = BPF_JMP | BPF_CALL, .imm = by },
		{ .code = BPF_JMP | BPF_EXIT },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TCX_NEXT },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return attach(ifindex, TCX_INGRESS, insns, COUNT(insns));
}

int main(int argc, char **argv)
{
	unsigned int port[2] = { argc == 4 ? if_nametoindex(argv[2]) : 0,
				 argc == 4 ? if_nametoindex(argv[3]) : 0 };

	if (port[0] && port[1] && !strcmp(argv[1], "hooks"))
		return hooks(port);
	if (port[0] && port[1] && !strcmp(argv[1], "peer"))
		return attach_peer(port[0], port[1]) || attach_peer(port[1], port[0]);
	if (port[0] && port[1] && !strcmp(argv[1], "route"))
		return attach_route(port[0], port[1], BPF_FUNC_redirect_peer) ||
		       attach_route(port[1], port[0], BPF_FUNC_redirect_neigh);
	fprintf(stderr, "usage: bound hooks|peer PORT PORT, or bound route LINK PORT\n");
	return 2;
}
