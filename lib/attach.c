// SPDX-License-Identifier: GPL-2.0-or-later
#include <natbridge/cleanup.h>
#include <natbridge/datapath.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

/*
 * Attaching with tcx (Linux 6.6), which dies with the link and leaves every qdisc alone, or with a filter of
 * our own in clsact, whose qdisc we never remove: others may use it.
 */
enum {
	TCX_INGRESS =
		46, /* BPF_TCX_INGRESS, BPF_TCX_EGRESS of linux/bpf.h, which Debian 12's does not have yet */
	TCX_EGRESS = 47,
	TCX_PROGS_MAX = 64, /* BPF_MPROG_MAX */
	TC_HANDLE = 1,
	TC_PRIORITY = 0x6e62, /* "nb" */
};

enum { HOOKS = 2 };

static const struct hook {
	enum nb_prog prog[NB_MODES];
	int tcx;
	enum bpf_tc_attach_point tc;
} hooks[HOOKS] = {
	{ { [NB_MODE_EBPF] = NB_PROG_FROM_POD, [NB_MODE_ASSIST] = NB_PROG_ASSIST_FROM },
	  TCX_INGRESS,
	  BPF_TC_INGRESS },
	{ { [NB_MODE_EBPF] = NB_PROG_TO_POD, [NB_MODE_ASSIST] = NB_PROG_ASSIST_TO },
	  TCX_EGRESS,
	  BPF_TC_EGRESS },
};

/* Whether a program is one of those that we attach there, of any mode and version. */
static bool is_ours(const struct hook *hook, const char *name)
{
	return !strcmp(name, nb_prog_name(hook->prog[NB_MODE_EBPF])) ||
	       !strcmp(name, nb_prog_name(hook->prog[NB_MODE_ASSIST]));
}

static int prog_info(int fd, struct bpf_prog_info *info)
{
	__u32 len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_obj_get_info_by_fd(fd, info, &len) ? -errno : 0;
}

/*
 * Looks for our program at a tcx hook: *ours is the wanted one's id, or that of another one of ours (then *fd
 * holds it), or 0. -EINVAL: the kernel has no tcx.
 */
static int tcx_find(unsigned int ifindex, const struct hook *hook, __u32 want, __u32 *ours, int *fd)
{
	__u32 ids[TCX_PROGS_MAX];
	LIBBPF_OPTS(bpf_prog_query_opts, opts, .prog_ids = ids, .prog_cnt = TCX_PROGS_MAX);

	*ours = 0;
	if (bpf_prog_query_opts(ifindex, hook->tcx, &opts))
		return -errno;
	for (__u32 i = 0; i < opts.prog_cnt; i++) {
		int other nb_autoclose = ids[i] == want ? -1 : bpf_prog_get_fd_by_id(ids[i]);
		struct bpf_prog_info info;

		if (ids[i] == want)
			*ours = want;
		if (other < 0 || prog_info(other, &info) || !is_ours(hook, info.name) || *ours)
			continue;
		*ours = ids[i];
		nb_close_fd(fd);
		*fd = NB_TAKE_FD(other);
	}
	return 0;
}

static int tcx_attach_once(int prog_fd, unsigned int ifindex, const struct hook *hook, __u32 id)
{
	LIBBPF_OPTS(bpf_prog_attach_opts, opts);
	int older nb_autoclose = -1;
	__u32 found;
	int rc = tcx_find(ifindex, hook, id, &found, &older);

	if (rc || found == id)
		return rc;
	if (older >= 0) {
		opts.flags = BPF_F_REPLACE;
		opts.replace_prog_fd = older;
	}
	return bpf_prog_attach_opts(prog_fd, ifindex, hook->tcx, &opts) ? -errno : 0;
}

/* Another ADD, which brings all ports to a new mode, may attach or replace it at the same time. */
static int tcx_attach(int prog_fd, unsigned int ifindex, const struct hook *hook, __u32 id)
{
	int rc = -EEXIST;

	for (int tries = 0; tries < 3 && (rc == -EEXIST || rc == -ENOENT); tries++)
		rc = tcx_attach_once(prog_fd, ifindex, hook, id);
	return rc;
}

static int clsact_attach(int prog_fd, unsigned int ifindex, const struct hook *hook)
{
	LIBBPF_OPTS(bpf_tc_hook, at, .ifindex = ifindex, .attach_point = hook->tc);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY,
		    .flags = BPF_TC_F_REPLACE, .prog_fd = prog_fd);
	int rc = bpf_tc_hook_create(&at);

	if (rc && rc != -EEXIST)
		return rc;
	return bpf_tc_attach(&at, &opts);
}

