// SPDX-License-Identifier: GPL-2.0-or-later
/* A private datapath: what is shared, what is copied, and frames that run through it. */
#include "trial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <linux/pkt_cls.h>
#include <natbridge/conn_life.h>

#include "lib/datapath/load.h"
#include "lib/maps/conn_table.h"
#include "lib/maps/counters.h"
#include "lib/maps/map.h"
#include "lib/maps/seal.h"
#include "lib/maps/settings.h"
#include "lib/maps/tick.h"
#include "lib/monitor/head.h"
#include "lib/util/cleanup.h"

/* What programs read only. */
static const enum nb_map shared[] = { NB_MAP_SOURCE_RANGES, NB_MAP_LINKS,   NB_MAP_PORTS,
				      NB_MAP_OWN_PORTS,     NB_MAP_DEVICES, NB_MAP_PODS };

void nb_trial_close(struct nb_trial *trial)
{
	nb_conn_table_close(&trial->table);
	nb_datapath_close(&trial->dp);
	free(trial->backends);
	*trial = (struct nb_trial)NB_TRIAL_INIT;
}

static int share(const struct nb_datapath *live, enum nb_mode mode, struct nb_trial *trial,
		 struct nb_error *err)
{
	for (size_t i = 0; i < sizeof(shared) / sizeof(*shared); i++) {
		const enum nb_map map = shared[i];

		if (live->map_fd[map] < 0 || !nb_mode_has_map(mode, map))
			continue;
		trial->dp.map_fd[map] = fcntl(live->map_fd[map], F_DUPFD_CLOEXEC, 0);
		if (trial->dp.map_fd[map] < 0)
			return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot share the map \"%s\"",
				       nb_map_name(map));
	}
	return 0;
}

/* ---- what is copied ---- */

/* One element, if there is one. */
static int copy(const struct nb_datapath *from, const struct nb_datapath *to, enum nb_map map,
		const void *key, void *value, struct nb_error *err)
{
	int rc = nb_map_get(from, map, key, value, err);

	return rc <= 0 ? rc : nb_map_write(to, map, key, value, 1, NULL, err);
}

/* What a destination is known as, on both sides, and its address alone. */
static int copy_destination(const struct nb_datapath *from, const struct nb_trial *trial,
			    const struct nb_addr *addr, __be16 port, __u8 proto, struct nb_error *err)
{
	const struct nb_frontend_key keys[] = {
		{ .addr = *addr, .port = port, .proto = proto, .side = NB_SIDE_INSIDE },
		{ .addr = *addr, .port = port, .proto = proto, .side = NB_SIDE_OUTSIDE },
		{ .addr = *addr },
	};
	int rc = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys) && !rc; i++) {
		struct nb_frontend value;

		rc = copy(from, &trial->dp, NB_MAP_FRONTENDS, &keys[i], &value, err);
	}
	return rc;
}

static int copy_backends(const struct nb_datapath *from, const struct nb_trial *trial, struct nb_error *err)
{
	int rc = 0;

	for (__u32 i = 0; trial->has_frontend && i < trial->frontend.known && !rc; i++) {
		const struct nb_backend_key key = { .set = trial->frontend.set, .index = i };
		struct nb_backend *backend = &trial->backends[i];

		rc = copy(from, &trial->dp, NB_MAP_BACKENDS, &key, backend, err);
		rc = rc ? rc
			: copy_destination(from, trial, &backend->addr, backend->port, trial->key.proto, err);
	}
	return rc;
}

static int copy_affinity(const struct nb_datapath *from, const struct nb_tuple *tuple, struct nb_trial *trial,
			 struct nb_error *err)
{
	const struct nb_affinity_key key = { .client = tuple->src, .service = trial->frontend.service };
	__u32 now;
	int rc;

	if (!trial->has_frontend || !trial->frontend.affinity)
		return 0;
	rc = nb_map_get(from, NB_MAP_AFFINITIES, &key, &trial->affinity, err);
	if (rc <= 0)
		return rc;
	rc = nb_tick_now(from, &now, err);
	if (rc)
		return rc;
	trial->has_affinity = (__s32)(trial->affinity.expires - now) > 0;
	return nb_map_write(&trial->dp, NB_MAP_AFFINITIES, &key, &trial->affinity, 1, NULL, err);
}

struct copying {
	const struct nb_trial *trial;
	enum nb_map map;
	struct nb_error *err;
};

static int copy_elements(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct copying *copying = arg;

	return nb_map_write(&copying->trial->dp, copying->map, keys, values, n, NULL, copying->err);
}

