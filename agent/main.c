// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * natbridge-agent: follows a Kubernetes API server and keeps the service tables of this node's networks equal
 * to it. One thread, one event loop: cluster.c hears of the objects, tables.c writes them.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <natbridge/version.h>

#include "lib/firewall/kube_remove.h"
#include "lib/json/pool.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/privilege.h"

#include "api.h"
#include "check.h"
#include "cluster.h"
#include "config.h"
#include "convert.h"
#include "host_addrs.h"
#include "http.h"
#include "kubeconfig.h"
#include "log.h"
#include "loop.h"
#include "memory.h"
#include "node_side.h"
#include "observe.h"
#include "servers.h"
#include "tables.h"
#include "takeover.h"

struct agent {
	struct nb_agent_config config;
	struct nb_loop loop;
	struct nb_loop_fd signals;
	struct nb_kubeconfig kubeconfig;
	struct nb_servers servers;
	struct nb_http *http;
	struct nb_api api;
	struct nb_cluster cluster;
	struct nb_tables tables;
	struct nb_observer observer;
	struct nb_host_addrs host_addrs;
	struct nb_node_side node_side;
	struct nb_takeover takeover;
	struct nb_error failure; /* of a table; but for NB_AGENT_RUN it ends the agent */
	bool reload;             /* SIGHUP: start anew with the configuration as it is now */
	char **argv;
	int argc;
};

static void agent_free(struct agent *agent)
{
	nb_takeover_free(&agent->takeover);
	nb_node_side_free(&agent->node_side);
	nb_host_addrs_free(&agent->host_addrs);
	nb_observer_free(&agent->observer);
	nb_tables_free(&agent->tables);
	nb_cluster_free(&agent->cluster);
	nb_http_free(&agent->http);
	if (agent->signals.fd >= 0)
		close(agent->signals.fd);
	nb_loop_close(&agent->loop);
	nb_kubeconfig_free(&agent->kubeconfig);
	nb_agent_config_free(&agent->config);
}

/* ---- signals ---- */

/* Whether the configuration as it is now can be used. */
static bool can_reload(const struct agent *agent)
{
	nb_cleanup(nb_agent_config_free) struct nb_agent_config config = { 0 };
	struct nb_error err = { 0 };

	if (!nb_agent_config_read(agent->argc, agent->argv, &config, &err))
		return true;
	nb_log_error("The new configuration is not used", NB_TEXT("err", err.msg));
	return false;
}

static void on_signal(uint32_t events, void *arg)
{
	struct agent *agent = arg;
	struct signalfd_siginfo info;

	(void)events;
	while (read(agent->signals.fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP && !can_reload(agent))
			continue;
		agent->reload = info.ssi_signo == SIGHUP;
		nb_observer_ending(&agent->observer, agent->reload);
		nb_log_info(0, agent->reload ? "Reloading" : "Ending");
		nb_loop_stop(&agent->loop);
	}
}

static int watch_signals(struct agent *agent, struct nb_error *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	agent->signals = (struct nb_loop_fd){
		.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
		.fn = on_signal,
		.arg = agent,
	};
	if (agent->signals.fd < 0)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "signalfd");
	return nb_loop_fd_add(&agent->loop, &agent->signals, EPOLLIN, err);
}

/* ---- the parts ---- */

static void on_cluster(enum nb_kube_kind kind, void *arg)
{
	struct agent *agent = arg;

	nb_observer_changed(&agent->observer, kind);
	nb_tables_changed(&agent->tables);
	nb_node_side_changed(&agent->node_side, kind);
}

static void on_host_addr(const struct nb_addr *addr, void *arg)
{
	struct agent *agent = arg;

	nb_cluster_addresses_changed(&agent->cluster);
	if (nb_kube_table_touch(agent->cluster.table, addr))
		on_cluster(NB_KUBE_SERVICE, agent);
}

static void on_wrote(const struct nb_table *table, void *arg)
{
	nb_observer_table(&((struct agent *)arg)->observer, table, true);
}

static void on_written(const struct nb_tables_sync *done, void *arg)
{
	nb_observer_written(&((struct agent *)arg)->observer, done);
}

