/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_SERVER_H
#define NATBRIDGE_AGENT_SERVER_H

/* The address of one API server. */

#include <stdbool.h>

#include "lib/util/error.h"

enum { NB_SERVER_HOST_MAX = 256, NB_SERVER_PREFIX_MAX = 256, NB_SERVER_NAME_MAX = 264 };

struct nb_server {
	bool tls;
	char host[NB_SERVER_HOST_MAX];     /* a name or an address, IPv6 in brackets */
	unsigned int port;                 /* 1 .. 65535 */
	char prefix[NB_SERVER_PREFIX_MAX]; /* of all paths, without a slash at its end; mostly empty */
	char tls_name[NB_SERVER_HOST_MAX]; /* whom the certificate must be for; empty: host */
};

/*
 * Reads https://HOST[:PORT][/PREFIX] or http://..., and a name for TLS (NULL: none). Refuses a URL
 * with a user, a query or a fragment: NB_ERR_CONFIG, without the URL, which may hold a password.
 */
int nb_server_parse(const char *url, const char *tls_name, struct nb_server *server, struct nb_error *err);

bool nb_server_equal(const struct nb_server *a, const struct nb_server *b);

/* Writes "HOST:PORT", as it is logged and counted. Returns buf. */
const char *nb_server_name(const struct nb_server *server, char buf[NB_SERVER_NAME_MAX]);

#endif