/* The trial's table is smaller than the network's. */
static int copy_settings(const struct nb_datapath *from, const struct nb_trial *trial, struct nb_error *err)
{
	const __u32 zero = 0;
	struct nb_settings settings;
	int rc = nb_settings_read(from, &settings, err);

	if (rc)
		return rc;
	if (settings.max > trial->max)
		settings.max = trial->max;
	return nb_map_write(&trial->dp, NB_MAP_SETTINGS, &zero, &settings, 1, NULL, err);
}

/* ---- connections of the client ---- */

struct clients {
	struct nb_trial *trial;
	const struct nb_addr *client;
	__u32 now, n;
	bool is_adding;
};

static int take_pair(const struct nb_conn_copy *copied, void *arg)
{
	const struct nb_pair *pair = &copied->pair;
	struct clients *clients = arg;
	const __u64 life = pair->dir[0].conn.life;

	if ((memcmp(&pair->dir[0].key.src, clients->client, sizeof(*clients->client)) != 0 &&
	     memcmp(&pair->dir[1].key.src, clients->client, sizeof(*clients->client)) != 0) ||
	    (__s32)(nb_life_expires(life) - clients->now) <= 0)
		return 0;
	/* Two of one tuple, of which one ends: the trial has either. */
	clients->n += !clients->is_adding || !nb_conn_table_add(&clients->trial->table, pair);
	return 0;
}

static int count_connections(const struct nb_datapath *live, const struct nb_tuple *tuple, __u32 *n,
			     struct nb_error *err)
{
	struct clients clients = { .client = &tuple->src };
	int rc;

	if (live->map_fd[NB_MAP_CONNECTIONS] < 0)
		return 0;
	rc = nb_tick_now(live, &clients.now, err);
	rc = rc ? rc : nb_conn_table_walk(live, take_pair, &clients, err);
	*n = clients.n;
	return rc;
}

static int copy_connections(const struct nb_datapath *live, const struct nb_tuple *tuple,
			    struct nb_trial *trial, struct nb_error *err)
{
	struct clients clients = { .trial = trial, .client = &tuple->src, .is_adding = true };
	int rc;

	if (live->map_fd[NB_MAP_CONNECTIONS] < 0)
		return 0;
	rc = nb_tick_now(live, &clients.now, err);
	rc = rc ? rc : nb_conn_table_walk(live, take_pair, &clients, err);
	trial->n_connections = clients.n;
	return rc;
}

/* ---- open ---- */

/* The frontend that packets meet: what leaves the node is from inside. */
static int find_frontend(const struct nb_datapath *live, const struct nb_tuple *tuple, struct nb_trial *trial,
			 struct nb_error *err)
{
	int rc;

	trial->key = (struct nb_frontend_key){
		.addr = tuple->dst,
		.port = tuple->dport,
		.proto = tuple->proto,
		.side = tuple->side == NB_SIDE_OUTSIDE ? NB_SIDE_OUTSIDE : NB_SIDE_INSIDE,
	};
	if (live->map_fd[NB_MAP_FRONTENDS] < 0)
		return 0;
	rc = nb_map_get(live, NB_MAP_FRONTENDS, &trial->key, &trial->frontend, err);
	if (rc < 0)
		return rc;
	trial->has_frontend = rc && trial->frontend.flags & NB_FRONTEND_SERVICE;
	if (!trial->has_frontend)
		return 0;
	trial->backends = calloc(trial->frontend.known + 1UL, sizeof(*trial->backends));
	return trial->backends ? 0 : nb_fail_nomem(err);
}

static int fill(const struct nb_datapath *live, const struct nb_tuple *tuple, struct nb_trial *trial,
		struct nb_error *err)
{
	struct copying copying = { .trial = trial, .map = NB_MAP_ENDPOINTS, .err = err };
	int rc = copy_settings(live, trial, err);

	rc = rc ? rc : nb_map_walk(live, NB_MAP_ENDPOINTS, copy_elements, &copying, err);
	if (rc || trial->mode == NB_MODE_ASSIST)
		return rc;
	rc = nb_conn_table_open(&trial->dp, &trial->table, err);
	rc = rc ? rc : copy_destination(live, trial, &tuple->dst, tuple->dport, tuple->proto, err);
	rc = rc ? rc : copy_destination(live, trial, &tuple->src, tuple->sport, tuple->proto, err);
	rc = rc ? rc : copy_backends(live, trial, err);
	rc = rc ? rc : copy_affinity(live, tuple, trial, err);
	return rc ? rc : copy_connections(live, tuple, trial, err);
}

static int load(const char *network, __u32 n_connections, struct nb_trial *trial, struct nb_error *err)
{
	const __u32 known = trial->has_frontend ? trial->frontend.known : 0;
	const struct nb_datapath_config config = {
		.network = network,
		.mode = trial->mode,
		/* Each destination has up to three elements. */
		.limits = { .connections = NB_CONNECTIONS_MIN + 2 * n_connections,
			    .frontends = 64 + 4 * known,
			    .backends = 64 + known },
	};

	trial->max = config.limits.connections;
	return nb_datapath_load(&config, &trial->dp, err);
}

