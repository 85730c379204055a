/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_METRICS_NETWORK_STATS_H
#define NATBRIDGE_LIB_METRICS_NETWORK_STATS_H

/* The numbers of one network's datapath at one moment: counters, connections, ports, how full its maps are.
 */

#include <stdbool.h>
#include <stdint.h>

#include <natbridge/abi.h>

#include "lib/datapath/port_describe.h"
#include "lib/maps/layout.h"
#include "lib/maps/usage.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "service_book.h"
#include "service_books.h"

/* Protocols whose connections are counted. */
enum nb_stats_proto { NB_STATS_TCP, NB_STATS_UDP, NB_STATS_SCTP, NB_STATS_PROTOS };

/* "tcp". */
const char *nb_stats_proto_name(enum nb_stats_proto proto);

/*
 * The name of a state of connections: as conntrack -L prints it, and for UDP UNREPLIED, REPLIED or ASSURED.
 * NULL: nothing is counted under this number. NB_SCTP_CLOSED counts as NB_SCTP_NONE, which has the same name.
 */
const char *nb_stats_state_name(enum nb_stats_proto proto, unsigned int state);

struct nb_network_stats {
	char *name;
	bool readable; /* else nothing is known but the name */
	enum nb_mode mode;
	bool behind; /* programs of another version of natbridge are at its ports */
	__u64 counters[NB_COUNTERS];
	bool tracks; /* it has connections: not in mode assist */
	uint64_t connections[NB_STATS_PROTOS][NB_TCP_STATES];
	__u32 max; /* connections that the table may hold */
	unsigned int ports[NB_PORT_LOOKS];
	struct {
		bool has;
		__u32 entries, capacity;
	} maps[NB_USAGE_MAPS]; /* by nb_usage_maps */
	bool counts;           /* packets and bytes of connections */
	bool followed; /* numbers by Service have counters of traffic: a book of the caller's is kept */
	NB_VEC(struct nb_service_numbers) services; /* sorted by name; all others first */
};

struct nb_node_stats {
	NB_VEC(struct nb_network_stats) all; /* sorted by name */
};

void nb_node_stats_free(struct nb_node_stats *stats); /* for nb_cleanup() */

/*
 * Adds the numbers of an open datapath. books: those of all networks, which the caller keeps from one reading
 * to the next; NULL: a single look. After an error *stats has the network, as not readable.
 */
int nb_node_stats_add(struct nb_node_stats *stats, const char *network, const struct nb_datapath *dp,
		      struct nb_service_books *books, struct nb_error *err);

/* The same for each network below a root of pins. Goes on after an error, and returns the first one. */
int nb_node_stats_read(const struct nb_pin_root *root, struct nb_service_books *books,
		       struct nb_node_stats *stats, struct nb_error *err);

#endif
