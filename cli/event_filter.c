// SPDX-License-Identifier: GPL-2.0-or-later
/* From the options of monitor to a decision about each event. */
#include "event_filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/maps/counters.h"
#include "lib/maps/settings.h"
#include "lib/monitor/event_names.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

/* ---- words ---- */

static bool kind_of_word(const char *word, size_t len, unsigned int *kind)
{
	const char *name;

	for (*kind = 0; (name = nb_event_kind_name(*kind)); ++*kind)
		if (strlen(name) == len && !memcmp(name, word, len))
			return true;
	return false;
}

bool nb_kinds_text(const char *text, unsigned int *kinds)
{
	unsigned int found = 0, kind;

	for (const char *word = text;; word++) {
		const size_t len = strcspn(word, ",");

		if (!kind_of_word(word, len, &kind))
			return false;
		found |= 1U << kind;
		word += len;
		if (!*word)
			break;
	}
	*kinds = found;
	return true;
}

const char *nb_reason_word(size_t i)
{
	for (unsigned int counter = NB_DROP_BASE; counter < NB_COUNTERS; counter++)
		if (nb_counter_name(counter) && !i--)
			return nb_counter_name(counter);
	return nb_end_name(i);
}

/* The kind of events that have a reason. */
static unsigned int kind_of_reason(const char *reason)
{
	for (size_t end = 0; end < NB_ENDS; end++)
		if (!strcmp(nb_end_name(end), reason))
			return NB_EVENT_END;
	return NB_EVENT_DROP;
}

/* ---- options ---- */

/* Without --kind: drops, or the events that have the reason. */
static int read_kinds(struct nb_event_filter *filter, struct nb_error *err)
{
	const struct nb_cli *cli = filter->cli;
	const unsigned int reason = 1U << (cli->reason ? kind_of_reason(cli->reason) : NB_EVENT_DROP);

	filter->kinds = reason;
	if (cli->kind)
		nb_kinds_text(cli->kind, &filter->kinds);
	if (cli->reason && !(filter->kinds & reason))
		return nb_fail(err, NB_ERR_CONFIG, 0, "--kind %s has no event with --reason %s", cli->kind,
			       cli->reason);
	if (cli->pcap && !(filter->kinds & 1U << NB_EVENT_DROP))
		return nb_fail(err, NB_ERR_CONFIG, 0, "--kind %s has no packets for --pcap; add drop",
			       cli->kind ? cli->kind : nb_event_kind_name(NB_EVENT_END));
	return 0;
}

int nb_event_filter_init(struct nb_event_filter *filter, const struct nb_cli *cli, struct nb_error *err)
{
	*filter = (struct nb_event_filter){ .cli = cli };
	if (cli->src)
		nb_cidr_text(cli->src, &filter->src);
	if (cli->dst)
		nb_cidr_text(cli->dst, &filter->dst);
	if (cli->pod)
		nb_addr_parse(cli->pod, &filter->pod);
	if (cli->port)
		filter->port = htons((uint16_t)strtoul(cli->port, NULL, 10));
	return read_kinds(filter, err);
}

void nb_event_filter_free(struct nb_event_filter *filter)
{
	for (size_t i = 0; i < filter->followed.n; i++) {
		nb_conn_filter_free(&filter->followed.items[i].filter);
		free(filter->followed.items[i].network);
	}
	nb_vec_free(&filter->followed);
}

/* ---- the Service ---- */

static struct nb_followed *followed_of(const struct nb_event_filter *filter, const char *network)
{
	for (size_t i = 0; i < filter->followed.n; i++)
		if (!strcmp(filter->followed.items[i].network, network))
			return &filter->followed.items[i];
	return NULL;
}

static int add_followed(struct nb_event_filter *filter, const char *network, struct nb_error *err)
{
	nb_autofree char *name = NULL;
	struct nb_followed followed = { 0 };
	int rc = nb_strdup(network, &name, err);

	if (rc)
		return rc;
	nb_conn_filter_init(&followed.filter, filter->cli);
	followed.network = name;
	rc = nb_vec_push(&filter->followed, followed, err);
	if (!rc)
		name = NULL; /* taken */
	return rc;
}

