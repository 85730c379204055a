/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_KUBE_TABLE_H
#define NATBRIDGE_LIB_KUBE_TABLE_H

/*
 * The Services and EndpointSlices of a cluster as they change: an object that comes or goes makes its Service
 * dirty, and the frontends of dirty Services are taken out, to be written. Objects that say the same as
 * before change nothing.
 *
 * kind is NB_KUBE_SERVICE or NB_KUBE_SLICE in all functions. Names are "namespace/name".
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/json/json.h"
#include "lib/service/keep.h"
#include "lib/service/service.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "endpoint_set.h"
#include "kind.h"
#include "kube.h"
#include "view.h"

struct nb_kube_table;

/*
 * An empty table. note may be NULL; it gets what is ignored or left out, as often as it happens. node: the
 * name of this node, which must outlive the table. NULL and *err: out of memory.
 */
struct nb_kube_table *nb_kube_table_new(const struct nb_kube_note *note, const char *node,
					struct nb_error *err);
void nb_kube_table_free(struct nb_kube_table **table_at); /* for nb_cleanup() */

/* What the view points to must outlive the table, or the next view. Makes all Services dirty. */
void nb_kube_table_set_view(struct nb_kube_table *table, const struct nb_kube_view *view);

/* ---- objects come and go ---- */

/*
 * Adds or replaces an object, or adds it to the set that has begun. NB_ERR_CONFIG: it cannot be used; then
 * the one that the table has under this name stays.
 */
int nb_kube_table_put(struct nb_kube_table *table, enum nb_kube_kind kind, const struct nb_json *object,
		      struct nb_error *err);

/* Removes an object, or takes it back from the set that has begun. It need not be there. */
int nb_kube_table_remove(struct nb_kube_table *table, enum nb_kube_kind kind, const struct nb_json *object,
			 struct nb_error *err);

/*
 * A set of all objects of a kind: begin, put and remove, then end or abort. At its end the table holds these
 * objects alone, beside those that nb_kube_table_keep() names: they are there, but could not be read. After
 * an abort it is as if the set had never begun.
 */
void nb_kube_table_begin(struct nb_kube_table *table, enum nb_kube_kind kind);
int nb_kube_table_keep(struct nb_kube_table *table, enum nb_kube_kind kind, const char *name,
		       struct nb_error *err);
int nb_kube_table_end(struct nb_kube_table *table, enum nb_kube_kind kind, struct nb_error *err);
void nb_kube_table_abort(struct nb_kube_table *table, enum nb_kube_kind kind);

/* ---- frontends ---- */

/* Some Services: all the frontends that they have. A name without frontends has none, or is no Service any
 * more. */
struct nb_kube_batch {
	struct nb_service_names names; /* sorted */
	struct nb_services services;   /* normalized */
	/* When the changes of endpoints were triggered that are in it: ms since 1970. */
	NB_VEC(int64_t) triggers;
};

void nb_kube_batch_free(struct nb_kube_batch *batch); /* for nb_cleanup(); leaves it empty */

/* Makes the Services dirty that claim an address. Whether there are any. */
bool nb_kube_table_touch(struct nb_kube_table *table, const struct nb_addr *addr);

size_t nb_kube_table_n_dirty(const struct nb_kube_table *table);

/*
 * Takes out at least one and, but for those that claim the same addresses, at most max dirty Services into
 * *batch (empty). They are clean then. The caller frees *batch.
 */
int nb_kube_table_take(struct nb_kube_table *table, size_t max, struct nb_kube_batch *batch,
		       struct nb_error *err);

/*
 * Fills *batch (empty) with the next max Services behind a name, in the order of names, dirty or not; *after
 * "": from the first one on. None may be dirty. An empty batch: there are no more.
 */
int nb_kube_table_list(struct nb_kube_table *table, const char *after, size_t max,
		       struct nb_kube_batch *batch, struct nb_error *err);

/* Whether some Service has a NodePort, or an address beside its ClusterIP. */
bool nb_kube_table_has_external(const struct nb_kube_table *table);

/* Whether a Service of that name is in the table. */
bool nb_kube_table_has(const struct nb_kube_table *table, const char *name);

struct nb_kube_table_size {
	size_t services, slices, endpoints;
	/* Of those that were taken out: ports whose endpoints are all elsewhere, though internalTrafficPolicy
	 * or, for frontends outside, externalTrafficPolicy is Local. By enum nb_side, then IPv4 and IPv6. */
	size_t no_local[2][2];
};

void nb_kube_table_count(const struct nb_kube_table *table, struct nb_kube_table_size *size);

/* A Service for which load balancers ask this node. */
struct nb_kube_health {
	const char *name;
	__u16 port;   /* host byte order */
	size_t local; /* addresses of ready endpoints of this node, of the family of the Service's first
			 ClusterIP */
};

/* Calls fn for each of them, in the order of names. */
void nb_kube_table_health(const struct nb_kube_table *table,
			  void (*fn)(const struct nb_kube_health *health, void *arg), void *arg);

/* The slices of a Service, for the endpoints of default/kubernetes. Valid until the next change. */
const struct nb_kube_slice *const *nb_kube_table_slices(const struct nb_kube_table *table, const char *name,
							size_t *n);

/* ---- why ---- */

/* Whose choice of endpoints it is: Services have a policy for each. */
enum nb_kube_clients {
	NB_KUBE_TO_CLUSTER_IP, /* internalTrafficPolicy */
	NB_KUBE_TO_EXTERNAL,   /* pods and the node at the other addresses: Cluster */
	NB_KUBE_FROM_OUTSIDE,  /* externalTrafficPolicy */
	NB_KUBE_CLIENTS,
};

/* The endpoints of a Service's port in one family, with the choice of each. */
struct nb_kube_explained {
	const struct nb_kube_port *port;
	int family; /* AF_INET, AF_INET6 */
	enum nb_kube_clients clients;
	enum nb_kube_policy policy;
	const struct nb_kube_endpoint_set *set;
};

/* *explained is valid during the call. Not 0 ends nb_kube_table_explain(). */
typedef int (*nb_kube_explain_fn)(const struct nb_kube_explained *explained, void *arg);

/* Makes the choice of endpoints for each port of a Service once more. Returns what fn returned if that is not
 * 0; -ENOENT: the table has no such Service. */
int nb_kube_table_explain(const struct nb_kube_table *table, const char *name, nb_kube_explain_fn fn,
			  void *arg, struct nb_error *err);

#endif
