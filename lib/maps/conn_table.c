// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of connections in this process's memory. */
#include "conn_table.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <natbridge/abi.h>
#include <natbridge/conn_pair.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "conn_account.h"
#include "conn_table_access.h"
#include "layout.h"
#include "map.h"
#include "settings.h"

enum {
	COPY_TRIES = 4,
	WINDOW = 4096,  /* pairs: 1 MiB, which is a multiple of any page */
	END_TRIES = 64, /* attempts to end a connection whose packets change it meanwhile */
};

/* Maps an array. *n_elements is its size. */
static int map_array(const struct nb_datapath *dp, enum nb_map which, void **at, __u32 *n_elements,
		     struct nb_error *err)
{
	struct nb_map_sizes sizes = { 0 };
	int rc = nb_map_sizes(dp, which, &sizes, err);
	void *found;

	if (rc)
		return rc;
	found = mmap(NULL, (size_t)sizes.max * sizes.value, PROT_READ | PROT_WRITE, MAP_SHARED,
		     dp->map_fd[which], 0);
	if (found == MAP_FAILED)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot map %s into memory", nb_map_name(which));
	*at = found;
	*n_elements = sizes.max;
	return 0;
}

int nb_conn_table_open(const struct nb_datapath *dp, struct nb_conn_table *table, struct nb_error *err)
{
	nb_cleanup(nb_conn_table_close) struct nb_conn_table opened = { 0 };
	struct nb_settings settings;
	void *pairs, *sets;
	int rc = nb_settings_read(dp, &settings, err);

	if (rc)
		return rc;
	memcpy(opened.seed, settings.index_seed, sizeof(opened.seed));
	rc = map_array(dp, NB_MAP_CONNECTIONS, &pairs, &opened.n_pairs, err);
	if (rc)
		return rc;
	opened.pairs = pairs;
	rc = map_array(dp, NB_MAP_CONN_INDEX, &sets, &opened.n_sets, err);
	if (rc)
		return rc;
	opened.sets = sets;
	*table = opened;
	opened = (struct nb_conn_table){ 0 };
	return 0;
}

void nb_conn_table_close(struct nb_conn_table *table)
{
	if (table->pairs)
		munmap(table->pairs, (size_t)table->n_pairs * sizeof(*table->pairs));
	if (table->sets)
		munmap(table->sets, (size_t)table->n_sets * sizeof(*table->sets));
	*table = (struct nb_conn_table){ 0 };
}

void nb_conn_drop_unknown(struct nb_conn *conn, __u64 life)
{
	conn->seq = nb_tagged(conn->seq, life);
	conn->acked = nb_tagged(conn->acked, life);
	conn->checked = nb_tagged(conn->checked, life);
}

/* What a walk reads. */
struct walk {
	struct nb_conn_table window; /* pairs from first on; without an index */
	struct nb_conn_accounts accounts;
	__u32 first;
	bool (*wanted)(__u32 pair_id, __u64 life, void *arg); /* of those that have ended; NULL: none */
	int (*fn)(const struct nb_conn_copy *copy, void *arg);
	void *arg;
};

/* Whether a pair with this life has a connection, or had one that is wanted. */
static bool has_connection(const struct walk *walk, __u32 pair_id, __u64 life)
{
	return nb_life_use(life) == NB_USE_TAKEN ||
	       (walk->wanted && life && nb_life_use(life) == NB_USE_FREE &&
		walk->wanted(pair_id, life, walk->arg));
}

/* A packet may renew the connection while it is copied: then it is copied once more. */
static bool copy_pair(const struct nb_pair *at, const struct walk *walk, struct nb_conn_copy *copy)
{
	for (int i = 0; i < COPY_TRIES; i++) {
		__u64 life = nb_load(&at->dir[0].conn.life);

		if (!has_connection(walk, copy->pair_id, life))
			return false;
		nb_read_barrier();
		copy->pair = *at;
		nb_conn_accounts_get(&walk->accounts, copy->pair_id, copy->accounts);
		nb_read_barrier();
		if (!nb_life_same(nb_load(&at->dir[0].conn.life), life))
			continue;
		copy->pair.dir[0].conn.life = life;
		for (int dir = 0; dir < 2; dir++)
			nb_conn_drop_unknown(&copy->pair.dir[dir].conn, life);
		return true;
	}
	return false;
}

bool nb_conn_table_get(const struct nb_conn_table *table, __u32 pair_id, struct nb_pair *pair)
{
	const struct walk without_accounts = { 0 };
	struct nb_conn_copy copy = { .pair_id = pair_id };

	if (!copy_pair(&table->pairs[pair_id], &without_accounts, &copy))
		return false;
	*pair = copy.pair;
	return true;
}

/* Pairs from first on, in memory; the caller closes *window. */
static int map_window(const struct nb_datapath *dp, __u32 first, __u32 n, struct nb_conn_table *window,
		      struct nb_error *err)
{
	void *at = mmap(NULL, n * sizeof(struct nb_pair), PROT_READ, MAP_SHARED,
			dp->map_fd[NB_MAP_CONNECTIONS], (off_t)(first * sizeof(struct nb_pair)));

	if (at == MAP_FAILED)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot map connections into memory");
	*window = (struct nb_conn_table){ .pairs = at, .n_pairs = n };
	return 0;
}

static int walk_window(const struct walk *walk)
{
	struct nb_conn_copy copy;
	int rc = 0;

	for (__u32 i = 0; i < walk->window.n_pairs && !rc; i++) {
		copy.pair_id = walk->first + i;
		if (copy_pair(&walk->window.pairs[i], walk, &copy))
			rc = walk->fn(&copy, walk->arg);
	}
	return rc;
}

