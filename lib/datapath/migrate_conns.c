// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two kinds of old tables: an array of pairs, and, up to layout 5, a hash map with two entries a connection,
 * each under its tuple. Up to layout 8, what packets change of an entry had a field each: old_conn.h.
 */
#include "migrate_conns.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

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
#include "migrate_ports.h"
#include "old_conn.h"

/* The map that a layout keeps connections in. */
static enum nb_map table_of(const struct nb_datapath *dp)
{
	return dp->map_fd[NB_MAP_CONNECTIONS] < 0 ? NB_MAP_CONNTRACK : NB_MAP_CONNECTIONS;
}

struct move {
	int map_fd; /* of the old table */
	enum nb_conns_walk walk;
	struct nb_conn_table table;
	struct nb_btf_conversion keys, values; /* of an array: only values, which are pairs */
	struct nb_btf_conversion old_keys;     /* struct nb_tuple to the key of the hash map */
	struct nb_btf_conversion old;          /* from a value to struct nb_old_conn or nb_old_pair */
	struct nb_map_sizes sizes;             /* of the old map */
	void *value;                           /* of one element */
	struct nb_new_ports ports;
	__u32 evict_cursor;
	unsigned int lost;
	__u32 now;
	struct nb_error *err;
};

static void move_free(struct move *move)
{
	nb_conn_table_close(&move->table);
	nb_btf_conversion_free(&move->keys);
	nb_btf_conversion_free(&move->values);
	nb_btf_conversion_free(&move->old_keys);
	nb_btf_conversion_free(&move->old);
	free(move->value);
}

/* A connection that began after the check is left out. */
static int does_not_fit(struct move *move)
{
	if (move->walk == NB_CONNS_CHECK)
		return nb_fail(move->err, NB_ERR_DATAPATH, 0, "a connection does not fit into map layout %d",
			       NB_ABI_VERSION);
	move->lost++;
	return 0;
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
						   .proto = pair->dir[dir].key.proto,
						   /* Each is met where it is met. */
						   .side = pair->dir[!dir].key.side };

		if (!nb_key_same(&received, &pair->dir[!dir].key))
			return false;
	}
	return pair->dir[0].key.proto;
}

/* ---- into the new table ---- */

static bool is_same_path(const struct nb_pair *a, const struct nb_pair *b)
{
	return nb_key_same(&a->dir[0].key, &b->dir[0].key) && nb_key_same(&a->dir[1].key, &b->dir[1].key);
}

static bool is_expired(const struct move *move, const struct nb_pair *pair)
{
	return (__s32)(nb_life_expires(pair->dir[0].conn.life) - move->now) <= 0;
}

/* The tick of the first packet, as far as the table keeps it. */
static __u32 begun(const struct nb_pair *pair)
{
	return nb_tagged_more(pair->dir[0].conn.checked);
}

/*
 * A packet that was under way when the connection was entered has changed it in the old table. TCP's states
 * are numbered in the order of a connection. The backend's entry follows with its next packet.
 */
static void catch_up(const struct move *move, __u32 pair_id, __u64 was, __u64 old)
{
	const __u32 answered = NB_LIFE_SEEN_REPLY | NB_LIFE_ASSURED;
	__u32 state = nb_life_state(was), flags = nb_life_flags(was);

	if (nb_life_state(old) > state) {
		state = nb_life_state(old);
		flags = nb_life_flags(old);
	} else if (nb_life_state(old) < state || !(nb_life_flags(old) & answered & ~flags)) {
		return;
	} else {
		flags |= nb_life_flags(old);
	}
	nb_change(&move->table.pairs[pair_id].dir[0].conn.life, was,
		  nb_life_with(was, state, flags, nb_life_expires(old)));
}

/* Whether the new table has an old connection already. Then its state follows. */
static bool is_there(const struct move *move, const struct nb_pair *old)
{
	struct nb_pair new;
	__u32 entry_id;

	if (!nb_conn_table_find(&move->table, &old->dir[0].key, &entry_id) ||
	    !nb_conn_table_get(&move->table, entry_id / 2, &new) || is_expired(move, &new) ||
	    !is_same_path(&new, old) || begun(&new) != begun(old))
		return false;
	catch_up(move, entry_id / 2, new.dir[0].conn.life, old->dir[0].conn.life);
	return true;
}

/*
 * The new table has a tuple of an old connection. True: nobody has it any more. What has begun in the new
 * table is newer than the old connection. A process that was killed may have left an unfinished pair.
 */
