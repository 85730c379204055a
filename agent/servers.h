/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_SERVERS_H
#define NATBRIDGE_AGENT_SERVERS_H

/*
 * The API servers of one cluster, tried in turn: those of the configuration, and those that the
 * agent has learned from the endpoints of the Service default/kubernetes. All have the same CA and
 * get the same credentials.
 *
 * A learned server is an address, and its certificate need not name it. Unless the kubeconfig has a
 * tls-server-name, it must be for "kubernetes.default.svc": every API server of a cluster has that
 * in its certificate, since pods reach each of them by this name. The host of the first server
 * would not do, since it may be that of a load balancer with a certificate of its own.
 */

#include <stddef.h>
#include <stdint.h>

#include "lib/util/addr.h"
#include "lib/util/error.h"

#include "server.h"

enum { NB_SERVERS_MAX = 32 };

#define NB_SERVERS_TLS_NAME "kubernetes.default.svc"

struct nb_servers {
	struct nb_server items[NB_SERVERS_MAX]; /* the configured ones first */
	size_t n, configured;
	size_t current;
};

/* An endpoint of the Service default/kubernetes. */
struct nb_servers_endpoint {
	struct nb_addr addr;
	uint16_t port; /* in the CPU's byte order */
};

/* Adds a server of the configuration, before any is learned; nb_server_parse()'s errors. */
int nb_servers_add(struct nb_servers *servers, const char *url, const char *tls_name, struct nb_error *err);

/*
 * Replaces the learned servers. Leaves out addresses that are not routable, those of configured
 * servers, and what exceeds NB_SERVERS_MAX. Changes nothing if no address is left, which no cluster
 * means that has a server to say so, or if the first server is reached without TLS. Returns whether
 * the list has changed.
 */
bool nb_servers_learn(struct nb_servers *servers, const struct nb_servers_endpoint *endpoints, size_t n);

/* The server to ask next. There must be one. */
const struct nb_server *nb_servers_current(const struct nb_servers *servers);

/* That server failed: if it still is the current one, its successor is from now on. */
void nb_servers_failed(struct nb_servers *servers, const struct nb_server *failed);

/*
 * Keep the learned servers in a file, an address and port a line. Loading trusts nothing in the
 * file: a line that is not a routable address with a port is an error (NB_ERR_CONFIG), and then
 * nothing is learned. A file that does not exist is empty.
 */
int nb_servers_save(const struct nb_servers *servers, const char *path, struct nb_error *err);
int nb_servers_load(struct nb_servers *servers, const char *path, struct nb_error *err);

#endif
