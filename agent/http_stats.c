// SPDX-License-Identifier: GPL-2.0-or-later
/* Counts requests by host and code. */
#include "http_stats.h"

#include <stdio.h>
#include <string.h>

/* Those of component-base's rest_client_request_duration_seconds. */
const unsigned int nb_http_buckets_ms[NB_HTTP_BUCKETS] = {
	5, 25, 100, 250, 500, 1000, 2000, 4000, 8000, 15000, 30000, 60000,
};

/* The host's row; it is made if there is none. The last row is that of all further ones. */
static struct nb_http_host *host_row(struct nb_http_stats *stats, const char *name)
{
	struct nb_http_host *row;

	for (row = stats->hosts; row < stats->hosts + stats->n_hosts; row++)
		if (!strcmp(row->name, name))
			return row;
	if (stats->n_hosts == NB_HTTP_HOSTS_MAX)
		return row - 1;
	stats->n_hosts++;
	snprintf(row->name, sizeof(row->name), "%s", stats->n_hosts < NB_HTTP_HOSTS_MAX ? name : "other");
	return row;
}

void nb_http_stats_head(struct nb_http_stats *stats, const char *host, int64_t ms)
{
	struct nb_http_host *row = host_row(stats, host);
	size_t bucket = 0;

	while (bucket < NB_HTTP_BUCKETS && ms > nb_http_buckets_ms[bucket])
		bucket++;
	row->buckets[bucket]++;
	row->n++;
	row->sum_ms += ms;
}

void nb_http_stats_end(struct nb_http_stats *stats, const char *host, int code)
{
	const size_t index = host_row(stats, host) - stats->hosts;
	size_t i = 0;

	while (i < stats->n_codes && (stats->codes[i].host != index || stats->codes[i].code != code))
		i++;
	if (i == NB_HTTP_CODES_MAX)
		return;
	if (i == stats->n_codes)
		stats->codes[stats->n_codes++] = (struct nb_http_code){ .host = index, .code = code };
	stats->codes[i].n++;
}

void nb_http_stats_clock(struct nb_http_stats *stats, const char *host, int64_t server, int64_t now)
{
	struct nb_http_host *row = host_row(stats, host);

	row->has_clock = true;
	row->clock_offset = server - now;
}
