// SPDX-License-Identifier: GPL-2.0-or-later
/* Pods in the maps, and what is left of a datapath without pods. */
#include "cmd_datapath.h"

#include <errno.h>
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
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "args.h"
#include "conf.h"
#include "netdev.h"
#include "netdev_delete.h"
#include "netdev_vlan.h"
#include "report.h"
#include "result.h"

/* Whether an address of a result is on the pod's interface. In ADD all are. */
static bool is_on_pod(const struct nb_result *result, const struct nb_result_ip *ip, const char *ifname)
{
	const struct nb_result_if *iface;

	if (ip->interface < 0 || (size_t)ip->interface >= result->n_interfaces)
		return true;
	iface = &result->interfaces[ip->interface];
	return iface->sandbox && strcmp(iface->name, ifname) == 0;
}

int nb_cni_endpoint(const struct nb_args *args, const struct nb_conf *conf, const struct nb_result *result,
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

		if (!is_on_pod(result, ip, args->ifname))
			continue;
		if (made.n_addrs == NB_ENDPOINT_ADDRS)
			return nb_fail(err, NB_ERR_CONFIG, 0, "more than %d addresses for one pod",
				       NB_ENDPOINT_ADDRS);
		made.addrs[made.n_addrs].addr = ip->addr;
		/* Without isGateway the bridge does not have the address. */
		if (ip->has_gateway && conf->is_gateway)
			made.addrs[made.n_addrs].gateway = ip->gateway;
		made.n_addrs++;
	}
	*spec = made;
	return 0;
}

bool nb_cni_fast_path(const struct nb_conf *conf, const struct nb_link *bridge)
{
	return conf->proxy.fast_path &&
	       (conf->proxy.fast_path_given || conf->vlan || !bridge->vlan_filtering);
}

int nb_cni_open_datapath(const struct nb_conf *conf, struct nb_datapath *dp, struct nb_error *err)
{
	struct nb_upgraded done;
	int rc = nb_datapath_open(&conf->proxy.pin_root, conf->name, true, dp, err);

	if (rc != -ESTALE)
		return rc;
	rc = nb_upgrade(&conf->proxy.pin_root, conf->name, &done, err);
	if (rc) {
		nb_log("%s", err->msg);
		return -ENOENT;
	}
	return nb_datapath_open(&conf->proxy.pin_root, conf->name, true, dp, err);
}

void nb_cni_follow_ports(const struct nb_datapath *dp, const struct nb_conf *conf, struct nb_netlink *host)
{
	struct nb_error err = { 0 };

	if (nb_conf_uses_datapath(conf) && nb_ports_note_cut(dp, &conf->proxy.pin_root, host, &err))
		nb_log("the states of the pods' ports are unknown: %s", err.msg);
}

int nb_cni_leave_bridge(const struct nb_datapath *dp, const struct nb_conf *conf, struct nb_error *err)
{
	struct nb_settings settings;
	unsigned int pods;
	int rc = nb_endpoint_count(dp, &pods, err);

	if (rc || pods)
		return rc;
	rc = nb_settings_read(dp, &settings, err);
	if (rc || !settings.bridge_ifindex)
		return rc;
	return nb_datapath_detach_bridge(conf->name, settings.bridge_ifindex, err);
}

/*
 * Without pins there are no maps, so host veths tell whether the network has pods. The lock
 * keeps out ADDs: an ADD has made its host veth before it waits for the lock, and attaches its
 * programs after it has got it.
 */
static int leave_bridge_without_maps(const struct nb_conf *conf, struct nb_error *err)
{
	nb_cleanup(nb_netdev_close) struct nb_netdev netdev = NB_NETDEV_INIT;
	nb_autofree struct nb_link *links = NULL;
	nb_autoclose int lock = -1;
	unsigned int n = 0, vlan;
	struct nb_link bridge;
	bool has_pods = false;
	int rc = nb_datapath_lock(&conf->proxy.pin_root, &lock, err);

	if (rc)
		return rc;
	rc = nb_netdev_open(&netdev, -1, err);
	if (rc)
		return rc;
	rc = nb_netdev_has_pods(&netdev, conf->name, &has_pods, err);
	if (rc || has_pods)
		return rc;
	rc = nb_link_get(&netdev.host, conf->bridge, &bridge, err);
	if (rc)
		return rc == -ENODEV ? 0 : rc;
	rc = nb_link_list(&netdev.host, NULL, 0, &links, &n, err);
	if (rc)
		return rc;
	/*
	 * The program is at the bridge, or where the config had the gateway when
	 * the program was attached.
	 */
	for (unsigned int i = 0; i < n; i++) {
		if (links[i].index != bridge.index &&
		    !nb_netdev_is_vlan_host(&links[i], &bridge, links, n, &vlan))
			continue;
		rc = nb_datapath_detach_bridge(conf->name, links[i].index, err);
		if (rc)
			return rc;
	}
	return 0;
}

int nb_cni_forget_datapath(const struct nb_conf *conf, struct nb_error *err)
{
	int rc = nb_datapath_clear(&conf->proxy.pin_root, conf->name, err);

	if (rc || !nb_conf_uses_datapath(conf))
		return rc;
	return leave_bridge_without_maps(conf, err);
}

/* The same for DEL, and for the undo of ADD, which have no socket open. */
static void follow_ports(const struct nb_datapath *dp, const struct nb_conf *conf)
{
	nb_cleanup(nb_netlink_close) struct nb_netlink host = { 0 };
	struct nb_error err = { 0 };

	if (!nb_netlink_open(&host, &err))
		nb_cni_follow_ports(dp, conf, &host);
}

int nb_cni_forget_endpoint(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	int rc;

	if (nb_datapath_impossible(&conf->proxy.pin_root, conf->name))
		return 0;
	rc = nb_cni_open_datapath(conf, &dp, err);
	if (rc == -ENOENT)
		return nb_cni_forget_datapath(conf, err);
	if (rc)
		return rc;
	rc = nb_endpoint_delete(&dp, args->container_id, args->ifname, err);
	if (rc)
		return rc;
	follow_ports(&dp, conf);
	return nb_cni_leave_bridge(&dp, conf, err);
}