static bool make_room(struct move *move, const struct nb_pair *old)
{
	struct nb_pair new;
	__u32 entry_id;

	if (!nb_conn_table_find(&move->table, &old->dir[0].key, &entry_id) &&
	    !nb_conn_table_find(&move->table, &old->dir[1].key, &entry_id))
		return true;
	if (!nb_conn_table_get(&move->table, entry_id / 2, &new) || is_expired(move, &new))
		return nb_conn_table_end(&move->table, entry_id / 2);
	/* Else another connection of the client looks the same to the backend. */
	move->lost += !nb_key_same(&new.dir[0].key, &old->dir[0].key);
	return false;
}

static bool is_half_open(const struct nb_pair *pair)
{
	return !(nb_life_flags(pair->dir[0].conn.life) & NB_LIFE_SEEN_REPLY);
}

/* The table is full: a connection that was never answered gives way, as it does for the programs. */
static bool evict(struct move *move)
{
	struct nb_pair pair;

	for (; move->evict_cursor < move->table.n_pairs; move->evict_cursor++)
		if (nb_conn_table_get(&move->table, move->evict_cursor, &pair) && is_half_open(&pair) &&
		    nb_conn_table_end(&move->table, move->evict_cursor)) {
			move->table.cursor = move->evict_cursor++;
			return true;
		}
	return false;
}

static void add(struct move *move, struct nb_pair *pair)
{
	int rc;

	for (int dir = 0; dir < 2; dir++)
		nb_new_ports_follow(&move->ports, &pair->dir[dir].conn);
	rc = nb_conn_table_add(&move->table, pair);
	if (rc == -EEXIST && !make_room(move, pair))
		return;
	if (rc == -EEXIST)
		rc = nb_conn_table_add(&move->table, pair);
	if (rc == -ENOSPC && is_half_open(pair))
		return;
	while (rc == -ENOSPC && evict(move))
		rc = nb_conn_table_add(&move->table, pair);
	move->lost += rc != 0;
}

/* Whether the walk takes a connection. */
static bool is_wanted(const struct move *move, const struct nb_pair *pair)
{
	__u32 state = nb_life_state(pair->dir[0].conn.life);

	if (is_expired(move, pair) || !is_whole(pair))
		return false;
	/* A client's next packet may use the tuple of a closed connection for a new one. */
	return move->walk != NB_CONNS_OPEN || (state != NB_TCP_TIME_WAIT && state != NB_TCP_CLOSE);
}

/* ---- out of an array of pairs ---- */

/* False: the value cannot be converted. */
static bool read_pair(const struct move *move, const void *value, struct nb_pair *pair)
{
	struct nb_old_pair old = { 0 };
	__u64 life;

	memset(pair, 0, sizeof(*pair));
	if (!nb_btf_conversion_run(&move->values, value, pair) ||
	    !nb_btf_conversion_run(&move->old, value, &old))
		return false;
	if (old.dir[0].conn.use)
		for (int dir = 0; dir < 2; dir++)
			nb_old_conn_take(&old.dir[dir].conn, &pair->dir[dir].conn);
	life = pair->dir[0].conn.life;
	for (int dir = 0; dir < 2; dir++)
		nb_conn_drop_unknown(&pair->dir[dir].conn, life);
	return true;
}

static bool is_taken(const struct nb_pair *pair)
{
	return nb_life_use(pair->dir[0].conn.life) == NB_USE_TAKEN;
}

/* What packets change while the pair is copied shows in its tuples (is_whole()), or in the next walk. */
static int take_pair(struct move *move, const void *at)
{
	struct nb_pair pair;

	memcpy(move->value, at, move->sizes.value);
	if (!read_pair(move, move->value, &pair))
		return does_not_fit(move);
	if (move->walk != NB_CONNS_CHECK && is_taken(&pair) && is_wanted(move, &pair) &&
	    !is_there(move, &pair))
		add(move, &pair);
	return 0;
}

/* Whether a pair was never used, which holds for most of a table: saves the conversion. */
static bool is_zero(const char *value, size_t len)
{
	return !value[0] && !memcmp(value, value + 1, len - 1);
}

/* The old array is mapped into memory, as the new one. */
static int take_pairs(struct move *move)
{
	const size_t stride = (move->sizes.value + 7) & ~7U, len = stride * move->sizes.max;
	char *pairs = mmap(NULL, len, PROT_READ, MAP_SHARED, move->map_fd, 0);
	int rc = 0;

	if (pairs == MAP_FAILED)
		return nb_fail(move->err, NB_ERR_SYSTEM, errno, "cannot map the old table into memory");
	for (__u32 i = 0; i < move->sizes.max && !rc; i++)
		if (!is_zero(pairs + i * stride, move->sizes.value))
			rc = take_pair(move, pairs + i * stride);
	munmap(pairs, len);
	return rc;
}

