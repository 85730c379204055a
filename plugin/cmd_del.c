// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * DEL. It works also without the pod's network namespace: nothing of ours is found by it.
 * The kernel deletes the veth pair with the namespace; host veth, map entries and rules are
 * found by the attachment.
 */
#include <errno.h>
#include <string.h>

#include "lib/firewall/macspoof.h"
#include "lib/net/ifaddr.h"
#include "lib/util/cleanup.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "args.h"
#include "cmd.h"
#include "cmd_common.h"
#include "cmd_datapath.h"
#include "conf.h"
#include "ipam.h"
#include "masq.h"
#include "netdev.h"
#include "netdev_delete.h"
#include "result.h"

/* The host veth that prevResult names, for a pair that the reference plugin made; "" if it names none. */
static void find_prev_ifname(const struct nb_conf *conf, char name[IFNAMSIZ])
{
	nb_cleanup(nb_result_free) struct nb_result prev = { 0 };

	name[0] = '\0';
	if (!conf->prev_result || nb_result_from_json(conf->prev_result, &prev, NULL))
		return;
	for (size_t i = 0; i < prev.n_interfaces && !name[0]; i++)
		if (!prev.interfaces[i].sandbox && strcmp(prev.interfaces[i].name, conf->bridge) != 0)
			memcpy(name, prev.interfaces[i].name, IFNAMSIZ);
}

/* If CNI_NETNS is empty or the namespace is gone, *fd stays -1, and the steps below do without it. */
static int open_netns_unless_gone(const struct nb_args *args, int *fd, struct nb_error *err)
{
	int rc;

	if (!*args->netns)
		return 0;
	rc = nb_cni_open_netns(args, fd, err);
	return rc == -ENOENT ? 0 : rc;
}

/* netns_fd is -1 if the namespace is gone. */
static int delete_veth(const struct nb_args *args, const struct nb_conf *conf, int netns_fd,
		       struct nb_error *err)
{
	nb_cleanup(nb_netdev_close) struct nb_netdev netdev = NB_NETDEV_INIT;
	const struct nb_cni_id id = nb_cni_attachment(args, conf);
	char prev_ifname[IFNAMSIZ];
	struct nb_netdev_delete_spec spec = { .id = &id, .bridge = conf->bridge };
	int rc = nb_netdev_open(&netdev, netns_fd, err);

	if (rc)
		return rc;
	find_prev_ifname(conf, prev_ifname);
	if (*prev_ifname)
		spec.prev_ifname = prev_ifname;
	return nb_netdev_delete(&netdev, &spec, err);
}

/*
 * Deletes the rules whatever the config says, since it may have changed since ADD. The container's
 * other interfaces keep theirs.
 */
static int delete_masquerade(const struct nb_args *args, const struct nb_conf *conf, int netns_fd,
			     struct nb_error *err)
{
	nb_cleanup(nb_netdev_close) struct nb_netdev netdev = NB_NETDEV_INIT;
	const struct nb_cni_id id = nb_cni_attachment(args, conf);
	nb_autofree struct nb_ifaddr *others = NULL;
	size_t n_others = 0;
	bool shared = false;
	int rc = nb_masq_may_share(&id, &shared, err);

	if (rc)
		return rc;
	if (shared) {
		rc = nb_netdev_open(&netdev, netns_fd, err);
		if (rc)
			return rc;
		rc = nb_netdev_other_addresses(&netdev, &id, &others, &n_others, err);
		if (rc)
			return rc;
	}
	return nb_masq_delete(&id, others, n_others, err);
}

/* Each step runs even if others failed, except the last; the first error is returned. */
int nb_cni_del(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err)
{
	const struct nb_cni_id id = nb_cni_attachment(args, conf);
	nb_autoclose int netns_fd = -1;
	struct nb_error first = { 0 }, step = { 0 };
	bool pair_gone = true;

	if (open_netns_unless_gone(args, &netns_fd, &step))
		nb_cni_keep_first(&first, &step);
	if (delete_veth(args, conf, netns_fd, &step)) {
		nb_cni_keep_first(&first, &step);
		pair_gone = false;
	}
	if (nb_cni_forget_endpoint(args, conf, &step))
		nb_cni_keep_first(&first, &step);
	if (delete_masquerade(args, conf, netns_fd, &step))
		nb_cni_keep_first(&first, &step);
	if (nb_macspoof_delete(&id, &step))
		nb_cni_keep_first(&first, &step);
	/* While the pod has the address, no other pod may get it. The runtime calls DEL again. */
	if (pair_gone && conf->ipam_type && nb_ipam_run(conf, args, NB_CNI_DEL, &step))
		nb_cni_keep_first(&first, &step);
	if (!*first.msg)
		return 0;
	*err = first;
	return -1;
}
