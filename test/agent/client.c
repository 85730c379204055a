// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Follows one resource and prints what an owner hears, a line each. SIGTERM ends it, with its
 * statistics on the last lines. Usage: client OPTION=VALUE...; see options[].
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "agent/api.h"
#include "agent/http.h"
#include "agent/http_stats.h"
#include "agent/kubeconfig.h"
#include "agent/log.h"
#include "agent/loop.h"
#include "agent/servers.h"
#include "agent/watch.h"
#include "lib/json/json.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

enum { FURTHER_MAX = 4 };

struct client {
	const char *kubeconfig; /* NULL: in_cluster */
	const char *in_cluster; /* the directory of a service account */
	const char *further[FURTHER_MAX];
	size_t n_further;
	struct nb_http_times http_times;
	struct nb_watch_times watch_times;
	struct nb_watch_config watch;
	unsigned int verbosity;

	struct nb_loop loop;
	struct nb_loop_fd signals;
	size_t objects;        /* puts of the current set */
	unsigned int quiet;    /* 1: prints no puts */
	unsigned int optional; /* 1: the resource may be absent */
};

static void print_object(const char *what, const struct nb_json *object)
{
	struct nb_json metadata = nb_json_get(object, "metadata");
	struct nb_json at = nb_json_get(&metadata, "namespace");
	const char *namespace = "", *name = "", *version = "";

	nb_json_string(&at, &namespace, NULL);
	at = nb_json_get(&metadata, "name");
	nb_json_string(&at, &name, NULL);
	at = nb_json_get(&metadata, "resourceVersion");
	nb_json_string(&at, &version, NULL);
	printf("%s %s/%s %s\n", what, namespace, name, version);
}

static void on_begin(void *arg)
{
	((struct client *)arg)->objects = 0;
	puts("begin");
}

static void on_end(void *arg)
{
	printf("end %zu\n", ((struct client *)arg)->objects);
}

static void on_abort(void *arg)
{
	(void)arg;
	puts("abort");
}

static void on_put(const struct nb_json *object, void *arg)
{
	struct client *client = arg;

	client->objects++;
	if (!client->quiet)
		print_object("put", object);
}

static void on_remove(const struct nb_json *object, void *arg)
{
	(void)arg;
	print_object("remove", object);
}

static void on_bad(const char *namespace, const char *name, const char *why, void *arg)
{
	(void)arg;
	printf("bad %s/%s %s\n", namespace, name, why);
}

static void on_absent(void *arg)
{
	(void)arg;
	puts("absent");
}

static const struct nb_watch_owner owner = {
	.begin = on_begin,
	.end = on_end,
	.abort = on_abort,
	.put = on_put,
	.remove = on_remove,
	.bad = on_bad,
};

static void on_signal(uint32_t events, void *arg)
{
	struct client *client = arg;

	(void)events;
	nb_loop_stop(&client->loop);
}

static int watch_signals(struct client *client, struct nb_error *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	client->signals =
		(struct nb_loop_fd){ .fd = signalfd(-1, &set, SFD_CLOEXEC), .fn = on_signal, .arg = client };
	if (client->signals.fd < 0)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "signalfd");
	return nb_loop_fd_add(&client->loop, &client->signals, EPOLLIN, err);
}

static void print_stats(const struct nb_watch_stats *stats, const struct nb_http_stats *http)
{
	printf("stats synced=%d up=%d requests=%llu sets=%llu events=%llu bad=%llu failures=%llu\n",
	       stats->synced, stats->up, (unsigned long long)stats->requests, (unsigned long long)stats->sets,
	       (unsigned long long)stats->events, (unsigned long long)stats->bad,
	       (unsigned long long)stats->failures);
	for (size_t i = 0; i < http->n_codes; i++)
		printf("requests %s %d %llu\n", http->hosts[http->codes[i].host].name, http->codes[i].code,
		       (unsigned long long)http->codes[i].n);
}