/* Both are tried again later. */
static int serve_node(struct agent *agent, struct nb_error *err)
{
	int rc = nb_node_side_filled(&agent->node_side, err);

	if (rc)
		return rc;
	rc = nb_takeover_begin(&agent->takeover, err);
	if (rc)
		nb_log_error("The rules of kube-proxy stay for now", NB_TEXT("err", err->msg));
	return rc;
}

static void on_complete(void *arg)
{
	struct agent *agent = arg;
	struct nb_error err = { 0 };

	/* Before anybody is told that the agent is ready. */
	if (agent->node_side.loop && serve_node(agent, &err) && agent->config.verb != NB_AGENT_RUN)
		agent->failure = err;
	nb_observer_complete(&agent->observer);
	if (agent->config.verb != NB_AGENT_RUN && agent->cluster.cidrs.changes)
		nb_loop_stop(&agent->loop);
}

static void on_failed(const struct nb_table *table, const struct nb_error *why, void *arg)
{
	struct agent *agent = arg;

	nb_observer_table(&agent->observer, table, false);
	if (agent->config.verb == NB_AGENT_RUN)
		return;
	agent->failure = *why;
	nb_wrap(&agent->failure, "network \"%s\"", table->name);
	nb_loop_stop(&agent->loop);
}

static int find_servers(struct agent *agent, struct nb_error *err)
{
	const struct nb_agent_config *config = &agent->config;
	char path[512];
	int rc = config->kubeconfig
			 ? nb_kubeconfig_read(config->kubeconfig, &agent->kubeconfig, err)
			 : nb_kubeconfig_in_cluster(NB_SERVICE_ACCOUNT_DIR, &agent->kubeconfig, err);

	rc = rc ? rc
		: nb_servers_add(&agent->servers, agent->kubeconfig.server, agent->kubeconfig.tls_server_name,
				 err);
	for (size_t i = 0; i < config->servers.n && !rc; i++)
		rc = nb_servers_add(&agent->servers, config->servers.items[i],
				    agent->kubeconfig.tls_server_name, err);
	if (rc || !*config->state_dir)
		return rc;
	snprintf(path, sizeof(path), "%s/api-servers", config->state_dir);
	if (nb_servers_load(&agent->servers, path, err)) {
		nb_log_warning("The API servers that were learned are not used", NB_TEXT("err", err->msg));
		*err = (struct nb_error){ 0 };
	}
	return 0;
}

static int connect_parts(struct agent *agent, struct nb_error *err)
{
	int rc = find_servers(agent, err);

	rc = rc ? rc : nb_loop_open(&agent->loop, err);
	rc = rc ? rc : watch_signals(agent, err);
	if (rc)
		return rc;
	agent->http = nb_http_new(&agent->loop, &nb_http_times, err);
	if (!agent->http)
		return -ENOMEM;
	agent->api = (struct nb_api){
		.http = agent->http,
		.servers = &agent->servers,
		.conf = &agent->kubeconfig,
	};
	return 0;
}

/* Removes what serves the node, and what a takeover has left for connections of kube-proxy. */
static int leave_node(const struct nb_agent_config *config, struct nb_error *err)
{
	struct nb_error later = { 0 };
	int rc = nb_node_side_clean(config, err), last = nb_kube_remove_keeper(rc ? &later : err);

	return rc ? rc : last;
}

static int clean(const struct nb_agent_config *config, struct nb_error *err)
{
	struct nb_error later = { 0 };
	int rc = nb_tables_clean(config, err), last = leave_node(config, rc ? &later : err);

	return rc ? rc : last;
}

/*
 * Who serves the node: natbridge alone, or somebody else. In the latter case what an earlier "serviceProxy:
 * node" has left goes, so that a kube-proxy may take its place again.
 */
static int settle_node(const struct nb_agent_config *config, struct nb_error *err)
{
	struct nb_error why = { 0 };

	if (config->verb == NB_AGENT_DRY_RUN)
		return 0;
	if (config->serves_node)
		return nb_takeover_check(config, err);
	if (leave_node(config, &why))
		nb_log_warning("What has served the node is not removed", NB_TEXT("err", why.msg));
	return 0;
}

