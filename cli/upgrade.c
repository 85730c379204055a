// SPDX-License-Identifier: GPL-2.0-or-later
/* natbridgectl upgrade: the programs of this natbridge on the ports of pods that run. */
#include "lib/datapath/upgrade.h"
#include "lib/datapath/datapath.h"
#include "lib/maps/layout.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "cli.h"
#include "networks.h"
#include "out.h"
#include "row.h"

static void print_upgrade(const struct cJSON *row, FILE *to)
{
	if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "replaced")))
		fprintf(to, "%s: programs replaced on %u ports\n", row_text(row, "network"),
			row_number(row, "ports"));
	else
		fprintf(to, "%s: nothing to do\n", row_text(row, "network"));
}

/* A natbridge that does not know of ports that are cut off leaves what another one has noted of them. */
static void follow_ports(const struct nb_cli *cli, const char *network)
{
	struct nb_datapath dp nb_cleanup(nb_datapath_close) = NB_DATAPATH_INIT;

	if (!nb_datapath_open(cli->bpffs, network, false, &dp, NULL))
		nb_follow_ports(cli, network, &dp);
}

static int upgrade_network(const struct nb_cli *cli, const char *network, struct nb_error *err)
{
	struct nb_upgraded done;
	int rc = nb_upgrade(cli->bpffs, network, &done, err);
	struct cJSON *row;

	if (rc)
		return nb_explain_missing(cli, network, rc, err);
	follow_ports(cli, network);
	row = cJSON_CreateObject();
	cJSON_AddStringToObject(row, "network", network);
	cJSON_AddBoolToObject(row, "replaced", done.replaced);
	cJSON_AddNumberToObject(row, "ports", done.ports);
	return nb_out_row(cli->out, row, print_upgrade, err);
}

static int upgrade(const struct nb_cli *cli, struct nb_error *err)
{
	struct nb_networks names nb_cleanup(nb_networks_free) = { 0 };
	int rc = nb_check_bpffs(cli, err), first = 0;

	rc = rc ?: nb_networks_read(&names, cli, err);
	if (rc)
		return rc;
	nb_out_keep_rows(cli->out);
	for (size_t i = 0; i < names.n; i++) {
		rc = upgrade_network(cli, names.items[i], first ? NULL : err);
		first = first ?: rc;
	}
	return first;
}

static const struct nb_verb verbs[] = {
	{ "", NULL, 0, "give the pods that run the eBPF programs of this natbridge", "\
DESCRIPTION\n\
  After another natbridge was installed, newer or older: replaces its predecessor's eBPF programs, of\n\
  all networks or of the one named by --network, at each port in one step. Connections, Services and\n\
  settings stay. Where the map layout is another one, the maps are carried over first; what\n\
  cannot be carried over is said, and everything stays as it was. The next ADD of a network does\n\
  the same for that network.\n\
\n\
  Run it in the network namespace of the node.\n\
\n\
OUTPUT\n\
  One line for each network: how many ports have the programs now, or that there was nothing to do.\n",
	  upgrade },
	{ 0 },
};

const struct nb_noun nb_noun_upgrade = { "upgrade", "another natbridge, while pods run", verbs };
