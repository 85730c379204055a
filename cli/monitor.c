// SPDX-License-Identifier: GPL-2.0-or-later
/* natbridgectl monitor: packets as programs drop them, until a signal comes. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <natbridge/abi.h>
#include <natbridge/event.h>

#include "lib/datapath/port_describe.h"
#include "lib/maps/counters.h"
#include "lib/monitor/head.h"
#include "lib/monitor/listen.h"
#include "lib/monitor/pcapng.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "cli.h"
#include "conn_filter.h"
#include "each_network.h"
#include "out.h"

enum { DEFAULT_RATE = 1000, TURN_MS = 250 };

static const uint64_t ns_per_s = 1000000000;

/* An event with what is not in it. */
struct seen {
	const struct nb_event *event;
	const char *network;
	struct nb_tuple tuple; /* all zero: it is no IP packet */
	char device[IF_NAMESIZE];
	uint64_t ns; /* since the epoch */
};

struct monitor {
	const struct nb_cli *cli;
	struct nb_cidr src, dst;
	struct nb_addr pod;   /* all zero: --pod is not given, or the name of a device */
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

/* ---- the filter ---- */

static bool is_of_pod(const struct monitor *monitor, const struct seen *seen)
{
	if (nb_addr_is_zero(&monitor->pod))
		return !strcmp(seen->device, monitor->cli->pod);
	return nb_addr_equal(&monitor->pod, &seen->tuple.src) ||
	       nb_addr_equal(&monitor->pod, &seen->tuple.dst);
}

static bool is_wanted(const struct monitor *monitor, const struct seen *seen)
{
	const struct nb_cli *cli = monitor->cli;
	const char *reason = nb_counter_name(seen->event->reason);
	const unsigned long port = cli->port ? strtoul(cli->port, NULL, 10) : 0;

	return (!cli->reason || (reason && !strcmp(cli->reason, reason))) &&
	       (!cli->protocol || !strcmp(cli->protocol, nb_conn_proto_name(seen->tuple.proto))) &&
	       (!cli->src || nb_cidr_has(&monitor->src, &seen->tuple.src)) &&
	       (!cli->dst || nb_cidr_has(&monitor->dst, &seen->tuple.dst)) &&
	       (!cli->port || ntohs(seen->tuple.sport) == port || ntohs(seen->tuple.dport) == port) &&
	       (!cli->pod || is_of_pod(monitor, seen));
}

/* ---- output ---- */

/* "12:34:56.000001", local time. */
static void print_time(uint64_t ns, FILE *to)
{
	const time_t seconds = (time_t)(ns / ns_per_s);
	struct tm parts;
	char text[16];

	strftime(text, sizeof(text), "%H:%M:%S", localtime_r(&seconds, &parts));
	fprintf(to, "%s.%06" PRIu64, text, ns % ns_per_s / 1000);
}

static void print_end(const struct nb_addr *addr, __be16 port, FILE *to)
{
	char text[NB_ADDR_STRLEN];
	const bool is_v6 = nb_addr_family(addr) == AF_INET6;

	nb_addr_format(addr, text);
	if (port)
		fprintf(to, is_v6 ? "[%s]:%u" : "%s:%u", text, ntohs(port));
	else
		fputs(text, to);
}

static const char *reason_of(const struct nb_event *event)
{
	const char *name = nb_counter_name(event->reason);

	return name ? name : "?";
}

static bool has_tuple(const struct seen *seen)
{
	return !nb_addr_is_zero(&seen->tuple.src);
}

static void print_line(const struct seen *seen, FILE *to)
{
	print_time(seen->ns, to);
	fprintf(to, " %s %s %s", seen->network, *seen->device ? seen->device : "-", reason_of(seen->event));
	if (has_tuple(seen)) {
		fprintf(to, " %s ", nb_conn_proto_name(seen->tuple.proto));
		print_end(&seen->tuple.src, seen->tuple.sport, to);
		fputs(" > ", to);
		print_end(&seen->tuple.dst, seen->tuple.dport, to);
	}
	fprintf(to, " len %u\n", seen->event->len);
}

static struct cJSON *event_json(const struct seen *seen)
{
	struct cJSON *row = cJSON_CreateObject();
	char text[NB_ADDR_STRLEN], hex[2 * NB_EVENT_HEAD + 1] = "", seconds[32];

