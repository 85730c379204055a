// SPDX-License-Identifier: GPL-2.0-or-later
/* What monitor prints of an event. */
#include "event_out.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include <natbridge/conn_life.h>

#include "lib/maps/conntrack.h"
#include "lib/monitor/event_names.h"
#include "lib/util/addr.h"

#include "conn_filter.h"
#include "texts.h"

static const uint64_t ns_per_s = 1000000000;

static bool has_tuple(const struct nb_tuple *tuple)
{
	return !nb_addr_is_zero(&tuple->src);
}

/* "ESTABLISHED"; NULL: it is no event of a connection, or of one without states. */
static const char *state_of(const struct nb_event *event)
{
	return event->kind == NB_EVENT_DROP
		       ? NULL
		       : nb_conn_state_name(event->tuple.proto, nb_life_state(event->life));
}

/* ---- a line ---- */

/* "12:34:56.000001", local time. */
static void print_time(uint64_t ns, FILE *to)
{
	const time_t seconds = (time_t)(ns / ns_per_s);
	struct tm parts;
	char text[16];

	strftime(text, sizeof(text), "%H:%M:%S", localtime_r(&seconds, &parts));
	fprintf(to, "%s.%06" PRIu64, text, ns % ns_per_s / 1000);
}

static void print_ends(const struct nb_tuple *tuple, FILE *to)
{
	char src[NB_END_STRLEN], dst[NB_END_STRLEN];

	fprintf(to, "%s > %s", nb_end_format(&tuple->src, tuple->sport, src),
		nb_end_format(&tuple->dst, tuple->dport, dst));
}

/* Whether the receiver sees other addresses or ports. */
static bool is_translated(const struct nb_seen *seen)
{
	const struct nb_tuple *translated = &seen->event->translated;

	return has_tuple(translated) && memcmp(translated, &seen->tuple, sizeof(*translated)) != 0;
}

void nb_seen_print(const struct nb_seen *seen, FILE *to)
{
	const struct nb_event *event = seen->event;
	const char *state = state_of(event);

	print_time(seen->ns, to);
	fprintf(to, " %s %s %s", seen->network, *seen->device ? seen->device : "-", nb_event_reason(event));
	if (has_tuple(&seen->tuple)) {
		fprintf(to, " %s ", nb_conn_proto_name(seen->tuple.proto));
		print_ends(&seen->tuple, to);
	}
	if (is_translated(seen)) {
		fputs(" as ", to);
		print_ends(&event->translated, to);
	}
	if (state)
		fprintf(to, " state %s", state);
	if (event->kind == NB_EVENT_DROP)
		fprintf(to, " len %u", event->len);
	fputc('\n', to);
}

/* ---- JSON ---- */

static void add_ends(struct cJSON *object, const struct nb_tuple *tuple)
{
	char text[NB_ADDR_STRLEN];

	cJSON_AddStringToObject(object, "src", nb_addr_format(&tuple->src, text));
	cJSON_AddStringToObject(object, "dst", nb_addr_format(&tuple->dst, text));
	cJSON_AddNumberToObject(object, "sport", ntohs(tuple->sport));
	cJSON_AddNumberToObject(object, "dport", ntohs(tuple->dport));
}

static void add_time(struct cJSON *row, uint64_t ns)
{
	char seconds[32];

	snprintf(seconds, sizeof(seconds), "%" PRIu64 ".%06" PRIu64, ns / ns_per_s, ns % ns_per_s / 1000);
	cJSON_AddRawToObject(row, "time", seconds);
}

static void add_packet(struct cJSON *row, const struct nb_event *event)
{
	char hex[2 * NB_EVENT_HEAD + 1] = "";

	for (unsigned int i = 0; i < event->head_len; i++)
		snprintf(hex + 2 * i, 3, "%02x", event->head[i]);
	cJSON_AddNumberToObject(row, "length", event->len);
	cJSON_AddStringToObject(row, "head", hex);
}

struct cJSON *nb_seen_json(const struct nb_seen *seen)
{
	const struct nb_event *event = seen->event;
	const char *state = state_of(event);
	struct cJSON *row = cJSON_CreateObject();

	add_time(row, seen->ns);
	cJSON_AddStringToObject(row, "event", nb_event_kind_name(event->kind));
	cJSON_AddStringToObject(row, "network", seen->network);
	cJSON_AddStringToObject(row, "device", seen->device);
	cJSON_AddNumberToObject(row, "ifindex", event->ifindex);
	if (event->kind != NB_EVENT_BEGIN)
		cJSON_AddStringToObject(row, "reason", nb_event_reason(event));
	if (has_tuple(&seen->tuple)) {
		cJSON_AddStringToObject(row, "protocol", nb_conn_proto_name(seen->tuple.proto));
		cJSON_AddNumberToObject(row, "protonum", seen->tuple.proto);
		add_ends(row, &seen->tuple);
	}
	if (has_tuple(&event->translated))
		add_ends(cJSON_AddObjectToObject(row, "translated"), &event->translated);
	if (state)
		cJSON_AddStringToObject(row, "state", state);
	if (event->kind == NB_EVENT_DROP)
		add_packet(row, event);
	return row;
}
