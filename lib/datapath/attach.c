// SPDX-License-Identifier: GPL-2.0-or-later
#include "attach.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/net/rcu_expedite.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "libbpf_quiet.h"
#include "tc_hook.h"

#define CONSTANTS ".rodata.constants" /* of which the kernel keeps 15 characters */

/*
 * Attaching with tcx (Linux 6.6), which dies with the link and leaves every qdisc alone, or with a filter of
 * our own in clsact, whose qdisc we never remove: others may use it.
 */
enum {
	PROG_MAPS_MAX = 64, /* MAX_USED_MAPS */
	CONSTANTS_MAX = 4096,
	NETWORK_END = offsetof(struct nb_constants, network) + sizeof(__u32),
};

/* How the kernel calls a hook. */
static const struct hook {
	int tcx;
	enum bpf_tc_attach_point tc;
} hooks[NB_HOOKS] = {
	[NB_HOOK_PORT_IN] = { TCX_INGRESS, BPF_TC_INGRESS },
	[NB_HOOK_PORT_OUT] = { TCX_EGRESS, BPF_TC_EGRESS },
	[NB_HOOK_BRIDGE_OUT] = { TCX_EGRESS, BPF_TC_EGRESS },
};

/* At the host-side veth of each pod. */
static const enum nb_hook port_hooks[] = { NB_HOOK_PORT_IN, NB_HOOK_PORT_OUT };

enum { PORT_HOOKS = sizeof(port_hooks) / sizeof(*port_hooks) };

/* Where, and whose programs count as ours there. */
struct place {
	unsigned int ifindex;
	enum nb_hook which;
	const struct hook *hook;
	bool shared;   /* only those of the network are */
	__u32 network; /* nb_network_hash() */
};

static struct place port_place(unsigned int ifindex, unsigned int i)
{
	return (struct place){ .ifindex = ifindex, .which = port_hooks[i], .hook = &hooks[port_hooks[i]] };
}

static struct place bridge_place(unsigned int ifindex, const char *network)
{
	return (struct place){
		.ifindex = ifindex,
		.which = NB_HOOK_BRIDGE_OUT,
		.hook = &hooks[NB_HOOK_BRIDGE_OUT],
		.shared = true,
		.network = nb_network_hash(network),
	};
}

/* Whether a program has the name of one that we attach there, of any mode and version. */
static bool has_our_name(const struct place *at, const char *name)
{
	for (int i = 0; i < NB_PROGS; i++)
		if (nb_prog_rows[i].hook == at->which && !strcmp(name, nb_prog_name(i)))
			return true;
	return false;
}

static int prog_info(int fd, struct bpf_prog_info *info)
{
	__u32 len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_obj_get_info_by_fd(fd, info, &len) ? -errno : 0;
}

__u32 nb_prog_network(int prog_fd)
{
	__u32 ids[PROG_MAPS_MAX], zero = 0, len = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = { .map_ids = (uintptr_t)ids, .nr_map_ids = PROG_MAPS_MAX };

	if (bpf_obj_get_info_by_fd(prog_fd, &info, &len))
		return 0;
	for (__u32 i = 0; i < info.nr_map_ids && i < PROG_MAPS_MAX; i++) {
		int map nb_autoclose = bpf_map_get_fd_by_id(ids[i]);
		struct bpf_map_info map_info = { 0 };
		union {
			struct nb_constants ours;
			char of_another_layout[CONSTANTS_MAX];
		} constants;

		len = sizeof(map_info);
		if (map >= 0 && !bpf_obj_get_info_by_fd(map, &map_info, &len) &&
		    !strncmp(map_info.name, CONSTANTS, strlen(map_info.name)) &&
		    map_info.value_size >= NETWORK_END && map_info.value_size <= sizeof(constants) &&
		    !bpf_map_lookup_elem(map, &zero, &constants))
			return constants.ours.network;
	}
	return 0;
}

static bool is_ours(const struct place *at, int prog_fd)
{
	struct bpf_prog_info info;

	return !prog_info(prog_fd, &info) && has_our_name(at, info.name) &&
	       (!at->shared || nb_prog_network(prog_fd) == at->network);
}

/*
 * Looks for our program at a tcx hook: *ours is the wanted one's id, or that of another one of ours (then *fd
 * holds it), or 0. -EINVAL: the kernel has no tcx.
 */
