// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The eBPF programs at a link, which Debian 12's bpftool and tc do not show for tcx (Linux 6.6).
 *
 *   attached IFNAME      prints a line "ingress NAME" or "egress NAME" for each
 *   attached -i IFNAME   "ingress NAME ID" or "egress NAME ID"
 *   attached -d IFNAME   the same, and detaches them
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PROGS = 64, TCX_INGRESS = 46, TCX_EGRESS = 47 /* enum bpf_attach_type of Linux 6.6 */ };

static int print_hook(unsigned int ifindex, int hook, const char *name, bool ids_too, bool detach)
{
	__u32 ids[PROGS];
	LIBBPF_OPTS(bpf_prog_query_opts, opts, .prog_ids = ids, .prog_cnt = PROGS);

	if (bpf_prog_query_opts((int)ifindex, hook, &opts)) {
		fprintf(stderr, "attached: %s: %s\n", name, strerror(errno));
		return 1;
	}
	for (__u32 i = 0; i < opts.prog_cnt; i++) {
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(ids[i]);

		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len)) {
			printf("%s %s", name, info.name);
			if (ids_too)
				printf(" %u", info.id);
			putchar('\n');
		}
		if (fd >= 0 && detach && bpf_prog_detach2(fd, (int)ifindex, hook))
			perror("attached: detach");
		if (fd >= 0)
			close(fd);
	}
	return 0;
}

int main(int argc, char **argv)
{
	bool detach = argc == 3 && !strcmp(argv[1], "-d"), ids_too = argc == 3 && !strcmp(argv[1], "-i");
	unsigned int ifindex = argc == 2 + (detach || ids_too) ? if_nametoindex(argv[argc - 1]) : 0;

	if (!ifindex) {
		fprintf(stderr, "usage: attached [-d|-i] IFNAME\n");
		return 2;
	}
	return print_hook(ifindex, TCX_INGRESS, "ingress", ids_too, detach) |
	       print_hook(ifindex, TCX_EGRESS, "egress", ids_too, detach);
}
