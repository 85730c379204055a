// SPDX-License-Identifier: GPL-2.0-or-later
/* Enters pods into the maps and exchanges programs when a network's mode has changed. */
#include "mode_switch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include <natbridge/abi.h>

#include "lib/datapath/attach.h"
#include "lib/datapath/datapath.h"
#include "lib/datapath/ports.h"
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

/* The host's address in the subnet of a pod's address, from host[n]; all zero: it has none there. */
static struct nb_addr gateway_of(const struct nb_ifaddr *pod, const struct nb_ifaddr *host, unsigned int n)
{
	struct nb_addr subnet = nb_addr_network(&pod->addr, pod->prefix_len);

	for (unsigned int i = 0; i < n; i++) {
		struct nb_addr other = nb_addr_network(&host[i].addr, pod->prefix_len);

		if (nb_addr_is_v4(&pod->addr) == nb_addr_is_v4(&host[i].addr) &&
		    nb_addr_equal(&subnet, &other))
			return host[i].addr;
	}
	return (struct nb_addr){ 0 };
}

static int read_flags(struct nb_netdev *netdev, const struct nb_conf *conf, const struct nb_link *port,
		      __u16 *flags, struct nb_error *err)
{
	char qdisc[NB_QDISC_KIND_MAX];
	int rc = nb_qdisc_find(&netdev->host, port->index, qdisc, err);

	if (rc)
		return rc;
	*flags = (__u16)(conf->vlan << NB_PORT_VLAN_SHIFT);
	if (qdisc[0])
		*flags |= NB_PORT_NO_FAST_PATH;
	if (port->isolated)
		*flags |= NB_PORT_ISOLATED;
	if (conf->ip_spoof_check)
		*flags |= NB_PORT_SPOOFCHK;
	if (conf->mac_spoof_check)
		*flags |= NB_PORT_MACSPOOFCHK;
	return 0;
}

/* Reads the pod at a port. The kernel answers for the pod's namespace, which need not be entered. */
static int read_pod(struct nb_netdev *netdev, const struct nb_conf *conf, const struct nb_link *host,
		    const struct nb_link *port, struct nb_endpoint_spec *spec, struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *addrs = NULL, *gateways = NULL;
	unsigned int n = 0, n_gateways = 0;
	struct nb_link pod;
	int rc = nb_link_get_elsewhere(&netdev->host, port->peer_nsid, port->peer, &pod, err);

	if (rc)
		return rc;
	rc = nb_ifaddr_list_elsewhere(&netdev->host, port->peer_nsid, port->peer, &addrs, &n, err);
	if (rc)
		return rc;
	rc = nb_ifaddr_list(&netdev->host, host->index, AF_UNSPEC, &gateways, &n_gateways, err);
	if (rc)
		return rc;
	rc = read_flags(netdev, conf, port, &spec->flags, err);
	if (rc)
		return rc;
	spec->ifindex = port->index;
	memcpy(spec->mac, pod.mac, sizeof(spec->mac));
	for (unsigned int i = 0; i < n && spec->n_addrs < NB_ENDPOINT_ADDRS; i++) {
		if (addrs[i].scope != RT_SCOPE_UNIVERSE)
			continue;
		spec->addrs[spec->n_addrs].addr = addrs[i].addr;
		spec->addrs[spec->n_addrs++].gateway = gateway_of(&addrs[i], gateways, n_gateways);
	}
	return 0;
}

/*
 * Notes in the settings that the network has a pod whose traffic others shape: only then do the
 * programs of mode assist look at the port's flag.
 */
static int note_shaped(const struct nb_datapath *dp, const struct nb_endpoint_spec *spec,
		       struct nb_error *err)
{
	struct nb_settings settings;
	int rc;

	if (!(spec->flags & NB_PORT_NO_FAST_PATH))
		return 0;
	rc = nb_settings_read(dp, &settings, err);
	if (rc)
		return rc;
	settings.flags |= NB_SETTINGS_SHAPED;
	return nb_settings_write(dp, &settings, err);
}

/* Enters the pod at a port into the maps. */
static int adopt(struct nb_netdev *netdev, const struct nb_conf *conf, const struct nb_link *host,
		 const struct nb_link *port, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	char container_id[NB_LINK_ALIAS_MAX], ifname[IFNAMSIZ];
	struct nb_endpoint_spec spec = { .container_id = container_id, .ifname = ifname };
	__u32 port_slot;
	int rc;

	if (!nb_host_veth_alias_parse(port->alias, conf->name, container_id, ifname))
		return nb_fail(err, NB_ERR_SYSTEM, 0, "link alias \"%s\" has no container id", port->alias);
	rc = read_pod(netdev, conf, host, port, &spec, err);
	if (rc)
		return rc;
	rc = nb_datapath_open(&conf->proxy.pin_root, conf->name, true, &dp, err);
	if (rc)
		return rc;
	rc = nb_map_get(&dp, NB_MAP_LINKS, &port->index, &port_slot, err);
	if (rc) /* positive: another ADD was faster */
		return rc < 0 ? rc : 0;
	rc = note_shaped(&dp, &spec, err);
	if (rc)
		return rc;
	return nb_endpoint_add(&dp, &spec, err);
}

/* Whether a link is a port of the network for which the maps have no pod. */
static bool is_unknown(const struct nb_datapath *dp, const struct nb_conf *conf, const struct nb_link *link)
{
	__u32 port_slot;

	return link->alias[0] && link->peer_elsewhere && nb_host_veth_is_of_network(link, conf->name) &&
	       nb_map_get(dp, NB_MAP_LINKS, &link->index, &port_slot, NULL) == 0;
}

