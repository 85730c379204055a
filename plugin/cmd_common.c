// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/datapath/attach.h"
#include "lib/datapath/datapath.h"
#include "lib/datapath/port_state.h"
#include "lib/datapath/upgrade.h"
#include "lib/maps/endpoint.h"
#include "lib/maps/layout.h"
#include "lib/maps/settings.h"
#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/net/netns.h"
#include "lib/util/cleanup.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "args.h"
#include "cmd.h"
#include "conf.h"
#include "netdev.h"
#include "report.h"
#include "result.h"

struct nb_cni_id nb_cmd_attachment(const struct nb_args *args, const struct nb_conf *conf)
{
	return (struct nb_cni_id){
		.network = conf->name,
		.container_id = args->container_id,
		.ifname = args->ifname,
	};
}

int nb_cmd_open_netns(const struct nb_args *args, int *fd, struct nb_error *err)
{
	nb_autoclose int netns = -1;
	bool own = false;
	int ret = nb_netns_open(args->netns, &netns, err);

	if (!ret && !args->netns_override)
		ret = nb_netns_is_own(netns, &own, err);
	if (ret)
		return nb_wrap(err, "CNI_NETNS");
	if (own)
		return nb_fail(err, NB_ERR_NETNS, 0,
			       "CNI_NETNS \"%.200s\" is the namespace that the plugin runs in", args->netns);
	*fd = NB_TAKE_FD(netns);
	return 0;
}

/* Whether an address of a result is on the pod's interface (in ADD none says otherwise). */
static bool is_ours(const struct nb_result *result, const struct nb_result_ip *ip, const char *ifname)
{
	const struct nb_result_if *iface;

	if (ip->interface < 0 || (size_t)ip->interface >= result->n_interfaces)
		return true;
	iface = &result->interfaces[ip->interface];
	return iface->sandbox && strcmp(iface->name, ifname) == 0;
}

int nb_cmd_endpoint(const struct nb_args *args, const struct nb_conf *conf, const struct nb_result *result,
		    const struct nb_netdev_veth *veth, struct nb_endpoint_spec *spec, struct nb_error *err)
{
	struct nb_endpoint_spec made = {
		.container_id = args->container_id,
		.ifname = args->ifname,
		.ifindex = veth->host.index,
	};

	memcpy(made.mac, veth->pod.mac, sizeof(made.mac));
	if (conf->shaped)
		made.flags |= NB_PORT_NO_FAST_PATH;
	if (conf->port_isolation)
		made.flags |= NB_PORT_ISOLATED;
	if (conf->ip_spoof_check)
		made.flags |= NB_PORT_SPOOFCHK;
	if (conf->mac_spoof_check)
		made.flags |= NB_PORT_MACSPOOFCHK;
	made.flags |= (__u16)(conf->vlan << NB_PORT_VLAN_SHIFT);
	for (size_t i = 0; i < result->n_ips; i++) {
		const struct nb_result_ip *ip = &result->ips[i];

		if (!is_ours(result, ip, args->ifname))
			continue;
		if (made.n_addrs == NB_ENDPOINT_ADDRS)
			return nb_fail(err, NB_ERR_CONFIG, 0, "more than %d addresses for one pod",
				       NB_ENDPOINT_ADDRS);
		made.addrs[made.n_addrs].addr = ip->addr;
		if (ip->has_gateway && conf->is_gateway) /* else nobody may answer there */
			made.addrs[made.n_addrs].gateway = ip->gateway;
		made.n_addrs++;
	}
	*spec = made;
	return 0;
}

bool nb_cmd_fast_path(const struct nb_conf *conf, const struct nb_link *bridge)
{
	return conf->proxy.fast_path &&
	       (conf->proxy.fast_path_given || conf->vlan || !bridge->vlan_filtering);
}

int nb_cmd_leave_bridge(const struct nb_datapath *dp, const struct nb_conf *conf, struct nb_error *err)
{
	struct nb_settings settings;
	unsigned int pods;
	int ret = nb_endpoint_count(dp, &pods, err);

	if (ret || pods)
		return ret;
	ret = nb_settings_read(dp, &settings, err);
	if (ret || !settings.bridge_ifindex)
		return ret;
	return nb_datapath_detach_bridge(conf->name, settings.bridge_ifindex, err);
}

