// SPDX-License-Identifier: GPL-2.0-or-later
/* From the command line to the datapath of one network or of all. */
#include <natbridge/cleanup.h>
#include <natbridge/conntrack.h>
#include <natbridge/port_state.h>

#include <errno.h>

#include "cli.h"
#include "names.h"

static int open_network(const struct nb_cli *cli, const char *network, unsigned int access,
			struct nb_datapath *dp, struct nb_error *err)
{
	const struct nb_datapath_config config = {
		.bpffs = cli->bpffs,
		.network = network,
		.mode = NB_MODE_EBPF,
	};
	int rc = nb_datapath_open(cli->bpffs, network, access != NB_READ, dp, err);

	if (rc != -ENOENT || access != NB_ENSURE || !cli->network)
		return rc;
	return nb_datapath_ensure(&config, dp, err);
}

/* Whether the network's Services and connections are the host's. */
static int is_assisted(const struct nb_datapath *dp, bool *assisted, struct nb_error *err)
{
	enum nb_mode mode = NB_MODE_OFF;
	int rc = nb_datapath_mode(dp, &mode, err);

	*assisted = mode == NB_MODE_ASSIST;
	return rc;
}

/* Whoever looks at a network or changes it brings this up to date; it is not what he asked for. */
static void follow_ports(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp)
{
	struct nb_netlink nl nb_cleanup(nb_netlink_close) = { 0 };
	struct nb_error err = { 0 };

	if (nb_netlink_open(&nl, &err) || nb_ports_follow(dp, cli->bpffs, &nl, &err))
		fprintf(stderr, "natbridgectl: network \"%s\": the states of the ports are not known: %s\n",
			network, err.msg);
}

static int run_one(const struct nb_cli *cli, const char *network, unsigned int access, nb_network_fn fn,
		   void *arg, unsigned int *n, struct nb_error *err)
{
	struct nb_datapath dp nb_cleanup(nb_datapath_close) = NB_DATAPATH_INIT;
	int rc = open_network(cli, network, access & ~NB_TRANSLATING, &dp, err);
	bool assisted = false;

	if (!rc)
		follow_ports(cli, network, &dp);
	if (!rc && access & NB_TRANSLATING)
		rc = is_assisted(&dp, &assisted, err);
	if (rc)
		return rc;
	if (assisted && cli->network)
		return nb_fail(
			err, NB_ERR_CONFIG, 0,
			"network \"%s\" is in mode assist: its Services and connections are the host's",
			network);
	if (assisted)
		return 0;
	++*n;
	rc = fn(cli, network, &dp, arg, err);
	if (rc)
		nb_wrap(err, "network \"%s\"", network);
	return rc;
}

int nb_each_network(const struct nb_cli *cli, unsigned int access, nb_network_fn fn, void *arg,
		    unsigned int *n, struct nb_error *err)
{
	struct nb_names names nb_cleanup(nb_names_free) = { 0 };
	unsigned int ran = 0;
	int rc = 0, first = 0;

	if (access != NB_ENSURE || !cli->network)
		rc = nb_check_bpffs(cli, err);
	rc = rc ?: nb_names_read(&names, cli, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < names.n; i++) {
		struct nb_error later = { 0 };

		rc = run_one(cli, names.items[i], access, fn, arg, &ran, first ? &later : err);
		first = first ? first : rc;
	}
	if (n)
		*n = ran;
	return first;
}
