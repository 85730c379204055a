// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of connections in this process's memory. */
#include "conn_table.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <natbridge/abi.h>
#include <natbridge/conn_index.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "conn_table_access.h"
#include "layout.h"
#include "map.h"
#include "settings.h"

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

static bool change_use(const struct nb_conn_table *table, __u32 pair_id, __u32 from, __u32 to)
{
	__u32 *use = &table->pairs[pair_id].dir[0].conn.use;

	return __atomic_compare_exchange_n(use, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

int nb_conn_table_count(const struct nb_datapath *dp, __u32 *count, struct nb_error *err)
{
	nb_cleanup(nb_conn_table_close) struct nb_conn_table table = { 0 };
	__u32 counted = 0;
	int rc = nb_conn_table_open(dp, &table, err);

	if (rc)
		return rc;
	for (__u32 pair_id = 0; pair_id < table.n_pairs; pair_id++)
		counted += __atomic_load_n(&table.pairs[pair_id].dir[0].conn.use, __ATOMIC_RELAXED) ==
			   NB_USE_TAKEN;
	*count = counted;
	return 0;
}

/*
 * A reader takes no lock: the pair may be ended, and taken for another connection, while it is
 * copied. Then its use has changed, or a key is void or another one (as the kernel does with
 * SLAB_TYPESAFE_BY_RCU).
 */
bool nb_conn_table_get(const struct nb_conn_table *table, __u32 pair_id, struct nb_pair *pair)
{
	const struct nb_pair *at = &table->pairs[pair_id];

	if (__atomic_load_n(&at->dir[0].conn.use, __ATOMIC_ACQUIRE) != NB_USE_TAKEN)
		return false;
	*pair = *at;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&at->dir[0].conn.use, __ATOMIC_RELAXED) == NB_USE_TAKEN &&
	       nb_key_same(&pair->dir[0].key, &at->dir[0].key) && pair->dir[0].key.proto &&
	       nb_key_same(&pair->dir[1].key, &at->dir[1].key) && pair->dir[1].key.proto;
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

/* Frees a pair of this use, whose entries are not in the index: its keys become void. */
static void release(const struct nb_conn_table *table, __u32 pair_id, __u32 use)
{
	__atomic_store_n(&table->pairs[pair_id].dir[0].key.proto, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&table->pairs[pair_id].dir[1].key.proto, 0, __ATOMIC_RELAXED);
	change_use(table, pair_id, use, NB_USE_FREE);
}

/* The protocol comes last, as in nb_pair_write() of bpf/ebpf/conn_create.h: until then the key is void. */
static void write_entry(struct nb_entry *to, const struct nb_entry *from)
{
	struct nb_tuple key = from->key;

	to->conn = from->conn;
	key.proto = 0;
	to->key = key;
	__atomic_store_n(&to->key.proto, from->key.proto, __ATOMIC_SEQ_CST);
}

/* Writes a connection into a busy pair and inserts its entries; the pair is freed if that fails. */
static int insert(const struct nb_conn_table *table, __u32 pair_id, const struct nb_pair *pair)
{
	struct nb_pair *at = &table->pairs[pair_id];
	__s64 owner;

	write_entry(&at->dir[0], &pair->dir[0]);
	write_entry(&at->dir[1], &pair->dir[1]);
	for (int dir = 1; dir >= 0; dir--) {
		owner = nb_index_insert(table, &at->dir[dir].key, 2 * pair_id + dir);
		if (owner == NB_INDEX_DONE)
			continue;
		if (!dir)
			remove_entry(table, 2 * pair_id + 1);
		release(table, pair_id, NB_USE_BUSY);
		return owner == NB_INDEX_FULL ? -ENOSPC : -EEXIST;
	}
	change_use(table, pair_id, NB_USE_BUSY, NB_USE_TAKEN);
	return 0;
}

int nb_conn_table_add(struct nb_conn_table *table, const struct nb_pair *pair)
{
	struct nb_pair busy = *pair;

	busy.dir[0].conn.use = NB_USE_BUSY;
	for (__u32 i = 0; i < table->n_pairs; i++) {
		__u32 pair_id = table->cursor++ % table->n_pairs;

		if (change_use(table, pair_id, NB_USE_FREE, NB_USE_BUSY))
			return insert(table, pair_id, &busy);
	}
	return -ENOSPC;
}

bool nb_conn_table_end(const struct nb_conn_table *table, __u32 pair_id)
{
	const __u32 *use = &table->pairs[pair_id].dir[0].conn.use;

	if (!change_use(table, pair_id, NB_USE_TAKEN, NB_USE_ENDING) &&
	    __atomic_load_n(use, __ATOMIC_ACQUIRE) != NB_USE_ENDING)
		return false;
	remove_entry(table, 2 * pair_id);
	remove_entry(table, 2 * pair_id + 1);
	release(table, pair_id, NB_USE_ENDING);
	return true;
}

int nb_conn_table_seed(struct nb_settings *settings)
{
	ssize_t got = getrandom(settings->index_seed, sizeof(settings->index_seed), 0);

	return got == sizeof(settings->index_seed) ? 0 : -EIO;
}