static int walk_piece(const struct nb_datapath *dp, struct walk *walk, __u32 n, struct nb_error *err)
{
	int rc = map_window(dp, walk->first, n, &walk->window, err);

	rc = rc ? rc : nb_conn_accounts_open(dp, walk->first, n, &walk->accounts, err);
	rc = rc ? rc : walk_window(walk);
	nb_conn_accounts_close(&walk->accounts);
	nb_conn_table_close(&walk->window);
	return rc;
}

static int walk_table(const struct nb_datapath *dp, struct walk *walk, struct nb_error *err)
{
	struct nb_map_sizes sizes;
	__u32 half = 0;
	int rc = nb_map_sizes(dp, NB_MAP_CONNECTIONS, &sizes, err);

	rc = rc ? rc : nb_conn_accounts_half(dp, &half, err);
	while (!rc && walk->first < sizes.max) {
		const __u32 end = walk->first < half && half < sizes.max ? half : sizes.max;
		const __u32 n = end - walk->first < WINDOW ? end - walk->first : WINDOW;

		rc = walk_piece(dp, walk, n, err);
		walk->first += n;
	}
	return rc;
}

int nb_conn_table_walk(const struct nb_datapath *dp, int (*fn)(const struct nb_conn_copy *copy, void *arg),
		       void *arg, struct nb_error *err)
{
	struct walk walk = { .fn = fn, .arg = arg };

	return walk_table(dp, &walk, err);
}

int nb_conn_table_walk_all(const struct nb_datapath *dp, bool (*wanted)(__u32 pair_id, __u64 life, void *arg),
			   int (*fn)(const struct nb_conn_copy *copy, void *arg), void *arg,
			   struct nb_error *err)
{
	struct walk walk = { .wanted = wanted, .fn = fn, .arg = arg };

	return walk_table(dp, &walk, err);
}

static int count_pair(const struct nb_conn_copy *copy, void *arg)
{
	(void)copy;
	++*(__u32 *)arg;
	return 0;
}

int nb_conn_table_count(const struct nb_datapath *dp, __u32 *count, struct nb_error *err)
{
	__u32 counted = 0;
	int rc = nb_conn_table_walk(dp, count_pair, &counted, err);

	if (rc)
		return rc;
	*count = counted;
	return 0;
}

struct nb_entry *nb_conn_table_find(const struct nb_conn_table *table, const struct nb_tuple *key,
				    __u32 *entry_id)
{
	__s64 found = nb_index_find(table, key, nb_conn_hash(table, key), 0);

	if (found < 0)
		return NULL;
	if (entry_id)
		*entry_id = found;
	return nb_entry_at(table, found);
}

static void remove_entry(const struct nb_conn_table *table, __u32 entry_id)
{
	nb_index_remove(table, nb_conn_hash(table, &nb_entry_at(table, entry_id)->key), entry_id);
}

/* Frees a pair that this process owns. Entries that are in no index are no error. */
static void clear(const struct nb_conn_table *table, __u32 pair_id)
{
	struct nb_pair *pair = &table->pairs[pair_id];

	nb_pair_void(pair, nb_load(&pair->dir[0].conn.life));
	remove_entry(table, 2 * pair_id);
	remove_entry(table, 2 * pair_id + 1);
	nb_pair_free(pair);
}

/* Enters a connection into a pair that this process owns; the pair is freed if that fails. */
static int insert(const struct nb_conn_table *table, __u32 pair_id, const struct nb_pair *from)
{
	struct nb_pair *pair = &table->pairs[pair_id];
	__s64 owner = NB_INDEX_DONE;

	nb_pair_fill(pair, &from->dir[0], &from->dir[1], NB_USE_ADDING);
	for (int dir = 1; dir >= 0 && owner == NB_INDEX_DONE; dir--)
		owner = nb_index_insert(table, &pair->dir[dir].key, 2 * pair_id + dir);
	if (owner == NB_INDEX_DONE && nb_pair_begin(pair))
		return 0;
	nb_pair_empty(pair, NB_USE_ENDING);
	clear(table, pair_id);
	return owner == NB_INDEX_FULL ? -ENOSPC : -EEXIST;
}

int nb_conn_table_add(struct nb_conn_table *table, const struct nb_pair *pair)
{
	for (__u32 i = 0; i < table->n_pairs; i++) {
		__u32 pair_id = table->cursor++ % table->n_pairs;

		if (nb_pair_take(&table->pairs[pair_id], NB_USE_ENDING))
			return insert(table, pair_id, pair);
	}
	return -ENOSPC;
}

bool nb_conn_table_end(const struct nb_conn_table *table, __u32 pair_id)
{
	struct nb_pair *pair = &table->pairs[pair_id];
	__u64 life = nb_load(&pair->dir[0].conn.life);

	/* Packets may change the life in between. */
	for (int i = 0; i < END_TRIES && nb_life_use(life) == NB_USE_TAKEN; i++) {
		if (nb_pair_claim(pair, life, NB_USE_ENDING)) {
			clear(table, pair_id);
			return true;
		}
		life = nb_load(&pair->dir[0].conn.life);
	}
	if (nb_life_use(life) == NB_USE_ADDING)
		nb_pair_empty(pair, NB_USE_ENDING);
	else if (nb_life_use(life) != NB_USE_ENDING)
		return false;
	clear(table, pair_id);
	return true;
}

int nb_conn_table_seed(struct nb_settings *settings)
{
	ssize_t got = getrandom(settings->index_seed, sizeof(settings->index_seed), 0);

	return got == sizeof(settings->index_seed) ? 0 : -EIO;
}
