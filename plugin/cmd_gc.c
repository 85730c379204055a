// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>

#include "lib/datapath/datapath.h"
#include "lib/firewall/macspoof.h"
#include "lib/maps/endpoint.h"
#include "lib/maps/layout.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "args.h"
#include "cmd.h"
#include "conf.h"
#include "ipam.h"
#include "masq.h"
#include "netdev.h"
#include "report.h"

static int collect_links(const struct nb_conf *conf, struct nb_error *err)
{
	nb_cleanup(nb_netdev_close) struct nb_netdev wire = NB_NETDEV_INIT;
	unsigned int removed = 0;
	int ret = nb_netdev_open(&wire, -1, err);

	if (!ret)
		ret = nb_netdev_keep_only(&wire, conf->name, conf->attachments, conf->n_attachments, &removed,
					  err);
	if (removed)
		nb_log("GC of network %s: %u links removed", conf->name, removed);
	return ret;
}

static int collect_endpoints(const struct nb_conf *conf, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	nb_autofree __u64 *owners = calloc(conf->n_attachments + 1, sizeof(*owners));
	unsigned int removed = 0;
	int ret;

	if (nb_datapath_impossible(conf->proxy.bpffs, conf->name))
		return 0;
	if (!owners)
		return nb_fail_nomem(err);
	for (size_t i = 0; i < conf->n_attachments; i++)
		owners[i] = nb_endpoint_owner(conf->attachments[i].container_id, conf->attachments[i].ifname);
	ret = nb_cmd_open_datapath(conf, &dp, err);
	if (ret)
		return ret == -ENOENT ? nb_cmd_forget_datapath(conf, err) : ret;
	ret = nb_endpoint_keep_only(&dp, owners, (unsigned int)conf->n_attachments, &removed, err);
	if (removed)
		nb_log("GC of network %s: %u pods removed from the maps", conf->name, removed);
	return ret ? ret : nb_cmd_leave_bridge(&dp, conf, err);
}

/* Rules are looked for whatever the config says: it may have changed since they were made. */
static int collect_rules(const struct nb_conf *conf, struct nb_error *err)
{
	unsigned int removed = 0;
	int ret = nb_masq_keep_only(conf->name, conf->attachments, conf->n_attachments, &removed, err);

	if (removed)
		nb_log("GC of network %s: %u masquerading rules removed", conf->name, removed);
	return ret;
}

static int collect_mac_rules(const struct nb_conf *conf, struct nb_error *err)
{
	unsigned int removed = 0;
	int ret = nb_macspoof_keep_only(conf->name, conf->attachments, conf->n_attachments, &removed, err);

	if (removed)
		nb_log("GC of network %s: macspoofchk rules of %u interfaces removed", conf->name, removed);
	return ret;
}

/*
 * Each step runs whatever became of the others; the first error is the answer. A request without a list is
 * not the one that SPEC.md describes: what is valid is not known, so nothing is stale, and no delegate is
 * asked, which might take no list for an empty one. cnitool sends such a request after a DEL of every
 * attachment that it knows.
 */
int nb_cmd_gc(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err)
{
	struct nb_error first = { 0 }, step = { 0 };

	if (!conf->valid) {
		nb_log("GC of network %s: nothing is removed, since neither \"" NB_CONF_VALID
		       "\" nor \"" NB_CONF_VALID_OLD "\" lists what is valid",
		       conf->name);
		return 0;
	}
	if (collect_links(conf, &step))
		nb_cmd_keep_first(&first, &step);
	if (collect_endpoints(conf, &step))
		nb_cmd_keep_first(&first, &step);
	if (collect_rules(conf, &step))
		nb_cmd_keep_first(&first, &step);
	if (collect_mac_rules(conf, &step))
		nb_cmd_keep_first(&first, &step);
	if (conf->ipam_type && nb_ipam_run(conf, args, NB_CMD_GC, &step))
		nb_cmd_keep_first(&first, &step);
	if (!*first.msg)
		return 0;
	*err = first;
	return -1;
}