static int clsact_query(unsigned int ifindex, const struct hook *hook, __u32 *id)
{
	LIBBPF_OPTS(bpf_tc_hook, at, .ifindex = ifindex, .attach_point = hook->tc);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);
	int rc = bpf_tc_query(&at, &opts);

	*id = rc ? 0 : opts.prog_id;
	return rc == -ENOENT ? 0 : rc;
}

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

int nb_datapath_attach(const struct nb_datapath *dp, enum nb_mode mode, unsigned int ifindex,
		       struct nb_error *err)
{
	for (const struct hook *hook = hooks; hook < hooks + HOOKS; hook++) {
		enum nb_prog prog = hook->prog[mode];
		__u32 id;
		int rc = prog_id(dp, prog, &id, err);

		if (rc)
			return rc;
		rc = tcx_attach(dp->prog_fd[prog], ifindex, hook, id);
		if (rc == -EINVAL)
			rc = clsact_attach(dp->prog_fd[prog], ifindex, hook);
		if (rc)
			return nb_fail(err, NB_ERR_DATAPATH, -rc, "cannot attach %s to link %u",
				       nb_prog_name(prog), ifindex);
	}
	return 0;
}

static int clsact_detach(unsigned int ifindex, const struct hook *hook)
{
	LIBBPF_OPTS(bpf_tc_hook, at, .ifindex = ifindex, .attach_point = hook->tc);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);

	return bpf_tc_detach(&at, &opts);
}

int nb_datapath_detach(unsigned int ifindex, struct nb_error *err)
{
	int result = 0;

	for (const struct hook *hook = hooks; hook < hooks + HOOKS; hook++) {
		int ours nb_autoclose = -1;
		__u32 found;
		int rc = tcx_find(ifindex, hook, 0, &found, &ours);

		if (rc == -EINVAL)
			rc = clsact_detach(ifindex, hook);
		else if (!rc && found)
			rc = bpf_prog_detach2(ours, ifindex, hook->tcx) ? -errno : 0;
		if (rc && rc != -ENOENT && rc != -ENODEV && !result)
			result = nb_fail(err, NB_ERR_DATAPATH, -rc, "cannot detach the %s program of link %u",
					 hook->tc == BPF_TC_INGRESS ? "ingress" : "egress", ifindex);
	}
	return result;
}

int nb_datapath_attached(const struct nb_datapath *dp, enum nb_mode mode, unsigned int ifindex,
			 struct nb_error *err)
{
	if (!nb_datapath_has(dp, mode))
		return nb_fail(err, NB_ERR_CHECK, ENOENT,
			       "link %u is not in mode \"%s\", whose programs the next ADD loads", ifindex,
			       nb_mode_name(mode));
	for (const struct hook *hook = hooks; hook < hooks + HOOKS; hook++) {
		enum nb_prog prog = hook->prog[mode];
		int other nb_autoclose = -1;
		__u32 id, found = 0;
		int rc = prog_id(dp, prog, &id, err);

		if (rc)
			return rc;
		rc = tcx_find(ifindex, hook, id, &found, &other);
		if (rc == -EINVAL)
			rc = clsact_query(ifindex, hook, &found);
		if (rc)
			return nb_fail(err, NB_ERR_DATAPATH, -rc, "cannot read the programs of link %u",
				       ifindex);
		if (found != id)
			return nb_fail(err, NB_ERR_CHECK, ENOENT, "%s is not attached to link %u%s",
				       nb_prog_name(prog), ifindex,
				       found ? ", but one of another mode or version" : "");
	}
	return 0;
}

int nb_datapath_detached(unsigned int ifindex, struct nb_error *err)
{
	for (const struct hook *hook = hooks; hook < hooks + HOOKS; hook++) {
		int ours nb_autoclose = -1;
		__u32 found = 0;
		int rc = tcx_find(ifindex, hook, 0, &found, &ours);

		if (rc == -EINVAL)
			rc = clsact_query(ifindex, hook, &found);
		if (rc && rc != -ENOENT)
			return nb_fail(err, NB_ERR_DATAPATH, -rc, "cannot read the programs of link %u",
				       ifindex);
		if (found)
			return nb_fail(err, NB_ERR_CHECK, EEXIST,
				       "link %u has a program of ours (id %u) though the mode is off",
				       ifindex, found);
	}
	return 0;
}
