// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two kinds of old tables: an array of pairs, and, up to layout 5, a hash map with two entries a connection,
 * each under its tuple. Up to layout 8, what packets change of an entry had a field each: old_conn.h.
 */
#include "migrate_conns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>
#include <natbridge/conn_life.h>
#include <natbridge/conn_pair.h>

#include "lib/maps/conn_table.h"
#include "lib/maps/conn_table_access.h"
#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/maps/settings.h"
#include "lib/maps/tick.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "btf_convert.h"
#include "old_conn.h"

struct move {
	struct nb_conn_table table;
	struct nb_btf_conversion keys, values; /* of an array: only values, which are pairs */
	struct nb_btf_conversion old;          /* from a value to struct nb_old_conn or nb_old_pair */
	struct nb_map_sizes sizes;             /* of the old map */
	__u32 now;
	struct nb_error *err;
};

static void move_free(struct move *move)
{
	nb_conn_table_close(&move->table);
	nb_btf_conversion_free(&move->keys);
	nb_btf_conversion_free(&move->values);
	nb_btf_conversion_free(&move->old);
}

static int does_not_fit(struct nb_error *err)
{
	return nb_fail(err, NB_ERR_DATAPATH, 0, "a connection does not fit into map layout %d",
		       NB_ABI_VERSION);
}

/* Whether what one entry sends is what the other one gets. Copies of a pair that was changed may differ. */
static bool is_whole(const struct nb_pair *pair)
{
	for (int dir = 0; dir < 2; dir++) {
		const struct nb_conn *conn = &pair->dir[dir].conn;
		const struct nb_tuple received = { .src = conn->dst,
						   .dst = conn->src,
						   .sport = conn->dport,
						   .dport = conn->sport,
						   .proto = pair->dir[dir].key.proto };

		if (!nb_key_same(&received, &pair->dir[!dir].key))
			return false;
	}
	return pair->dir[0].key.proto;
}

/*
 * Skips expired connections. The old programs run on and change the old table during the walk, so that a
 * connection may be seen twice, or one more than the table can hold: those are left out, as a full table
 * leaves them out.
 */
static void add(struct move *move, const struct nb_pair *pair)
{
	if ((__s32)(nb_life_expires(pair->dir[0].conn.life) - move->now) > 0)
		(void)nb_conn_table_add(&move->table, pair);
}

static int take_pair(struct move *move, const void *value)
{
	struct nb_old_pair old = { 0 };
	struct nb_pair pair = { 0 };
	__u64 life;

	if (!nb_btf_conversion_run(&move->values, value, &pair) ||
	    !nb_btf_conversion_run(&move->old, value, &old))
		return does_not_fit(move->err);
	if (old.dir[0].conn.use)
		for (int dir = 0; dir < 2; dir++)
			nb_old_conn_take(&old.dir[dir].conn, &pair.dir[dir].conn);
	life = pair.dir[0].conn.life;
	for (int dir = 0; dir < 2; dir++)
		nb_conn_drop_unknown(&pair.dir[dir].conn, life);
	if (nb_life_use(life) == NB_USE_TAKEN && is_whole(&pair))
		add(move, &pair);
	return 0;
}

static int take_pairs(const void *keys, const void *values, __u32 n, void *arg)
{
	struct move *move = arg;

	(void)keys;
	for (__u32 i = 0; i < n; i++) {
		int rc = take_pair(move, (const char *)values + (size_t)i * move->sizes.value);

		if (rc)
			return rc;
	}
	return 0;
}

