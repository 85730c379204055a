// SPDX-License-Identifier: GPL-2.0-or-later
/* natbridgectl upgrade: the eBPF programs of this version in place of another one's, while pods run. */
#include "lib/datapath/upgrade.h"
#include "lib/datapath/datapath.h"
#include "lib/maps/layout.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "cli.h"
#include "each_network.h"
#include "network_names.h"
#include "out.h"

static void print_upgrade(const struct cJSON *row, FILE *to)
{
	if (nb_row_is(row, "replaced"))
		fprintf(to, "%s: programs replaced on %u ports\n", nb_row_text(row, "network"),
			nb_row_number(row, "ports"));
	if (nb_row_number(row, "lost"))
		fprintf(to, "%s: connections lost, since the new table had no place for them: %u\n",
			nb_row_text(row, "network"), nb_row_number(row, "lost"));
	if (nb_row_is(row, "handover_refused"))
		fprintf(to, "%s: the kernel refuses the programs of the handover: %s\n",
			nb_row_text(row, "network"), "connections that began meanwhile may be lost");
	if (!nb_row_is(row, "replaced"))
		fprintf(to, "%s: nothing to do\n", nb_row_text(row, "network"));
}

/* A version that does not know ports that are cut off leaves the marks of another version as they were. */
static void follow_ports(const struct nb_cli *cli, const char *network)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;

	if (!nb_datapath_open(&cli->pin_root, network, false, &dp, NULL))
		nb_follow_ports(cli, network, &dp);
}

static int upgrade_network(const struct nb_cli *cli, const char *network, struct nb_error *err)
{
	struct nb_upgraded done;

	int rc = nb_upgrade(&cli->pin_root, network, &done, err);
	if (rc)
		return nb_explain_missing(cli, network, rc, err);
	follow_ports(cli, network);
	struct cJSON *row = cJSON_CreateObject();
	cJSON_AddStringToObject(row, "network", network);
	cJSON_AddBoolToObject(row, "replaced", done.replaced);
	cJSON_AddNumberToObject(row, "ports", done.followed.ports.attached);
	cJSON_AddNumberToObject(row, "lost", done.followed.handed.lost);
	cJSON_AddBoolToObject(row, "handover_refused", done.followed.handed.refused);
	return nb_out_row(cli->out, row, print_upgrade, err);
}

int nb_cmd_upgrade(const struct nb_cli *cli, struct nb_error *err)
{
	nb_cleanup(nb_network_names_free) struct nb_network_names names = { 0 };
	int first = 0;

	int rc = nb_network_names_read(&names, cli, err);
	if (rc)
		return rc;
	nb_out_keep_rows(cli->out);
	for (size_t i = 0; i < names.n; i++) {
		rc = upgrade_network(cli, names.items[i], first ? NULL : err);
		if (!first)
			first = rc;
	}
	return first;
}
