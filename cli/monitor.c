// SPDX-License-Identifier: GPL-2.0-or-later
/* natbridgectl monitor: packets as programs drop them, connections that begin and end, until a signal comes.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <natbridge/abi.h>
#include <natbridge/event.h>

#include "lib/datapath/port_describe.h"
#include "lib/monitor/event_names.h"
#include "lib/monitor/head.h"
#include "lib/monitor/listen.h"
#include "lib/monitor/pcapng.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "cli.h"
#include "each_network.h"
#include "event_filter.h"
#include "event_out.h"
#include "out.h"

enum { DEFAULT_RATE = 1000, TURN_MS = 250 };

static const uint64_t ns_per_s = 1000000000;

struct monitor {
	const struct nb_cli *cli;
	struct nb_event_filter filter;
	uint64_t epoch_ns;    /* what CLOCK_REALTIME has more than CLOCK_MONOTONIC */
	uint64_t count, rate; /* limits */
	uint64_t shown;
	time_t second; /* in which shown_then events were shown, and left_out were not */
	uint64_t shown_then, left_out;
	FILE *pcap_file;
	struct nb_pcapng *pcapng;
	struct nb_error *err;
	int rc; /* of writing */
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static void catch_signals(void)
{
	const struct sigaction action = { .sa_handler = on_signal };
	const int signals[] = { SIGINT, SIGTERM, SIGHUP };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* ---- output ---- */

/* Takes row over. One object a line. */
static int print_json(struct cJSON *row, FILE *to, struct nb_error *err)
{
	char *text = cJSON_PrintUnformatted(row);

	cJSON_Delete(row);
	if (!text)
		return nb_fail_nomem(err);
	fprintf(to, "%s\n", text);
	free(text);
	return 0;
}

static int add_packet(struct monitor *monitor, const struct nb_seen *seen)
{
	char comment[128];
	const struct nb_pcapng_packet packet = {
		.device = *seen->device ? seen->device : "?",
		.ns = seen->ns,
		.bytes = seen->event->head,
		.captured = seen->event->head_len,
		.len = seen->event->len,
		.comment = comment,
	};

	snprintf(comment, sizeof(comment), "natbridge: %s, network %.80s", nb_event_reason(seen->event),
		 seen->network);
	return nb_pcapng_add(monitor->pcapng, &packet, monitor->err);
}

/* Standard output has the packets: what is shown goes to standard error. */
static FILE *text_of(const struct monitor *monitor)
{
	return monitor->pcap_file == stdout ? stderr : stdout;
}

static int flush(FILE *to, struct nb_error *err)
{
	if (!fflush(to) && !ferror(to))
		return 0;
	return errno == EPIPE ? -EPIPE : nb_fail(err, NB_ERR_IO, errno, "cannot write the events");
}

/* Says how many were left out in the second that is over. */
static int end_second(struct monitor *monitor, time_t now)
{
	FILE *to = text_of(monitor);
	struct cJSON *row;
	int rc = 0;

	if (now <= monitor->second)
		return 0;
	if (monitor->left_out && nb_out_is_json(monitor->cli->out)) {
		row = cJSON_CreateObject();
		cJSON_AddNumberToObject(row, "time", (double)now);
		cJSON_AddStringToObject(row, "event", "leftOut");
		cJSON_AddNumberToObject(row, "n", (double)monitor->left_out);
		rc = print_json(row, to, monitor->err);
	} else if (monitor->left_out) {
		fprintf(to, "... %" PRIu64 " events left out\n", monitor->left_out);
	}
	monitor->second = now;
	monitor->shown_then = monitor->left_out = 0;
	return rc ? rc : flush(to, monitor->err);
}

static int show(struct monitor *monitor, const struct nb_seen *seen)
{
	FILE *to = text_of(monitor);
	int rc = end_second(monitor, (time_t)(seen->ns / ns_per_s));

	if (rc)
		return rc;
	if (monitor->shown_then >= monitor->rate) {
		monitor->left_out++;
		return 0;
	}
	if (nb_out_is_json(monitor->cli->out))
		rc = print_json(nb_seen_json(seen), to, monitor->err);
	else
		nb_seen_print(seen, to);
	rc = rc ? rc : flush(to, monitor->err);
	if (!rc && monitor->pcapng && seen->event->kind == NB_EVENT_DROP)
		rc = add_packet(monitor, seen);
	monitor->shown_then++;
	return rc;
}

/* For nb_listen_wait() and nb_listen_turn(): not 0 ends them. */
static int on_event(const struct nb_event *event, const char *network, void *arg)
{
	struct monitor *monitor = arg;
	struct nb_seen seen = {
		.event = event, .network = network, .tuple = event->tuple, .ns = event->ns + monitor->epoch_ns
	};

	if (nb_addr_is_zero(&seen.tuple.src))
		nb_head_tuple(event->head, event->head_len, &seen.tuple);
	nb_port_name(event->ifindex, seen.device);
	if (!nb_event_filter_matches(&monitor->filter, &seen))
		return 0;
	monitor->rc = show(monitor, &seen);
	if (monitor->rc)
		return monitor->rc;
	return ++monitor->shown == monitor->count ? -ECANCELED : 0;
}

/* ---- the command ---- */

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * ns_per_s + (uint64_t)now.tv_nsec;
}

