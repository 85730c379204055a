// SPDX-License-Identifier: GPL-2.0-or-later
/* The bridge: whether it is there, what it has of the gateway, and where it sends the pods' packets. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "lib/datapath/attach.h"
#include "lib/net/fdb.h"
#include "lib/net/ifaddr.h"
#include "lib/net/sysctl.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"

#include "checks.h"

int nb_check_bridge(struct nb_doctor *doctor, const struct nb_doctor_network *network, struct nb_error *err)
{
	(void)err;
	if (!network->n_ports || !network->settings.bridge_ifindex)
		return 0;
	if (!network->bridge)
		nb_found(doctor, network->name,
			 nb_doctor_text(doctor, "its bridge is gone: there is no link %u%s",
					network->settings.bridge_ifindex,
					network->n_links ? "" : ", nor any port, in this network namespace"),
			 network->n_links ? "recreate the pods"
					  : "run natbridgectl in the network namespace of the node");
	else if (!(network->bridge->flags & IFF_UP))
		nb_found(doctor, network->name,
			 nb_doctor_text(doctor, "the bridge \"%s\" is down", network->bridge->name),
			 nb_doctor_text(doctor, "ip link set %s up", network->bridge->name));
	return 0;
}

int nb_check_bridge_mac(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			struct nb_error *err)
{
	char want[NB_MAC_STRLEN], has[NB_MAC_STRLEN];

	(void)err;
	if (!network->host || !network->host->has_mac || !network->n_ports ||
	    !memcmp(network->host->mac, network->settings.bridge_mac, NB_MAC_LEN))
		return 0;
	nb_mac_format(network->settings.bridge_mac, want);
	nb_mac_format(network->host->mac, has);
	nb_found(doctor, network->name,
		 nb_doctor_text(doctor, "\"%s\" has the MAC address %s, and the programs use %s",
				network->host->name, has, want),
		 nb_doctor_text(doctor, "ip link set %s address %s; or start a pod, which tells the programs",
				network->host->name, want));
	return 0;
}

int nb_check_bridge_program(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			    struct nb_error *err)
{
	struct nb_error why = { 0 };

	(void)err;
	if (!network->host || !network->n_ports ||
	    !nb_datapath_attached_bridge(&network->dp, network->mode, network->name, network->host->index,
					 &why))
		return 0;
	nb_found(
		doctor, network->name, nb_doctor_text(doctor, "%s: %s", network->host->name, why.msg),
		"start a pod in the network, and find what removes programs: another tool that manages tc or "
		"tcx");
	return 0;
}

/* Each gateway is said once: whether an endpoint before i has it as well. */
static bool is_repeated(const struct nb_doctor_network *network, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (nb_addr_equal(&network->endpoints.items[k].endpoint.gateway,
				  &network->endpoints.items[i].endpoint.gateway))
			return true;
	return false;
}

/* Without IPv6 on the link, its addresses are gone as well: another check says so. */
static bool lacks_ipv6(const struct nb_link *link)
{
	char text[64];

	return !nb_sysctl_link_read("ipv6", link->name, "disable_ipv6", text, sizeof(text), NULL) &&
	       !strcmp(text, "1");
}

int nb_check_gateway(struct nb_doctor *doctor, const struct nb_doctor_network *network, struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *addrs = NULL;
	unsigned int n = 0;

	/* Nothing routes to the addresses of a bridge that is down. */
	if (!network->host || !network->bridge || !(network->bridge->flags & IFF_UP))
		return 0;
	int rc = nb_ifaddr_list(&doctor->nl, network->host->index, AF_UNSPEC, &addrs, &n, err);
	for (size_t i = 0; i < network->endpoints.n && !rc; i++) {
		const struct nb_addr *gateway = &network->endpoints.items[i].endpoint.gateway;
		const bool v4 = nb_addr_is_v4(gateway);
		char text[NB_ADDR_STRLEN];

		if (nb_addr_is_zero(gateway) || nb_ifaddr_has(addrs, n, gateway) || is_repeated(network, i) ||
		    (!v4 && lacks_ipv6(network->host)))
			continue;
		nb_addr_format(gateway, text);
		nb_found(doctor, network->name,
			 nb_doctor_text(doctor, "\"%s\" lacks the address %s, which is the gateway of pods",
					network->host->name, text),
			 nb_doctor_text(doctor,
					"start a pod in the network, or ip address add %s/LENGTH dev %s",
					text, network->host->name));
	}
	return rc;
}

