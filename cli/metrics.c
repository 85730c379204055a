// SPDX-License-Identifier: GPL-2.0-or-later
/* natbridgectl metrics: the numbers of networks in Prometheus' text format, for its textfile collector. */
#include <stdio.h>

#include "lib/metrics/datapath_metrics.h"
#include "lib/metrics/network_stats.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include "cli.h"
#include "each_network.h"
#include "out.h"

static int read_network(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp,
			void *arg, struct nb_error *err)
{
	(void)cli;
	return nb_node_stats_add(arg, network, dp, NULL, err);
}

/* After an error, what could be read is printed nevertheless; a network that could not says so itself. */
int nb_cmd_metrics(const struct nb_cli *cli, struct nb_error *err)
{
	nb_cleanup(nb_node_stats_free) struct nb_node_stats stats = { 0 };
	nb_cleanup(nb_strbuf_free) struct nb_strbuf text = { 0 };
	int rc = cli->network ? nb_each_network(cli, NB_READ, read_network, &stats, NULL, err)
			      : nb_node_stats_read(&cli->pin_root, NULL, &stats, err);

	nb_out_as_text(cli->out);
	nb_datapath_metrics_write(&stats, &text);
	if (text.failed)
		return rc ? rc : nb_fail_nomem(err);
	fputs(text.buf, stdout);
	return rc;
}
