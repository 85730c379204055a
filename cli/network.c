// SPDX-License-Identifier: GPL-2.0-or-later
/* From the command line to the datapath of one network or of all. */
#include <natbridge/bpffs.h>
#include <natbridge/cleanup.h>
#include <natbridge/conntrack.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

struct names {
	char **items;
	size_t n;
};

static void names_free(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->items[i]);
	free(names->items);
}

static int add_name(const char *network, void *arg)
{
	struct names *names = arg;
	char **items = reallocarray(names->items, names->n + 1, sizeof(*items));
	char *copy = strdup(network);

	if (items)
		names->items = items;
	if (!items || !copy) {
		free(copy);
		return 1;
	}
	names->items[names->n++] = copy;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
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

static int run_one(const struct nb_cli *cli, const char *network, unsigned int access, nb_network_fn fn,
		   void *arg, unsigned int *n, struct nb_error *err)
{
	struct nb_datapath dp nb_cleanup(nb_datapath_close) = NB_DATAPATH_INIT;
	int rc = open_network(cli, network, access & ~NB_TRANSLATING, &dp, err);
	bool assisted = false;

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
	struct names names nb_cleanup(names_free) = { 0 };
	unsigned int ran = 0;
	int rc = 0, first = 0;

	/* A path that was typed wrong must not look like a node without networks. */
	if (cli->bpffs && !(access == NB_ENSURE && cli->network) && !nb_is_bpffs(cli->bpffs))
		return nb_fail(err, NB_ERR_CONFIG, 0, "--bpffs \"%.200s\" is not in a mounted bpffs",
			       cli->bpffs);
	if (cli->network)
		rc = add_name(cli->network, &names) ? nb_fail_nomem(err) : 0;
	else
		rc = nb_datapath_each(cli->bpffs, add_name, &names, err);
	if (rc > 0)
		return nb_fail_nomem(err);
	if (rc)
		return rc;
	if (names.n)
		qsort(names.items, names.n, sizeof(*names.items), compare_names);
	for (size_t i = 0; i < names.n; i++) {
		struct nb_error later = { 0 };

		rc = run_one(cli, names.items[i], access, fn, arg, &ran, first ? &later : err);
		first = first ? first : rc;
	}
	if (n)
		*n = ran;
	return first;
}
