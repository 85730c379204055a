// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/maps/conn_table.h"
#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/maps/settings.h"
#include "lib/maps/tick.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "btf_convert.h"
#include "migrate.h"

struct move {
	struct nb_conn_table table;
	struct nb_btf_conversion keys, values; /* of an array: only values, whole pairs */
	struct nb_map_sizes sizes;             /* of the old map */
	__u32 now;
	struct nb_error *err;
};

static void move_free(struct move *move)
{
	nb_conn_table_close(&move->table);
	nb_btf_conversion_free(&move->keys);
	nb_btf_conversion_free(&move->values);
}

static int no_room(struct nb_error *err)
{
	return nb_fail(err, NB_ERR_DATAPATH, 0, "holds what there is no room for any more");
}

/* What has expired is not carried. A connection may come a second time, or one too many, since the old
 * programs run on: it is left out, as it would be by a full table. */
static void add(struct move *move, const struct nb_pair *pair)
{
	if ((__s32)(pair->dir[0].conn.expires - move->now) > 0)
		(void)nb_conn_table_add(&move->table, pair);
}

static int take_pairs(const void *keys, const void *values, __u32 n, void *arg)
{
	struct move *move = arg;

	(void)keys;
	for (__u32 i = 0; i < n; i++) {
		struct nb_pair pair = { 0 };

		if (!nb_btf_conversion_run(&move->values,
					   (const char *)values + (size_t)i * move->sizes.value, &pair))
			return no_room(move->err);
		if (pair.dir[0].conn.use == NB_USE_TAKEN && pair.dir[0].key.proto && pair.dir[1].key.proto)
			add(move, &pair);
	}
	return 0;
}

static int take_entry(struct move *move, const void *key, const void *value, bool reply)
{
	struct nb_pair pair = { 0 };
	struct nb_conn *conn = &pair.dir[0].conn;
	struct nb_entry *found;
	__u32 slot;

	if (!nb_btf_conversion_run(&move->keys, key, &pair.dir[0].key) ||
	    !nb_btf_conversion_run(&move->values, value, conn))
		return no_room(move->err);
	if (!!(conn->flags & NB_CONN_REPLY) != reply)
		return 0;
	if (reply) {
		found = nb_conn_table_find(&move->table, &pair.dir[0].key, &slot);
		if (found && slot % 2)
			found->conn = *conn;
		return 0;
	}
	pair.dir[1].key = (struct nb_tuple){
		.src = conn->dst,
		.dst = conn->src,
		.sport = conn->dport,
		.dport = conn->sport,
		.proto = pair.dir[0].key.proto,
	};
	add(move, &pair);
	return 0;
}

static int take_entries(struct move *move, const void *keys, const void *values, __u32 n, bool reply)
{
	int rc = 0;

	for (__u32 i = 0; i < n && !rc; i++)
		rc = take_entry(move, (const char *)keys + (size_t)i * move->sizes.key,
				(const char *)values + (size_t)i * move->sizes.value, reply);
	return rc;
}

static int take_clients(const void *keys, const void *values, __u32 n, void *arg)
{
	return take_entries(arg, keys, values, n, false);
}

static int take_replies(const void *keys, const void *values, __u32 n, void *arg)
{
	return take_entries(arg, keys, values, n, true);
}

/* Connections of which the old table had lost the reply's entry. */
static void drop_halves(struct move *move)
{
	struct nb_pair pair;

	for (__u32 place = 0; place < move->table.n_pairs; place++)
		if (nb_conn_table_get(&move->table, place, &pair) &&
		    !(pair.dir[1].conn.flags & NB_CONN_REPLY))
			nb_conn_table_end(&move->table, place);
}

static int type_of(const struct nb_map_types *side, const char *name, __u32 *type, struct nb_error *err)
{
	__s32 found = btf__find_by_name_kind(side->btf, name, BTF_KIND_STRUCT);

	if (found <= 0)
		return nb_fail(err, NB_ERR_DATAPATH, 0, "does not know struct %s (BTF)", name);
	*type = found;
	return 0;
}

