// SPDX-License-Identifier: GPL-2.0-or-later
#include "migrate.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "btf_convert.h"

static bool is_array(const struct bpf_map_info *info)
{
	return info->type == BPF_MAP_TYPE_ARRAY;
}

struct copy {
	const struct nb_datapath *to;
	enum nb_map map;
	struct nb_btf_conversion keys, values;
	struct nb_map_sizes from_size, to_size;
	bool is_array;
	struct nb_error *err;
};

static void copy_free(struct copy *copy)
{
	nb_btf_conversion_free(&copy->keys);
	nb_btf_conversion_free(&copy->values);
}

static bool is_zero(const char *bytes, __u32 len)
{
	for (__u32 i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

static int copy_chunk(const void *keys, const void *values, __u32 n, void *arg)
{
	struct copy *copy = arg;
	nb_autofree char *new_keys = calloc(n, copy->to_size.key);
	nb_autofree char *new_values = calloc(n, copy->to_size.value);
	__u32 taken = 0;

	if (!new_keys || !new_values)
		return nb_fail_nomem(copy->err);
	for (__u32 i = 0; i < n; i++) {
		const char *key = (const char *)keys + (size_t)i * copy->from_size.key;
		const char *value = (const char *)values + (size_t)i * copy->from_size.value;

		if (copy->is_array && is_zero(value, copy->from_size.value)) /* as it is there already */
			continue;
		if (!nb_btf_conversion_run(&copy->keys, key, new_keys + (size_t)taken * copy->to_size.key) ||
		    !nb_btf_conversion_run(&copy->values, value,
					   new_values + (size_t)taken * copy->to_size.value))
			return nb_fail(copy->err, NB_ERR_DATAPATH, 0,
				       "holds what there is no room for any more");
		/* The services' ledger, under the zero key, is not what the map's types say. Zero:
		 * unfinished. */
		if (nb_map_rows[copy->map].migration == NB_MIGRATE_SERVICES &&
		    is_zero(key, copy->from_size.key))
			memset(new_values + (size_t)taken * copy->to_size.value, 0, copy->to_size.value);
		taken++;
	}
	return nb_map_write(copy->to, copy->map, new_keys, new_values, taken, NULL, copy->err);
}

/* An array's key is an index, which a section of variables does not even give a type. */
static int plan(struct copy *copy, const struct nb_map_types *from, const struct nb_map_types *to,
		struct nb_error *err)
{
	const struct nb_btf_conversion_step index = { 0, 0, sizeof(__u32), sizeof(__u32) };
	int rc;

	if (copy->is_array != is_array(&to->info))
		return nb_fail(err, NB_ERR_DATAPATH, 0, "is a map of another kind");
	if (copy->is_array)
		rc = nb_vec_push(&copy->keys, index, err);
	else
		rc = nb_btf_conversion_make(&copy->keys, from->btf, from->info.btf_key_type_id, to->btf,
					    to->info.btf_key_type_id, err);
	return rc
		       ?: nb_btf_conversion_make(&copy->values, from->btf, from->info.btf_value_type_id,
						 to->btf, to->info.btf_value_type_id, err);
}

static int prepare(struct copy *copy, const struct nb_datapath *from, struct nb_error *err)
{
	struct nb_map_types old nb_cleanup(nb_map_types_free) = { 0 },
				new nb_cleanup(nb_map_types_free) = { 0 };
	int rc = nb_map_types_read(&old, from->map_fd[copy->map], err);

	rc = rc ?: nb_map_types_read(&new, copy->to->map_fd[copy->map], err);
	if (rc)
		return rc;
	copy->is_array = is_array(&old.info);
	if (nb_map_rows[copy->map].migration == NB_MIGRATE_IF_POSSIBLE && copy->is_array &&
	    old.info.max_entries != new.info.max_entries)
		return nb_fail(err, NB_ERR_DATAPATH, 0, "has another size"); /* and with it, other indexes */
	rc = plan(copy, &old, &new, err);
	rc = rc ?: nb_map_sizes(from, copy->map, &copy->from_size, err);
	return rc ?: nb_map_sizes(copy->to, copy->map, &copy->to_size, err);
}

static int copy_map(const struct nb_datapath *from, const struct nb_datapath *to, enum nb_map map,
		    struct nb_error *err)
{
	struct copy copy nb_cleanup(copy_free) = { .to = to, .map = map, .err = err };
	int rc = prepare(&copy, from, err);

	return rc ?: nb_map_walk(from, map, copy_chunk, &copy, err);
}

static bool is_copied(enum nb_map map)
{
	enum nb_map_migration migration = nb_map_rows[map].migration;

	return migration != NB_MIGRATE_NOT && migration != NB_MIGRATE_CONNS;
}

int nb_migrate_maps(const struct nb_datapath *from, const struct nb_datapath *to, struct nb_error *err)
{
	for (int i = 0; i < NB_MAPS; i++) {
		struct nb_error why = { 0 };
		int rc = 0;

		if (is_copied(i) && from->map_fd[i] >= 0 && to->map_fd[i] >= 0)
			rc = copy_map(from, to, i, &why);
		if (!rc || nb_map_rows[i].migration == NB_MIGRATE_IF_POSSIBLE)
			continue;
		if (err)
			*err = why;
		return nb_wrap(err, "%s", nb_map_name(i));
	}
	/* After the settings, where the seed of their hash stands. */
	return nb_migrate_conns(from, to, err);
}
