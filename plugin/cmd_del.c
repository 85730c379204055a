// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>

#include "lib/firewall/macspoof.h"
#include "lib/net/ifaddr.h"
#include "lib/util/cleanup.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "args.h"
#include "cmd.h"
#include "conf.h"
#include "ipam.h"
#include "masq.h"
#include "netdev.h"
#include "result.h"

/* The host end as prevResult has it, for a pair that the reference plugin made; "" if it does not say. */
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

/* A namespace that is gone took the pair with it, or will in a moment. */
static int open_netns(const struct nb_args *args, int *fd, struct nb_error *err)
{
	int ret = *args->netns ? nb_cmd_open_netns(args, fd, err) : 0;

	return ret == -ENOENT ? 0 : ret;
}

static int delete_veth(const struct nb_args *args, const struct nb_conf *conf, int netns_fd,
		       struct nb_error *err)
{
	nb_cleanup(nb_netdev_close) struct nb_netdev wire = NB_NETDEV_INIT;
	const struct nb_cni_id id = nb_cmd_attachment(args, conf);
	char prev_ifname[IFNAMSIZ];
	struct nb_netdev_delete_spec spec = { .id = &id, .bridge = conf->bridge };
	int ret = nb_netdev_open(&wire, netns_fd, err);

	find_prev_ifname(conf, prev_ifname);
	if (*prev_ifname)
		spec.prev_ifname = prev_ifname;
	return ret ? ret : nb_netdev_delete(&wire, &spec, err);
}

/* The container's other interfaces keep theirs. The config may have changed since ADD made them. */
static int delete_masquerade(const struct nb_args *args, const struct nb_conf *conf, int netns_fd,
			     struct nb_error *err)
{
	nb_cleanup(nb_netdev_close) struct nb_netdev wire = NB_NETDEV_INIT;
	const struct nb_cni_id id = nb_cmd_attachment(args, conf);
	nb_autofree struct nb_ifaddr *others = NULL;
	size_t n_others = 0;
	bool shared = false;
	int ret = nb_masq_may_share(&id, &shared, err);

	if (!ret && shared)
		ret = nb_netdev_open(&wire, netns_fd, err);
	if (!ret && shared)
		ret = nb_netdev_other_addresses(&wire, &id, &others, &n_others, err);
	return ret ? ret : nb_masq_delete(&id, others, n_others, err);
}

/* Each step runs whatever became of the others, with one exception; the first error is the answer. */
int nb_cmd_del(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err)
{
	const struct nb_cni_id id = nb_cmd_attachment(args, conf);
	nb_autoclose int netns_fd = -1;
	struct nb_error first = { 0 }, step = { 0 };
	bool pair_gone = true;

	if (open_netns(args, &netns_fd, &step))
		nb_cmd_keep_first(&first, &step);
	if (delete_veth(args, conf, netns_fd, &step)) {
		nb_cmd_keep_first(&first, &step);
		pair_gone = false;
	}
	if (nb_cmd_forget_endpoint(args, conf, &step))
		nb_cmd_keep_first(&first, &step);
	if (delete_masquerade(args, conf, netns_fd, &step))
		nb_cmd_keep_first(&first, &step);
	if (nb_macspoof_delete(&id, &step))
		nb_cmd_keep_first(&first, &step);
	/* an address that is still in use must not be given to another pod; the runtime calls DEL again */
	if (pair_gone && conf->ipam_type && nb_ipam_run(conf, args, NB_CMD_DEL, &step))
		nb_cmd_keep_first(&first, &step);
	if (!*first.msg)
		return 0;
	*err = first;
	return -1;
}
