/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_HTTP_STATS_H
#define NATBRIDGE_AGENT_HTTP_STATS_H

/*
 * Counts of requests, as client-go has them: rest_client_requests_total{code,host,method} and
 * rest_client_request_duration_seconds{host,verb}. All requests are GETs.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server.h"

/* What does not fit counts under the host "other". */
enum { NB_HTTP_HOSTS_MAX = 40, NB_HTTP_CODES_MAX = 200, NB_HTTP_BUCKETS = 12 };

/* Upper bounds of the buckets, in milliseconds; beyond the last: +Inf. */
extern const unsigned int nb_http_buckets_ms[NB_HTTP_BUCKETS];

struct nb_http_host {
	char name[NB_SERVER_NAME_MAX];
	uint64_t buckets[NB_HTTP_BUCKETS + 1]; /* not cumulative */
	uint64_t n, sum_ms;                    /* answers with a head, and the time until it came */
	bool has_clock;                        /* clock_offset is known */
	int64_t clock_offset; /* seconds: the server's time minus this node's, at the last head */
};

struct nb_http_code {
	size_t host; /* index in hosts[] */
	int code;    /* of HTTP; 0: no answer, which client-go names "<error>" */
	uint64_t n;
};

/* Zeroed at first. */
struct nb_http_stats {
	struct nb_http_host hosts[NB_HTTP_HOSTS_MAX];
	struct nb_http_code codes[NB_HTTP_CODES_MAX];
	size_t n_hosts, n_codes;
};

/* Count the head of an answer, ms after the request; and the end of a request. */
void nb_http_stats_head(struct nb_http_stats *stats, const char *host, int64_t ms);
void nb_http_stats_end(struct nb_http_stats *stats, const char *host, int code);

/* Notes what time it was for a server when this node's clock said now; both in seconds since the epoch. */
void nb_http_stats_clock(struct nb_http_stats *stats, const char *host, int64_t server, int64_t now);

#endif