	for (unsigned int i = 0; i < seen->event->head_len; i++)
		snprintf(hex + 2 * i, 3, "%02x", seen->event->head[i]);
	snprintf(seconds, sizeof(seconds), "%" PRIu64 ".%06" PRIu64, seen->ns / ns_per_s,
		 seen->ns % ns_per_s / 1000);
	cJSON_AddRawToObject(row, "time", seconds);
	cJSON_AddStringToObject(row, "event", "drop");
	cJSON_AddStringToObject(row, "network", seen->network);
	cJSON_AddStringToObject(row, "device", seen->device);
	cJSON_AddNumberToObject(row, "ifindex", seen->event->ifindex);
	cJSON_AddStringToObject(row, "reason", reason_of(seen->event));
	if (has_tuple(seen)) {
		cJSON_AddStringToObject(row, "protocol", nb_conn_proto_name(seen->tuple.proto));
		cJSON_AddNumberToObject(row, "protonum", seen->tuple.proto);
		cJSON_AddStringToObject(row, "src", nb_addr_format(&seen->tuple.src, text));
		cJSON_AddStringToObject(row, "dst", nb_addr_format(&seen->tuple.dst, text));
		cJSON_AddNumberToObject(row, "sport", ntohs(seen->tuple.sport));
		cJSON_AddNumberToObject(row, "dport", ntohs(seen->tuple.dport));
	}
	cJSON_AddNumberToObject(row, "length", seen->event->len);
	cJSON_AddStringToObject(row, "head", hex);
	return row;
}

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

static int add_packet(struct monitor *monitor, const struct seen *seen)
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

	snprintf(comment, sizeof(comment), "natbridge: %s, network %.80s", reason_of(seen->event),
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

static int show(struct monitor *monitor, const struct seen *seen)
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
		rc = print_json(event_json(seen), to, monitor->err);
	else
		print_line(seen, to);
	rc = rc ? rc : flush(to, monitor->err);
	rc = rc || !monitor->pcapng ? rc : add_packet(monitor, seen);
	monitor->shown_then++;
	return rc;
}

/* For nb_listen_wait(): not 0 ends it. */
static int on_event(const struct nb_event *event, const char *network, void *arg)
{
	struct monitor *monitor = arg;
	struct seen seen = {
		.event = event, .network = network, .tuple = event->tuple, .ns = event->ns + monitor->epoch_ns
	};

	if (!has_tuple(&seen))
		nb_head_tuple(event->head, event->head_len, &seen.tuple);
	nb_port_name(event->ifindex, seen.device);
	if (!is_wanted(monitor, &seen))
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
	nb_pcapng_end(&monitor->pcapng);
	if (monitor->pcap_file && monitor->pcap_file != stdout)
		fclose(monitor->pcap_file);
}

static void monitor_init(struct monitor *monitor, const struct nb_cli *cli, struct nb_error *err)
{
	*monitor = (struct monitor){
		.cli = cli,
		.epoch_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC),
		.count = cli->count ? strtoul(cli->count, NULL, 10) : 0,
		.rate = cli->rate ? strtoul(cli->rate, NULL, 10) : DEFAULT_RATE,
		.err = err,
	};
	if (cli->src)
		nb_cidr_text(cli->src, &monitor->src);
	if (cli->dst)
		nb_cidr_text(cli->dst, &monitor->dst);
	if (cli->pod)
		nb_addr_parse(cli->pod, &monitor->pod);
}

/* 0 or an error; -ECANCELED and -EPIPE: nothing more is to be shown. */
static int listen_on(struct monitor *monitor, struct nb_listening *listening, struct nb_error *err)
{
	uint64_t unheard = 0, lost;
	time_t followed = 0, now;
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
		nb_listen_follow(listening, NULL); /* a network that is being made is heard the next time */
		lost = nb_listen_unheard(listening);
		if (lost > unheard)
			nb_out_note("%" PRIu64 " events found no room and are lost", lost - unheard);
		unheard = lost;
	}
	return rc;
}

int nb_cmd_monitor(const struct nb_cli *cli, struct nb_error *err)
{
	nb_cleanup(nb_listen_end) struct nb_listening *listening = NULL;
	nb_cleanup(monitor_free) struct monitor monitor;
	const struct nb_listen_config config = {
		.root = &cli->pin_root, .network = cli->network, .fn = on_event, .arg = &monitor
	};
	int rc;

	monitor_init(&monitor, cli, err);
	nb_out_as_text(cli->out);
	catch_signals();
	rc = open_pcap(&monitor, err);
	rc = rc ? rc : nb_listen_begin(&config, &listening, err);
	if (rc)
		return rc;
	if (cli->network && !nb_listen_networks(listening))
		return nb_explain_missing(cli, cli->network, nb_fail(err, NB_ERR_SYSTEM, ENOENT, "no maps"),
					  err);
	nb_out_note("listening to %u networks; a signal ends it", nb_listen_networks(listening));
	rc = listen_on(&monitor, listening, err);
	return rc == -ECANCELED || rc == -EPIPE ? 0 : rc;
}
