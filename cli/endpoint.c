// SPDX-License-Identifier: GPL-2.0-or-later
/* natbridgectl endpoint: the pods' addresses. */
#include <net/if.h>

#include "lib/datapath/port_state.h"
#include "lib/maps/endpoint.h"
#include "lib/maps/layout.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "cli.h"
#include "out.h"
#include "port.h"

struct listing {
	const struct nb_cli *cli;
	const char *network;
	const struct nb_datapath *dp;
	const struct nb_port_links *links;
	struct nb_error *err;
};

static int list_endpoint(const struct nb_endpoint_info *info, void *arg)
{
	const struct listing *listing = arg;
	char addr[NB_ADDR_STRLEN], mac[NB_MAC_STRLEN], name[IF_NAMESIZE];
	struct cJSON *row = cJSON_CreateObject();

	cJSON_AddStringToObject(row, "network", listing->network);
	cJSON_AddStringToObject(row, "address", nb_addr_format(&info->addr, addr));
	cJSON_AddStringToObject(row, "port", nb_port_name(info->port.ifindex, name));
	cJSON_AddNumberToObject(row, "ifindex", info->port.ifindex);
	cJSON_AddStringToObject(row, "mac", nb_mac_format(info->port.mac, mac));
	cJSON_AddStringToObject(row, "state",
				nb_port_describe(listing->dp, listing->links, info->port.ifindex));
	return nb_out_row(listing->cli->out, row, NULL, listing->err);
}

static int list_network(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp,
			void *arg, struct nb_error *err)
{
	struct nb_port_links links nb_cleanup(nb_port_links_free) = { 0 };
	struct listing listing = { cli, network, dp, &links, err };
	int rc = nb_port_links_here(dp, &links, err);

	(void)arg;
	return rc ? rc : nb_endpoint_each(dp, list_endpoint, &listing, err);
}

static int endpoint_list(const struct nb_cli *cli, struct nb_error *err)
{
	static const struct nb_column columns[] = {
		{ "NETWORK", "network" }, { "ADDRESS", "address" }, { "PORT", "port" },
		{ "MAC", "mac" },         { "STATE", "state" },     { 0 },
	};

	nb_out_columns(cli->out, columns);
	return nb_each_network(cli, NB_READ, list_network, NULL, NULL, err);
}

static const struct nb_verb verbs[] = {
	{ "list", NULL, 0, "list the addresses of the pods", "\
DESCRIPTION\n\
  One line for each address of a pod: the network, the address, the name of the port on the\n\
  node's side, the MAC address of the pod's side, and the state of the port:\n\
    attached        both eBPF programs of the network are on it\n\
    detached        one is missing: the pod is not served\n\
    gone            there is no such port in this network namespace\n\
  or why it is cut off, also from Services: packets to it are dropped and counted (drop_cut_off)\n\
    off-bridge      it is no port of the network's bridge\n\
    down            the port is down\n\
    not-forwarding  the bridge has disabled or blocked it\n\
    bridge-down     the bridge is down\n\
  A port that is cut off, or joined again, is noticed by the next ADD, DEL or natbridgectl.\n\
  Run it in the network namespace of the node.\n",
	  endpoint_list },
	{ 0 },
};

const struct nb_noun nb_noun_endpoint = { "endpoint", "the pods and their ports", verbs };
