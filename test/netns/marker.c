// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Another program at a port, in front of natbridge's (needs tcx, Linux 6.6).
 *
 *   marker IFNAME MARK [NAME]   gives every packet that comes in there that mark and priority
 *   marker -d IFNAME            takes it away, unless it was given a name
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/datapath/tc_hook.h"

enum { PROGS = 64, TCX_NEXT = -1, BEFORE = 1 << 3 /* BPF_F_BEFORE */ };

#define NAME        "nbt_marker"
#define TCX_INGRESS ((enum bpf_attach_type)46) /* of Linux 6.6 */

static int fail(const char *what)
{
	fprintf(stderr, "marker: %s: %s\n", what, strerror(errno));
	return 1;
}

static int attach(unsigned int ifindex, __s32 mark, const char *name)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = mark },
		{ .code = BPF_STX | BPF_MEM | BPF_W,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_REG_2,
		  .off = offsetof(struct __sk_buff, mark) },
		{ .code = BPF_STX | BPF_MEM | BPF_W,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_REG_2,
		  .off = offsetof(struct __sk_buff, priority) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TCX_NEXT },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_attach_opts, opts, .flags = BEFORE);
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, name, "GPL", insns, sizeof(insns) / sizeof(insns[0]),
			       NULL);

	if (fd < 0)
		return fail("load");
	return bpf_prog_attach_opts(fd, (int)ifindex, TCX_INGRESS, &opts) ? fail("attach") : 0;
}

static int detach(unsigned int ifindex)
{
	__u32 ids[PROGS];
	LIBBPF_OPTS(bpf_prog_query_opts, opts, .prog_ids = ids, .prog_cnt = PROGS);

	if (bpf_prog_query_opts((int)ifindex, TCX_INGRESS, &opts))
		return fail("query");
	for (__u32 i = 0; i < opts.prog_cnt; i++) {
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(ids[i]);

		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) && !strcmp(info.name, NAME))
			return bpf_prog_detach2(fd, (int)ifindex, TCX_INGRESS) ? fail("detach") : 0;
	}
	errno = ENOENT;
	return fail("detach");
}

int main(int argc, char **argv)
{
	unsigned int ifindex;

	if (argc == 3 && !strcmp(argv[1], "-d") && (ifindex = if_nametoindex(argv[2])))
		return detach(ifindex);
	if ((argc == 3 || argc == 4) && (ifindex = if_nametoindex(argv[1])))
		return attach(ifindex, (__s32)strtoul(argv[2], NULL, 0), argc == 4 ? argv[3] : NAME);
	fprintf(stderr, "usage: marker IFNAME MARK [NAME] | marker -d IFNAME\n");
	return 2;
}
