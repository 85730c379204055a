// SPDX-License-Identifier: GPL-2.0-or-later
/* Finds our program at a hook, by tcx or else clsact, and attaches, replaces, detaches or checks it. */
#include "attach.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "lib/maps/layout.h"
#include "lib/net/rcu_expedite.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "tc_hook.h"

enum { ATTACH_TRIES = 3 };

/* At the host-side veth of each pod. */
static const enum nb_hook port_hooks[] = { NB_HOOK_PORT_IN, NB_HOOK_PORT_OUT };

enum { PORT_HOOKS = sizeof(port_hooks) / sizeof(*port_hooks) };

/* A hook, and which programs count as ours there. */
struct target {
	struct nb_tc_hook at;
	enum nb_hook hook;
	bool shared;   /* only those of the network are ours */
	__u32 network; /* nb_network_hash() */
};

static struct target port_target(unsigned int ifindex, unsigned int i)
{
	return (struct target){
		.at = { ifindex, nb_hook_is_ingress(port_hooks[i]), TC_HANDLE },
		.hook = port_hooks[i],
	};
}

static struct target bridge_target(unsigned int ifindex, const char *network)
{
	__u32 hash = nb_network_hash(network);

	return (struct target){
		.at = { ifindex, nb_hook_is_ingress(NB_HOOK_BRIDGE_OUT), nb_shared_handle(hash) },
		.hook = NB_HOOK_BRIDGE_OUT,
		.shared = true,
		.network = hash,
	};
}

/* Whether a program has the name of one that we attach there, of any mode and version. */
static bool has_our_name(const struct target *target, const char *name)
{
	for (int i = 0; i < NB_PROGS; i++)
		if (nb_prog_rows[i].hook == target->hook && !strcmp(name, nb_prog_name(i)))
			return true;
	return false;
}

static bool is_ours(const struct target *target, int prog_fd)
{
	struct bpf_prog_info info;

	return !nb_prog_info(prog_fd, &info) && has_our_name(target, info.name) &&
	       (!target->shared || nb_prog_network(prog_fd) == target->network);
}

