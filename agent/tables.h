/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_TABLES_H
#define NATBRIDGE_AGENT_TABLES_H

/*
 * The service tables of this node's networks, and the node's own one, kept equal to the cluster's. The
 * networks are those of the CNI directory in mode ebpf; one that leaves it stays while it has pins. Changes
 * are collected for a moment and then written to all of them. A network that appears later, or whose writing
 * failed, gets all Services.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/datapath/load.h"
#include "lib/datapath/pin_path.h"
#include "lib/service/service.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "loop.h"

struct nb_agent_config;
struct nb_cluster;

struct nb_table {
	char *name; /* owned, as all here */
	struct nb_pin_root root;
	struct nb_limits limits;
	int owner_fd; /* lib/datapath/owner.h; -1: not yet */
	bool is_node; /* the node's own table, and not a network's */
	bool in_dir;  /* the CNI directory names it */
	/* What it has got. It gets each batch of changes in any case. */
	enum { NB_TABLE_NEW, NB_TABLE_FILLING, NB_TABLE_FULL } state;
	char *next;          /* filling: the last Service that it has got; NULL: none */
	bool is_said;        /* that it is equal to the cluster */
	bool has_failed;     /* it misses what could not be written: said once */
	struct nb_error why; /* if so */
	unsigned int cidrs;  /* nb_service_cidrs.changes that it has got */
	double filling_s;    /* what filling it has taken so far */
	uint64_t failures;
	struct nb_service_changes last; /* of the last write */
};

/* Changes that were written to all tables, or a whole table. */
struct nb_tables_sync {
	bool full; /* a whole table */
	bool ok;
	double seconds;
	const int64_t *triggers; /* when the changes were triggered, ms since 1970 */
	size_t n_triggers;
};

struct nb_tables {
	NB_VEC(struct nb_table *) all; /* sorted by name */
	struct nb_loop *loop;
	const struct nb_agent_config *config;
	struct nb_cluster *cluster;
	bool dry;                    /* nothing is written, and changes are printed */
	void (*complete)(void *arg); /* all tables are equal to the cluster */
	void (*failed)(const struct nb_table *table, const struct nb_error *why, void *arg);
	void (*wrote)(const struct nb_table *table, void *arg);
	void (*written)(const struct nb_tables_sync *done, void *arg);
	void *arg;
	struct nb_timer timer, retry, follow;
	struct nb_loop_fd dir; /* inotify of the CNI directory; fd -1: it is not there */
	bool missing_said;
	bool started;     /* the first changes are written, so that a new table has missed some */
	int64_t wrote_ms; /* when changes were written last, CLOCK_MONOTONIC; 0: never */
};

/*
 * Reads the CNI directory, loads and pins what is missing, and follows the directory. The caller sets config,
 * cluster and the callbacks before, zeroes the rest, and frees *tables. A directory that is
 * missing is looked for until it is there.
 */
void nb_tables_start(struct nb_tables *tables, struct nb_loop *loop);
void nb_tables_free(struct nb_tables *tables); /* for nb_cleanup() */

/*
 * The cluster has changed, or is known now: its changes are written at once, or config->sync_ms after those
 * before them.
 */
void nb_tables_changed(struct nb_tables *tables);

/* Whether each table is equal to the cluster, as far as it is known. */
bool nb_tables_are_complete(const struct nb_tables *tables);

/* Removes the API's Services from all networks of the CNI directory that are set up. */
int nb_tables_clean(const struct nb_agent_config *config, struct nb_error *err);

#endif
