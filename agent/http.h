/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_HTTP_H
#define NATBRIDGE_AGENT_HTTP_H

/*
 * GET requests by HTTP/1.1 and TLS 1.2 or later, on the event loop, by libcurl's multi interface.
 * Redirects are not followed, proxies of the environment are not used, and only the given CA is
 * trusted, if one is given. libcurl resolves host names in a thread of its own; addresses need
 * none.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"

struct nb_credentials;
struct nb_http;
struct nb_http_request;
struct nb_http_stats;
struct nb_loop;
struct nb_server;

/* Limits in milliseconds. Tests have shorter ones. */
struct nb_http_times {
	unsigned int connect_ms;      /* for TCP and TLS together */
	unsigned int idle_ms;         /* without a byte: the connection is taken for broken */
	unsigned int user_timeout_ms; /* TCP_USER_TIMEOUT: data that nobody acknowledges */
};

extern const struct nb_http_times nb_http_times; /* 10 s, 120 s, 30 s */

struct nb_http_answer {
	int status;                 /* 0: there was none */
	unsigned int retry_after_s; /* 0: not said */
	const char *text;           /* the beginning of an answer other than 200; no NUL */
	size_t len;
	struct nb_error error; /* code 0: the answer came whole. Names the server */
};

/* What to ask. Everything but arg is copied or used up by nb_http_get(). */
struct nb_http_get {
	const struct nb_server *server;
	const char *path; /* with its query; begins with a slash */
	const struct nb_credentials *credentials;
	const char *proxy_url; /* NULL: none */
	bool gzip;             /* accept a compressed answer */

	/* on_head(): the answer has begun and is 200. on_body(): bytes of it; not 0: stop. Neither may
	 * start or cancel requests. on_end(): the end, also after a stop, which is an error then;
	 * called once, unless the request is cancelled. */
	void (*on_head)(void *arg);
	int (*on_body)(const char *bytes, size_t len, void *arg);
	void (*on_end)(const struct nb_http_answer *answer, void *arg);
	void *arg;
};

/*
 * The caller frees it after all its requests have ended or been cancelled. NULL: *err. The process
 * ignores SIGPIPE from then on.
 */
struct nb_http *nb_http_new(struct nb_loop *loop, const struct nb_http_times *times, struct nb_error *err);
void nb_http_free(struct nb_http **http); /* for nb_cleanup() */

/* Starts a request. *started is valid until on_end() is called; no callback is called before return. */
int nb_http_get(struct nb_http *http, const struct nb_http_get *get, struct nb_http_request **started,
		struct nb_error *err);
void nb_http_cancel(struct nb_http_request *request);

const struct nb_http_stats *nb_http_stats(const struct nb_http *http);

#endif
