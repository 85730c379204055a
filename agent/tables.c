// SPDX-License-Identifier: GPL-2.0-or-later
/* When what is written: batches of changes to all tables, and all Services to new ones. */
#include "tables.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "lib/conf/network_files.h"
#include "lib/datapath/owner.h"
#include "lib/kube/table.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include "cluster.h"
#include "config.h"
#include "known_networks.h"
#include "log.h"
#include "memory.h"
#include "table_write.h"

enum {
	BATCH = 512,      /* Services; for more, a change reads the whole table (lib/service/change.c) */
	RETRY_MS = 30000, /* after a failure, as kube-proxy's syncPeriod */
	FOLLOW_MS = 500,  /* from one look for a missing CNI directory to the next */
	DIR_EVENTS = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF,
};

static void table_free(struct nb_table *table)
{
	if (table->owner_fd >= 0)
		close(table->owner_fd);
	free(table->name);
	free(table->next);
	free(table);
}

static void schedule(struct nb_tables *tables, int64_t delay_ms)
{
	if (!tables->timer.at)
		nb_timer_set(tables->loop, &tables->timer, delay_ms);
}

void nb_tables_changed(struct nb_tables *tables)
{
	const int64_t wait = tables->wrote_ms + tables->config->sync_ms - nb_loop_now();

	schedule(tables, wait > 0 ? wait : 0);
}

bool nb_tables_are_complete(const struct nb_tables *tables)
{
	if (!nb_cluster_is_synced(tables->cluster) || nb_kube_table_n_dirty(tables->cluster->table))
		return false;
	for (size_t i = 0; i < tables->all.n; i++)
		if (tables->all.items[i]->state != NB_TABLE_FULL)
			return false;
	return true;
}

/* ---- writing ---- */

static void say_failed(struct nb_table *table, const struct nb_error *err)
{
	if (!table->has_failed)
		nb_log_error("Table is not written", NB_TEXT("network", table->name),
			     NB_TEXT("err", err->msg));
	table->has_failed = true;
	table->why = *err;
	table->failures++;
}

static void say_works(const struct nb_tables *tables, struct nb_table *table)
{
	if (tables->wrote)
		tables->wrote(table, tables->arg);
	if (table->state != NB_TABLE_FULL)
		return; /* what failed may fail again */
	if (table->has_failed)
		nb_log_info(0, "Table is written again", NB_TEXT("network", table->name));
	table->has_failed = false;
}

/* A table that misses something gets everything, from the first Service on. */
static void start_over(struct nb_tables *tables, struct nb_table *table, const struct nb_error *err)
{
	say_failed(table, err);
	table->state = NB_TABLE_NEW;
	table->is_said = false;
	free(table->next);
	table->next = NULL;
	if (!tables->retry.at)
		nb_timer_set(tables->loop, &tables->retry, RETRY_MS);
	if (tables->failed)
		tables->failed(table, err, tables->arg);
}

/* Whether it worked. */
static bool write_batch(struct nb_tables *tables, struct nb_table *table, const struct nb_kube_batch *batch)
{
	struct nb_error err = { 0 };

	if (table->state == NB_TABLE_NEW)
		return true; /* it gets all Services later */
	if (nb_table_write(tables, table, &batch->names, &batch->services, &err)) {
		start_over(tables, table, &err);
		return false;
	}
	say_works(tables, table);
	return true;
}

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - start->tv_sec) + (now.tv_nsec - start->tv_nsec) / 1e9;
}

/* Takes some of what has changed and writes it everywhere. */
static int write_changes(struct nb_tables *tables, struct nb_error *err)
{
	nb_cleanup(nb_kube_batch_free) struct nb_kube_batch batch = { 0 };
	struct nb_tables_sync done = { .ok = true };
	struct timespec start;
	int rc;

	clock_gettime(CLOCK_MONOTONIC, &start);
	rc = nb_kube_table_take(tables->cluster->table, BATCH, &batch, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < tables->all.n; i++)
		done.ok &= write_batch(tables, tables->all.items[i], &batch);
	done.seconds = seconds_since(&start);
	done.triggers = batch.triggers.items;
	done.n_triggers = batch.triggers.n;
	if (tables->written)
		tables->written(&done, tables->arg);
	return 0;
}