int nb_trial_open(const struct nb_datapath *live, const char *network, enum nb_mode mode,
		  const struct nb_tuple *tuple, struct nb_trial *trial, struct nb_error *err)
{
	nb_cleanup(nb_trial_close) struct nb_trial opened = NB_TRIAL_INIT;
	__u32 n = 0;
	int rc;

	opened.mode = mode;
	rc = share(live, mode, &opened, err);
	rc = rc ? rc : find_frontend(live, tuple, &opened, err);
	rc = rc ? rc : count_connections(live, tuple, &n, err);
	rc = rc ? rc : load(network, n, &opened, err);
	rc = rc ? rc : fill(live, tuple, &opened, err);
	if (rc)
		return rc;
	*trial = opened;
	opened = (struct nb_trial)NB_TRIAL_INIT;
	return 0;
}

/* ---- one backend alone ---- */

static int write_backend(const struct nb_trial *trial, __u32 index, const struct nb_backend *from,
			 struct nb_error *err)
{
	const struct nb_backend_key key = { .set = trial->frontend.set, .index = index };
	struct nb_backend backend = *from;

	nb_seal(NB_MAP_BACKENDS, &key, &backend);
	return nb_map_write(&trial->dp, NB_MAP_BACKENDS, &key, &backend, 1, NULL, err);
}

int nb_trial_choose(struct nb_trial *trial, int backend, struct nb_error *err)
{
	struct nb_frontend frontend = trial->frontend;
	int rc;

	if (!trial->has_frontend || !frontend.known)
		return 0;
	if (backend >= 0) {
		frontend.count = frontend.known = 1;
		frontend.affinity = 0;
	}
	rc = write_backend(trial, 0, &trial->backends[backend < 0 ? 0 : backend], err);
	if (rc)
		return rc;
	nb_seal(NB_MAP_FRONTENDS, &trial->key, &frontend);
	return nb_map_write(&trial->dp, NB_MAP_FRONTENDS, &trial->key, &frontend, 1, NULL, err);
}

/* ---- frames ---- */

static enum nb_counter reason_of(const __u64 before[NB_COUNTERS], const __u64 after[NB_COUNTERS])
{
	for (unsigned int i = NB_DROP_BASE; i < NB_COUNTERS; i++)
		if (after[i] != before[i])
			return i;
	return NB_COUNT_NONE;
}

static void find_connection(const struct nb_trial *trial, const struct nb_trial_frame *frame,
			    struct nb_trial_result *result)
{
	struct nb_tuple tuple = { 0 };
	__u32 entry_id;

	if (!trial->table.pairs || !nb_head_tuple(frame->bytes, frame->len, &tuple))
		return;
	tuple.side = frame->side;
	result->is_tracked = nb_conn_table_find(&trial->table, &tuple, &entry_id) &&
			     nb_conn_table_get(&trial->table, entry_id / 2, &result->pair);
	result->is_answer = result->is_tracked && entry_id % 2;
}

int nb_trial_run(struct nb_trial *trial, const struct nb_trial_frame *frame, struct nb_trial_result *result,
		 struct nb_error *err)
{
	struct __sk_buff ctx = { .ifindex = frame->ifindex,
				 .ingress_ifindex = frame->came_by,
				 .cb = { frame->bridge } /* NB_CB_BRIDGE of bpf/lib/hop.h */ };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->bytes, .data_size_in = frame->len,
		    .data_out = result->out, .data_size_out = sizeof(result->out), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 1);
	__u64 before[NB_COUNTERS], after[NB_COUNTERS];
	int rc = nb_counters_read(&trial->dp, before, err);

	*result = (struct nb_trial_result){ 0 };
	if (rc)
		return rc;
	rc = bpf_prog_test_run_opts(trial->dp.prog_fd[frame->prog], &opts);
	if (rc)
		return nb_fail(err, NB_ERR_SYSTEM, -rc, "the kernel does not run \"%s\" on a packet",
			       nb_prog_name(frame->prog));
	rc = nb_counters_read(&trial->dp, after, err);
	if (rc)
		return rc;
	result->verdict = (int)opts.retval;
	result->len = opts.data_size_out;
	result->drop = reason_of(before, after);
	result->is_reject = result->drop && result->verdict == TC_ACT_REDIRECT;
	result->is_echo = after[NB_COUNT_ECHO] != before[NB_COUNT_ECHO];
	nb_head_tuple(result->out, result->len, &result->tuple);
	find_connection(trial, frame, result);
	return 0;
}