static void adopt_all(struct nb_netdev *netdev, const struct nb_conf *conf, const struct nb_link *bridge,
		      const struct nb_link *host, const struct nb_datapath *dp)
{
	nb_autofree struct nb_link *links = NULL;
	struct nb_error err = { 0 };
	unsigned int n = 0;

	if (nb_link_list(&netdev->host, "veth", bridge->index, &links, &n, &err))
		nb_log("cannot list the pods attached earlier: %s", err.msg);
	for (unsigned int i = 0; i < n; i++)
		if (is_unknown(dp, conf, &links[i]) && adopt(netdev, conf, host, &links[i], &err))
			nb_log("port %s, attached earlier, is not in the maps: %s", links[i].name, err.msg);
}

/* ---- programs ---- */

static void log_behind(enum nb_mode mode, const struct nb_error *err)
{
	nb_log("ports do not all have mode \"%s\" yet: %s", nb_mode_name(mode), err->msg);
}

/* Detaches the program from the bridge, once no port is in mode assist. */
static void leave_bridge(const struct nb_conf *conf, const struct nb_link *host)
{
	struct nb_error err = { 0 };

	if (nb_datapath_detach_bridge(conf->name, host->index, &err))
		nb_log("%s", err.msg);
}

/* Detaches programs of another map layout, whose maps we cannot read: the host veths show the ports. */
static int detach_by_host_veth(struct nb_netdev *netdev, const struct nb_conf *conf,
			       const struct nb_link *bridge, struct nb_error *err)
{
	nb_autofree struct nb_link *links = NULL;
	unsigned int n = 0;
	int first = nb_link_list(&netdev->host, "veth", bridge->index, &links, &n, err);

	for (unsigned int i = 0; i < n; i++) {
		int rc;

		if (!links[i].alias[0] || !nb_host_veth_is_of_network(&links[i], conf->name))
			continue;
		rc = nb_datapath_detach(links[i].index, first ? NULL : err);
		if (rc && !first)
			first = rc;
	}
	return first;
}

/* Mode off: detaches all programs and removes the pins. */
static void switch_off(struct nb_netdev *netdev, const struct nb_conf *conf, const struct nb_link *bridge,
		       const struct nb_link *host)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	struct nb_error err = { 0 };
	struct nb_ports ports;
	int rc;

	if (nb_datapath_impossible(&conf->proxy.pin_root, conf->name))
		return;
	rc = nb_datapath_open(&conf->proxy.pin_root, conf->name, false, &dp, &err);
	if (rc == -ENOENT) { /* if the pins were lost, the program may still be at the bridge */
		nb_datapath_detach_bridge(conf->name, host->index, NULL);
		return;
	}
	if (rc && rc != -ESTALE) {
		nb_log("cannot remove the datapath of network \"%s\": %s", conf->name, err.msg);
		return;
	}
	rc = rc ? detach_by_host_veth(netdev, conf, bridge, &err)
		: nb_ports_attach(&dp, NB_MODE_OFF, &ports, &err);
	if (rc) {
		log_behind(NB_MODE_OFF, &err);
		return;
	}
	leave_bridge(conf, host);
	if (nb_datapath_unpin(&conf->proxy.pin_root, conf->name, &err))
		nb_log("cannot remove the datapath of network \"%s\": %s", conf->name, err.msg);
}

/* Whether all ports are known to have the mode already. */
static int has_followed(const struct nb_datapath *dp, enum nb_mode mode, bool *followed, struct nb_error *err)
{
	struct nb_settings settings;
	int rc = nb_settings_read(dp, &settings, err);

	if (rc)
		return rc;
	*followed = (settings.flags & (flag_of(mode) | NB_SETTINGS_BEHIND)) == flag_of(mode);
	return 0;
}

static void log_handed_over(const struct nb_handed_over *handed)
{
	if (handed->lost)
		nb_log("connections lost, since the new table had no place for them: %u", handed->lost);
	if (handed->refused)
		nb_log("the kernel refuses the programs of the handover: connections that began meanwhile "
		       "may be lost");
}

/* Opens the datapath again, since another ADD may have pinned other programs after this one's attach. */
static int follow(struct nb_netdev *netdev, const struct nb_conf *conf, const struct nb_link *bridge,
		  const struct nb_link *host, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	const enum nb_mode mode = conf->proxy.mode;
	const struct nb_datapath_config config = { .root = &conf->proxy.pin_root,
						   .network = conf->name,
						   .mode = mode };
	struct nb_followed followed;
	int rc = nb_datapath_open(&conf->proxy.pin_root, conf->name, false, &dp, err);

	if (rc)
		return rc;
	adopt_all(netdev, conf, bridge, host, &dp);
	if (nb_ports_follow(&dp, &config, &followed, err)) {
		log_behind(mode, err);
		return 0;
	}
	log_handed_over(&followed.handed);
	if (mode != NB_MODE_ASSIST)
		leave_bridge(conf, host);
	if (nb_ports_note_upgraded(&conf->proxy.pin_root, conf->name, mode, err))
		nb_log("mode \"%s\" is not noted in the settings: %s", nb_mode_name(mode), err->msg);
	return 0;
}

void nb_mode_switch(struct nb_netdev *netdev, const struct nb_conf *conf, const struct nb_link *bridge,
		    const struct nb_link *host, const struct nb_datapath *dp)
{
	struct nb_error err = { 0 };
	bool followed = false;
	int rc;

	if (!nb_conf_uses_datapath(conf)) {
		switch_off(netdev, conf, bridge, host);
		return;
	}
	rc = has_followed(dp, conf->proxy.mode, &followed, &err);
	if (!rc && !followed)
		rc = follow(netdev, conf, bridge, host, &err);
	if (rc)
		nb_log("the mode of the ports is unknown: %s", err.msg);
}