/* Writes the next Services of a table that is filling. */
static int write_next(struct nb_tables *tables, struct nb_table *table, struct nb_error *err)
{
	nb_cleanup(nb_kube_batch_free) struct nb_kube_batch batch = { 0 };
	int rc = nb_kube_table_list(tables->cluster->table, table->next ? table->next : "", BATCH, &batch,
				    err);

	if (rc)
		return rc;
	if (!batch.names.n) {
		table->state = NB_TABLE_FULL;
		say_works(tables, table);
		return 0;
	}
	rc = nb_table_write(tables, table, &batch.names, &batch.services, err);
	return rc ? rc : nb_strdup(batch.names.items[batch.names.n - 1], &table->next, err);
}

/* Whether it may be written: it is ours, and not waiting for its retry. */
static bool is_usable(const struct nb_tables *tables, const struct nb_table *table)
{
	return (tables->dry || table->owner_fd >= 0) && !(table->has_failed && tables->retry.at);
}

/*
 * A new table loses the Services that the cluster does not have, before others may get their addresses. If no
 * change was written yet, it misses none of those that follow.
 */
static void begin_new(struct nb_tables *tables)
{
	for (size_t i = 0; i < tables->all.n; i++) {
		struct nb_table *table = tables->all.items[i];
		struct nb_error err = { 0 };

		if (table->state != NB_TABLE_NEW || !is_usable(tables, table))
			continue;
		if (nb_table_remove_others(tables, table, &err))
			start_over(tables, table, &err);
		else
			table->state = tables->started ? NB_TABLE_FILLING : NB_TABLE_FULL;
	}
}

/* The cluster's ranges to the tables that have older ones. */
static void write_cidrs(struct nb_tables *tables)
{
	const struct nb_service_cidrs *cidrs = &tables->cluster->cidrs;

	for (size_t i = 0; i < tables->all.n; i++) {
		struct nb_table *table = tables->all.items[i];
		struct nb_error err = { 0 };

		if (tables->dry || table->cidrs == cidrs->changes || table->state == NB_TABLE_NEW)
			continue;
		if (nb_table_write_cidrs(table, cidrs, &err))
			start_over(tables, table, &err);
		else
			table->cidrs = cidrs->changes;
	}
}

/* One step of a table that is filling. Whether one is left. */
static bool fill_table(struct nb_tables *tables, struct nb_table *table)
{
	struct nb_tables_sync done = { .full = true, .ok = true };
	struct nb_error err = { 0 };
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	if (write_next(tables, table, &err)) {
		start_over(tables, table, &err);
		done.ok = false;
	}
	table->filling_s += seconds_since(&start);
	if (table->state == NB_TABLE_FILLING)
		return true;
	done.seconds = table->filling_s;
	table->filling_s = 0;
	if (tables->written)
		tables->written(&done, tables->arg);
	return false;
}

/* One step for each table that is filling. Whether one is left. */
static bool fill(struct nb_tables *tables)
{
	bool more = false;

	for (size_t i = 0; i < tables->all.n; i++)
		if (tables->all.items[i]->state == NB_TABLE_FILLING)
			more |= fill_table(tables, tables->all.items[i]);
	return more;
}

/* Whether there was something to say. */
static bool say_equal(struct nb_tables *tables)
{
	bool said = false;

	for (size_t i = 0; i < tables->all.n; i++) {
		struct nb_table *table = tables->all.items[i];

		if (table->state != NB_TABLE_FULL || table->is_said)
			continue;
		table->is_said = said = true;
		nb_log_info(0, "Table is equal to the cluster", NB_TEXT("network", table->name),
			    NB_NUMBER("services", table->last.services),
			    NB_NUMBER("frontends", table->last.frontends),
			    NB_NUMBER("backends", table->last.backends));
	}
	return said;
}

/* Makes one step and arms the timer for the next one, so that health probes are answered meanwhile. */
static void on_timer(void *arg)
{
	struct nb_tables *tables = arg;
	struct nb_error err = { 0 };
	bool more = false;

	if (!nb_cluster_is_synced(tables->cluster))
		return;
	begin_new(tables);
	if (nb_kube_table_n_dirty(tables->cluster->table)) {
		tables->wrote_ms = nb_loop_now();
		if (write_changes(tables, &err)) {
			nb_log_error("Changes are not written", NB_TEXT("err", err.msg));
			schedule(tables, RETRY_MS);
			return;
		}
		more = true;
	} else {
		tables->started = true;
		more = fill(tables);
	}
	if (more) {
		schedule(tables, 0);
		return;
	}
	write_cidrs(tables);
	if (say_equal(tables))
		nb_memory_give_back(); /* what sets and batches took: much, but rarely */
	if (nb_tables_are_complete(tables) && tables->complete)
		tables->complete(tables->arg);
}

/* ---- the networks ---- */

