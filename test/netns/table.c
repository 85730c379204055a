// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Loads mode ebpf for a network with a table of any size, before its first ADD, which then uses it.
 *
 *   table BPFFS NETWORK CONNECTIONS
 *
 * A config refuses a table that is too small to be of use.
 */
#include "lib/datapath/datapath.h"
#include "lib/datapath/load.h"
#include "lib/datapath/pin_path.h"
#include "lib/datapath/pins.h"
#include "lib/maps/layout.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static int load(char **args, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	struct nb_pin_root root;
	struct nb_datapath_config config = { .root = &root, .network = args[1], .mode = NB_MODE_EBPF };
	int rc = nb_pin_root_resolve(args[0], &root, err);

	config.limits.connections = strtoul(args[2], NULL, 10);
	if (rc)
		return rc;
	if (mkdir(root.path, 0700)) {
		perror(root.path);
		return 1;
	}
	rc = nb_datapath_locate(&root, config.network, true, &dp, err);
	if (rc)
		return rc;
	rc = nb_datapath_load(&config, &dp, err);
	return rc ? rc : nb_pins_create(&dp, &config, err);
}

int main(int argc, char **argv)
{
	struct nb_error err = { 0 };

	if (argc != 4) {
		fputs("usage: table BPFFS NETWORK CONNECTIONS\n", stderr);
		return 2;
	}
	if (!load(argv + 1, &err))
		return 0;
	fprintf(stderr, "%s\n", err.msg);
	return 1;
}
