// SPDX-License-Identifier: GPL-2.0-or-later
/* Moves pods' ports and the gateway of a network whose VLAN has changed. */
#include "vlan_follow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include <natbridge/abi.h>

#include "lib/datapath/datapath.h"
#include "lib/datapath/port_state.h"
#include "lib/maps/endpoint.h"
#include "lib/maps/layout.h"
#include "lib/net/fdb.h"
#include "lib/net/host_veth.h"
#include "lib/net/ifaddr.h"
#include "lib/net/link.h"
#include "lib/net/link_delete_async.h"
#include "lib/net/netlink.h"
#include "lib/net/sysctl.h"
#include "lib/net/vlan.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "conf.h"
#include "netdev.h"
#include "netdev_bridge.h"
#include "netdev_vlan.h"
#include "report.h"
#include "result.h"

/* A link where the gateway was: the bridge itself, or the interface of one of its VLANs. */
struct former {
	const struct nb_link *link;
	unsigned int vlan; /* of its pods' untagged frames */
	bool is_bridge;
	/* A port of another network whose pod needs the gateway there; NULL: none. */
	const struct nb_link *user;
};

enum { FORMER_MAX = 16 };

struct follow {
	struct nb_netdev *netdev;
	const struct nb_vlan_change *change;
	const struct nb_datapath *dp; /* NULL: mode off */
	struct nb_link *links;
	unsigned int n_links;
	struct nb_port_native *natives;
	unsigned int n_natives;
	struct nb_port *ports; /* of the maps */
	unsigned int n_ports;
	struct nb_port_vlans want; /* those of the new pod's port */
	struct former former[FORMER_MAX];
	unsigned int n_former;
	unsigned int n_moved; /* ports that have changed their VLANs */
	bool host_moved;      /* the gateway's addresses were removed from a former link */
};

static void follow_free(struct follow *follow)
{
	free(follow->links);
	free(follow->natives);
	free(follow->ports);
}

/* ---- the state of links and ports ---- */

/* The VLAN of untagged frames of a port, or of the bridge itself; 0: none. */
static unsigned int native_of(const struct follow *follow, unsigned int index)
{
	for (unsigned int i = 0; i < follow->n_natives; i++)
		if (follow->natives[i].port_index == index)
			return follow->natives[i].vlan;
	return 0;
}

/* The VLAN that the maps have for a port; 0: none. */
static unsigned int vlan_in_maps(const struct follow *follow, unsigned int index)
{
	for (unsigned int i = 0; i < follow->n_ports; i++)
		if (follow->ports[i].ifindex == index)
			return follow->ports[i].flags >> NB_PORT_VLAN_SHIFT;
	return 0;
}

static bool is_port(const struct follow *follow, const struct nb_link *link)
{
	return link->master == follow->change->bridge->index && link->alias[0] && !strcmp(link->kind, "veth");
}

static bool is_own_port(const struct follow *follow, const struct nb_link *link)
{
	return is_port(follow, link) && nb_host_veth_is_of_network(link, follow->change->conf->name);
}

static bool is_in_subnet(const struct nb_addr *addr, const struct nb_result_ip *ip)
{
	const struct nb_addr a = nb_addr_network(addr, ip->prefix_len);
	const struct nb_addr b = nb_addr_network(&ip->gateway, ip->prefix_len);

	return ip->has_gateway && nb_addr_is_v4(addr) == nb_addr_is_v4(&ip->gateway) && nb_addr_equal(&a, &b);
}

/* Whether the pod of a port has an address of the gateway's subnet, which it then needs. */
static bool needs_gateway(const struct follow *follow, const struct nb_link *port)
{
	const struct nb_result *result = follow->change->result;
	nb_autofree struct nb_ifaddr *addrs = NULL;
	unsigned int n = 0;
	bool found = false;

	if (nb_ifaddr_list_elsewhere(&follow->netdev->host, port->peer_nsid, port->peer, &addrs, &n, NULL))
		return false; /* it is going away */
	for (unsigned int i = 0; i < n; i++)
		for (size_t k = 0; k < result->n_ips && !found; k++)
			found = is_in_subnet(&addrs[i].addr, &result->ips[k]);
	return found;
}

