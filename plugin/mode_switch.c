// SPDX-License-Identifier: GPL-2.0-or-later
#include "mode_switch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include <natbridge/abi.h>

#include "lib/datapath/attach.h"
#include "lib/datapath/datapath.h"
#include "lib/datapath/upgrade.h"
#include "lib/maps/endpoint.h"
#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/maps/settings.h"
#include "lib/net/host_veth.h"
#include "lib/net/ifaddr.h"
#include "lib/net/link.h"
#include "lib/net/qdisc.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "conf.h"
#include "netdev.h"
#include "report.h"

static __u16 flag_of(enum nb_mode mode)
{
	return mode == NB_MODE_ASSIST ? NB_SETTINGS_IS_ASSIST : NB_SETTINGS_IS_EBPF;
}

/* ---- pods that the maps do not know ---- */

/* The bridge's address in the network of a pod's; all zero: it has none there. */
static struct nb_addr gateway_of(const struct nb_ifaddr *pod, const struct nb_ifaddr *bridge, unsigned int n)
{
	struct nb_addr network = nb_addr_network(&pod->addr, pod->prefix_len);

	for (unsigned int i = 0; i < n; i++) {
		struct nb_addr other = nb_addr_network(&bridge[i].addr, pod->prefix_len);

		if (nb_addr_is_v4(&pod->addr) == nb_addr_is_v4(&bridge[i].addr) &&
		    nb_addr_equal(&network, &other))
			return bridge[i].addr;
	}
	return (struct nb_addr){ 0 };
}

static int read_pod(struct nb_netdev *wire, const struct nb_conf *conf, const struct nb_link *gateway,
		    const struct nb_link *host, struct nb_endpoint_spec *spec, struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *addrs = NULL, *gateways = NULL;
	unsigned int n = 0, n_gateways = 0;
	char qdisc[NB_QDISC_KIND_MAX];
	struct nb_link pod;
	int ret = nb_link_get_elsewhere(&wire->host, host->peer_nsid, host->peer, &pod, err);

	if (!ret)
		ret = nb_ifaddr_list_elsewhere(&wire->host, host->peer_nsid, host->peer, &addrs, &n, err);
	if (!ret)
		ret = nb_ifaddr_list(&wire->host, gateway->index, AF_UNSPEC, &gateways, &n_gateways, err);
	if (!ret)
		ret = nb_qdisc_find(&wire->host, host->index, qdisc, err);
	if (ret)
		return ret;
	spec->ifindex = host->index;
	memcpy(spec->mac, pod.mac, sizeof(spec->mac));
	if (qdisc[0])
		spec->flags |= NB_PORT_NO_FAST_PATH;
	if (host->isolated)
		spec->flags |= NB_PORT_ISOLATED;
	if (conf->ip_spoof_check)
		spec->flags |= NB_PORT_SPOOFCHK;
	if (conf->mac_spoof_check)
		spec->flags |= NB_PORT_MACSPOOFCHK;
	spec->flags |= (__u16)(conf->vlan << NB_PORT_VLAN_SHIFT);
	for (unsigned int i = 0; i < n && spec->n_addrs < NB_ENDPOINT_ADDRS; i++) {
		if (addrs[i].scope != RT_SCOPE_UNIVERSE)
			continue;
		spec->addrs[spec->n_addrs].addr = addrs[i].addr;
		spec->addrs[spec->n_addrs++].gateway = gateway_of(&addrs[i], gateways, n_gateways);
	}
	return 0;
}

/* A pod whose traffic others shape: mode assist asks for the port's flag only where there is one. */
static int note_shaped(const struct nb_datapath *dp, const struct nb_endpoint_spec *spec,
		       struct nb_error *err)
{
	struct nb_settings settings;
	int ret;

	if (!(spec->flags & NB_PORT_NO_FAST_PATH))
		return 0;
	ret = nb_settings_read(dp, &settings, err);
	settings.flags |= NB_SETTINGS_SHAPED;
	return ret ? ret : nb_settings_write(dp, &settings, err);
}

/* Enters one pod. */
static int adopt(struct nb_netdev *wire, const struct nb_conf *conf, const struct nb_link *gateway,
		 const struct nb_link *host, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	char container_id[NB_LINK_ALIAS_MAX], ifname[IFNAMSIZ];
	struct nb_endpoint_spec spec = { .container_id = container_id, .ifname = ifname };
	__u32 slot;
	int ret;

	if (!nb_host_veth_alias_parse(host->alias, conf->name, container_id, ifname))
		return nb_fail(err, NB_ERR_SYSTEM, 0, "\"%s\" does not name its container", host->alias);
	ret = read_pod(wire, conf, gateway, host, &spec, err);
	if (!ret)
		ret = nb_datapath_open(conf->proxy.bpffs, conf->name, true, &dp, err);
	if (!ret)
		ret = nb_map_get(&dp, NB_MAP_LINKS, &host->index, &slot, err);
	if (ret) /* an error, or another ADD was faster */
		return ret < 0 ? ret : 0;
	ret = note_shaped(&dp, &spec, err);
	return ret ? ret : nb_endpoint_add(&dp, &spec, err);
}

