// SPDX-License-Identifier: GPL-2.0-or-later
#include "attach_query.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "lib/maps/layout.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "libbpf_quiet.h"
#include "tc_hook.h"

static bool is_ingress(enum nb_hook hook)
{
	return hook == NB_HOOK_PORT_IN;
}

struct search {
	unsigned int ifindex;
	NB_VEC(struct nb_attached) found;
};

static void search_free(struct search *search)
{
	nb_vec_free(&search->found);
}

static int read_info(int fd, struct bpf_prog_info *info)
{
	__u32 len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_obj_get_info_by_fd(fd, info, &len) ? -errno : 0;
}

/* An enum bpf_attach_type, as libbpf wants it here and there. */
static int tcx_hook(bool ingress)
{
	return ingress ? TCX_INGRESS : TCX_EGRESS;
}

/* Takes a program into *search if it is one that we have at such a hook. Gone meanwhile: it is not. */
static int take(struct search *search, __u32 id, bool ingress, __u32 handle, struct nb_error *err)
{
	int fd nb_autoclose = bpf_prog_get_fd_by_id(id);
	struct nb_attached at = {
		.ifindex = search->ifindex, .ingress = ingress, .id = id, .handle = handle
	};
	struct bpf_prog_info info;

	if (fd < 0 || read_info(fd, &info))
		return 0;
	for (int i = 0; i < NB_PROGS; i++) {
		enum nb_hook hook = nb_prog_rows[i].hook;

		if (hook == NB_HOOK_NONE || is_ingress(hook) != ingress || strcmp(info.name, nb_prog_name(i)))
			continue;
		at.prog = i;
		at.network = nb_prog_network(fd);
		return nb_vec_push(&search->found, at, err);
	}
	return 0;
}

/* -EINVAL: the kernel has no tcx. */
static int search_tcx(struct search *search, bool ingress, struct nb_error *err)
{
	__u32 ids[TCX_PROGS_MAX];
	LIBBPF_OPTS(bpf_prog_query_opts, opts, .prog_ids = ids, .prog_cnt = TCX_PROGS_MAX);
	int rc = 0;

	if (bpf_prog_query_opts((int)search->ifindex, tcx_hook(ingress), &opts))
		return -errno;
	for (__u32 i = 0; i < opts.prog_cnt && !rc; i++)
		rc = take(search, ids[i], ingress, 0, err);
	return rc;
}

static int clsact_query(unsigned int ifindex, bool ingress, __u32 handle, __u32 *id)
{
	NB_LIBBPF_QUIET;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = TC_PRIORITY);
	int rc = bpf_tc_query(&hook, &opts);

	*id = rc ? 0 : opts.prog_id;
	return rc == -ENOENT || rc == -EINVAL ? 0 : rc; /* no such filter, or no qdisc to have it */
}

static int search_filter(struct search *search, bool ingress, __u32 handle, struct nb_error *err)
{
	__u32 id;
	int rc = clsact_query(search->ifindex, ingress, handle, &id);

	return rc || !id ? rc : take(search, id, ingress, handle, err);
}

static int search_clsact(struct search *search, const __u32 *networks, size_t n, struct nb_error *err)
{
	int rc = search_filter(search, true, TC_HANDLE, err);

	rc = rc ?: search_filter(search, false, TC_HANDLE, err);
	for (size_t i = 0; i < n && !rc; i++)
		if (nb_shared_handle(networks[i]) != TC_HANDLE)
			rc = search_filter(search, false, nb_shared_handle(networks[i]), err);
	return rc;
}

int nb_attached_list(unsigned int ifindex, const __u32 *networks, size_t n_networks,
		     struct nb_attached **list, size_t *n, struct nb_error *err)
{
	struct search search nb_cleanup(search_free) = { .ifindex = ifindex };
	int rc = search_tcx(&search, true, err);

	rc = rc ?: search_tcx(&search, false, err);
	if (rc == -EINVAL)
		rc = search_clsact(&search, networks, n_networks, err);
	if (rc && rc != -ENODEV)
		return nb_fail(err, NB_ERR_DATAPATH, -rc, "cannot read the programs of link %u", ifindex);
	*n = search.found.n;
	*list = NB_TAKE_PTR(search.found.items);
	return 0;
}

static int detach_tcx(const struct nb_attached *at)
{
	int fd nb_autoclose = bpf_prog_get_fd_by_id(at->id);

	if (fd < 0)
		return -errno;
	return bpf_prog_detach2(fd, (int)at->ifindex, tcx_hook(at->ingress)) ? -errno : 0;
}

static int detach_clsact(const struct nb_attached *at)
{
	NB_LIBBPF_QUIET;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)at->ifindex,
		    .attach_point = at->ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = at->handle, .priority = TC_PRIORITY);

	return bpf_tc_detach(&hook, &opts);
}

int nb_attached_remove(const struct nb_attached *at, struct nb_error *err)
{
	int rc = at->handle ? detach_clsact(at) : detach_tcx(at);

	if (!rc || rc == -ENOENT || rc == -ENODEV) /* another was faster */
		return 0;
	return nb_fail(err, NB_ERR_DATAPATH, -rc, "cannot detach %s from link %u", nb_prog_name(at->prog),
		       at->ifindex);
}

/* ---- loaded programs ---- */

static bool has_our_name(const char *name)
{
	for (int i = 0; i < NB_PROGS; i++)
		if (nb_prog_rows[i].hook != NB_HOOK_NONE && !strcmp(name, nb_prog_name(i)))
			return true;
	return false;
}

static bool is_among(const __u32 *items, size_t n, __u32 item)
{
	for (size_t i = 0; i < n; i++)
		if (items[i] == item)
			return true;
	return false;
}

int nb_attached_networks(__u32 **networks, size_t *n, struct nb_error *err)
{
	NB_VEC(__u32) found = { 0 };
	__u32 id = 0;
	int rc = 0;

	while (!rc && !bpf_prog_get_next_id(id, &id)) {
		int fd nb_autoclose = bpf_prog_get_fd_by_id(id);
		struct bpf_prog_info info;
		__u32 network;

		if (fd < 0 || read_info(fd, &info) || !has_our_name(info.name))
			continue;
		network = nb_prog_network(fd);
		if (network && !is_among(found.items, found.n, network))
			rc = nb_vec_push(&found, network, err);
	}
	if (!rc && errno != ENOENT)
		rc = nb_fail(err, NB_ERR_SYSTEM, errno, "cannot ask the kernel about eBPF programs");
	if (rc) {
		nb_vec_free(&found);
		return rc;
	}
	*networks = found.items;
	*n = found.n;
	return 0;
}
