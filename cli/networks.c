// SPDX-License-Identifier: GPL-2.0-or-later
#include "networks.h"

#include <stdlib.h>
#include <string.h>

#include "lib/datapath/bpffs.h"
#include "lib/datapath/datapath.h"
#include "lib/util/error.h"

#include "cli.h"

void nb_networks_free(struct nb_networks *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->items[i]);
	free(names->items);
}

static int add_name(const char *name, void *arg)
{
	struct nb_networks *names = arg;
	char **items = reallocarray(names->items, names->n + 1, sizeof(*items));
	char *copy = strdup(name);

	if (items)
		names->items = items;
	if (!items || !copy) {
		free(copy);
		return 1;
	}
	names->items[names->n++] = copy;
	return 0;
}

int nb_networks_add(struct nb_networks *names, const char *name, struct nb_error *err)
{
	return add_name(name, names) ? nb_fail_nomem(err) : 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void nb_networks_sort(struct nb_networks *names)
{
	if (names->n)
		qsort(names->items, names->n, sizeof(*names->items), compare_names);
}

int nb_networks_read(struct nb_networks *names, const struct nb_cli *cli, struct nb_error *err)
{
	int rc;

	if (cli->network)
		return nb_networks_add(names, cli->network, err);
	rc = nb_datapath_each(cli->bpffs, add_name, names, err);
	if (rc > 0)
		return nb_fail_nomem(err);
	nb_networks_sort(names);
	return rc;
}

int nb_check_bpffs(const struct nb_cli *cli, struct nb_error *err)
{
	if (!cli->bpffs || nb_is_bpffs(cli->bpffs))
		return 0;
	return nb_fail(err, NB_ERR_CONFIG, 0, "--bpffs \"%.200s\" is not in a mounted bpffs", cli->bpffs);
}
