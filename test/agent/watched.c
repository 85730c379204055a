// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Serves /healthz, /livez and /metrics as the agent does, and does to them what each line of stdin says; see
 * commands[]. The end of stdin ends it. Usage: watched ADDRESS:PORT MAX_CONNECTIONS MAX_MS BUSY_MS. Prints
 * "ready" and "done".
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "agent/families.h"
#include "agent/health.h"
#include "agent/http_stats.h"
#include "agent/loop.h"
#include "agent/metrics.h"
#include "agent/notify.h"
#include "agent/watch.h"
#include "agent/web.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

enum { BIG_BYTES = 4 << 20 };

static struct nb_loop loop = { .epoll_fd = -1 };
static struct nb_metrics *metrics;
static struct nb_health *health;
static struct nb_notify *notify;
static int64_t ahead_ms; /* of the true monotonic clock */

static struct nb_watch_stats watch = {
	.synced = true, .requests = 3, .bad = 1, .last_event_ms = 1764437073123
};
static struct nb_http_stats requests;

static int64_t clock_ahead(void)
{
	return nb_loop_now() + ahead_ms;
}

static void do_queued(const char *argument)
{
	nb_metrics_changed(metrics, NB_METRICS_SERVICE);
	nb_metrics_queued(metrics, atoi(argument));
	nb_health_queued(health, atoi(argument));
}

static void do_written(const char *argument)
{
	nb_metrics_synced(metrics, &(struct nb_metrics_sync){
					   .families = atoi(argument), .ok = true, .seconds = 0.003 });
	nb_metrics_programmed(metrics, atoi(argument), 1500);
	nb_health_written(health, atoi(argument));
}

static void do_pass(const char *argument)
{
	ahead_ms += atoi(argument);
}

static void do_node(const char *argument)
{
	nb_health_node(health, atoi(argument));
}

static void do_detached(const char *argument)
{
	nb_health_detached(health, *argument ? argument : NULL);
}

static void do_network(const char *argument)
{
	nb_metrics_written(metrics, argument, false);
}

static void do_request(const char *argument)
{
	nb_http_stats_head(&requests, argument, 40);
	nb_http_stats_end(&requests, argument, 200);
	nb_http_stats_end(&requests, argument, 0);
}

static void do_ready(const char *argument)
{
	nb_notify(notify, NB_NOTIFY_READY, argument);
}

static const struct {
	const char *name;
	void (*fn)(const char *argument);
} commands[] = {
	{ "queued", do_queued },   { "written", do_written },   { "pass", do_pass },
	{ "node", do_node },       { "detached", do_detached }, { "network", do_network },
	{ "request", do_request }, { "ready", do_ready },
};

static void do_line(char *line)
{
	const size_t len = strcspn(line, " ");
	const char *argument = line[len] ? line + len + 1 : "";

	line[len] = '\0';
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(line, commands[i].name))
			commands[i].fn(argument);
	puts("done");
}

/* One line at a time, since each waits for "done". */
static void on_stdin(uint32_t events, void *arg)
{
	char line[1024];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);

	(void)events;
	(void)arg;
	if (n <= 0) {
		nb_loop_stop(&loop);
		return;
	}
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	do_line(line);
}

static void on_big(struct nb_web_answer *answer, void *arg)
{
	(void)arg;
	for (size_t i = 0; i < BIG_BYTES / 16; i++)
		nb_strbuf_put(&answer->body, "0123456789abcdef");
}

static int serve(char **argv, struct nb_error *err)
{
	const struct nb_web_limits limits = { .max_connections = atoi(argv[2]),
					      .max_ms = atoi(argv[3]),
					      .busy_ms = atoi(argv[4]) };
	const struct nb_web_route routes[] = {
		{ "/healthz", nb_health_healthz, health },
		{ "/livez", nb_health_livez, health },
		{ "/metrics", nb_metrics_answer, metrics },
		{ "/big", on_big, NULL },
		{ 0 },
	};
	struct nb_loop_fd input = { .fd = STDIN_FILENO, .fn = on_stdin };
	nb_cleanup(nb_web_close) struct nb_web *web = NULL;
	int rc = nb_web_open(&loop, argv[1], routes, &limits, &web, err);

	if (!rc)
		rc = nb_loop_fd_add(&loop, &input, EPOLLIN, err);
	if (rc)
		return rc;
	puts("ready");
	return nb_loop_run(&loop, err);
}

static int run(char **argv, struct nb_error *err)
{
	const struct nb_health_clock ahead = { .monotonic = clock_ahead };
	int rc = nb_loop_open(&loop, err);

	if (rc)
		return rc;
	metrics = nb_metrics_new(err);
	health = metrics ? nb_health_new(metrics, &ahead, err) : NULL;
	if (!health)
		return -1;
	nb_metrics_requests(metrics, &requests);
	rc = nb_metrics_watch(metrics, "services", &watch, err);
	if (!rc)
		rc = nb_health_watch(health, "services", &watch, err);
	if (!rc)
		rc = nb_notify_open(&loop, &notify, err);
	return rc ? rc : serve(argv, err);
}

int main(int argc, char **argv)
{
	struct nb_error err = { 0 };
	int rc;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 5)
		return 2;
	rc = run(argv, &err);
	if (rc)
		fprintf(stderr, "watched: %s\n", err.msg);
	nb_notify_close(&notify);
	nb_health_free(&health);
	nb_metrics_free(&metrics);
	nb_loop_close(&loop);
	return rc ? 1 : 0;
}
