// SPDX-License-Identifier: GPL-2.0-or-later
/* GC: removes what belongs to none of the attachments that the request lists. */
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
#include "cmd_common.h"
#include "cmd_datapath.h"
#include "conf.h"
#include "conf_gc.h"
#include "ipam.h"
#include "masq.h"
#include "netdev.h"
#include "netdev_delete.h"
#include "report.h"

static int collect_links(const struct nb_conf *conf, struct nb_error *err)
{
	nb_cleanup(nb_netdev_close) struct nb_netdev netdev = NB_NETDEV_INIT;
	unsigned int removed = 0;
	int rc = nb_netdev_open(&netdev, -1, err);

	if (rc)
		return rc;
	rc = nb_netdev_keep_only(&netdev, conf->name, conf->attachments, conf->n_attachments, &removed, err);
	if (removed)
		nb_log("GC of network \"%s\": %u links removed", conf->name, removed);
	return rc;
}

static int collect_endpoints(const struct nb_conf *conf, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	nb_autofree __u64 *owners = calloc(conf->n_attachments + 1, sizeof(*owners));
	unsigned int removed = 0;
	int rc;

	if (nb_datapath_impossible(&conf->proxy.pin_root, conf->name))
		return 0;
	if (!owners)
		return nb_fail_nomem(err);
	for (size_t i = 0; i < conf->n_attachments; i++)
		owners[i] = nb_endpoint_owner(conf->attachments[i].container_id, conf->attachments[i].ifname);
	rc = nb_cni_open_datapath(conf, &dp, err);
	if (rc == -ENOENT)
		return nb_cni_forget_datapath(conf, err);
	if (rc)
		return rc;
	rc = nb_endpoint_keep_only(&dp, owners, (unsigned int)conf->n_attachments, &removed, err);
	if (removed)
		nb_log("GC of network \"%s\": %u pods removed from the maps", conf->name, removed);
	if (rc)
		return rc;
	return nb_cni_leave_bridge(&dp, conf, err);
}

/* Both kinds of rules are looked for whatever the config says, since it may have changed since ADD. */
static int collect_masquerade(const struct nb_conf *conf, struct nb_error *err)
{
	unsigned int removed = 0;
	int rc = nb_masq_keep_only(conf->name, conf->attachments, conf->n_attachments, &removed, err);

	if (removed)
		nb_log("GC of network \"%s\": %u masquerading rules removed", conf->name, removed);
	return rc;
}

static int collect_macspoof(const struct nb_conf *conf, struct nb_error *err)
{
	unsigned int removed = 0;
	int rc = nb_macspoof_keep_only(conf->name, conf->attachments, conf->n_attachments, &removed, err);

	if (removed)
		nb_log("GC of network \"%s\": macspoofchk rules of %u interfaces removed", conf->name,
		       removed);
	return rc;
}

/*
 * Each step runs even if others failed; the first error is returned. A request without a list is
 * not in SPEC.md: it does not say what is valid, so nothing is stale. The IPAM plugin is not asked
 * either, since it might take no list for an empty one. cnitool sends such a request after a DEL of
 * each attachment it knows.
 */
int nb_cni_gc(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err)
{
	struct nb_error first = { 0 }, step = { 0 };

	if (!conf->valid) {
		nb_log("GC of network \"%s\": nothing is removed, since neither \"" NB_CONF_VALID
		       "\" nor \"" NB_CONF_VALID_OLD "\" lists what is valid",
		       conf->name);
		return 0;
	}
	if (collect_links(conf, &step))
		nb_cni_keep_first(&first, &step);
	if (collect_endpoints(conf, &step))
		nb_cni_keep_first(&first, &step);
	if (collect_masquerade(conf, &step))
		nb_cni_keep_first(&first, &step);
	if (collect_macspoof(conf, &step))
		nb_cni_keep_first(&first, &step);
	if (conf->ipam_type && nb_ipam_run(conf, args, NB_CNI_GC, &step))
		nb_cni_keep_first(&first, &step);
	if (!*first.msg)
		return 0;
	*err = first;
	return -1;
}