static int run(struct agent *agent, struct nb_error *err)
{
	int rc = connect_parts(agent, err);

	if (rc)
		return rc;
	if (agent->config.verb == NB_AGENT_CHECK)
		return nb_agent_check(&agent->loop, &agent->api, &agent->config, err);
	rc = nb_privilege_check(NB_TO_LOAD, err);
	rc = rc ? rc : settle_node(&agent->config, err);
	if (rc)
		return rc;
	if (*agent->config.state_dir && agent->config.verb != NB_AGENT_DRY_RUN)
		mkdir(agent->config.state_dir, 0700); /* where it cannot be made, saving says so */
	agent->cluster.changed = on_cluster;
	agent->cluster.arg = agent;
	agent->tables.config = &agent->config;
	agent->tables.cluster = &agent->cluster;
	agent->tables.dry = agent->config.verb == NB_AGENT_DRY_RUN;
	agent->tables.complete = on_complete;
	agent->tables.failed = on_failed;
	agent->tables.arg = agent;
	agent->tables.wrote = on_wrote;
	agent->tables.written = on_written;
	if (agent->config.verb == NB_AGENT_RUN)
		rc = nb_observer_start(&agent->observer, &agent->loop, &agent->config, err);
	if (rc)
		return rc;
	nb_tables_start(&agent->tables, &agent->loop);
	rc = nb_cluster_start(&agent->cluster, &agent->loop, &agent->api, &agent->config, err);
	agent->host_addrs.changed = on_host_addr;
	agent->host_addrs.arg = agent;
	rc = rc ? rc : nb_host_addrs_start(&agent->host_addrs, &agent->loop, err);
	agent->observer.node_side = &agent->node_side;
	agent->node_side.config = &agent->config;
	agent->node_side.cluster = &agent->cluster;
	agent->takeover.config = &agent->config;
	agent->takeover.side = &agent->node_side;
	if (!rc && agent->config.serves_node && !agent->tables.dry) {
		nb_takeover_start(&agent->takeover, &agent->loop);
		rc = nb_node_side_start(&agent->node_side, &agent->loop, err);
	}
	if (!rc && agent->config.verb == NB_AGENT_RUN)
		rc = nb_observer_follow(&agent->observer, &agent->cluster, &agent->tables, agent->http, err);
	if (!rc && !agent->failure.code) /* a network may have failed by now */
		rc = nb_loop_run(&agent->loop, err);
	if (rc || !agent->failure.code)
		return rc;
	*err = agent->failure;
	return -EIO;
}

static int dispatch(struct agent *agent, struct nb_error *err)
{
	int rc = nb_agent_config_read(agent->argc, agent->argv, &agent->config, err);

	if (rc)
		return rc;
	if (agent->config.convert)
		return nb_agent_convert(agent->config.convert, stdout, err);
	switch (agent->config.verb) {
	case NB_AGENT_HELP:
		nb_agent_config_help(stdout);
		return 0;
	case NB_AGENT_VERSION:
		puts("natbridge-agent " NB_VERSION);
		return 0;
	case NB_AGENT_CLEANUP:
		nb_log_init(agent->config.json_log, agent->config.verbosity);
		return clean(&agent->config, err);
	default:
		nb_log_init(agent->config.json_log, agent->config.verbosity);
		nb_log_info(0, "natbridge-agent", NB_TEXT("version", NB_VERSION),
			    NB_TEXT("node", agent->config.node));
		return run(agent, err);
	}
}

int main(int argc, char **argv)
{
	struct agent agent = { .loop.epoll_fd = -1,
			       .signals.fd = -1,
			       .host_addrs.events.fd = -1,
			       .node_side.events.fd = -1,
			       .tables.dir.fd = -1,
			       .argc = argc,
			       .argv = argv };
	struct nb_error err = { 0 };
	bool reload;
	int rc;

	nb_memory_give_back(); /* what the dynamic linker has read */
	nb_json_use_pool();
	rc = dispatch(&agent, &err);
	reload = agent.reload;
	agent_free(&agent);
	if (rc)
		fprintf(stderr, "natbridge-agent: %s\n", err.msg);
	if (!rc && reload)
		execv("/proc/self/exe", argv);
	return rc || reload ? 1 : 0;
}
