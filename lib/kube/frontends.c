// SPDX-License-Identifier: GPL-2.0-or-later
/* Multiplies the ports of a Service by its addresses, and gives each its backends. */
#include "frontends.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <natbridge/abi.h>

#include "lib/service/service.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "endpoint_set.h"

unsigned int nb_kube_kind_rank(enum nb_frontend_kind kind)
{
	static const unsigned int ranks[] = {
		[NB_CLUSTER_IP] = 0,
		[NB_LOAD_BALANCER] = 1,
		[NB_EXTERNAL_IP] = 2,
		[NB_NODE_PORT] = 3,
	};

	return ranks[kind];
}

bool nb_kube_frontend_beats(const struct nb_service *one, const struct nb_service *other)
{
	const unsigned int one_rank = nb_kube_kind_rank(one->kind),
			   other_rank = nb_kube_kind_rank(other->kind);

	return one_rank != other_rank ? one_rank < other_rank : strcmp(one->name, other->name) < 0;
}

/* One port of a Service in one family. */
struct port {
	const struct nb_kube_group *group;
	const struct nb_kube_view *view;
	const struct nb_kube_port *port;
	struct nb_kube_endpoint_set *set; /* chosen for the kind of frontend that is added now */
	bool elsewhere;                   /* see nb_kube_endpoint_set_choose() */
	size_t first;                     /* index in *services of the port's first frontend */
	struct nb_services *services;
};

/*
 * An endpoint that gets no new connections keeps those that it has: with UDP, while it serves; with TCP
 * and SCTP, until its pod is gone.
 */
static int add_backends(const struct port *at, struct nb_service *service, struct nb_error *err)
{
	for (size_t i = 0; i < at->set->all.n; i++) {
		const struct nb_kube_candidate *candidate = &at->set->all.items[i];
		const struct nb_service_backend backend = {
			.addr = candidate->endpoint->addr,
			.port = candidate->port,
			.draining = !nb_kube_is_chosen(candidate),
			.here = service->key.side == NB_SIDE_OUTSIDE && candidate->endpoint->local,
		};
		int rc;

		if (backend.draining && !candidate->endpoint->serving && service->key.proto == IPPROTO_UDP)
			continue;
		rc = nb_service_add_backend(service, &backend, err);
		if (rc)
			return rc;
	}
	return 0;
}

static bool has_node_addr(const struct nb_kube_view *view, const struct nb_kube_range *range)
{
	const struct nb_addr network = nb_addr_network(&range->addr, range->prefix_len);

	for (size_t i = 0; i < view->n_node_addrs; i++) {
		const struct nb_addr *addr = &view->node_addrs[i];
		struct nb_addr masked;

		if (nb_addr_family(addr) != nb_addr_family(&range->addr))
			continue;
		masked = nb_addr_network(addr, range->prefix_len);
		if (nb_addr_equal(&masked, &network))
			return true;
	}
	return false;
}

/*
 * If the node has the load balancer's address, its own requests have that address as their source too. As
 * with kube-proxy, it may be one if the node's address may.
 */
static int add_ranges(const struct port *at, struct nb_service *service, struct nb_error *err)
{
	const struct nb_kube_service *from = at->group->service;
	const int family = nb_addr_family(&service->key.addr);
	bool node_may = false;
	int rc = 0;

	for (size_t i = 0; i < from->ranges.n && !rc; i++) {
		const struct nb_kube_range *range = &from->ranges.items[i];

		rc = nb_service_add_range(service, &range->addr, range->prefix_len, err);
		node_may |= nb_addr_family(&range->addr) == family && has_node_addr(at->view, range);
	}
	if (rc || !node_may)
		return rc;
	return nb_service_add_range(service, &service->key.addr, family == AF_INET ? 32 : 128, err);
}

static bool is_excluded(const struct nb_kube_view *view, const struct nb_addr *addr)
{
	for (size_t i = 0; i < view->n_excluded; i++)
		if (nb_addr_equal(&view->excluded[i], addr))
			return true;
	return false;
}

/* Whether this Service has the address and port already, by a kind that comes first. */
static bool is_there(const struct nb_services *services, size_t first, const struct nb_frontend_key *key)
{
	for (size_t i = first; i < services->n; i++)
		if (!memcmp(&services->items[i].key, key, sizeof(*key)))
			return true;
	return false;
}

static int add_service(const struct port *at, enum nb_frontend_kind kind, const struct nb_frontend_key *key,
		       struct nb_error *err)
{
	const struct nb_kube_service *from = at->group->service;
	struct nb_service *service = nb_services_add(at->services, err);
	int rc;

