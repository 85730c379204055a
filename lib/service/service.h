/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_SERVICE_SERVICE_H
#define NATBRIDGE_LIB_SERVICE_SERVICE_H

/*
 * The plain model of services that stands between their sources (Kubernetes objects, network config) and the
 * maps: sources fill a struct nb_services, nb_service_apply() makes the maps equal to it, nb_service_read()
 * fills one from the maps. No JSON here.
 */

#include <stdbool.h>
#include <stddef.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/net/netlink.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"

struct nb_service_backend {
	struct nb_addr addr;
	__be16 port;
	bool draining; /* keeps the connections it has and gets no new ones */
};

/* One frontend: an address, port and protocol of a Service, with its backends. */
struct nb_service {
	char name[NB_NAME_MAX];           /* "namespace/name" */
	char port_name[NB_PORT_NAME_MAX]; /* "" if the port has none */
	struct nb_frontend_key key;
	__u32 affinity; /* seconds, 0: none */
	bool on_host;   /* an address of the host's as well: packets to it are the host's while it has it */
	enum nb_service_origin origin;
	size_t n_backends, n_eligible;       /* all, and those for new connections, which come first */
	struct nb_service_backend *backends; /* owned; each part sorted by address and port, no doubles */
};

struct nb_services {
	size_t n;
	struct nb_service *items; /* owned; sorted by name, then port and protocol, then address */
};

void nb_services_free(struct nb_services *services); /* for nb_cleanup(); leaves it empty */

/* A new zeroed item at the end of *services, or NULL (and *err): out of memory. Older items may move. */
struct nb_service *nb_services_add(struct nb_services *services, struct nb_error *err);

/* Adds a backend to an item that nb_services_add() made. */
int nb_service_add_backend(struct nb_service *service, const struct nb_service_backend *backend,
			   struct nb_error *err);

/*
 * Sorts items and backends, drops double backends (eligible wins over draining) and sets n_eligible. Two
 * items with one key: an error that names both.
 */
int nb_services_normalize(struct nb_services *services, struct nb_error *err);

/* Names of Services ("namespace/name"), in no order. */
struct nb_service_names {
	size_t n;
	char **items; /* owned */
};

int nb_service_names_add(struct nb_service_names *names, const char *name, struct nb_error *err);
void nb_service_names_free(struct nb_service_names *names); /* for nb_cleanup(); leaves it empty */

/*
 * What to apply beside what stays in the table: *kept is wanted without
 * - frontends whose address and port a Service of the network config has; tell is called for each one with
 *   its owner;
 * - the Services of these names that the table has by NB_ORIGIN_APPLY, with those of the table instead; but
 *   an address and port that wanted gives to another Service goes to that one.
 * Normalized.
 */
int nb_services_keep(const struct nb_services *wanted, const struct nb_services *snapshot,
		     const struct nb_service_names *names, struct nb_services *kept,
		     void (*tell)(const struct nb_service *wanted, const struct nb_service *owner),
		     struct nb_error *err);

/*
 * Sets on_host of each item whose address one of the host's links has, and calls tell once for each such
 * Service and address. nl: a socket in the host's network namespace.
 */
struct nb_netlink;
int nb_services_mark_on_host(struct nb_services *services, struct nb_netlink *nl,
			     void (*tell)(const struct nb_service *service), struct nb_error *err);

/* FNV-1a over sorted backends: equal sets have equal digests. */
__u64 nb_service_digest(const struct nb_service_backend *backends, size_t n);

enum { NB_FRONTEND_STRLEN = NB_ADDR_STRLEN + 16 };

/* "10.96.0.10:80/TCP" or "[fd00::10]:53/UDP" into buf, which is returned. */
const char *nb_frontend_format(const struct nb_frontend_key *key, char buf[NB_FRONTEND_STRLEN]);

/* "TCP" or "UDP"; a protocol of another number: "?". */
const char *nb_proto_name(unsigned int proto);

/* What an apply did, or would do. */
struct nb_service_changes {
	size_t services; /* Services (namespace/name) in force afterwards */
	size_t frontends;
	size_t backends;
	size_t added, changed, removed; /* frontends */
	unsigned int map_writes;        /* elements written or deleted */
};

/*
 * Makes the frontends of that origin equal to *services (normalized). Only what differs is written: a changed
 * set beside the old one, then the frontend switched by one update, then the old set removed. On failure what
 * was written so far is consistent (no packet sees half a set) and *err says what is missing. Frontends of
 * the other origin are kept; one key claimed by both is an error (-EEXIST). A set too large for the maps is
 * refused before anything is written. Needs the lock.
 */
int nb_service_apply(const struct nb_datapath *dp, const struct nb_services *services,
		     enum nb_service_origin origin, struct nb_service_changes *changes, struct nb_error *err);

/* Whether nb_service_apply() would take them: the same errors, and nothing is written. Needs the lock as
 * well. */
int nb_service_check(const struct nb_datapath *dp, const struct nb_services *services,
		     enum nb_service_origin origin, struct nb_error *err);

/*
 * Like nb_service_apply(), but only for the Services (names) that stand in *services; all others are kept.
 * Costs what changed, however many services there are.
 */
int nb_service_update(const struct nb_datapath *dp, const struct nb_services *services,
		      enum nb_service_origin origin, struct nb_service_changes *changes,
		      struct nb_error *err);

/* Removes the Service "namespace/name", whatever its origin. -ENOENT if there is none. */
int nb_service_delete(const struct nb_datapath *dp, const char *name, struct nb_service_changes *changes,
		      struct nb_error *err);

/* All frontends of the maps, normalized. */
int nb_service_read(const struct nb_datapath *dp, struct nb_services *services, struct nb_error *err);

#endif