static int plan_entries(struct move *move, const struct nb_map_types *old, const struct nb_map_types *new,
			struct nb_error *err)
{
	__u32 tuple = 0, conn = 0;
	int rc = type_of(new, "nb_tuple", &tuple, err);

	rc = rc ?: type_of(new, "nb_conn", &conn, err);
	rc = rc
		     ?: nb_btf_conversion_make(&move->keys, old->btf, old->info.btf_key_type_id, new->btf,
					       tuple, err);
	return rc
		       ?: nb_btf_conversion_make(&move->values, old->btf, old->info.btf_value_type_id,
						 new->btf, conn, err);
}

/* Settings of a layout without an index have no seed either. */
static int ensure_seed(const struct nb_datapath *dp, struct nb_error *err)
{
	const __u64 none[NB_TUPLE_WORDS] = { 0 };
	struct nb_settings settings;
	int rc = nb_settings_read(dp, &settings, err);

	if (rc || memcmp(settings.index_seed, none, sizeof(none)) != 0)
		return rc;
	rc = nb_conn_table_seed(&settings);
	if (rc)
		return nb_fail(err, NB_ERR_SYSTEM, -rc, "has no random numbers");
	return nb_settings_write(dp, &settings, err);
}

static int carry(const struct nb_datapath *from, enum nb_map map, const struct nb_datapath *to,
		 struct nb_error *err)
{
	struct nb_map_types old nb_cleanup(nb_map_types_free) = { 0 },
				new nb_cleanup(nb_map_types_free) = { 0 };
	struct move move nb_cleanup(move_free) = { .err = err };
	bool entries = map == NB_MAP_CONNTRACK;
	int rc = nb_map_types_read(&old, from->map_fd[map], err);

	rc = rc ?: nb_map_types_read(&new, to->map_fd[NB_MAP_CONNECTIONS], err);
	if (!rc && entries)
		rc = plan_entries(&move, &old, &new, err);
	else if (!rc)
		rc = nb_btf_conversion_make(&move.values, old.btf, old.info.btf_value_type_id, new.btf,
					    new.info.btf_value_type_id, err);
	rc = rc ?: nb_map_sizes(from, map, &move.sizes, err);
	rc = rc ?: nb_tick_now(to, &move.now, err);
	rc = rc ?: nb_conn_table_open(to, &move.table, err);
	if (rc || !entries)
		return rc ?: nb_map_walk(from, map, take_pairs, &move, err);
	rc = nb_map_walk(from, map, take_clients, &move, err);
	rc = rc ?: nb_map_walk(from, map, take_replies, &move, err);
	if (!rc)
		drop_halves(&move);
	return rc;
}

static enum nb_map table_of(const struct nb_datapath *dp)
{
	return dp->map_fd[NB_MAP_CONNECTIONS] < 0 ? NB_MAP_CONNTRACK : NB_MAP_CONNECTIONS;
}

int nb_migrate_conns(const struct nb_datapath *from, const struct nb_datapath *to, struct nb_error *err)
{
	enum nb_map map = table_of(from);
	int rc = ensure_seed(to, err);

	if (!rc && from->map_fd[map] >= 0 && to->map_fd[NB_MAP_CONNECTIONS] >= 0)
		rc = carry(from, map, to, err);
	return rc ? nb_wrap(err, "%s", nb_map_name(map)) : 0;
}

int nb_migrate_capacity(const struct nb_datapath *from, __u32 *connections, struct nb_error *err)
{
	enum nb_map map = table_of(from);
	struct nb_map_sizes sizes = { 0 };
	int rc;

	if (from->map_fd[map] < 0)
		return 0;
	rc = nb_map_sizes(from, map, &sizes, err);
	if (rc)
		return rc;
	*connections = sizes.max;
	if (map == NB_MAP_CONNTRACK) { /* two for each, and a sixteenth for what was given up in a race */
		*connections = (__u64)sizes.max * 16 / 33;
		while (2 * *connections + *connections / 16 < sizes.max)
			++*connections;
	}
	return 0;
}
