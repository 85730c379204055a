// SPDX-License-Identifier: GPL-2.0-or-later
/* Programs with our names, at the hooks of a link and in the whole kernel. */
#include "attach_query.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "lib/maps/layout.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "tc_hook.h"

struct search {
	unsigned int ifindex;
	NB_VEC(struct nb_attached) found;
};

static void search_free(struct search *search)
{
	nb_vec_free(&search->found);
}

/* Adds a program if it is one that we have at such a hook. It is gone meanwhile: 0. -EPERM: see
 * attach_query.h. */
static int take(struct search *search, const struct nb_tc_hook *hook, __u32 id, struct nb_error *err)
{
	nb_autoclose int fd = bpf_prog_get_fd_by_id(id);
	struct bpf_prog_info info;

	if (fd < 0 && errno == EPERM)
		return -EPERM;
	if (fd < 0 || nb_prog_info(fd, &info))
		return 0;
	for (int i = 0; i < NB_PROGS; i++) {
		enum nb_hook its = nb_prog_rows[i].hook;
		struct nb_attached at = {
			.ifindex = hook->ifindex,
			.prog = i,
			.ingress = hook->is_ingress,
			.id = id,
			.handle = hook->handle,
		};

		if (its == NB_HOOK_NONE || nb_hook_is_ingress(its) != hook->is_ingress ||
		    strcmp(info.name, nb_prog_name(i)) != 0)
			continue;
		at.network = nb_prog_network(fd);
		return nb_vec_push(&search->found, at, err);
	}
	return 0;
}

/* -EINVAL: the kernel has no tcx. */
static int search_tcx(struct search *search, bool ingress, struct nb_error *err)
{
	const struct nb_tc_hook hook = { .ifindex = search->ifindex, .is_ingress = ingress };
	__u32 ids[TCX_PROGS_MAX], n;
	int rc = nb_tcx_list(&hook, ids, &n);

	if (rc)
		return rc;
	for (__u32 i = 0; i < n; i++) {
		rc = take(search, &hook, ids[i], err);
		if (rc)
			return rc;
	}
	return 0;
}

static int search_filter(struct search *search, bool ingress, __u32 handle, struct nb_error *err)
{
	const struct nb_tc_hook hook = { search->ifindex, ingress, handle };
	__u32 id;
	int rc = nb_clsact_query(&hook, &id);

	if (rc || !id)
		return rc;
	return take(search, &hook, id, err);
}

static int search_clsact(struct search *search, const __u32 *networks, size_t n, struct nb_error *err)
{
	int rc = search_filter(search, true, TC_HANDLE, err);

	if (rc)
		return rc;
	rc = search_filter(search, false, TC_HANDLE, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++) {
		if (nb_shared_handle(networks[i]) == TC_HANDLE)
			continue;
		rc = search_filter(search, false, nb_shared_handle(networks[i]), err);
		if (rc)
			return rc;
	}
	return 0;
}

int nb_attached_list(unsigned int ifindex, const __u32 *networks, size_t n_networks,
		     struct nb_attached **list, size_t *n, struct nb_error *err)
{
	nb_cleanup(search_free) struct search search = { .ifindex = ifindex };
	int rc = search_tcx(&search, true, err);

	if (!rc)
		rc = search_tcx(&search, false, err);
	if (rc == -EINVAL)
		rc = search_clsact(&search, networks, n_networks, err);
	if (rc && rc != -ENODEV)
		return nb_fail(err, NB_ERR_DATAPATH, -rc, "cannot read the programs of link %u", ifindex);
	*n = search.found.n;
	*list = NB_TAKE_PTR(search.found.items);
	return 0;
}

static int detach_tcx(const struct nb_tc_hook *hook, __u32 id)
{
	nb_autoclose int fd = bpf_prog_get_fd_by_id(id);

	return fd < 0 ? -errno : nb_tcx_detach(hook, fd);
}

int nb_attached_remove(const struct nb_attached *at, struct nb_error *err)
{
	const struct nb_tc_hook hook = { at->ifindex, at->ingress, at->handle };
	int rc = at->handle ? nb_clsact_detach(&hook) : detach_tcx(&hook, at->id);

	if (!rc || rc == -ENOENT || rc == -ENODEV) /* somebody else did it first */
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

struct network_list {
	NB_VEC(__u32) networks;
};

static void network_list_free(struct network_list *list)
{
	nb_vec_free(&list->networks);
}

int nb_attached_networks(__u32 **networks, size_t *n, struct nb_error *err)
{
	nb_cleanup(network_list_free) struct network_list list = { 0 };
	__u32 id = 0;

	while (!bpf_prog_get_next_id(id, &id)) {
		nb_autoclose int fd = bpf_prog_get_fd_by_id(id);
		struct bpf_prog_info info;
		__u32 network;

		if (fd < 0 || nb_prog_info(fd, &info) || !has_our_name(info.name))
			continue;
		network = nb_prog_network(fd);
		if (!network || is_among(list.networks.items, list.networks.n, network))
			continue;
		if (nb_vec_push(&list.networks, network, err))
			return -ENOMEM;
	}
	if (errno != ENOENT)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot list the kernel's eBPF programs");
	*n = list.networks.n;
	*networks = NB_TAKE_PTR(list.networks.items);
	return 0;
}