static int tcx_find(const struct place *at, __u32 want, __u32 *ours, int *fd)
{
	__u32 ids[TCX_PROGS_MAX];
	LIBBPF_OPTS(bpf_prog_query_opts, opts, .prog_ids = ids, .prog_cnt = TCX_PROGS_MAX);

	*ours = 0;
	if (bpf_prog_query_opts((int)at->ifindex, at->hook->tcx, &opts))
		return -errno;
	for (__u32 i = 0; i < opts.prog_cnt; i++) {
		int other nb_autoclose = ids[i] == want ? -1 : bpf_prog_get_fd_by_id(ids[i]);

		if (ids[i] == want)
			*ours = want;
		if (other < 0 || *ours || !is_ours(at, other))
			continue;
		*ours = ids[i];
		nb_close_fd(fd);
		*fd = NB_TAKE_FD(other);
	}
	return 0;
}

static int tcx_attach_once(int prog_fd, const struct place *at, __u32 id)
{
	LIBBPF_OPTS(bpf_prog_attach_opts, opts);
	int older nb_autoclose = -1;
	__u32 found;
	int rc = tcx_find(at, id, &found, &older);

	if (rc || found == id)
		return rc;
	if (older >= 0) {
		opts.flags = BPF_F_REPLACE;
		opts.replace_prog_fd = older;
	}
	return bpf_prog_attach_opts(prog_fd, (int)at->ifindex, at->hook->tcx, &opts) ? -errno : 0;
}

/* Another ADD, which brings all ports to a new mode, may attach or replace it at the same time. */
static int tcx_attach(int prog_fd, const struct place *at, __u32 id)
{
	int rc = -EEXIST;

	for (int tries = 0; tries < 3 && (rc == -EEXIST || rc == -ENOENT); tries++)
		rc = tcx_attach_once(prog_fd, at, id);
	return rc;
}

__u32 nb_shared_handle(__u32 network)
{
	return (network & TC_HANDLE_MAX) | 1;
}

/* A filter of each network at a shared hook. */
static __u32 clsact_handle(const struct place *at)
{
	return at->shared ? nb_shared_handle(at->network) : TC_HANDLE;
}

static int clsact_attach(int prog_fd, const struct place *at)
{
	NB_LIBBPF_QUIET;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)at->ifindex, .attach_point = at->hook->tc);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = clsact_handle(at), .priority = TC_PRIORITY,
		    .flags = BPF_TC_F_REPLACE, .prog_fd = prog_fd);
	int rc = bpf_tc_hook_create(&hook);

	if (rc && rc != -EEXIST)
		return rc;
	return bpf_tc_attach(&hook, &opts);
}

static int clsact_query(const struct place *at, __u32 *id)
{
	NB_LIBBPF_QUIET;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)at->ifindex, .attach_point = at->hook->tc);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = clsact_handle(at), .priority = TC_PRIORITY);
	int rc = bpf_tc_query(&hook, &opts);

	*id = rc ? 0 : opts.prog_id;
	return rc == -ENOENT ? 0 : rc;
}

static int clsact_detach(const struct place *at)
{
	NB_LIBBPF_QUIET;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)at->ifindex, .attach_point = at->hook->tc);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = clsact_handle(at), .priority = TC_PRIORITY);

	return bpf_tc_detach(&hook, &opts);
}

/* ---- one place ---- */

static int prog_id(const struct nb_datapath *dp, enum nb_prog prog, __u32 *id, struct nb_error *err)
{
	struct bpf_prog_info info;
	int rc = prog_info(dp->prog_fd[prog], &info);

	if (rc)
		return nb_fail(err, NB_ERR_DATAPATH, -rc, "cannot read about the program %s",
			       nb_prog_name(prog));
	*id = info.id;
	return 0;
}

static int attach(const struct nb_datapath *dp, enum nb_prog prog, const struct place *at,
		  struct nb_error *err)
{
	__u32 id;
	int rc = prog_id(dp, prog, &id, err);

	if (rc)
		return rc;
	rc = tcx_attach(dp->prog_fd[prog], at, id);
	if (rc == -EINVAL)
		rc = clsact_attach(dp->prog_fd[prog], at);
	return rc ? nb_fail(err, NB_ERR_DATAPATH, -rc, "cannot attach %s to link %u", nb_prog_name(prog),
			    at->ifindex)
		  : 0;
}

/*
 * The id of our program there, or 0; that of the wanted one, if several are. Of tcx, *fd holds it unless it
 * is the wanted one.
 */
static int find(const struct place *at, __u32 want, __u32 *found, int *fd, struct nb_error *err)
{
	int rc = tcx_find(at, want, found, fd);

	if (rc == -EINVAL)
		rc = clsact_query(at, found);
	if (rc == -EINVAL || rc == -ENODEV) /* no qdisc to have it, or the link has gone */
		*found = rc = 0;
	return rc ? nb_fail(err, NB_ERR_DATAPATH, -rc, "cannot read the programs of link %u", at->ifindex)
		  : 0;
}

