// SPDX-License-Identifier: GPL-2.0-or-later
/* Opens the datapath of the network that the command line names, or of each one, and runs a command on it. */
#include "each_network.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/datapath/datapath.h"
#include "lib/datapath/ensure.h"
#include "lib/datapath/load.h"
#include "lib/datapath/pin_path.h"
#include "lib/datapath/port_state.h"
#include "lib/maps/layout.h"
#include "lib/maps/settings.h"
#include "lib/net/netlink.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "cli.h"
#include "network_names.h"
#include "out.h"

int nb_explain_missing(const struct nb_cli *cli, const char *network, int rc, struct nb_error *err)
{
	char path[NB_PIN_PATH_MAX];

	if (rc == -ENOENT && !strcmp(network, NB_NODE_NETWORK))
		return nb_fail(err, NB_ERR_NOT_SET_UP, 0,
			       "the node's own table is not set up below \"%s\": natbridge-agent does that "
			       "with \"serviceProxy: node\"",
			       cli->pin_root.bpffs);
	if (rc != -ENOENT || nb_pin_path(&cli->pin_root, network, NULL, path, NULL) || !access(path, F_OK))
		return rc;
	return nb_fail(err, NB_ERR_NOT_SET_UP, 0,
		       "network \"%s\" is not set up below \"%s\" yet: the ADD of its first pod does that, "
		       "unless its mode is off",
		       network, cli->pin_root.bpffs);
}

static int open_network(const struct nb_cli *cli, const char *network, unsigned int access,
			struct nb_datapath *dp, struct nb_error *err)
{
	const struct nb_datapath_config config = {
		.root = &cli->pin_root,
		.network = network,
		.mode = NB_MODE_EBPF,
	};
	int rc = nb_datapath_open(&cli->pin_root, network, access != NB_READ, dp, err);

	if (rc == -ENOENT && access == NB_ENSURE && cli->network && strcmp(network, NB_NODE_NETWORK) != 0)
		return nb_datapath_ensure(&config, dp, err);
	return nb_explain_missing(cli, network, rc, err);
}

/* Behind the name of the first network: " and 2 more". */
static const char *and_more(unsigned int n, char buf[32])
{
	*buf = '\0';
	if (n > 1)
		snprintf(buf, 32, " and %u more", n - 1);
	return buf;
}

static int refuse_assisted(const char *network, unsigned int n, struct nb_error *err)
{
	char more[32];

	return nb_fail(
		err, NB_ERR_CONFIG, 0,
		"network \"%s\"%s: in mode assist the host translates Services and tracks connections; "
		"use the host's tools, such as kubectl and conntrack",
		network, and_more(n, more));
}

void nb_note_assisted(const struct nb_visited *visited)
{
	char more[32];

	if (!visited->n && visited->assisted)
		nb_out_note("network \"%s\"%s: in mode assist the host translates Services and tracks "
			    "connections",
			    visited->first_assisted, and_more(visited->assisted, more));
}

int nb_require_network(const struct nb_cli *cli, const struct nb_visited *visited, struct nb_error *err)
{
	if (visited->n)
		return 0;
	if (visited->assisted)
		return refuse_assisted(visited->first_assisted, visited->assisted, err);
	return nb_fail(
		err, NB_ERR_NOT_SET_UP, 0,
		"no network is set up below \"%s\" yet: the ADD of its first pod does that, unless its "
		"mode is off",
		cli->pin_root.bpffs);
}

void nb_follow_ports(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp)
{
	nb_cleanup(nb_netlink_close) struct nb_netlink nl = { 0 };
	struct nb_error err = { 0 };

	if (nb_netlink_open(&nl, &err) || nb_ports_note_cut(dp, &cli->pin_root, &nl, &err))
		fprintf(stderr, "natbridgectl: warning: network \"%s\": cannot update the port states: %s\n",
			network, err.msg);
}

static int visit(const struct nb_cli *cli, const char *network, unsigned int access, nb_network_fn fn,
		 void *arg, struct nb_visited *visited, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	enum nb_mode mode = NB_MODE_EBPF;

	int rc = open_network(cli, network, access & ~NB_TRANSLATING, &dp, err);
	if (rc)
		return rc;
	nb_follow_ports(cli, network, &dp);
	if (access & NB_TRANSLATING) {
		rc = nb_datapath_mode(&dp, &mode, err);
		if (rc)
			return rc;
	}
	if (mode == NB_MODE_ASSIST) {
		if (cli->network)
			return refuse_assisted(network, 1, err);
		if (!visited->assisted++)
			snprintf(visited->first_assisted, sizeof(visited->first_assisted), "%s", network);
		return 0;
	}
	visited->n++;
	rc = fn(cli, network, &dp, arg, err);
	if (rc)
		return nb_wrap(err, "network \"%s\"", network);
	return 0;
}

int nb_each_network(const struct nb_cli *cli, unsigned int access, nb_network_fn fn, void *arg,
		    struct nb_visited *visited, struct nb_error *err)
{
	nb_cleanup(nb_network_names_free) struct nb_network_names names = { 0 };
	struct nb_visited all = { 0 };
	int first = 0;

	int rc = nb_network_names_read(&names, cli, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < names.n; i++) {
		struct nb_error later = { 0 };

		rc = visit(cli, names.items[i], access, fn, arg, &all, first ? &later : err);
		if (!first)
			first = rc;
	}
	if (visited)
		*visited = all;
	return first;
}