static int follow(struct client *client, struct nb_error *err)
{
	nb_cleanup(nb_kubeconfig_free) struct nb_kubeconfig conf = { 0 };
	struct nb_loop *loop = &client->loop;
	nb_cleanup(nb_http_free) struct nb_http *http = NULL;
	nb_cleanup(nb_watch_free) struct nb_watch *watch = NULL;
	struct nb_servers servers = { 0 };
	struct nb_api api;

	int rc = client->kubeconfig ? nb_kubeconfig_read(client->kubeconfig, &conf, err)
				    : nb_kubeconfig_in_cluster(client->in_cluster, &conf, err);
	if (!rc)
		rc = nb_servers_add(&servers, conf.server, conf.tls_server_name, err);
	for (size_t i = 0; !rc && i < client->n_further; i++)
		rc = nb_servers_add(&servers, client->further[i], conf.tls_server_name, err);
	if (!rc)
		rc = nb_loop_open(loop, err);
	if (!rc)
		rc = watch_signals(client, err);
	if (rc)
		return rc;
	http = nb_http_new(loop, &client->http_times, err);
	if (!http)
		return -ENOMEM;
	api = (struct nb_api){ .http = http, .servers = &servers, .conf = &conf };
	watch = nb_watch_new(loop, &api, &client->watch, err);
	if (!watch)
		return -ENOMEM;
	rc = nb_loop_run(loop, err);
	if (!rc)
		print_stats(nb_watch_stats(watch), nb_http_stats(http));
	return rc;
}

/* An option is a text or a number of milliseconds. */
static int read_option(struct client *client, const char *option)
{
	const struct {
		const char *name;
		const char **text;
		unsigned int *number;
	} options[] = {
		{ "kubeconfig", &client->kubeconfig, NULL },
		{ "in-cluster", &client->in_cluster, NULL },
		{ "server", client->n_further < FURTHER_MAX ? &client->further[client->n_further] : NULL,
		  NULL },
		{ "path", &client->watch.path, NULL },
		{ "kind", &client->watch.kind, NULL },
		{ "label", &client->watch.label_selector, NULL },
		{ "field", &client->watch.field_selector, NULL },
		{ "connect-ms", NULL, &client->http_times.connect_ms },
		{ "idle-ms", NULL, &client->http_times.idle_ms },
		{ "pause-ms", NULL, &client->watch_times.pause_first_ms },
		{ "pause-max-ms", NULL, &client->watch_times.pause_max_ms },
		{ "healthy-ms", NULL, &client->watch_times.healthy_ms },
		{ "short-ms", NULL, &client->watch_times.short_ms },
		{ "silent-ms", NULL, &client->watch_times.silent_ms },
		{ "v", NULL, &client->verbosity },
		{ "quiet", NULL, &client->quiet },
		{ "optional", NULL, &client->optional },
		{ "absent-ms", NULL, &client->watch_times.absent_ms },
	};
	const char *value = strchr(option, '=');

	for (size_t i = 0; value && i < sizeof(options) / sizeof(options[0]); i++) {
		size_t len = strlen(options[i].name);

		if (len != (size_t)(value - option) || strncmp(option, options[i].name, len) != 0)
			continue;
		if (options[i].text)
			*options[i].text = value + 1;
		if (options[i].number)
			*options[i].number = strtoul(value + 1, NULL, 10);
		client->n_further += options[i].text == &client->further[client->n_further];
		return 0;
	}
	return -EINVAL;
}

int main(int argc, char **argv)
{
	struct client client = {
		.loop.epoll_fd = -1,
		.in_cluster = NB_SERVICE_ACCOUNT_DIR,
		.http_times = nb_http_times,
		.watch_times = nb_watch_times,
		.watch = { .name = "services",
			   .path = "/api/v1/services",
			   .kind = "Service",
			   .owner = &owner },
	};
	struct nb_error err = { 0 };
	int rc;

	client.watch.arg = &client;
	client.watch.times = &client.watch_times;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++)
		if (read_option(&client, argv[i])) {
			fprintf(stderr, "client: unknown option %s\n", argv[i]);
			return 2;
		}
	if (client.optional)
		client.watch.absent = on_absent;
	nb_log_init(false, client.verbosity);
	rc = follow(&client, &err);
	nb_loop_close(&client.loop);
	if (!rc)
		return 0;
	fprintf(stderr, "client: %s\n", err.msg);
	return 1;
}
