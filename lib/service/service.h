/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_SERVICE_SERVICE_H
#define NATBRIDGE_LIB_SERVICE_SERVICE_H

/*
 * The model of Services between their sources (Kubernetes objects, network config) and the maps: a source
 * fills a struct nb_services, change.h makes the maps equal to it, or reads one from them. No JSON here.
 */

#include <stdbool.h>
#include <stddef.h>

#include <natbridge/abi.h>

#include "lib/util/addr.h"
#include "lib/util/error.h"

struct nb_service_backend {
	struct nb_addr addr;
	__be16 port;
	bool draining; /* keeps its connections, gets no new ones */
	bool here;     /* of a frontend for clients outside: it is on this node, and sees their addresses */
};

/* One frontend: an address, port and protocol of a Service, who meets it, and its backends. */
struct nb_service {
	char name[NB_NAME_MAX];           /* "namespace/name" */
	char port_name[NB_PORT_NAME_MAX]; /* "" if the port has none */
	struct nb_frontend_key key;
	__be16 port; /* of the service port, whose frontends share affinities; 0: key.port */
	enum nb_frontend_kind kind;
	__u32 affinity; /* seconds of ClientIP affinity, 0: none */
	bool on_host;   /* the host has the address too: packets to it are the host's while it has it */
	bool local;     /* without an eligible backend: there are some, but not on this node */
	enum nb_service_origin origin;
	size_t n_backends, n_eligible;       /* all, and those for new connections, which come first */
	struct nb_service_backend *backends; /* owned; each part sorted by address and port, no duplicates */
	size_t n_ranges;                     /* 0: every client may connect */
	struct nb_source_range
		*ranges; /* owned; of the frontend's family; sorted, no duplicates; service is 0 */
};

struct nb_services {
	size_t n;
	struct nb_service *items; /* owned; sorted by name, port, protocol, address, side: inside first */
};

/* What a change of the service maps did, or would do. */
struct nb_service_changes {
	size_t services; /* Services (namespace/name) in force afterwards */
	size_t frontends;
	size_t backends;
	size_t added, changed, removed; /* frontends */
	unsigned int map_writes;        /* elements written or deleted */
};

void nb_services_free(struct nb_services *services); /* for nb_cleanup(); leaves it empty */

/*
 * Sets *view to the frontends in *all that a table gets: outside: all of them; else, as in a network of pods,
 * without those that clients outside of the cluster meet. The items are copies, but their backends and ranges
 * are those of *all, which must outlive the view. The caller frees it with nb_services_view_free() alone.
 */
int nb_services_view(const struct nb_services *all, bool outside, struct nb_services *view,
		     struct nb_error *err);
void nb_services_view_free(struct nb_services *view); /* for nb_cleanup() */

/* A new zeroed item at the end of *services; NULL (and *err): out of memory. Older items may move. */
struct nb_service *nb_services_add(struct nb_services *services, struct nb_error *err);

/* Adds a backend to an item that nb_services_add() made. */
int nb_service_add_backend(struct nb_service *service, const struct nb_service_backend *backend,
			   struct nb_error *err);

/*
 * Adds a source range, unless it is of another family than the frontend's address. prefix_len: 0 .. 32 or
 * 0 .. 128; host bits are cleared.
 */
int nb_service_add_range(struct nb_service *service, const struct nb_addr *addr, unsigned int prefix_len,
			 struct nb_error *err);

/*
 * Sorts items, backends and source ranges, removes duplicate backends (eligible wins over draining) and sets
 * n_eligible. Two items with the same key are an error that names both.
 */
int nb_services_normalize(struct nb_services *services, struct nb_error *err);

/* FNV-1a over sorted backends: equal sets have equal digests. It is part of the on-disk format. */
__u64 nb_service_digest(const struct nb_service_backend *backends, size_t n);

/* The same over sorted source ranges. 0: there are none. */
__u64 nb_source_ranges_digest(const struct nb_source_range *ranges, size_t n);

/* The prefix length of a source range, 0 .. 32 or 0 .. 128. One that is not valid has 0. */
unsigned int nb_source_range_len(const struct nb_source_range *range);

/* Order of source ranges: by service port, address, length. For qsort() and bsearch(). */
int nb_source_range_compare(const void *a, const void *b);

/*
 * Order of addresses, ports and protocols, without the side: what one Service has on one side, no other one
 * has on the other.
 */
int nb_frontend_compare_place(const struct nb_frontend_key *a, const struct nb_frontend_key *b);

enum { NB_FRONTEND_STRLEN = NB_ADDR_STRLEN + 16 + sizeof(" (outside)") - 1 };

/* Writes "10.96.0.10:80/TCP", "[fd00::10]:53/UDP" or "192.0.2.1:80/TCP (outside)" to buf and returns it. */
const char *nb_frontend_format(const struct nb_frontend_key *key, char buf[NB_FRONTEND_STRLEN]);

/* "TCP", "UDP" or "SCTP"; any other protocol: "?". */
const char *nb_proto_name(unsigned int proto);

#endif
