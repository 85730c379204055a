// SPDX-License-Identifier: GPL-2.0-or-later
/* natbridgectl endpoint: the addresses of the pods, and the states of their ports. */
#include <net/if.h>

#include "lib/datapath/port_describe.h"
#include "lib/datapath/port_state.h"
#include "lib/maps/endpoint.h"
#include "lib/maps/layout.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "cli.h"
#include "each_network.h"
#include "out.h"
#include "texts.h"

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
	cJSON_AddStringToObject(
		row, "state",
		nb_port_look_name(nb_port_look(listing->dp, listing->links, info->port.ifindex)));
	return nb_out_row(listing->cli->out, row, NULL, listing->err);
}

static int list_network(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp,
			void *arg, struct nb_error *err)
{
	nb_cleanup(nb_port_links_free) struct nb_port_links links = { 0 };
	struct listing listing = { cli, network, dp, &links, err };

	(void)arg;
	int rc = nb_port_links_here(dp, &links, err);
	if (rc)
		return rc;
	return nb_endpoint_each(dp, list_endpoint, &listing, err);
}

int nb_cmd_endpoint_list(const struct nb_cli *cli, struct nb_error *err)
{
	static const struct nb_column columns[] = {
		{ "NETWORK", "network" }, { "ADDRESS", "address" }, { "PORT", "port" },
		{ "MAC", "mac" },         { "STATE", "state" },     { 0 },
	};

	nb_out_columns(cli->out, columns);
	nb_out_wrap(cli->out, "network");
	nb_out_colour(cli->out, "state", nb_port_colours);
	return nb_each_network(cli, NB_READ, list_network, NULL, NULL, err);
}