static int detach(const struct place *at, struct nb_error *err)
{
	int ours nb_autoclose = -1;
	__u32 found;
	int rc = find(at, 0, &found, &ours, err);

	if (rc || !found)
		return rc;
	if (ours < 0)
		rc = clsact_detach(at);
	else
		rc = bpf_prog_detach2(ours, (int)at->ifindex, at->hook->tcx) ? -errno : 0;
	if (!rc || rc == -ENOENT || rc == -ENODEV) /* another was faster */
		return 0;
	return nb_fail(err, NB_ERR_DATAPATH, -rc, "cannot detach the %s program of link %u",
		       at->hook->tc == BPF_TC_INGRESS ? "ingress" : "egress", at->ifindex);
}

static int check(const struct nb_datapath *dp, enum nb_prog prog, const struct place *at,
		 struct nb_error *err)
{
	int other nb_autoclose = -1;
	__u32 id, found;
	int rc = prog_id(dp, prog, &id, err);

	rc = rc ?: find(at, id, &found, &other, err);
	if (rc || found == id)
		return rc;
	return nb_fail(err, NB_ERR_CHECK, ENOENT, "%s is not attached to link %u%s", nb_prog_name(prog),
		       at->ifindex, found ? ", but one of another mode or version" : "");
}

static int check_none(const struct place *at, enum nb_mode mode, struct nb_error *err)
{
	int other nb_autoclose = -1;
	__u32 found;
	int rc = find(at, 0, &found, &other, err);

	if (rc || !found)
		return rc;
	return nb_fail(err, NB_ERR_CHECK, EEXIST,
		       "link %u has a program of ours (id %u) though the mode is %s", at->ifindex, found,
		       nb_mode_name(mode));
}

/* ---- ports and bridges ---- */

int nb_datapath_attach(const struct nb_datapath *dp, enum nb_mode mode, unsigned int ifindex,
		       struct nb_error *err)
{
	NB_EXPEDITE;
	int rc = 0;

	for (unsigned int i = 0; i < PORT_HOOKS && !rc; i++) {
		const struct place at = port_place(ifindex, i);
		enum nb_prog prog = nb_prog_at(mode, at.which);

		rc = prog == NB_PROGS ? detach(&at, err) : attach(dp, prog, &at, err);
	}
	return rc;
}

int nb_datapath_detach(unsigned int ifindex, struct nb_error *err)
{
	NB_EXPEDITE;
	int result = 0;

	for (unsigned int i = 0; i < PORT_HOOKS; i++) {
		const struct place at = port_place(ifindex, i);
		int rc = detach(&at, result ? NULL : err);

		result = result ?: rc;
	}
	return result;
}

int nb_datapath_attached(const struct nb_datapath *dp, enum nb_mode mode, unsigned int ifindex,
			 struct nb_error *err)
{
	int rc = 0;

	if (!nb_datapath_has(dp, mode))
		return nb_fail(err, NB_ERR_CHECK, ENOENT,
			       "link %u is not in mode \"%s\", whose programs the next ADD loads", ifindex,
			       nb_mode_name(mode));
	for (unsigned int i = 0; i < PORT_HOOKS && !rc; i++) {
		const struct place at = port_place(ifindex, i);
		enum nb_prog prog = nb_prog_at(mode, at.which);

		rc = prog == NB_PROGS ? check_none(&at, mode, err) : check(dp, prog, &at, err);
	}
	return rc;
}

int nb_datapath_detached(unsigned int ifindex, struct nb_error *err)
{
	int rc = 0;

	for (unsigned int i = 0; i < PORT_HOOKS && !rc; i++) {
		const struct place at = port_place(ifindex, i);

		rc = check_none(&at, NB_MODE_OFF, err);
	}
	return rc;
}

int nb_datapath_attach_bridge(const struct nb_datapath *dp, enum nb_mode mode, const char *network,
			      unsigned int ifindex, struct nb_error *err)
{
	const struct place at = bridge_place(ifindex, network);
	enum nb_prog prog = nb_prog_at(mode, at.which);

	if (prog == NB_PROGS)
		return 0;

	NB_EXPEDITE;
	return attach(dp, prog, &at, err);
}

int nb_datapath_detach_bridge(const char *network, unsigned int ifindex, struct nb_error *err)
{
	NB_EXPEDITE;
	const struct place at = bridge_place(ifindex, network);

	return detach(&at, err);
}

int nb_datapath_attached_bridge(const struct nb_datapath *dp, enum nb_mode mode, const char *network,
				unsigned int ifindex, struct nb_error *err)
{
	const struct place at = bridge_place(ifindex, network);
	enum nb_prog prog = nb_prog_at(mode, at.which);

	return prog == NB_PROGS ? check_none(&at, mode, err) : check(dp, prog, &at, err);
}