static int open_pcap(struct monitor *monitor, struct nb_error *err)
{
	const char *path = monitor->cli->pcap;

	if (!path)
		return 0;
	monitor->pcap_file = strcmp(path, "-") != 0 ? fopen(path, "wxe") : stdout;
	if (!monitor->pcap_file)
		return nb_fail(err, NB_ERR_IO, errno, "cannot make \"%s\"", path);
	return nb_pcapng_begin(monitor->pcap_file, &monitor->pcapng, err);
}

static void monitor_free(struct monitor *monitor)
{
	nb_event_filter_free(&monitor->filter);
	nb_pcapng_end(&monitor->pcapng);
	if (monitor->pcap_file && monitor->pcap_file != stdout)
		fclose(monitor->pcap_file);
}

static int monitor_init(struct monitor *monitor, const struct nb_cli *cli, struct nb_error *err)
{
	*monitor = (struct monitor){
		.cli = cli,
		.epoch_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC),
		.count = cli->count ? strtoul(cli->count, NULL, 10) : 0,
		.rate = cli->rate ? strtoul(cli->rate, NULL, 10) : DEFAULT_RATE,
		.err = err,
	};
	return nb_event_filter_init(&monitor->filter, cli, err);
}

static void note_lost(const struct nb_listening *listening, uint64_t *unheard)
{
	const uint64_t lost = nb_listen_unheard(listening);

	if (lost > *unheard)
		nb_out_note("%" PRIu64 " events found no room and are lost", lost - *unheard);
	*unheard = lost;
}

/* 0 or an error; -ECANCELED and -EPIPE: nothing more is to be shown. */
static int listen_on(struct monitor *monitor, struct nb_listening *listening, struct nb_error *err)
{
	time_t followed = 0, now;
	uint64_t unheard = 0;
	int rc = 0;

	while (!stopped && !rc) {
		rc = nb_listen_wait(listening, TURN_MS, err);
		if (rc == -EINTR)
			rc = 0;
		now = (time_t)(clock_ns(CLOCK_REALTIME) / ns_per_s);
		rc = rc ? rc : end_second(monitor, now);
		if (rc || now == followed)
			continue;
		followed = now;
		/* A network that is being made is heard the next time, and so is its Service. */
		nb_listen_follow(listening, NULL);
		nb_event_filter_follow(&monitor->filter, listening, NULL);
		rc = nb_listen_turn(listening, err);
		note_lost(listening, &unheard);
	}
	return rc;
}

static int begin(struct monitor *monitor, const struct nb_listen_config *config,
		 struct nb_listening **listening, struct nb_error *err)
{
	const char *network = config->network;
	int rc = nb_listen_begin(config, listening, err);
	unsigned int n;

	rc = rc ? rc : nb_event_filter_follow(&monitor->filter, *listening, err);
	if (rc)
		return rc;
	if (network && !nb_listen_networks(*listening))
		return nb_explain_missing(monitor->cli, network,
					  nb_fail(err, NB_ERR_SYSTEM, ENOENT, "no maps"), err);
	if (!nb_event_filter_has_service(&monitor->filter))
		nb_out_note("no Service \"%s\" here yet; natbridgectl service list has the names",
			    monitor->cli->service);
	n = nb_listen_networks(*listening);
	nb_out_note("listening to %u network%s; a signal ends it", n, n == 1 ? "" : "s");
	return 0;
}

int nb_cmd_monitor(const struct nb_cli *cli, struct nb_error *err)
{
	nb_cleanup(nb_listen_end) struct nb_listening *listening = NULL;
	nb_cleanup(monitor_free) struct monitor monitor;
	struct nb_listen_config config = {
		.root = &cli->pin_root, .network = cli->network, .fn = on_event, .arg = &monitor
	};
	int rc = monitor_init(&monitor, cli, err);

	if (rc)
		return rc;
	config.kinds = monitor.filter.kinds;
	nb_out_as_text(cli->out);
	catch_signals();
	rc = open_pcap(&monitor, err);
	rc = rc ? rc : begin(&monitor, &config, &listening, err);
	rc = rc ? rc : listen_on(&monitor, listening, err);
	return rc == -ECANCELED || rc == -EPIPE ? 0 : rc;
}