static bool is_among(const __u32 *ids, __u32 n, __u32 id)
{
	for (__u32 i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

/*
 * Looks for our program at a tcx hook. *found: the id of the wanted one, or of another one of ours, which *fd
 * holds then, or 0. -EINVAL: the kernel has no tcx. -EPERM: there are other programs, and the kernel shows
 * them by their ids to CAP_SYS_ADMIN alone.
 */
static int tcx_find(const struct target *target, __u32 wanted, __u32 *found, int *fd)
{
	__u32 ids[TCX_PROGS_MAX], n;
	int rc = nb_tcx_list(&target->at, ids, &n);

	*found = 0;
	if (rc)
		return rc;
	if (is_among(ids, n, wanted)) {
		*found = wanted;
		return 0;
	}
	for (__u32 i = 0; i < n && !*found; i++) {
		nb_autoclose int other = bpf_prog_get_fd_by_id(ids[i]);

		if (other < 0 && errno == EPERM)
			return -EPERM;
		if (other < 0 || !is_ours(target, other))
			continue;
		*found = ids[i];
		*fd = NB_TAKE_FD(other);
	}
	return 0;
}

static int tcx_attach_once(int prog_fd, const struct target *target, __u32 id)
{
	nb_autoclose int older = -1;
	__u32 found;
	int rc = tcx_find(target, id, &found, &older);

	if (rc || found == id)
		return rc;
	return nb_tcx_attach(&target->at, prog_fd, older);
}

/* Another ADD that brings all ports to a new mode may attach or replace the program at the same time. */
static int tcx_attach(int prog_fd, const struct target *target, __u32 id)
{
	int rc = -EEXIST;

	for (int tries = 0; tries < ATTACH_TRIES && (rc == -EEXIST || rc == -ENOENT); tries++)
		rc = tcx_attach_once(prog_fd, target, id);
	return rc;
}

/* ---- one hook ---- */

static int prog_id(const struct nb_datapath *dp, enum nb_prog prog, __u32 *id, struct nb_error *err)
{
	struct bpf_prog_info info;
	int rc = nb_prog_info(dp->prog_fd[prog], &info);

	if (rc)
		return nb_fail(err, NB_ERR_DATAPATH, -rc, "cannot read the id of program %s",
			       nb_prog_name(prog));
	*id = info.id;
	return 0;
}

static int attach(const struct nb_datapath *dp, enum nb_prog prog, const struct target *target,
		  struct nb_error *err)
{
	__u32 id = 0;
	int rc = prog_id(dp, prog, &id, err);

	if (rc)
		return rc;
	rc = tcx_attach(dp->prog_fd[prog], target, id);
	if (rc == -EINVAL)
		rc = nb_clsact_attach(&target->at, dp->prog_fd[prog]);
	if (rc)
		return nb_fail(err, NB_ERR_DATAPATH, -rc, "cannot attach %s to link %u", nb_prog_name(prog),
			       target->at.ifindex);
	return 0;
}

/* *found: the id of our program, of the wanted one if there are several, or 0. *fd: that program, if it is at
 * tcx and not the wanted one. */
static int find(const struct target *target, __u32 wanted, __u32 *found, int *fd, struct nb_error *err)
{
	int rc = tcx_find(target, wanted, found, fd);

	if (rc == -EINVAL)
		rc = nb_clsact_query(&target->at, found);
	if (!rc)
		return 0;
	*found = 0;
	if (rc == -ENODEV) /* the link is gone */
		return 0;
	return nb_fail(err, NB_ERR_DATAPATH, -rc, "cannot read the programs of link %u", target->at.ifindex);
}

static int detach(const struct target *target, struct nb_error *err)
{
	nb_autoclose int ours = -1;
	__u32 found;
	int rc = find(target, 0, &found, &ours, err);

	if (rc || !found)
		return rc;
	rc = ours < 0 ? nb_clsact_detach(&target->at) : nb_tcx_detach(&target->at, ours);
	if (!rc || rc == -ENOENT || rc == -ENODEV) /* somebody else did it first */
		return 0;
	return nb_fail(err, NB_ERR_DATAPATH, -rc, "cannot detach the %s program of link %u",
		       target->at.is_ingress ? "ingress" : "egress", target->at.ifindex);
}

static int check(const struct nb_datapath *dp, enum nb_prog prog, const struct target *target,
		 struct nb_error *err)
{
	nb_autoclose int other = -1;
	__u32 id = 0, found;
	int rc = prog_id(dp, prog, &id, err);

	if (rc)
		return rc;
	rc = find(target, id, &found, &other, err);
	if (rc || found == id)
		return rc;
	return nb_fail(err, NB_ERR_CHECK, ENOENT, "%s is not attached to link %u%s", nb_prog_name(prog),
		       target->at.ifindex, found ? ", but one of another mode or version" : "");
}

static int check_none(const struct target *target, enum nb_mode mode, struct nb_error *err)
{
	nb_autoclose int other = -1;
	__u32 found;
	int rc = find(target, 0, &found, &other, err);

	if (rc || !found)
		return rc;
	return nb_fail(err, NB_ERR_CHECK, 0, "link %u has program %u of natbridge, though the mode is %s",
		       target->at.ifindex, found, nb_mode_name(mode));
}

/* ---- ports ---- */

int nb_datapath_attach(const struct nb_datapath *dp, enum nb_mode mode, unsigned int ifindex,
		       struct nb_error *err)
{
	NB_EXPEDITE;

	for (unsigned int i = 0; i < PORT_HOOKS; i++) {
		const struct target target = port_target(ifindex, i);
		enum nb_prog prog = nb_prog_at(mode, target.hook);
		int rc = prog == NB_PROGS ? detach(&target, err) : attach(dp, prog, &target, err);

		if (rc)
			return rc;
	}
	return 0;
}

int nb_datapath_detach(unsigned int ifindex, struct nb_error *err)
{
	NB_EXPEDITE;
	int first = 0;

	for (unsigned int i = 0; i < PORT_HOOKS; i++) {
		const struct target target = port_target(ifindex, i);
		int rc = detach(&target, first ? NULL : err);

		if (!first)
			first = rc;
	}
	return first;
}

int nb_datapath_attached(const struct nb_datapath *dp, enum nb_mode mode, unsigned int ifindex,
			 struct nb_error *err)
{
	if (!nb_datapath_has(dp, mode))
		return nb_fail(err, NB_ERR_CHECK, ENOENT,
			       "link %u is not in mode \"%s\": the next ADD loads the programs of that mode",
			       ifindex, nb_mode_name(mode));
	for (unsigned int i = 0; i < PORT_HOOKS; i++) {
		const struct target target = port_target(ifindex, i);
		enum nb_prog prog = nb_prog_at(mode, target.hook);
		int rc = prog == NB_PROGS ? check_none(&target, mode, err) : check(dp, prog, &target, err);

		if (rc)
			return rc;
	}
	return 0;
}

int nb_datapath_detached(unsigned int ifindex, struct nb_error *err)
{
	for (unsigned int i = 0; i < PORT_HOOKS; i++) {
		const struct target target = port_target(ifindex, i);
		int rc = check_none(&target, NB_MODE_OFF, err);

		if (rc)
			return rc;
	}
	return 0;
}

/* ---- bridges ---- */

int nb_datapath_attach_bridge(const struct nb_datapath *dp, enum nb_mode mode, const char *network,
			      unsigned int ifindex, struct nb_error *err)
{
	const struct target target = bridge_target(ifindex, network);
	enum nb_prog prog = nb_prog_at(mode, target.hook);

	if (prog == NB_PROGS)
		return 0;

	NB_EXPEDITE;
	return attach(dp, prog, &target, err);
}

int nb_datapath_detach_bridge(const char *network, unsigned int ifindex, struct nb_error *err)
{
	NB_EXPEDITE;
	const struct target target = bridge_target(ifindex, network);

	return detach(&target, err);
}

int nb_datapath_attached_bridge(const struct nb_datapath *dp, enum nb_mode mode, const char *network,
				unsigned int ifindex, struct nb_error *err)
{
	const struct target target = bridge_target(ifindex, network);
	enum nb_prog prog = nb_prog_at(mode, target.hook);

	return prog == NB_PROGS ? check_none(&target, mode, err) : check(dp, prog, &target, err);
}

/* ---- devices of the node ---- */

static struct target device_target(unsigned int ifindex, enum nb_hook hook)
{
	return (struct target){ .at = { ifindex, nb_hook_is_ingress(hook), TC_HANDLE }, .hook = hook };
}

int nb_datapath_attach_device(const struct nb_datapath *dp, enum nb_hook hook, unsigned int ifindex,
			      struct nb_error *err)
{
	NB_EXPEDITE;
	const struct target target = device_target(ifindex, hook);

	return attach(dp, nb_prog_at(NB_MODE_NODE, hook), &target, err);
}

int nb_datapath_detach_device(enum nb_hook hook, unsigned int ifindex, struct nb_error *err)
{
	NB_EXPEDITE;
	const struct target target = device_target(ifindex, hook);

	return detach(&target, err);
}

int nb_datapath_attached_device(const struct nb_datapath *dp, enum nb_hook hook, unsigned int ifindex,
				struct nb_error *err)
{
	const struct target target = device_target(ifindex, hook);

	return check(dp, nb_prog_at(NB_MODE_NODE, hook), &target, err);
}
