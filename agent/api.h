/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_API_H
#define NATBRIDGE_AGENT_API_H

/*
 * One request to the cluster's API: to the current server, with credentials that are read anew. A
 * 401 is asked once more at once, since the token may just have been replaced. A server that failed
 * is not the current one any more.
 */

#include <stdbool.h>

#include "lib/util/error.h"

#include "servers.h"
#include "status.h"

struct nb_http;
struct nb_http_request;
struct nb_kubeconfig;

/* All belong to the caller and stay valid. */
struct nb_api {
	struct nb_http *http;
	struct nb_servers *servers;
	const struct nb_kubeconfig *conf;
};

struct nb_api_outcome {
	struct nb_status status; /* NB_VERDICT_OK: the answer came whole */
	bool answered;           /* it began, with status 200 */
	struct nb_error error;   /* what failed and where; code 0: nothing */
};

/* A request; lives as long as it runs. The caller sets the first members. */
struct nb_api_call {
	struct nb_api *api;
	const char *path; /* with its query; valid until the end */
	bool gzip;
	void (*on_head)(void *arg); /* as in struct nb_http_get */
	int (*on_body)(const char *bytes, size_t len, void *arg);
	void (*on_end)(const struct nb_api_outcome *outcome, void *arg); /* may start the next one */
	void *arg;

	struct nb_http_request *request; /* NULL: none runs */
	struct nb_server server;         /* whom it asks */
	bool again;                      /* it has been asked once more after a 401 */
};

/* Starts the request. An error: on_end() will not be called. */
int nb_api_get(struct nb_api_call *call, struct nb_error *err);

void nb_api_cancel(struct nb_api_call *call); /* nothing, if none runs */

#endif