/* With the pins went the network's maps, so its host ends tell of its pods. An ADD has one before it waits
 * for the lock, and its programs come after that. */
static int leave_bridge_by_name(const struct nb_conf *conf, struct nb_error *err)
{
	nb_cleanup(nb_netdev_close) struct nb_netdev wire = NB_NETDEV_INIT;
	nb_autofree struct nb_link *links = NULL;
	nb_autoclose int lock = -1;
	unsigned int n = 0, vlan;
	struct nb_link bridge;
	bool has_pods = false;
	int ret = nb_datapath_lock(conf->proxy.bpffs, &lock, err);

	if (!ret)
		ret = nb_netdev_open(&wire, -1, err);
	if (!ret)
		ret = nb_netdev_has_pods(&wire, conf->name, &has_pods, err);
	if (ret || has_pods)
		return ret;
	ret = nb_link_get(&wire.host, conf->bridge, &bridge, err);
	if (ret)
		return ret == -ENODEV ? 0 : ret;
	ret = nb_link_list(&wire.host, NULL, 0, &links, &n, err);
	/* At the bridge, or where the config had the gateway when the program was attached. */
	for (unsigned int i = 0; i < n && !ret; i++)
		if (links[i].index == bridge.index ||
		    nb_netdev_is_vlan_host(&links[i], &bridge, links, n, &vlan))
			ret = nb_datapath_detach_bridge(conf->name, links[i].index, err);
	return ret;
}

int nb_cmd_forget_datapath(const struct nb_conf *conf, struct nb_error *err)
{
	int ret = nb_datapath_clear(conf->proxy.bpffs, conf->name, err);

	return ret || !nb_conf_uses_datapath(conf) ? ret : leave_bridge_by_name(conf, err);
}

int nb_cmd_open_datapath(const struct nb_conf *conf, struct nb_datapath *dp, struct nb_error *err)
{
	struct nb_upgraded done;
	int ret = nb_datapath_open(conf->proxy.bpffs, conf->name, true, dp, err);

	if (ret != -ESTALE)
		return ret;
	ret = nb_upgrade(conf->proxy.bpffs, conf->name, &done, err);
	if (!ret)
		return nb_datapath_open(conf->proxy.bpffs, conf->name, true, dp, err);
	nb_log("%s", err->msg);
	return -ENOENT;
}

void nb_cmd_follow_ports(const struct nb_datapath *dp, const struct nb_conf *conf, struct nb_netlink *host)
{
	struct nb_error err = { 0 };

	if (nb_conf_uses_datapath(conf) && nb_ports_follow(dp, conf->proxy.bpffs, host, &err))
		nb_log("the states of the pods' ports are not known: %s", err.msg);
}

/* What a DEL does beside its own work. */
static void follow_ports(const struct nb_datapath *dp, const struct nb_conf *conf)
{
	nb_cleanup(nb_netlink_close) struct nb_netlink host = { 0 };
	struct nb_error err = { 0 };

	if (!nb_netlink_open(&host, &err))
		nb_cmd_follow_ports(dp, conf, &host);
}

int nb_cmd_forget_endpoint(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	int ret;

	if (nb_datapath_impossible(conf->proxy.bpffs, conf->name))
		return 0;
	ret = nb_cmd_open_datapath(conf, &dp, err);
	if (ret == -ENOENT)
		return nb_cmd_forget_datapath(conf, err);
	if (!ret)
		ret = nb_endpoint_delete(&dp, args->container_id, args->ifname, err);
	if (!ret)
		follow_ports(&dp, conf);
	return ret ? ret : nb_cmd_leave_bridge(&dp, conf, err);
}

void nb_cmd_keep_first(struct nb_error *first, const struct nb_error *err)
{
	if (!*first->msg)
		*first = *err;
	else
		nb_log("%s", err->msg);
}