/* Finds a port in a VLAN whose pod belongs to another network of natbridge and needs the gateway there. */
static const struct nb_link *find_user(const struct follow *follow, unsigned int vlan)
{
	char network[NB_LINK_ALIAS_MAX];

	for (unsigned int i = 0; i < follow->n_links; i++) {
		const struct nb_link *link = &follow->links[i];

		if (is_port(follow, link) && !is_own_port(follow, link) &&
		    nb_host_veth_alias_network(link->alias, network) &&
		    native_of(follow, link->index) == vlan && needs_gateway(follow, link))
			return link;
	}
	return NULL;
}

static bool is_gateway(const struct follow *follow, const struct nb_ifaddr *addr)
{
	const struct nb_result *result = follow->change->result;

	for (size_t i = 0; i < result->n_ips; i++)
		if (result->ips[i].has_gateway && result->ips[i].prefix_len == addr->prefix_len &&
		    nb_addr_equal(&result->ips[i].gateway, &addr->addr))
			return true;
	return false;
}

/* Counts the link's addresses that are the gateway's, and the others, without those of link-local scope. */
static int count_addresses(const struct follow *follow, unsigned int index, unsigned int *gateways,
			   unsigned int *others, struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *addrs = NULL;
	unsigned int n = 0;
	int rc = nb_ifaddr_list(&follow->netdev->host, index, AF_UNSPEC, &addrs, &n, err);

	if (rc)
		return rc;
	*gateways = *others = 0;
	for (unsigned int i = 0; i < n; i++) {
		if (is_gateway(follow, &addrs[i]))
			++*gateways;
		else if (addrs[i].scope == RT_SCOPE_UNIVERSE)
			++*others;
	}
	return 0;
}

/* Appends a link to follow->former[] if the gateway was there: the maps say so, or it has its addresses. */
static int append_former(struct follow *follow, const struct nb_link *link, unsigned int vlan,
			 struct nb_error *err)
{
	const struct nb_vlan_change *change = follow->change;

	if (link->index == change->host->index || follow->n_former == FORMER_MAX)
		return 0;
	if (link->index != change->old_host) {
		unsigned int gateways, others;
		int rc = count_addresses(follow, link->index, &gateways, &others, err);

		if (rc || !gateways)
			return rc;
	}
	follow->former[follow->n_former++] = (struct former){
		.link = link,
		.vlan = vlan,
		.is_bridge = link->index == change->bridge->index,
		.user = find_user(follow, vlan),
	};
	return 0;
}

/* Whether an earlier pod's port of the network is in a VLAN. */
static bool has_port_in(const struct follow *follow, unsigned int vlan)
{
	for (unsigned int i = 0; i < follow->n_links; i++)
		if (follow->links[i].index != follow->change->port->index &&
		    is_own_port(follow, &follow->links[i]) &&
		    native_of(follow, follow->links[i].index) == vlan)
			return true;
	return false;
}

/*
 * An address at the bridge itself may be the operator's. It counts as a former gateway's only if
 * the maps had the host there, or a port of the network is in the bridge's own VLAN.
 */
