/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_EVENT_FILTER_H
#define NATBRIDGE_CLI_EVENT_FILTER_H

/*
 * Which events monitor shows: --kind, --reason, --src, --dst, --port, --pod, --service and -p. An option that
 * names an address or a port is met by what was sent, or by what the receiver sees.
 */

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include <natbridge/event.h>

#include "lib/monitor/listen.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "cli.h"
#include "conn_filter.h"

/* An event with what is not in it. */
struct nb_seen {
	const struct nb_event *event;
	const char *network;
	struct nb_tuple tuple;    /* all zero: it is no IP packet */
	char device[IF_NAMESIZE]; /* "": not known */
	uint64_t ns;              /* since the epoch */
};

/* The Service's frontends in a network. */
struct nb_followed {
	char *network;
	bool was_read;
	__u32 epoch; /* nb_settings.epoch when they were read */
	struct nb_conn_filter filter;
};

struct nb_event_filter {
	const struct nb_cli *cli;
	unsigned int kinds;      /* 1 << enum nb_event_kind */
	struct nb_cidr src, dst; /* valid if the option is given */
	struct nb_addr pod;      /* all zero: --pod is not given, or the name of a device */
	__be16 port;             /* 0: not given */
	NB_VEC(struct nb_followed) followed;
};

/*
 * Reads the options, and fails if two of them contradict each other. *cli must outlive the filter, which the
 * caller frees with nb_event_filter_free() even then.
 */
int nb_event_filter_init(struct nb_event_filter *filter, const struct nb_cli *cli, struct nb_error *err);
void nb_event_filter_free(struct nb_event_filter *filter); /* for nb_cleanup() */

/* With --service: reads the Service in networks that have come, or whose Services have changed. */
int nb_event_filter_follow(struct nb_event_filter *filter, const struct nb_listening *listening,
			   struct nb_error *err);

/* Whether a network has the Service that --service names, or had it. True without --service. */
bool nb_event_filter_has_service(const struct nb_event_filter *filter);

bool nb_event_filter_matches(const struct nb_event_filter *filter, const struct nb_seen *seen);

/* ---- what the options take ---- */

/* Parses kinds with commas between them. False: there is another word, or none; *kinds is untouched. */
bool nb_kinds_text(const char *text, unsigned int *kinds);

/* The i-th word that --reason knows: drop reasons, then ends of connections. NULL behind the last one. */
const char *nb_reason_word(size_t i);

#endif