static struct nb_table *find_table(const struct nb_tables *tables, const char *name)
{
	for (size_t i = 0; i < tables->all.n; i++)
		if (!strcmp(tables->all.items[i]->name, name))
			return tables->all.items[i];
	return NULL;
}

/* NULL, and *err: out of memory. */
static struct nb_table *add_table(struct nb_tables *tables, const char *name, struct nb_error *err)
{
	struct nb_table *table = calloc(1, sizeof(*table));

	if (!table) {
		nb_fail_nomem(err);
		return NULL;
	}
	table->owner_fd = -1;
	if (!nb_strdup(name, &table->name, err) && !nb_vec_push(&tables->all, table, err))
		return table;
	table_free(table);
	return NULL;
}

static int add_from_file(struct nb_tables *tables, const struct nb_network_file *file, struct nb_error *err)
{
	struct nb_table *table = find_table(tables, file->name);

	if (!table)
		table = add_table(tables, file->name, err);
	if (!table)
		return -ENOMEM;
	if (!table->in_dir)
		nb_log_info(0, "Network found", NB_TEXT("network", table->name), NB_TEXT("file", file->path));
	table->in_dir = true;
	table->limits = file->proxy.limits;
	table->root = file->proxy.pin_root;
	return tables->config->bpffs ? nb_pin_root_resolve(tables->config->bpffs, &table->root, err) : 0;
}

/* For nb_known_networks_load(): one that the agent fed before, and that still has pins. */
static int add_known(const char *name, const char *bpffs, void *arg)
{
	struct nb_tables *tables = arg;
	struct nb_error err = { 0 };
	struct nb_table *table = find_table(tables, name) ? NULL : add_table(tables, name, &err);

	return table && nb_pin_root_resolve(bpffs, &table->root, &err) ? -1 : 0;
}

/* The node's own table, with "serviceProxy: node". */
static int add_node(struct nb_tables *tables, struct nb_error *err)
{
	struct nb_table *table = add_table(tables, NB_NODE_NETWORK, err);

	if (!table)
		return -ENOMEM;
	table->is_node = true;
	table->in_dir = true;
	return nb_pin_root_resolve(tables->config->bpffs, &table->root, err);
}

/* Loads and pins what the network's first ADD would load, and becomes the owner of its table. */
static void set_up(struct nb_tables *tables, struct nb_table *table)
{
	struct nb_error err = { 0 };

	if (tables->dry || table->owner_fd >= 0)
		return;
	if (nb_table_load(table, &err) || nb_owner_take(&table->root, table->name, &table->owner_fd, &err))
		start_over(tables, table, &err);
}

static void on_retry(void *arg)
{
	struct nb_tables *tables = arg;

	for (size_t i = 0; i < tables->all.n; i++)
		set_up(tables, tables->all.items[i]);
	schedule(tables, 0);
}

/* A network that the directory does not name any more stays while it has pins. */
static void drop_gone(struct nb_tables *tables)
{
	size_t n = 0;

	for (size_t i = 0; i < tables->all.n; i++) {
		struct nb_table *table = tables->all.items[i];

		if (table->in_dir || nb_table_is_there(table)) {
			tables->all.items[n++] = table;
			continue;
		}
		nb_log_info(0, "Network is gone", NB_TEXT("network", table->name));
		table_free(table);
	}
	tables->all.n = n;
}

static void tell_bad_file(const char *why, void *arg)
{
	(void)arg;
	nb_log_warning("Skipped a network configuration", NB_TEXT("err", why));
}

static bool names_network(const struct nb_network_files *files, const char *name)
{
	for (size_t i = 0; i < files->all.n; i++)
		if (files->all.items[i].proxy.mode == NB_MODE_EBPF && !strcmp(files->all.items[i].name, name))
			return true;
	return false;
}

static int read_networks(struct nb_tables *tables, struct nb_error *err)
{
	nb_cleanup(nb_network_files_free) struct nb_network_files files = { 0 };
	struct nb_error save_err = { 0 };
	int rc = nb_network_files_read(tables->config->cni_dir, tell_bad_file, NULL, &files, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < tables->all.n; i++)
		tables->all.items[i]->in_dir &=
			tables->all.items[i]->is_node || names_network(&files, tables->all.items[i]->name);
	for (size_t i = 0; i < files.all.n && !rc; i++)
		if (files.all.items[i].proxy.mode == NB_MODE_EBPF)
			rc = add_from_file(tables, &files.all.items[i], err);
	if (rc)
		return rc;
	drop_gone(tables);
	for (size_t i = 0; i < tables->all.n; i++)
		set_up(tables, tables->all.items[i]);
	if (!tables->dry && nb_known_networks_save(tables->config->state_dir, tables, &save_err))
		nb_log_warning("The networks are not kept on disk", NB_TEXT("err", save_err.msg));
	return 0;
}