/* An entry of the hash map. The client's makes a connection; the reply's completes it, in a second walk. */
static int take_entry(struct move *move, const void *key, const void *value, bool reply)
{
	struct nb_old_conn old = { 0 };
	struct nb_pair pair = { 0 };
	struct nb_conn *conn = &pair.dir[0].conn;
	struct nb_entry *found;
	__u32 entry_id;

	if (!nb_btf_conversion_run(&move->keys, key, &pair.dir[0].key) ||
	    !nb_btf_conversion_run(&move->values, value, conn) ||
	    !nb_btf_conversion_run(&move->old, value, &old))
		return does_not_fit(move->err);
	nb_old_conn_take(&old, conn);
	if (!!(conn->flags & NB_CONN_REPLY) != reply)
		return 0;
	if (reply) {
		found = nb_conn_table_find(&move->table, &pair.dir[0].key, &entry_id);
		if (found && entry_id % 2) /* the reply's entry of its pair */
			nb_entry_fill(found, &pair.dir[0].key, conn, found->conn.life);
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
	for (__u32 i = 0; i < n; i++) {
		int rc = take_entry(move, (const char *)keys + (size_t)i * move->sizes.key,
				    (const char *)values + (size_t)i * move->sizes.value, reply);

		if (rc)
			return rc;
	}
	return 0;
}

static int take_clients(const void *keys, const void *values, __u32 n, void *arg)
{
	return take_entries(arg, keys, values, n, false);
}

static int take_replies(const void *keys, const void *values, __u32 n, void *arg)
{
	return take_entries(arg, keys, values, n, true);
}

/* Ends connections whose reply's entry the old table had lost. */
static void drop_halves(struct move *move)
{
	struct nb_pair pair;

	for (__u32 pair_id = 0; pair_id < move->table.n_pairs; pair_id++)
		if (nb_conn_table_get(&move->table, pair_id, &pair) &&
		    !(pair.dir[1].conn.flags & NB_CONN_REPLY))
			nb_conn_table_end(&move->table, pair_id);
}

static int type_of(const struct nb_map_types *side, const char *name, __u32 *type, struct nb_error *err)
{
	__s32 found = btf__find_by_name_kind(side->btf, name, BTF_KIND_STRUCT);

	if (found <= 0)
		return nb_fail(err, NB_ERR_DATAPATH, 0, "the BTF of the map has no struct %s", name);
	*type = found;
	return 0;
}

static int plan_entries(struct move *move, const struct nb_map_types *old, const struct nb_map_types *new,
			struct nb_error *err)
{
	__u32 tuple = 0, conn = 0;
	int rc = type_of(new, "nb_tuple", &tuple, err);

	if (rc)
		return rc;
	rc = type_of(new, "nb_conn", &conn, err);
	if (rc)
		return rc;
	rc = nb_btf_conversion_make(&move->keys, old->btf, old->info.btf_key_type_id, new->btf, tuple, err);
	if (rc)
		return rc;
	rc = nb_old_conversion_make(&move->old, old, false, err);
	if (rc)
		return rc;
	return nb_btf_conversion_make(&move->values, old->btf, old->info.btf_value_type_id, new->btf, conn,
				      err);
}

static int plan_pairs(struct move *move, const struct nb_map_types *old, const struct nb_map_types *new,
		      struct nb_error *err)
{
	int rc = nb_old_conversion_make(&move->old, old, true, err);

	if (rc)
		return rc;
	return nb_btf_conversion_make(&move->values, old->btf, old->info.btf_value_type_id, new->btf,
				      new->info.btf_value_type_id, err);
}

/* The settings of a layout without an index have no seed. */
static int ensure_seed(const struct nb_datapath *dp, struct nb_error *err)
{
	const __u64 none[NB_TUPLE_WORDS] = { 0 };
	struct nb_settings settings;
	int rc = nb_settings_read(dp, &settings, err);

	if (rc || memcmp(settings.index_seed, none, sizeof(none)) != 0)
		return rc;
	rc = nb_conn_table_seed(&settings);
	if (rc)
		return nb_fail(err, NB_ERR_SYSTEM, -rc,
			       "cannot get random numbers for the seed of the connection index");
	return nb_settings_write(dp, &settings, err);
}

static int prepare(struct move *move, const struct nb_datapath *from, enum nb_map map,
		   const struct nb_datapath *to, struct nb_error *err)
{
	nb_cleanup(nb_map_types_free) struct nb_map_types old = { 0 };
	nb_cleanup(nb_map_types_free) struct nb_map_types new = { 0 };
	int rc = nb_map_types_read(&old, from->map_fd[map], err);

	if (rc)
		return rc;
	rc = nb_map_types_read(&new, to->map_fd[NB_MAP_CONNECTIONS], err);
	if (rc)
		return rc;
	rc = map == NB_MAP_CONNTRACK ? plan_entries(move, &old, &new, err)
				     : plan_pairs(move, &old, &new, err);
	if (rc)
		return rc;
	rc = nb_map_sizes(from, map, &move->sizes, err);
	if (rc)
		return rc;
	rc = nb_tick_now(to, &move->now, err);
	if (rc)
		return rc;
	return nb_conn_table_open(to, &move->table, err);
}

static int move_table(const struct nb_datapath *from, enum nb_map map, const struct nb_datapath *to,
		      struct nb_error *err)
{
	nb_cleanup(move_free) struct move move = { .err = err };
	int rc = prepare(&move, from, map, to, err);

	if (rc)
		return rc;
	if (map != NB_MAP_CONNTRACK)
		return nb_map_walk(from, map, take_pairs, &move, err);
	rc = nb_map_walk(from, map, take_clients, &move, err);
	if (rc)
		return rc;
	rc = nb_map_walk(from, map, take_replies, &move, err);
	if (rc)
		return rc;
	drop_halves(&move);
	return 0;
}

/* The map that a layout keeps connections in. */
static enum nb_map table_of(const struct nb_datapath *dp)
{
	return dp->map_fd[NB_MAP_CONNECTIONS] < 0 ? NB_MAP_CONNTRACK : NB_MAP_CONNECTIONS;
}

int nb_migrate_conns(const struct nb_datapath *from, const struct nb_datapath *to, struct nb_error *err)
{
	enum nb_map map = table_of(from);
	int rc = ensure_seed(to, err);

	if (rc)
		return nb_wrap(err, "%s", nb_map_name(NB_MAP_SETTINGS));
	if (from->map_fd[map] < 0 || to->map_fd[NB_MAP_CONNECTIONS] < 0)
		return 0;
	if (move_table(from, map, to, err))
		return nb_wrap(err, "%s", nb_map_name(map));
	return 0;
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
	if (map != NB_MAP_CONNTRACK)
		return 0;
	/* The hash map had two entries a connection, and a sixteenth more for those lost in a race. */
	*connections = (__u64)sizes.max * 16 / 33;
	while (2 * *connections + *connections / 16 < sizes.max)
		++*connections;
	return 0;
}