/* Whether a link is a port of the network, and the maps have no pod for it. */
static bool is_unknown(const struct nb_datapath *dp, const struct nb_conf *conf, const struct nb_link *link)
{
	__u32 slot;

	return link->alias[0] && link->peer_elsewhere && nb_host_veth_is_of_network(link, conf->name) &&
	       nb_map_get(dp, NB_MAP_LINKS, &link->index, &slot, NULL) == 0;
}

static void adopt_all(struct nb_netdev *wire, const struct nb_conf *conf, const struct nb_link *bridge,
		      const struct nb_link *gateway, const struct nb_datapath *dp)
{
	nb_autofree struct nb_link *links = NULL;
	struct nb_error err = { 0 };
	unsigned int n = 0;

	if (nb_link_list(&wire->host, "veth", bridge->index, &links, &n, &err))
		nb_log("pods attached earlier: %s", err.msg);
	for (unsigned int i = 0; i < n; i++)
		if (is_unknown(dp, conf, &links[i]) && adopt(wire, conf, gateway, &links[i], &err))
			nb_log("port %s, attached earlier, is not in the maps: %s", links[i].name, err.msg);
}

/* ---- programs ---- */

/* Attaches the programs of the mode to all ports, or detaches all in mode off. False: not from all. */
static bool change_ports(const struct nb_datapath *dp, enum nb_mode mode)
{
	struct nb_error err = { 0 };
	struct nb_ports ports;
	int ret = nb_ports_attach(dp, mode, &ports, &err);

	if (ret)
		nb_log("ports do not all have mode \"%s\" yet: %s", nb_mode_name(mode), err.msg);
	return !ret;
}

/* The program at the bridge goes once no port is in mode assist. */
static void leave_bridge(const struct nb_conf *conf, const struct nb_link *bridge)
{
	struct nb_error err = { 0 };

	if (nb_datapath_detach_bridge(conf->name, bridge->index, &err))
		nb_log("%s", err.msg);
}

/* The programs of another map layout, whose ports are known by their links. */
static bool leave_links(struct nb_netdev *wire, const struct nb_conf *conf, const struct nb_link *bridge)
{
	nb_autofree struct nb_link *links = NULL;
	struct nb_error err = { 0 };
	unsigned int n = 0;
	int first = nb_link_list(&wire->host, "veth", bridge->index, &links, &n, &err);

	for (unsigned int i = 0; i < n; i++)
		if (links[i].alias[0] && nb_host_veth_is_of_network(&links[i], conf->name) &&
		    nb_datapath_detach(links[i].index, first ? NULL : &err))
			first = -1;
	if (first)
		nb_log("ports do not all have mode \"off\" yet: %s", err.msg);
	return !first;
}

static void leave(struct nb_netdev *wire, const struct nb_conf *conf, const struct nb_link *bridge,
		  const struct nb_link *host)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	struct nb_error err = { 0 };
	bool left;
	int ret;

	if (nb_datapath_impossible(conf->proxy.bpffs, conf->name))
		return;
	ret = nb_datapath_open(conf->proxy.bpffs, conf->name, false, &dp, &err);
	if (ret == -ENOENT) { /* pins that were lost may have left it */
		nb_datapath_detach_bridge(conf->name, host->index, NULL);
		return;
	}
	left = ret == -ESTALE ? leave_links(wire, conf, bridge) : !ret && change_ports(&dp, NB_MODE_OFF);
	if (left) {
		leave_bridge(conf, host);
		ret = nb_datapath_unpin(conf->proxy.bpffs, conf->name, &err);
	}
	if (ret)
		nb_log("the datapath of network %s stays: %s", conf->name, err.msg);
}

/* Whether all ports are known to have the mode already. */
static int has_followed(const struct nb_datapath *dp, enum nb_mode mode, bool *followed, struct nb_error *err)
{
	struct nb_settings settings;
	int ret = nb_settings_read(dp, &settings, err);

	if (!ret)
		*followed = (settings.flags & (flag_of(mode) | NB_SETTINGS_BEHIND)) == flag_of(mode);
	return ret;
}

/* With what is pinned by now. */
static int follow(struct nb_netdev *wire, const struct nb_conf *conf, const struct nb_link *bridge,
		  const struct nb_link *host, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	int ret = nb_datapath_open(conf->proxy.bpffs, conf->name, false, &dp, err);

	if (ret)
		return ret;
	adopt_all(wire, conf, bridge, host, &dp);
	if (!change_ports(&dp, conf->proxy.mode))
		return 0;
	if (conf->proxy.mode != NB_MODE_ASSIST)
		leave_bridge(conf, host);
	if (nb_ports_followed(conf->proxy.bpffs, conf->name, conf->proxy.mode, err))
		nb_log("mode \"%s\" is not noted: %s", nb_mode_name(conf->proxy.mode), err->msg);
	return 0;
}

void nb_mode_switch(struct nb_netdev *wire, const struct nb_conf *conf, const struct nb_link *bridge,
		    const struct nb_link *host, const struct nb_datapath *dp)
{
	struct nb_error err = { 0 };
	bool followed = false;
	int ret;

	if (!nb_conf_uses_datapath(conf)) {
		leave(wire, conf, bridge, host);
		return;
	}
	ret = has_followed(dp, conf->proxy.mode, &followed, &err);
	if (!ret && !followed)
		ret = follow(wire, conf, bridge, host, &err);
	if (ret)
		nb_log("the mode of the ports is unknown: %s", err.msg);
}
