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

static const struct hook {
	enum nb_prog prog;
	int tcx;
	enum bpf_tc_attach_point tc;
} hooks[] = {
	{ NB_PROG_FROM_POD, TCX_INGRESS, BPF_TC_INGRESS },
	{ NB_PROG_TO_POD, TCX_EGRESS, BPF_TC_EGRESS },
};

static int prog_info(int fd, struct bpf_prog_info *info)
{
	__u32 len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_obj_get_info_by_fd(fd, info, &len) ? -errno : 0;
}

/*
 * Looks for our program at a tcx hook: *ours is its id, or that of an older one of the same name (then *fd
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
		if (other < 0 || prog_info(other, &info) || strcmp(info.name, nb_prog_name(hook->prog)) ||
		    *ours)
			continue;
		*ours = ids[i];
		nb_close_fd(fd);
		*fd = NB_TAKE_FD(other);
	}
	return 0;
}

static int tcx_attach(const struct nb_datapath *dp, unsigned int ifindex, const struct hook *hook, __u32 id)
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
	return bpf_prog_attach_opts(dp->prog_fd[hook->prog], ifindex, hook->tcx, &opts) ? -errno : 0;
}

static int clsact_attach(const struct nb_datapath *dp, unsigned int ifindex, const struct hook *hook)
{
	LIBBPF_OPTS(bpf_tc_hook, at, .ifindex = ifindex, .attach_point = hook->tc);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY,
		    .flags = BPF_TC_F_REPLACE, .prog_fd = dp->prog_fd[hook->prog]);
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

int nb_datapath_attach(const struct nb_datapath *dp, unsigned int ifindex, struct nb_error *err)
{
	for (size_t i = 0; i < sizeof(hooks) / sizeof(*hooks); i++) {
		const struct hook *hook = &hooks[i];
		__u32 id;
		int rc = prog_id(dp, hook->prog, &id, err);

		if (rc)
			return rc;
		rc = tcx_attach(dp, ifindex, hook, id);
		if (rc == -EINVAL)
			rc = clsact_attach(dp, ifindex, hook);
		if (rc)
			return nb_fail(err, NB_ERR_DATAPATH, -rc, "cannot attach %s to link %u",
				       nb_prog_name(hook->prog), ifindex);
	}
	return 0;
}

int nb_datapath_detach(const struct nb_datapath *dp, unsigned int ifindex, struct nb_error *err)
{
	int result = 0;

	for (size_t i = 0; i < sizeof(hooks) / sizeof(*hooks); i++) {
		const struct hook *hook = &hooks[i];
		int rc = bpf_prog_detach2(dp->prog_fd[hook->prog], ifindex, hook->tcx) ? -errno : 0;

		if (rc == -EINVAL) {
			LIBBPF_OPTS(bpf_tc_hook, at, .ifindex = ifindex, .attach_point = hook->tc);
			LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);

			rc = bpf_tc_detach(&at, &opts);
		}
		if (rc && rc != -ENOENT && !result)
			result = nb_fail(err, NB_ERR_DATAPATH, -rc, "cannot detach %s from link %u",
					 nb_prog_name(hook->prog), ifindex);
	}
	return result;
}

int nb_datapath_attached(const struct nb_datapath *dp, unsigned int ifindex, struct nb_error *err)
{
	for (size_t i = 0; i < sizeof(hooks) / sizeof(*hooks); i++) {
		const struct hook *hook = &hooks[i];
		int older nb_autoclose = -1;
		__u32 id, found = 0;
		int rc = prog_id(dp, hook->prog, &id, err);

		if (rc)
			return rc;
		rc = tcx_find(ifindex, hook, id, &found, &older);
		if (rc == -EINVAL)
			rc = clsact_query(ifindex, hook, &found);
		if (rc)
			return nb_fail(err, NB_ERR_DATAPATH, -rc, "cannot read the programs of link %u",
				       ifindex);
		if (found != id)
			return nb_fail(err, NB_ERR_CHECK, ENOENT, "%s is not attached to link %u",
				       nb_prog_name(hook->prog), ifindex);
	}
	return 0;
}