static void unfollow(struct nb_tables *tables)
{
	if (tables->dir.fd < 0)
		return;
	nb_loop_fd_remove(tables->loop, &tables->dir);
	close(tables->dir.fd);
	tables->dir.fd = -1;
	nb_timer_set(tables->loop, &tables->follow, 0);
}

static void on_dir(uint32_t events, void *arg)
{
	struct nb_tables *tables = arg;
	struct nb_error err = { 0 };
	char buf[4096];
	ssize_t n;
	bool gone = false;

	(void)events;
	while ((n = read(tables->dir.fd, buf, sizeof(buf))) > 0)
		for (const char *at = buf; at < buf + n;) {
			const struct inotify_event *event = (const struct inotify_event *)at;

			gone |= event->mask & (IN_DELETE_SELF | IN_MOVE_SELF);
			at += sizeof(*event) + event->len;
		}
	if (gone)
		unfollow(tables);
	if (read_networks(tables, &err))
		nb_log_error("The CNI directory cannot be read", NB_TEXT("err", err.msg));
	nb_timer_stop(&tables->timer);
	schedule(tables, 0);
}

static int follow_dir(struct nb_tables *tables, struct nb_error *err)
{
	const char *dir = tables->config->cni_dir;
	nb_autoclose int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int rc;

	if (fd < 0)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "inotify_init1");
	if (inotify_add_watch(fd, dir, DIR_EVENTS) < 0)
		return nb_fail(err, NB_ERR_IO, errno, "cannot follow the directory \"%s\"", dir);
	tables->dir = (struct nb_loop_fd){ .fd = fd, .fn = on_dir, .arg = tables };
	rc = nb_loop_fd_add(tables->loop, &tables->dir, EPOLLIN, err);
	if (!rc)
		rc = read_networks(tables, err);
	if (!rc)
		fd = -1;
	return rc;
}

/* Looks for the directory until it is there. */
static void on_follow(void *arg)
{
	struct nb_tables *tables = arg;
	struct nb_error err = { 0 };
	int rc = follow_dir(tables, &err);

	if (!rc) {
		tables->missing_said = false;
		schedule(tables, 0);
		return;
	}
	tables->dir.fd = -1;
	if (!tables->missing_said)
		nb_log_warning("The CNI directory cannot be followed yet", NB_TEXT("err", err.msg));
	tables->missing_said = true;
	nb_timer_set(tables->loop, &tables->follow, FOLLOW_MS);
}

void nb_tables_start(struct nb_tables *tables, struct nb_loop *loop)
{
	struct nb_error err = { 0 };

	tables->loop = loop;
	tables->timer = (struct nb_timer){ .fn = on_timer, .arg = tables };
	tables->retry = (struct nb_timer){ .fn = on_retry, .arg = tables };
	tables->follow = (struct nb_timer){ .fn = on_follow, .arg = tables };
	tables->dir.fd = -1;
	if (nb_known_networks_load(tables->config->state_dir, add_known, tables, &err))
		nb_log_warning("The networks that were known are not used", NB_TEXT("err", err.msg));
	if (tables->config->serves_node && add_node(tables, &err))
		nb_log_error("The node has no table", NB_TEXT("err", err.msg));
	on_follow(tables);
	if (!tables->all.n)
		nb_log_warning("No network in mode ebpf yet", NB_TEXT("dir", tables->config->cni_dir));
}

void nb_tables_free(struct nb_tables *tables)
{
	nb_timer_stop(&tables->timer);
	nb_timer_stop(&tables->retry);
	if (tables->loop)
		unfollow(tables);
	nb_timer_stop(&tables->follow);
	for (size_t i = 0; i < tables->all.n; i++)
		table_free(tables->all.items[i]);
	nb_vec_free(&tables->all);
}

int nb_tables_clean(const struct nb_agent_config *config, struct nb_error *err)
{
	nb_cleanup(nb_network_files_free) struct nb_network_files files = { 0 };
	int rc = nb_network_files_read(config->cni_dir, tell_bad_file, NULL, &files, err);

	for (size_t i = 0; i < files.all.n && !rc; i++) {
		struct nb_table table = { .name = files.all.items[i].name, .owner_fd = -1 };

		table.root = files.all.items[i].proxy.pin_root;
		rc = config->bpffs ? nb_pin_root_resolve(config->bpffs, &table.root, err) : 0;
		rc = rc ? rc : nb_table_clean(&table, err);
	}
	return rc;
}
