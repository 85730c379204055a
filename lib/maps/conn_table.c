// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn_table.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <natbridge/abi.h>
#include <natbridge/conn_index.h>

#include "lib/util/error.h"

#include "conn_table_access.h"
#include "layout.h"
#include "map.h"
#include "settings.h"

static int map(const struct nb_datapath *dp, enum nb_map which, void **at, __u32 *elements,
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
	*elements = sizes.max;
	return 0;
}

int nb_conn_table_open(const struct nb_datapath *dp, struct nb_conn_table *table, struct nb_error *err)
{
	struct nb_settings settings;
	void *pairs = NULL, *sets = NULL;
	int rc;

	*table = (struct nb_conn_table){ 0 };
	rc = nb_settings_read(dp, &settings, err);
	rc = rc ?: map(dp, NB_MAP_CONNECTIONS, &pairs, &table->n_pairs, err);
	table->pairs = pairs;
	rc = rc ?: map(dp, NB_MAP_CONN_INDEX, &sets, &table->n_sets, err);
	table->sets = sets;
	if (rc) {
		nb_conn_table_close(table);
		return rc;
	}
	memcpy(table->seed, settings.index_seed, sizeof(table->seed));
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

static bool change_use(const struct nb_conn_table *table, __u32 place, __u32 from, __u32 to)
{
	__u32 *use = &table->pairs[place].dir[0].conn.use;

	return __atomic_compare_exchange_n(use, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

int nb_conn_table_count(const struct nb_datapath *dp, __u32 *count, struct nb_error *err)
{
	struct nb_conn_table table;
	__u32 counted = 0;
	int rc = nb_conn_table_open(dp, &table, err);

	if (rc)
		return rc;
	for (__u32 place = 0; place < table.n_pairs; place++)
		counted += __atomic_load_n(&table.pairs[place].dir[0].conn.use, __ATOMIC_RELAXED) ==
			   NB_USE_TAKEN;
	nb_conn_table_close(&table);
	*count = counted;
	return 0;
}

bool nb_conn_table_get(const struct nb_conn_table *table, __u32 place, struct nb_pair *pair)
{
	const struct nb_pair *at = &table->pairs[place];

	if (__atomic_load_n(&at->dir[0].conn.use, __ATOMIC_ACQUIRE) != NB_USE_TAKEN)
		return false;
	*pair = *at;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	/* It may have been ended meanwhile: then a key is void, or another one's. */
	return __atomic_load_n(&at->dir[0].conn.use, __ATOMIC_RELAXED) == NB_USE_TAKEN &&
	       nb_key_same(&pair->dir[0].key, &at->dir[0].key) && pair->dir[0].key.proto &&
	       nb_key_same(&pair->dir[1].key, &at->dir[1].key) && pair->dir[1].key.proto;
}

struct nb_entry *nb_conn_table_find(const struct nb_conn_table *table, const struct nb_tuple *key,
				    __u32 *slot)
{
	__s64 found = nb_index_find(table, key, nb_conn_hash(table, key), 0);

	if (found < 0)
		return NULL;
	if (slot)
		*slot = found;
	return nb_entry_at(table, found);
}

static void leave(const struct nb_conn_table *table, __u32 slot)
{
	nb_index_remove(table, nb_conn_hash(table, &nb_entry_at(table, slot)->key), slot);
}

static void release(const struct nb_conn_table *table, __u32 place, __u32 use)
{
	table->pairs[place].dir[0].key.proto = 0;
	table->pairs[place].dir[1].key.proto = 0;
	change_use(table, place, use, NB_USE_FREE);
}

/* As nb_pair_write() of bpf/ebpf/conn_create.h: the protocol, with which the key is somebody's, comes last.
 */
static void write_entry(struct nb_entry *to, const struct nb_entry *from)
{
	struct nb_tuple key = from->key;

	to->conn = from->conn;
	key.proto = 0;
	to->key = key;
	__atomic_store_n(&to->key.proto, from->key.proto, __ATOMIC_SEQ_CST);
}

static int enter(const struct nb_conn_table *table, __u32 place, const struct nb_pair *pair)
{
	struct nb_pair *at = &table->pairs[place];
	__s64 whose;

	write_entry(&at->dir[0], &pair->dir[0]);
	write_entry(&at->dir[1], &pair->dir[1]);
	for (int dir = 1; dir >= 0; dir--) {
		whose = nb_index_put(table, &at->dir[dir].key, 2 * place + dir);
		if (whose == NB_INDEX_DONE)
			continue;
		if (!dir)
			leave(table, 2 * place + 1);
		release(table, place, NB_USE_BUSY);
		return whose == NB_INDEX_FULL ? -ENOSPC : -EEXIST;
	}
	change_use(table, place, NB_USE_BUSY, NB_USE_TAKEN);
	return 0;
}

int nb_conn_table_add(struct nb_conn_table *table, const struct nb_pair *pair)
{
	struct nb_pair busy = *pair;

	busy.dir[0].conn.use = NB_USE_BUSY;
	for (__u32 i = 0; i < table->n_pairs; i++) {
		__u32 place = table->cursor++ % table->n_pairs;

		if (change_use(table, place, NB_USE_FREE, NB_USE_BUSY))
			return enter(table, place, &busy);
	}
	return -ENOSPC;
}

bool nb_conn_table_end(const struct nb_conn_table *table, __u32 place)
{
	const __u32 *use = &table->pairs[place].dir[0].conn.use;

	if (!change_use(table, place, NB_USE_TAKEN, NB_USE_ENDING) &&
	    __atomic_load_n(use, __ATOMIC_ACQUIRE) != NB_USE_ENDING)
		return false;
	leave(table, 2 * place);
	leave(table, 2 * place + 1);
	release(table, place, NB_USE_ENDING);
	return true;
}

int nb_conn_table_seed(struct nb_settings *settings)
{
	return getrandom(settings->index_seed, sizeof(settings->index_seed), 0) ==
			       sizeof(settings->index_seed)
		       ? 0
		       : -EIO;
}
