// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Has the table of connections of a network lose the tuple by which one half of a connection is found.
 *
 *   lose BPFFS NETWORK PORT client|backend     the half that sends from PORT, or to it
 */
#include "lib/datapath/datapath.h"
#include "lib/datapath/pin_path.h"
#include "lib/maps/conn_table.h"
#include "lib/maps/layout.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/bpf/way.h"

static bool lose(struct nb_conn_table *table, __be16 port, bool client)
{
	for (__u32 place = 0; place < table->n_pairs; place++) {
		struct nb_pair pair;
		__u64 *way;

		if (!nb_conn_table_get(table, place, &pair) || pair.dir[0].key.sport != port)
			continue;
		way = way_of(table, 2 * place + !client);
		if (way)
			*way = 0;
		return way;
	}
	return false;
}

int main(int argc, char **argv)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	nb_cleanup(nb_conn_table_close) struct nb_conn_table table = { 0 };
	struct nb_error err = { 0 };
	struct nb_pin_root root;
	bool client;

	if (argc != 5) {
		fprintf(stderr, "usage: lose BPFFS NETWORK PORT client|backend\n");
		return 2;
	}
	client = !strcmp(argv[4], "client");
	if (nb_pin_root_resolve(argv[1], &root, &err) || nb_datapath_open(&root, argv[2], false, &dp, &err) ||
	    nb_conn_table_open(&dp, &table, &err)) {
		fprintf(stderr, "lose: %s\n", err.msg);
		return 1;
	}
	if (lose(&table, htons(strtoul(argv[3], NULL, 10)), client))
		return 0;
	fprintf(stderr, "lose: no connection from port %s\n", argv[3]);
	return 1;
}