struct following {
	struct nb_event_filter *filter;
	struct nb_error *err;
};

static int follow_network(const char *network, const struct nb_datapath *dp, void *arg)
{
	const struct following *following = arg;
	struct nb_followed *followed = followed_of(following->filter, network);
	struct nb_settings settings;
	int rc;

	if (dp->map_fd[NB_MAP_SERVICES] < 0)
		return 0;
	if (!followed) {
		rc = add_followed(following->filter, network, following->err);
		if (rc)
			return rc;
		followed = followed_of(following->filter, network);
	}
	rc = nb_settings_read(dp, &settings, following->err);
	if (rc || (followed->was_read && followed->epoch == settings.epoch))
		return rc;
	rc = nb_conn_filter_enter(&followed->filter, dp, following->err);
	followed->was_read = !rc;
	followed->epoch = settings.epoch;
	return rc;
}

int nb_event_filter_follow(struct nb_event_filter *filter, const struct nb_listening *listening,
			   struct nb_error *err)
{
	struct following following = { filter, err };

	return filter->cli->service ? nb_listen_each(listening, follow_network, &following) : 0;
}

bool nb_event_filter_has_service(const struct nb_event_filter *filter)
{
	bool has = !filter->cli->service;

	for (size_t i = 0; i < filter->followed.n; i++)
		has |= filter->followed.items[i].filter.has_service;
	return has;
}

/* The Service's address is where a client sends to, and whence its answers seem to come. */
static bool is_of_service(const struct nb_event_filter *filter, const struct nb_seen *seen)
{
	const struct nb_followed *followed = followed_of(filter, seen->network);
	const struct nb_tuple *to = &seen->tuple, *from = &seen->event->translated;

	return followed &&
	       (nb_conn_filter_has_frontend(&followed->filter, &to->dst, to->dport, to->proto) ||
		nb_conn_filter_has_frontend(&followed->filter, &from->src, from->sport, from->proto));
}

/* ---- the filter ---- */

static bool is_of_pod(const struct nb_event_filter *filter, const struct nb_seen *seen)
{
	const struct nb_tuple *a = &seen->tuple, *b = &seen->event->translated;
	const struct nb_addr *pod = &filter->pod;

	if (nb_addr_is_zero(pod))
		return !strcmp(seen->device, filter->cli->pod);
	return nb_addr_equal(pod, &a->src) || nb_addr_equal(pod, &a->dst) || nb_addr_equal(pod, &b->src) ||
	       nb_addr_equal(pod, &b->dst);
}

static bool has_port(const struct nb_seen *seen, __be16 port)
{
	const struct nb_tuple *a = &seen->tuple, *b = &seen->event->translated;

	return a->sport == port || a->dport == port || b->sport == port || b->dport == port;
}

static bool is_in(const struct nb_cidr *cidr, const struct nb_addr *sent, const struct nb_addr *translated)
{
	return nb_cidr_has(cidr, sent) || (!nb_addr_is_zero(translated) && nb_cidr_has(cidr, translated));
}

bool nb_event_filter_matches(const struct nb_event_filter *filter, const struct nb_seen *seen)
{
	const struct nb_cli *cli = filter->cli;
	const struct nb_tuple *a = &seen->tuple, *b = &seen->event->translated;

	return filter->kinds & 1U << seen->event->kind &&
	       (!cli->reason || !strcmp(cli->reason, nb_event_reason(seen->event))) &&
	       (!cli->protocol || !strcmp(cli->protocol, nb_conn_proto_name(a->proto))) &&
	       (!cli->src || is_in(&filter->src, &a->src, &b->src)) &&
	       (!cli->dst || is_in(&filter->dst, &a->dst, &b->dst)) &&
	       (!cli->port || has_port(seen, filter->port)) && (!cli->pod || is_of_pod(filter, seen)) &&
	       (!cli->service || is_of_service(filter, seen));
}
