// SPDX-License-Identifier: GPL-2.0-or-later
#include "inventory.h"

#include <errno.h>
#include <string.h>

#include "lib/datapath/attach_query.h"
#include "lib/datapath/datapath.h"
#include "lib/firewall/masq_rules.h"
#include "lib/maps/endpoint.h"
#include "lib/maps/layout.h"
#include "lib/net/host_veth.h"
#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/util/cleanup.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "cli.h"
#include "networks.h"

/* ---- the node ---- */

void nb_inventory_free(struct nb_inventory *traces)
{
	nb_netlink_close(&traces->nl);
	nb_networks_free(&traces->names);
	free(traces->links);
	nb_vec_free(&traces->programs);
}

static bool has_name_of_link(const struct nb_networks *names, const struct nb_link *link)
{
	for (size_t i = 0; i < names->n; i++)
		if (nb_host_veth_is_of_network(link, names->items[i]))
			return true;
	return false;
}

/* Networks that have ports and no pins: those of mode off, and those whose pins are lost. */
static int add_names_of_links(struct nb_inventory *traces, struct nb_error *err)
{
	char network[NB_LINK_ALIAS_MAX];
	int rc = 0;

	for (unsigned int i = 0; i < traces->n_links && !rc; i++) {
		const struct nb_link *link = &traces->links[i];

		if (!strcmp(link->kind, "veth") && nb_host_veth_alias_network(link->alias, network) &&
		    !has_name_of_link(&traces->names, link))
			rc = nb_networks_add(&traces->names, network, err);
	}
	nb_networks_sort(&traces->names);
	return rc;
}

static int find_programs_at(struct nb_inventory *traces, unsigned int ifindex, const __u32 *networks,
			    size_t n, struct nb_error *err)
{
	struct nb_attached *list nb_autofree = NULL;
	size_t n_list = 0;
	int rc = nb_attached_list(ifindex, networks, n, &list, &n_list, err);

	for (size_t i = 0; i < n_list && !rc; i++) {
		struct nb_inventory_item trace = { .at = list[i] };

		rc = nb_vec_push(&traces->programs, trace, err);
	}
	return rc;
}

static int find_programs(struct nb_inventory *traces, struct nb_error *err)
{
	__u32 *networks nb_autofree = NULL;
	size_t n = 0;
	int rc = nb_attached_networks(&networks, &n, err);

	for (unsigned int i = 0; i < traces->n_links && !rc; i++)
		rc = find_programs_at(traces, traces->links[i].index, networks, n, err);
	for (size_t i = 0; i < traces->programs.n; i++)
		for (size_t k = 0; k < traces->names.n; k++)
			if (nb_inventory_is_of(traces, &traces->programs.items[i].at, traces->names.items[k]))
				traces->programs.items[i].known = true;
	return rc;
}

int nb_inventory_find(struct nb_inventory *traces, const struct nb_cli *cli, struct nb_error *err)
{
	int rc = nb_check_bpffs(cli, err);

	rc = rc ?: nb_networks_read(&traces->names, cli, err);
	rc = rc ?: nb_netlink_open(&traces->nl, err);
	rc = rc ?: nb_link_list(&traces->nl, NULL, 0, &traces->links, &traces->n_links, err);
	if (!rc && !cli->network)
		rc = add_names_of_links(traces, err);
	return rc ?: find_programs(traces, err);
}

static const struct nb_link *find_link(const struct nb_inventory *traces, unsigned int ifindex)
{
	for (unsigned int i = 0; i < traces->n_links; i++)
		if (traces->links[i].index == ifindex)
			return &traces->links[i];
	return NULL;
}

const char *nb_inventory_link_name(const struct nb_inventory *traces, unsigned int ifindex)
{
	const struct nb_link *link = find_link(traces, ifindex);

	return link ? link->name : "";
}

bool nb_inventory_is_of(const struct nb_inventory *traces, const struct nb_attached *at, const char *network)
{
	const struct nb_link *link = find_link(traces, at->ifindex);

	if (at->network == nb_network_hash(network))
		return true;
	return link && nb_host_veth_is_of_network(link, network) && (!at->network || *network == '#');
}

/* ---- one network ---- */

void nb_pods_free(struct nb_pods *pods)
{
	nb_vec_free(&pods->links);
	free(pods->ports);
}

int nb_pods_find(struct nb_pods *pods, const struct nb_inventory *traces, const struct nb_cli *cli,
		 const char *network, struct nb_error *err)
{
	struct nb_datapath dp nb_cleanup(nb_datapath_close) = NB_DATAPATH_INIT;
	int rc = 0;

	for (unsigned int i = 0; i < traces->n_links && !rc; i++) {
		const struct nb_link *link = &traces->links[i];

		if (nb_host_veth_is_of_network(link, network))
			rc = nb_vec_push(&pods->links, link, err);
	}
	if (rc)
		return rc;
	rc = nb_datapath_open(cli->bpffs, network, false, &dp, err);
	if (rc) /* none, or one of another version: the links have to do */
		return rc == -ENOENT || rc == -ESTALE ? 0 : rc;
	return nb_endpoint_ports(&dp, &pods->ports, &pods->n_ports, err);
}

int nb_pods_mac(const struct nb_pods *pods, struct nb_inventory *traces, const struct nb_link *link,
		unsigned char mac[NB_MAC_LEN])
{
	struct nb_link pod;

	for (size_t i = 0; i < pods->n_ports; i++) {
		if (pods->ports[i].ifindex == link->index) {
			memcpy(mac, pods->ports[i].mac, NB_MAC_LEN);
			return 0;
		}
	}
	if (!link->peer_elsewhere ||
	    nb_link_get_elsewhere(&traces->nl, link->peer_nsid, link->peer, &pod, NULL) || !pod.has_mac)
		return -ENOENT;
	memcpy(mac, pod.mac, NB_MAC_LEN);
	return 0;
}

static bool has_owner(const struct nb_pods *pods, __u64 owner)
{
	for (size_t i = 0; i < pods->n_ports; i++)
		if (pods->ports[i].owner == owner)
			return true;
	return false;
}

bool nb_pods_have_rule(const struct nb_pods *pods, const char *network, const char *comment)
{
	char container_id[NB_LINK_ALIAS_MAX], ifname[IFNAMSIZ], key[NB_MASQ_KEY_SIZE];
	char rule_id[NB_MASQ_COMMENT_SIZE], rule_ifname[NB_MASQ_COMMENT_SIZE];
	const struct nb_cni_id id = { network, container_id, ifname };

	for (size_t i = 0; i < pods->links.n; i++) {
		if (!nb_host_veth_alias_parse(pods->links.items[i]->alias, network, container_id, ifname))
			continue;
		nb_masq_rule_key(&id, key);
		if (nb_masq_begins_with(comment, key))
			return true;
	}
	return nb_masq_comment_parse(comment, rule_id, rule_ifname) &&
	       has_owner(pods, nb_endpoint_owner(rule_id, rule_ifname));
}
