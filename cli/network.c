// SPDX-License-Identifier: GPL-2.0-or-later
/* From the command line to the datapath of one network or of all. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/datapath/bpffs.h"
#include "lib/datapath/datapath.h"
#include "lib/datapath/ensure.h"
#include "lib/datapath/load.h"
#include "lib/datapath/port_state.h"
#include "lib/maps/layout.h"
#include "lib/maps/settings.h"
#include "lib/net/netlink.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "cli.h"
#include "networks.h"

int nb_explain_missing(const struct nb_cli *cli, const char *network, int rc, struct nb_error *err)
{
	char path[512];

	if (rc != -ENOENT || nb_pin_path(path, sizeof(path), cli->bpffs, network, NULL, NULL) ||
	    !access(path, F_OK))
		return rc;
	return nb_fail(
		err, NB_ERR_NOT_SET_UP, 0,
		"network \"%s\" has not been set up below \"%s\" yet: the ADD of its first pod does that, "
		"unless its mode is off",
		network, nb_bpffs_root(cli->bpffs));
}

static int open_network(const struct nb_cli *cli, const char *network, unsigned int access,
			struct nb_datapath *dp, struct nb_error *err)
{
	const struct nb_datapath_config config = {
		.bpffs = cli->bpffs,
		.network = network,
		.mode = NB_MODE_EBPF,
	};
	int rc = nb_datapath_open(cli->bpffs, network, access != NB_READ, dp, err);

	if (rc == -ENOENT && access == NB_ENSURE && cli->network)
		return nb_datapath_ensure(&config, dp, err);
	return nb_explain_missing(cli, network, rc, err);
}

/* Whether the network's Services and connections are the host's. */
static int is_assisted(const struct nb_datapath *dp, bool *assisted, struct nb_error *err)
{
	enum nb_mode mode = NB_MODE_OFF;
	int rc = nb_datapath_mode(dp, &mode, err);

	*assisted = mode == NB_MODE_ASSIST;
	return rc;
}

/* In the place of the networks' names, " and 2 more". */
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
		"network \"%s\"%s is in mode assist: kube-proxy, or what else translates on the host, serves "
		"its Services, and the host's conntrack holds its connections",
		network, and_more(n, more));
}

void nb_follow_ports(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp)
{
	struct nb_netlink nl nb_cleanup(nb_netlink_close) = { 0 };
	struct nb_error err = { 0 };

	if (nb_netlink_open(&nl, &err) || nb_ports_follow(dp, cli->bpffs, &nl, &err))
		fprintf(stderr, "natbridgectl: network \"%s\": the states of the ports are not known: %s\n",
			network, err.msg);
}

static int run_one(const struct nb_cli *cli, const char *network, unsigned int access, nb_network_fn fn,
		   void *arg, struct nb_walked *walked, struct nb_error *err)
{
	struct nb_datapath dp nb_cleanup(nb_datapath_close) = NB_DATAPATH_INIT;
	int rc = open_network(cli, network, access & ~NB_TRANSLATING, &dp, err);
	bool assisted = false;

	if (!rc)
		nb_follow_ports(cli, network, &dp);
	if (!rc && access & NB_TRANSLATING)
		rc = is_assisted(&dp, &assisted, err);
	if (rc)
		return rc;
	if (assisted && cli->network)
		return refuse_assisted(network, 1, err);
	if (assisted && !walked->assisted++)
		snprintf(walked->first_assisted, sizeof(walked->first_assisted), "%s", network);
	if (assisted)
		return 0;
	walked->ran++;
	rc = fn(cli, network, &dp, arg, err);
	if (rc)
		nb_wrap(err, "network \"%s\"", network);
	return rc;
}

int nb_each_network(const struct nb_cli *cli, unsigned int access, nb_network_fn fn, void *arg,
		    struct nb_walked *walked, struct nb_error *err)
{
	struct nb_networks names nb_cleanup(nb_networks_free) = { 0 };
	struct nb_walked walk = { 0 };
	int rc = nb_check_bpffs(cli, err), first = 0;

	rc = rc ?: nb_networks_read(&names, cli, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < names.n; i++) {
		struct nb_error later = { 0 };

		rc = run_one(cli, names.items[i], access, fn, arg, &walk, first ? &later : err);
		first = first ? first : rc;
	}
	if (walked)
		*walked = walk;
	return first;
}

int nb_require_network(const struct nb_cli *cli, const struct nb_walked *walked, struct nb_error *err)
{
	if (walked->ran)
		return 0;
	if (walked->assisted)
		return refuse_assisted(walked->first_assisted, walked->assisted, err);
	return nb_fail(
		err, NB_ERR_NOT_SET_UP, 0,
		"no network has been set up below \"%s\" yet: the ADD of its first pod does that, unless its "
		"mode is off",
		nb_bpffs_root(cli->bpffs));
}

void nb_note_assisted(const struct nb_walked *walked)
{
	char more[32];

	if (walked->ran || !walked->assisted)
		return;
	fprintf(stderr,
		"natbridgectl: note: network \"%s\"%s is in mode assist: the host has its Services and "
		"connections\n",
		walked->first_assisted, and_more(walked->assisted, more));
}
