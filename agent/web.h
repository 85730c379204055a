/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_WEB_H
#define NATBRIDGE_AGENT_WEB_H

/*
 * A small HTTP server on the event loop, by libmicrohttpd: one listener, and a table of paths. It
 * answers GET and HEAD, but for NB_WEB_ANY. A connection is one request, and ends with its answer.
 *
 * Clients may be hostile. A listener has at most max_connections; further clients wait in the
 * kernel's queue. Each connection ends after max_ms, whatever its client does, and after busy_ms
 * while all connections are taken, so that slow clients do not keep others away.
 */

#include "lib/util/error.h"
#include "lib/util/strbuf.h"

struct nb_loop;
struct nb_web;

/* Zeroed at first, but for rest. The server frees the body. */
struct nb_web_answer {
	const char *rest;  /* what follows in the path behind that of the route; "" unless it ends with '/' */
	unsigned int code; /* of HTTP; 0: 200 */
	const char *type;  /* Content-Type, a constant; NULL: text/plain */
	const char *extra; /* the name of another header, a constant; NULL: none */
	char extra_value[24];
	struct nb_strbuf body;
};

/* fn() writes the answer for a path. If the body failed, the client gets a 500. */
struct nb_web_route {
	const char *path; /* "/a": that one; "/a/": each that begins so; NB_WEB_ANY: each, by any method */
	void (*fn)(struct nb_web_answer *answer, void *arg);
	void *arg;
};

#define NB_WEB_ANY "*"

struct nb_web_limits {
	unsigned int max_connections;
	unsigned int max_ms, busy_ms;
};

extern const struct nb_web_limits nb_web_limits; /* 64; 10 s, 1 s */

/*
 * Listens at "ADDRESS:PORT" (IPv6 in brackets; [::] is all addresses of both families) and serves
 * routes[], which ends with a path of NULL and outlives the server, as the limits do. address "":
 * *web gets NULL. The process ignores SIGPIPE from then on. An error names address and port. The
 * caller frees *web.
 */
int nb_web_open(struct nb_loop *loop, const char *address, const struct nb_web_route *routes,
		const struct nb_web_limits *limits, struct nb_web **web, struct nb_error *err);
void nb_web_close(struct nb_web **web); /* for nb_cleanup(); not from a route */

#endif