/* Where the bridge has a pod's MAC. */
enum place { NOWHERE, LEARNED, STATIC, ELSEWHERE };

static enum place find(const struct nb_fdb_entry *entries, unsigned int n, const struct nb_port *port,
		       unsigned int *other)
{
	enum place found = NOWHERE;

	for (unsigned int i = 0; i < n; i++) {
		if (memcmp(entries[i].mac, port->mac, NB_MAC_LEN) != 0)
			continue;
		*other = entries[i].port_index;
		if (*other != port->ifindex)
			return ELSEWHERE;
		if (entries[i].is_static || found != STATIC)
			found = entries[i].is_static ? STATIC : LEARNED;
	}
	return found;
}

static void check_fdb(struct nb_doctor *doctor, const struct nb_doctor_network *network,
		      const struct nb_port *port, const struct nb_fdb_entry *entries, unsigned int n)
{
	const struct nb_link *link = nb_doctor_link(doctor, port->ifindex);
	unsigned int other = 0;
	char mac[NB_MAC_STRLEN];

	if (!link || link->master != network->bridge->index)
		return;
	const enum place place = find(entries, n, port, &other);
	if (place == STATIC)
		return;
	nb_mac_format(port->mac, mac);
	if (place == ELSEWHERE)
		nb_found_link(doctor, link,
			      nb_doctor_text(doctor, "%s: the bridge has the pod's MAC address %s at \"%s\"",
					     network->name, mac, nb_doctor_link_name(doctor, other)),
			      "find who else sends from this address, or recreate the pod");
	else
		nb_found_link(
			doctor, link,
			nb_doctor_text(doctor,
				       "%s: the bridge has no static entry for the pod's MAC address %s",
				       network->name, mac),
			nb_doctor_text(doctor, "bridge fdb replace %s dev %s master static", mac,
				       link->name));
}

int nb_check_fdb(struct nb_doctor *doctor, const struct nb_doctor_network *network, struct nb_error *err)
{
	nb_autofree struct nb_fdb_entry *entries = NULL;
	unsigned int n = 0;

	if (!network->bridge)
		return 0;
	int rc = nb_fdb_list(&doctor->nl, network->bridge->index, &entries, &n, err);
	for (unsigned int i = 0; i < network->n_ports && !rc; i++)
		check_fdb(doctor, network, &network->ports[i], entries, n);
	return rc;
}

static bool has_vlans(const struct nb_doctor_network *network)
{
	for (unsigned int i = 0; i < network->n_ports; i++)
		if (network->ports[i].flags >> NB_PORT_VLAN_SHIFT)
			return true;
	return false;
}

int nb_check_vlan_filter(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			 struct nb_error *err)
{
	(void)err;
	if (!network->bridge || !network->bridge->vlan_filtering || network->mode != NB_MODE_EBPF ||
	    !(network->settings.flags & NB_SETTINGS_FAST_PATH) || has_vlans(network) ||
	    (network->file && network->file->proxy.fast_path_given))
		return 0;
	nb_found(
		doctor, network->name,
		nb_doctor_text(doctor, "the bridge \"%s\" filters VLANs by now, and the fast path is on",
			       network->bridge->name),
		"start a pod in the network, which switches the fast path off; or set serviceProxy.fastPath");
	return 0;
}
