// SPDX-License-Identifier: GPL-2.0-or-later
/* The system calls of tcx, and libbpf's requests for clsact. */
#include "tc_hook.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/util/cleanup.h"

#include "libbpf_quiet.h"

#define CONSTANTS ".rodata.constants" /* of which the kernel keeps 15 characters */

enum {
	/* BPF_TCX_INGRESS and BPF_TCX_EGRESS of linux/bpf.h, which Debian 12's does not have yet */
	TCX_INGRESS = 46,
	TCX_EGRESS = 47,
	PROG_MAPS_MAX = 64, /* MAX_USED_MAPS of the kernel */
	CONSTANTS_MAX = 4096,
	NETWORK_END = offsetof(struct nb_constants, network) + sizeof(__u32),
};

static int tcx_type(const struct nb_tc_hook *at)
{
	return at->is_ingress ? TCX_INGRESS : TCX_EGRESS;
}

int nb_tcx_list(const struct nb_tc_hook *at, __u32 ids[TCX_PROGS_MAX], __u32 *n)
{
	LIBBPF_OPTS(bpf_prog_query_opts, opts, .prog_ids = ids, .prog_cnt = TCX_PROGS_MAX);

	if (bpf_prog_query_opts((int)at->ifindex, tcx_type(at), &opts))
		return -errno;
	*n = opts.prog_cnt;
	return 0;
}

int nb_tcx_attach(const struct nb_tc_hook *at, int prog_fd, int replaced_fd)
{
	LIBBPF_OPTS(bpf_prog_attach_opts, opts);

	if (replaced_fd >= 0) {
		opts.flags = BPF_F_REPLACE;
		opts.replace_prog_fd = replaced_fd;
	}
	return bpf_prog_attach_opts(prog_fd, (int)at->ifindex, tcx_type(at), &opts) ? -errno : 0;
}

int nb_tcx_detach(const struct nb_tc_hook *at, int prog_fd)
{
	return bpf_prog_detach2(prog_fd, (int)at->ifindex, tcx_type(at)) ? -errno : 0;
}

__u32 nb_shared_handle(__u32 network)
{
	return (network & TC_HANDLE_MAX) | 1;
}

static enum bpf_tc_attach_point attach_point(const struct nb_tc_hook *at)
{
	return at->is_ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}

int nb_clsact_query(const struct nb_tc_hook *at, __u32 *id)
{
	NB_LIBBPF_QUIET;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)at->ifindex, .attach_point = attach_point(at));
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = at->handle, .priority = TC_PRIORITY);
	int rc = bpf_tc_query(&hook, &opts);

	*id = rc ? 0 : opts.prog_id;
	return rc == -ENOENT || rc == -EINVAL ? 0 : rc; /* no such filter, or no qdisc */
}

int nb_clsact_attach(const struct nb_tc_hook *at, int prog_fd)
{
	NB_LIBBPF_QUIET;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)at->ifindex, .attach_point = attach_point(at));
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = at->handle, .priority = TC_PRIORITY,
		    .flags = BPF_TC_F_REPLACE, .prog_fd = prog_fd);
	int rc = bpf_tc_hook_create(&hook);

	if (rc && rc != -EEXIST)
		return rc;
	return bpf_tc_attach(&hook, &opts);
}

int nb_clsact_detach(const struct nb_tc_hook *at)
{
	NB_LIBBPF_QUIET;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)at->ifindex, .attach_point = attach_point(at));
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = at->handle, .priority = TC_PRIORITY);

	return bpf_tc_detach(&hook, &opts);
}

int nb_prog_info(int prog_fd, struct bpf_prog_info *info)
{
	__u32 len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_obj_get_info_by_fd(prog_fd, info, &len) ? -errno : 0;
}

/* The network in a map of constants; 0: the map is another one. */
static __u32 constants_network(int map_fd)
{
	struct bpf_map_info info = { 0 };
	__u32 zero = 0, len = sizeof(info);
	union {
		struct nb_constants ours;
		char of_another_layout[CONSTANTS_MAX];
	} constants;

	if (bpf_obj_get_info_by_fd(map_fd, &info, &len) ||
	    strncmp(info.name, CONSTANTS, strlen(info.name)) != 0 || info.value_size < NETWORK_END ||
	    info.value_size > sizeof(constants) || bpf_map_lookup_elem(map_fd, &zero, &constants))
		return 0;
	return constants.ours.network;
}

__u32 nb_prog_network(int prog_fd)
{
	__u32 ids[PROG_MAPS_MAX], len = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = { .map_ids = (uintptr_t)ids, .nr_map_ids = PROG_MAPS_MAX };

	if (bpf_obj_get_info_by_fd(prog_fd, &info, &len))
		return 0;
	for (__u32 i = 0; i < info.nr_map_ids && i < PROG_MAPS_MAX; i++) {
		nb_autoclose int map_fd = bpf_map_get_fd_by_id(ids[i]);
		__u32 network = map_fd < 0 ? 0 : constants_network(map_fd);

		if (network)
			return network;
	}
	return 0;
}
