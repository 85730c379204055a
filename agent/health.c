// SPDX-License-Identifier: GPL-2.0-or-later
/* Whether the agent keeps up, and whether the node takes new connections. */
#include "health.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/json/json.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"
#include "lib/util/vec.h"

#include "families.h"
#include "log.h"
#include "loop.h"
#include "metrics.h"
#include "tables.h"
#include "watch.h"
#include "web.h"

/* kube-proxy's: twice its syncPeriod. DETACHED_MAX: bytes of the reason. */
enum { LATE_MS = 60000, DETACHED_MAX = 512 };

struct watched {
	const char *name;
	const struct nb_watch_stats *stats;
};

struct family {
	bool written;       /* once, or more often */
	int64_t written_ms; /* of realtime */
	bool waiting;
	int64_t waiting_since_ms; /* monotonic; of the oldest change */
};

struct nb_health {
	struct nb_metrics *metrics;
	struct nb_health_clock clock;
	NB_VEC(struct watched) watches;
	const struct nb_tables *tables; /* NULL: none */
	struct family families[NB_FAMILIES];
	bool eligible;
	char detached[DETACHED_MAX]; /* empty: nothing is */
};

static int64_t realtime(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct nb_health *nb_health_new(struct nb_metrics *metrics, const struct nb_health_clock *clock,
				struct nb_error *err)
{
	struct nb_health *health = calloc(1, sizeof(*health));

	if (!health) {
		nb_fail_nomem(err);
		return NULL;
	}
	*health = (struct nb_health){ .metrics = metrics, .eligible = true };
	health->clock.monotonic = clock && clock->monotonic ? clock->monotonic : nb_loop_now;
	health->clock.realtime = clock && clock->realtime ? clock->realtime : realtime;
	return health;
}

void nb_health_free(struct nb_health **health)
{
	if (*health)
		nb_vec_free(&(*health)->watches);
	free(*health);
	*health = NULL;
}

int nb_health_watch(struct nb_health *health, const char *name, const struct nb_watch_stats *stats,
		    struct nb_error *err)
{
	const struct watched watched = { .name = name, .stats = stats };

	return nb_vec_push(&health->watches, watched, err);
}

void nb_health_tables(struct nb_health *health, const struct nb_tables *tables)
{
	health->tables = tables;
}

void nb_health_queued(struct nb_health *health, unsigned int families)
{
	for (unsigned int i = 0; i < NB_FAMILIES; i++) {
		struct family *family = &health->families[i];

		if (!(families & (1U << i)) || family->waiting)
			continue;
		family->waiting = true;
		family->waiting_since_ms = health->clock.monotonic();
	}
}

void nb_health_written(struct nb_health *health, unsigned int families)
{
	for (unsigned int i = 0; i < NB_FAMILIES; i++)
		if (families & (1U << i))
			health->families[i] =
				(struct family){ .written = true, .written_ms = health->clock.realtime() };
}

void nb_health_node(struct nb_health *health, bool eligible)
{
	if (eligible != health->eligible)
		nb_log_info(0, eligible ? "The Node takes new connections"
					: "The Node is gone or about to go; /healthz fails");
	health->eligible = eligible;
}

void nb_health_detached(struct nb_health *health, const char *what)
{
	char text[DETACHED_MAX];

	snprintf(text, sizeof(text), "%s", what ? what : "");
	if (!strcmp(text, health->detached))
		return;
	if (*text)
		nb_log_error("A program is not attached", NB_TEXT("what", text));
	else
		nb_log_info(0, "All programs are attached again");
	memcpy(health->detached, text, sizeof(text));
}

static bool family_is_late(const struct nb_health *health, const struct family *family)
{
	return family->written && family->waiting &&
	       health->clock.monotonic() - family->waiting_since_ms >= LATE_MS;
}

/* As Go's time.Time in JSON; 0 is its zero time, long before the epoch. */
static const char *format_time(int64_t ms, char buf[40])
{
	const time_t seconds = ms / 1000;
	struct tm tm;
	size_t len;

	if (!ms)
		return "0001-01-01T00:00:00Z";
	gmtime_r(&seconds, &tm);
	len = strftime(buf, 40, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + len, 40 - len, ".%03dZ", (int)(ms % 1000));
	return buf;
}

static bool add_time(cJSON *object, const char *key, int64_t ms)
{
	char buf[40];

	return cJSON_AddStringToObject(object, key, format_time(ms, buf));
}

/* Families that were never written are left out. */
static bool add_families(const struct nb_health *health, cJSON *object)
{
	cJSON *status = cJSON_AddObjectToObject(object, "status");
	bool ok = status;

	for (unsigned int i = 0; ok && i < NB_FAMILIES; i++) {
		const struct family *family = &health->families[i];
		cJSON *item;

		if (!family->written)
			continue;
		item = cJSON_AddObjectToObject(status, nb_family_name(i));
		ok = item && add_time(item, "lastUpdated", family->written_ms) &&
		     cJSON_AddBoolToObject(item, "healthy", !family_is_late(health, family));
	}
	return ok;
}

/* Tables that miss something, by their networks. */
static bool add_not_written(const struct nb_health *health, cJSON *own)
{
	cJSON *object = NULL;

	for (size_t i = 0; health->tables && i < health->tables->all.n; i++) {
		const struct nb_table *table = health->tables->all.items[i];

		if (!table->has_failed)
			continue;
		object = object ? object : cJSON_AddObjectToObject(own, "notWritten");
		if (!object || !cJSON_AddStringToObject(object, table->name, table->why.msg))
			return false;
	}
	return true;
}

static bool add_own(const struct nb_health *health, cJSON *object)
{
	cJSON *own = cJSON_AddObjectToObject(object, "natbridge"), *watches;
	bool ok = own && (!*health->detached || cJSON_AddStringToObject(own, "detached", health->detached)) &&
		  add_not_written(health, own);

	watches = ok ? cJSON_AddObjectToObject(own, "watches") : NULL;
	ok = watches;
	for (size_t i = 0; ok && i < health->watches.n; i++) {
		const struct watched *watched = &health->watches.items[i];
		cJSON *item = cJSON_AddObjectToObject(watches, watched->name);

		ok = item && cJSON_AddBoolToObject(item, "synced", watched->stats->synced) &&
		     cJSON_AddBoolToObject(item, "up", watched->stats->up) &&
		     cJSON_AddNumberToObject(item, "skippedObjects", (double)watched->stats->bad);
	}
	return ok;
}

bool nb_health_is_well(const struct nb_health *health)
{
	bool well = !*health->detached;

	for (unsigned int i = 0; i < NB_FAMILIES; i++)
		well = well && !family_is_late(health, &health->families[i]);
	return well;
}

static void free_json_text(char **text)
{
	cJSON_free(*text);
}

static bool all_written(const struct nb_health *health)
{
	bool all = true;

	for (unsigned int i = 0; i < NB_FAMILIES; i++)
		all &= health->families[i].written;
	return all;
}

enum probe { LIVEZ, HEALTHZ, READYZ };

static void answer_probe(const struct nb_health *health, enum probe probe, struct nb_web_answer *answer)
{
	nb_cleanup(nb_json_free) cJSON *object = cJSON_CreateObject();
	nb_cleanup(free_json_text) char *text = NULL;
	const int64_t now = health->clock.realtime();
	const bool healthy = nb_health_is_well(health) && (probe != HEALTHZ || health->eligible) &&
			     (probe != READYZ || all_written(health));
	int64_t last = 0;

	for (unsigned int i = 0; i < NB_FAMILIES; i++)
		if (health->families[i].written_ms > last)
			last = health->families[i].written_ms;
	answer->code = healthy ? 200 : 503;
	answer->type = "application/json";
	/* While it is healthy, lastUpdated is now: kube-proxy once wrote its rules all the time, and clients
	 * count on a recent time. */
	if (object && add_time(object, "lastUpdated", healthy ? now : last) &&
	    add_time(object, "currentTime", now) &&
	    (probe != HEALTHZ || cJSON_AddBoolToObject(object, "nodeEligible", health->eligible)) &&
	    cJSON_AddBoolToObject(object, "healthy", healthy) && add_families(health, object) &&
	    add_own(health, object))
		text = cJSON_PrintUnformatted(object);
	/* The code is what counts. */
	nb_strbuf_put(&answer->body, text ? text : "{}");
	if (probe != READYZ)
		nb_metrics_probed(health->metrics, probe == HEALTHZ ? NB_METRICS_HEALTHZ : NB_METRICS_LIVEZ,
				  healthy);
}

void nb_health_healthz(struct nb_web_answer *answer, void *arg)
{
	answer_probe(arg, HEALTHZ, answer);
}

void nb_health_livez(struct nb_web_answer *answer, void *arg)
{
	answer_probe(arg, LIVEZ, answer);
}

void nb_health_readyz(struct nb_web_answer *answer, void *arg)
{
	answer_probe(arg, READYZ, answer);
}