static int find_former(struct follow *follow, struct nb_error *err)
{
	const struct nb_vlan_change *change = follow->change;
	const unsigned int bridge_vlan = native_of(follow, change->bridge->index);

	for (unsigned int i = 0; i < follow->n_links; i++) {
		const struct nb_link *link = &follow->links[i];
		unsigned int vlan;
		int rc = 0;

		if (link->index == change->bridge->index &&
		    (link->index == change->old_host || has_port_in(follow, bridge_vlan)))
			rc = append_former(follow, link, bridge_vlan, err);
		else if (nb_netdev_is_vlan_host(link, change->bridge, follow->links, follow->n_links, &vlan))
			rc = append_former(follow, link, vlan, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int read_state(struct follow *follow, struct nb_error *err)
{
	struct nb_netlink *host = &follow->netdev->host;
	int rc = nb_link_list(host, NULL, 0, &follow->links, &follow->n_links, err);

	if (rc)
		return rc;
	rc = nb_port_natives(host, &follow->natives, &follow->n_natives, err);
	if (rc)
		return rc;
	rc = nb_port_vlans_get(host, follow->change->port->index, &follow->want, err);
	if (rc)
		return rc;
	if (follow->dp) {
		rc = nb_endpoint_ports(follow->dp, &follow->ports, &follow->n_ports, err);
		if (rc)
			return rc;
	}
	return find_former(follow, err);
}

/* ---- ports ---- */

static const struct former *former_in(const struct follow *follow, unsigned int vlan)
{
	for (unsigned int i = 0; i < follow->n_former; i++)
		if (follow->former[i].vlan == vlan)
			return &follow->former[i];
	return NULL;
}

/* Whether a port is where the gateway was. A pod in any other VLAN has no gateway, and stays. */
static bool has_to_move(const struct follow *follow, const struct nb_link *link)
{
	const unsigned int native = native_of(follow, link->index);
	const struct former *former = former_in(follow, native);

	return former && !former->user && native != follow->want.native;
}

/*
 * Adds the new VLANs first, so that the port is never without. The pod's static FDB
 * entry is there once for each VLAN of the port: it is deleted while the port has old
 * and new ones, and added again.
 */
static int move_port(struct follow *follow, const struct nb_link *link, struct nb_error *err)
{
	struct nb_netlink *host = &follow->netdev->host;
	struct nb_link pod = { .has_mac = false };
	struct nb_port_vlans missing = follow->want, have;
	int rc = nb_link_get_elsewhere(host, link->peer_nsid, link->peer, &pod, err);

	if (rc)
		return rc;
	rc = nb_port_vlans_get(host, link->index, &have, err);
	if (rc)
		return rc;
	/* VLANs that it has already keep their flags. */
	for (unsigned int id = 1; id <= NB_VLAN_MAX; id++)
		if (id == have.native || nb_vlans_has(&have.tagged, id))
			missing.tagged.bits[id / 8] &= (unsigned char)~(1U << id % 8);
	rc = nb_port_vlans_add(host, link->index, &missing, err);
	if (rc)
		return rc;
	rc = nb_fdb_delete(host, link->index, pod.mac, err);
	if (rc && rc != -ENOENT)
		return rc;
	rc = nb_port_vlans_keep_only(host, link->index, &follow->want, err);
	if (rc)
		return rc;
	return nb_fdb_add(host, link->index, pod.mac, err);
}

/* Takes the lock, since without it the port's entry may be freed and given to another pod meanwhile. */
static int write_vlan(const struct follow *follow, const struct nb_link *link, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	const struct nb_conf *conf = follow->change->conf;
	int rc;

	if (!follow->dp || vlan_in_maps(follow, link->index) == conf->vlan)
		return 0;
	rc = nb_datapath_open(&conf->proxy.pin_root, conf->name, true, &dp, err);
	if (rc)
		return rc;
	return nb_port_set_vlan(&dp, link->index, conf->vlan, err);
}

static bool is_gone(struct follow *follow, const struct nb_link *link)
{
	struct nb_link now = *link;

	return nb_netdev_refetch(follow->netdev, &now, NULL) == -ENODEV;
}

static void follow_port(struct follow *follow, const struct nb_link *link)
{
	const bool moves = has_to_move(follow, link);
	struct nb_error err = { 0 };
	int rc = 0;

	if (link->index == follow->change->port->index || !is_own_port(follow, link) ||
	    (!moves && native_of(follow, link->index) != follow->want.native))
		return;
	if (moves)
		rc = move_port(follow, link, &err);
	if (!rc)
		rc = write_vlan(follow, link, &err);
	if (!rc)
		follow->n_moved += moves;
	else if (!is_gone(follow, link))
		nb_log("port %s of network \"%s\" is not in the gateway's VLAN yet: %s", link->name,
		       follow->change->conf->name, err.msg);
}

/* ---- the gateway ---- */

static int remove_gateway(struct follow *follow, const struct former *former, struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *addrs = NULL;
	unsigned int n = 0;
	int rc = nb_ifaddr_list(&follow->netdev->host, former->link->index, AF_UNSPEC, &addrs, &n, err);

	if (rc)
		return rc;
	for (unsigned int i = 0; i < n; i++) {
		if (!is_gateway(follow, &addrs[i]))
			continue;
		rc = nb_ifaddr_delete(&follow->netdev->host, former->link->index, &addrs[i], err);
		if (rc && rc != -EADDRNOTAVAIL) /* -EADDRNOTAVAIL: another ADD was faster */
			return rc;
	}
	return 0;
}

/* Deletes it if it was made for the network's gateway alone: it has no other address. */
static int remove_interface(struct follow *follow, const struct former *former, struct nb_error *err)
{
	unsigned int gateways, others;
	int rc = count_addresses(follow, former->link->index, &gateways, &others, err);

	if (rc || gateways || others)
		return rc;
	return nb_link_delete_async(&follow->netdev->host, former->link->index, err);
}

/* Says that the gateway stays for another network's pods, if it is there at all. */
static void log_user(const struct follow *follow, const struct former *former)
{
	char network[NB_LINK_ALIAS_MAX] = "", text[NB_ADDR_STRLEN];
	const struct nb_result *result = follow->change->result;
	unsigned int gateways = 0, others = 0;

	if (count_addresses(follow, former->link->index, &gateways, &others, NULL) || !gateways)
		return;
	(void)nb_host_veth_alias_network(former->user->alias, network);
	for (size_t i = 0; i < result->n_ips; i++)
		if (result->ips[i].has_gateway)
			nb_log("%s/%u stays at \"%s\", where pods of network \"%s\" use it: until those are "
			       "gone, or one of the networks has another subnet, the host does not reach "
			       "pods of network \"%s\" at \"%s\"",
			       nb_addr_format(&result->ips[i].gateway, text), result->ips[i].prefix_len,
			       former->link->name, network, follow->change->conf->name,
			       follow->change->host->name);
}

/* A former link that another network's pods need stays as it is. */
static void leave(struct follow *follow, const struct former *former)
{
	struct nb_error err = { 0 };
	int rc;

	if (former->user) {
		log_user(follow, former);
		return;
	}
	rc = remove_gateway(follow, former, &err);
	if (!rc)
		follow->host_moved = true;
	if (!rc && !former->is_bridge)
		rc = remove_interface(follow, former, &err);
	if (rc)
		nb_log("the gateway of network \"%s\" is still at \"%s\" as well: %s",
		       follow->change->conf->name, former->link->name, err.msg);
}

/*
 * Pods know the gateway by another MAC. With these settings on, setting the link's MAC to what it
 * is makes the kernel announce it (NETDEV_CHANGEADDR in net/ipv4/devinet.c and net/ipv6/ndisc.c).
 */
static void announce(struct follow *follow)
{
	static const struct {
		const char *family, *key;
	} settings[] = { { "ipv4", "arp_notify" }, { "ipv6", "ndisc_notify" } };
	const struct nb_link *host = follow->change->host;
	struct nb_error err = { 0 };
	char before[2][16];
	bool known[2];
	struct nb_link gateway = *host;

	for (int i = 0; i < 2; i++) {
		known[i] = !nb_sysctl_link_read(settings[i].family, host->name, settings[i].key, before[i],
						sizeof(before[i]), NULL);
		(void)nb_sysctl_link_write(settings[i].family, host->name, settings[i].key, "1", NULL);
	}
	if (nb_netdev_fix_mac(follow->netdev, &gateway, &err))
		nb_log("the gateway of network \"%s\" does not announce its MAC: %s",
		       follow->change->conf->name, err.msg);
	for (int i = 0; i < 2; i++)
		if (known[i])
			(void)nb_sysctl_link_write(settings[i].family, host->name, settings[i].key, before[i],
						   NULL);
}

void nb_vlan_follow(struct nb_netdev *netdev, const struct nb_vlan_change *change,
		    const struct nb_datapath *dp)
{
	nb_cleanup(follow_free) struct follow follow = { .netdev = netdev, .change = change, .dp = dp };
	struct nb_error err = { 0 };

	if (!change->conf->is_gateway ||
	    (!change->bridge->vlan_filtering && !change->conf->vlan && !change->old_host))
		return;
	if (read_state(&follow, &err)) {
		nb_log("pods attached earlier may be in another VLAN: %s", err.msg);
		return;
	}
	for (unsigned int i = 0; i < follow.n_links; i++)
		follow_port(&follow, &follow.links[i]);
	for (unsigned int i = 0; i < follow.n_former; i++)
		leave(&follow, &follow.former[i]);
	if (follow.host_moved)
		announce(&follow);
	if (follow.n_moved)
		nb_log("network \"%s\": %u ports of pods attached earlier are in VLAN %u now",
		       change->conf->name, follow.n_moved, follow.want.native);
}
