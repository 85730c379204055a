/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_PORTS_CHECK_H
#define NATBRIDGE_AGENT_PORTS_CHECK_H

/* Whether the pods' ports of a network still have its programs. */

#include <stddef.h>

#include "tables.h"

enum { NB_DETACHED_MAX = 256 };

/*
 * Counts the ports of a network that are links of this namespace, and those that lack a program; of the first
 * of these, what is its name and network. A network without pins has none.
 */
void nb_ports_check(const struct nb_table *table, size_t *ports, size_t *detached,
		    char what[NB_DETACHED_MAX]);

#endif