/* ---- out of a hash map of entries ---- */

static bool read_conn(const struct move *move, const void *value, struct nb_conn *conn)
{
	struct nb_old_conn old = { 0 };

	if (!nb_btf_conversion_run(&move->values, value, conn) ||
	    !nb_btf_conversion_run(&move->old, value, &old))
		return false;
	nb_old_conn_take(&old, conn);
	return true;
}

/* Completes a pair by its reply's entry. False: the old table has lost it. */
static bool read_reply(const struct move *move, struct nb_pair *pair)
{
	const struct nb_conn *conn = &pair->dir[0].conn;
	nb_autofree char *key = calloc(1, move->sizes.key);

	pair->dir[1].key = (struct nb_tuple){
		.src = conn->dst,
		.dst = conn->src,
		.sport = conn->dport,
		.dport = conn->sport,
		.proto = pair->dir[0].key.proto,
	};
	return key && nb_btf_conversion_run(&move->old_keys, &pair->dir[1].key, key) &&
	       !bpf_map_lookup_elem(move->map_fd, key, move->value) &&
	       read_conn(move, move->value, &pair->dir[1].conn);
}

static int take_entry(struct move *move, const void *key, const void *value)
{
	struct nb_pair pair = { 0 };

	if (!nb_btf_conversion_run(&move->keys, key, &pair.dir[0].key) ||
	    !read_conn(move, value, &pair.dir[0].conn))
		return does_not_fit(move);
	if (move->walk != NB_CONNS_CHECK && !(pair.dir[0].conn.flags & NB_CONN_REPLY) &&
	    read_reply(move, &pair) && is_wanted(move, &pair) && !is_there(move, &pair))
		add(move, &pair);
	return 0;
}

static int take_entries(const void *keys, const void *values, __u32 n, void *arg)
{
	struct move *move = arg;

	for (__u32 i = 0; i < n; i++) {
		int rc = take_entry(move, (const char *)keys + (size_t)i * move->sizes.key,
				    (const char *)values + (size_t)i * move->sizes.value);

		if (rc)
			return rc;
	}
	return 0;
}

/* ---- the conversions ---- */

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
	rc = nb_btf_conversion_make(&move->old_keys, new->btf, tuple, old->btf, old->info.btf_key_type_id,
				    err);
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

/*
 * Enters connections where the programs' ring comes last: they begin new ones where the table is free,
 * instead of evicting connections that have just been entered one beside the other.
 */
static int choose_place(struct move *move, const struct nb_datapath *to, struct nb_error *err)
{
	struct nb_runtime runtime = { 0 };
	struct nb_settings settings;
	const __u32 zero = 0;
	int rc = nb_settings_read(to, &settings, err);

	if (rc)
		return rc;
	rc = nb_map_get(to, NB_MAP_RUNTIME, &zero, &runtime, err);
	if (rc < 0)
		return rc;
	if (settings.max)
		move->table.cursor = (runtime.ring_cursor % settings.max + settings.max / 2) % settings.max;
	return 0;
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
	move->map_fd = from->map_fd[map];
	move->value = malloc(move->sizes.value);
	if (!move->value)
		return nb_fail_nomem(err);
	rc = nb_tick_now(to, &move->now, err);
	if (rc)
		return rc;
	rc = nb_conn_table_open(to, &move->table, err);
	if (rc)
		return rc;
	return choose_place(move, to, err);
}

static int move_table(const struct nb_datapath *from, const struct nb_datapath *to, struct move *move)
{
	enum nb_map map = table_of(from);
	int rc = prepare(move, from, map, to, move->err);

	if (rc)
		return rc;
	rc = nb_new_ports_find(from, to, &move->ports, move->err);
	if (rc)
		return rc;
	if (map == NB_MAP_CONNTRACK)
		return nb_map_walk(from, map, take_entries, move, move->err);
	return take_pairs(move);
}

int nb_migrate_conns(const struct nb_datapath *from, const struct nb_datapath *to, enum nb_conns_walk walk,
		     unsigned int *lost, struct nb_error *err)
{
	nb_cleanup(move_free) struct move move = { .walk = walk, .err = err };
	int rc = walk == NB_CONNS_CHECK ? ensure_seed(to, err) : 0;

	if (rc)
		return nb_wrap(err, "%s", nb_map_name(NB_MAP_SETTINGS));
	if (from->map_fd[table_of(from)] < 0 || to->map_fd[NB_MAP_CONNECTIONS] < 0)
		return 0;
	if (move_table(from, to, &move))
		return nb_wrap(err, "%s", nb_map_name(table_of(from)));
	if (lost)
		*lost += move.lost;
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