	if (!service)
		return -ENOMEM;
	memcpy(service->name, from->name, sizeof(service->name));
	memcpy(service->port_name, at->port->name, sizeof(service->port_name));
	service->key = *key;
	service->port = at->port->port;
	service->kind = kind;
	service->affinity = from->affinity;
	service->local = at->elsewhere;
	service->origin = NB_ORIGIN_APPLY;
	rc = kind == NB_LOAD_BALANCER ? add_ranges(at, service, err) : 0;
	return rc ? rc : add_backends(at, service, err);
}

static int add_frontend(const struct port *at, enum nb_frontend_kind kind, const struct nb_addr *addr,
			struct nb_error *err)
{
	const struct nb_frontend_key key = {
		.addr = *addr,
		.port = kind == NB_NODE_PORT ? at->port->node_port : at->port->port,
		.proto = at->port->proto,
		.side = NB_SIDE_INSIDE,
	};

	if (is_excluded(at->view, addr) || is_there(at->services, at->first, &key))
		return 0;
	return add_service(at, kind, &key, err);
}

/* A frontend for each address of that family. */
static int add_frontends(const struct port *at, int family, enum nb_frontend_kind kind,
			 const struct nb_addr *addrs, size_t n, struct nb_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++)
		if (nb_addr_family(&addrs[i]) == family)
			rc = add_frontend(at, kind, &addrs[i], err);
	return rc;
}

/* Kinds in the order in which they take an address and port. */
static int add_externals(const struct port *at, int family, struct nb_error *err)
{
	const struct nb_kube_service *service = at->group->service;
	int rc = add_frontends(at, family, NB_LOAD_BALANCER, service->balancers.items, service->balancers.n,
			       err);

	if (rc)
		return rc;
	rc = add_frontends(at, family, NB_EXTERNAL_IP, service->external_ips.items, service->external_ips.n,
			   err);
	if (rc || !at->port->node_port)
		return rc;
	return add_frontends(at, family, NB_NODE_PORT, at->view->node_addrs, at->view->n_node_addrs, err);
}

/* What the frontends from index first on are for clients inside, for those outside. */
static int add_outside(const struct port *at, size_t first, struct nb_error *err)
{
	const size_t end = at->services->n;
	int rc = 0;

	for (size_t i = first; i < end && !rc; i++) {
		const enum nb_frontend_kind kind = at->services->items[i].kind;
		struct nb_frontend_key key = at->services->items[i].key;

		key.side = NB_SIDE_OUTSIDE;
		if (kind != NB_CLUSTER_IP)
			rc = add_service(at, kind, &key, err);
	}
	return rc;
}

/* Chooses the endpoints for the frontends that are added next. */
static void choose(struct port *at, bool local)
{
	nb_kube_endpoint_set_choose(at->set, local ? NB_KUBE_POLICY_LOCAL : NB_KUBE_POLICY_CLUSTER, at->view,
				    &at->elsewhere);
}

static int add_port(struct port *at, const struct nb_addr *vip, struct nb_error *err)
{
	nb_cleanup(nb_kube_endpoint_set_free) struct nb_kube_endpoint_set set = { 0 };
	const struct nb_kube_group *group = at->group;
	const size_t first = at->services->n;
	const int family = nb_addr_family(vip);
	int rc = nb_kube_endpoint_set_collect(&set, group->slices, group->n, family, at->port, err);

	if (rc)
		return rc;
	at->set = &set;
	choose(at, group->service->local_inside);
	rc = add_frontend(at, NB_CLUSTER_IP, vip, err);
	if (rc)
		return rc;
	choose(at, false);
	rc = add_externals(at, family, err);
	if (rc || !at->view->outside)
		return rc;
	choose(at, group->service->local_outside);
	return add_outside(at, first, err);
}

int nb_kube_frontends_add(const struct nb_kube_group *group, const struct nb_kube_view *view,
			  struct nb_services *services, struct nb_error *err)
{
	const struct nb_kube_service *service = group->service;
	struct port at = { .group = group, .view = view, .first = services->n, .services = services };

	for (size_t p = 0; p < service->ports.n; p++) {
		at.port = &service->ports.items[p];
		for (unsigned int v = 0; v < service->n_vips; v++) {
			int rc = add_port(&at, &service->vips[v], err);

			if (rc)
				return rc;
		}
	}
	return 0;
}
