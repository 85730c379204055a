/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_TABLE_WRITE_H
#define NATBRIDGE_AGENT_TABLE_WRITE_H

/*
 * Changes of one network's table. Each opens the pins anew and holds their lock meanwhile, since an ADD or an
 * upgrade may replace them.
 */

#include <stdbool.h>

#include "lib/service/keep.h"
#include "lib/service/service.h"
#include "lib/util/error.h"

#include "service_cidrs.h"
#include "tables.h"

/* Loads and pins the network's datapath, unless that is done. */
int nb_table_load(const struct nb_table *table, struct nb_error *err);

/* Whether the network has pins. */
bool nb_table_is_there(const struct nb_table *table);

/*
 * Makes the Services in *names what *services says, but for the frontends that clients outside of the cluster
 * meet: no network of pods has them. Frontends of the network's configuration stay, with a warning. If
 * another Service has an address, since the table has changed while nobody followed the cluster, all Services
 * are written.
 */
int nb_table_write(struct nb_tables *tables, struct nb_table *table, const struct nb_service_names *names,
		   const struct nb_services *services, struct nb_error *err);

/* Makes the service ranges those of the cluster, unless the network's configuration has some. */
int nb_table_write_cidrs(const struct nb_table *table, const struct nb_service_cidrs *cidrs,
			 struct nb_error *err);

/* Removes the API's Services that the cluster does not have. */
int nb_table_remove_others(struct nb_tables *tables, struct nb_table *table, struct nb_error *err);

/* Removes the API's Services and service ranges. Refuses if an agent owns the table. No pins: 0. */
int nb_table_clean(const struct nb_table *table, struct nb_error *err);

#endif
