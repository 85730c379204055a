// SPDX-License-Identifier: GPL-2.0-or-later
#include "migrate.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

#include "lib/maps/map.h"
#include "lib/util/cleanup.h"
#include "lib/util/vec.h"

enum need {
	LEFT_OUT,
	IF_POSSIBLE, /* it is found out anew */
	NEEDED,
};

static const enum need needs[NB_MAPS] = {
	[NB_MAP_CONNECTIONS] = LEFT_OUT, /* carry_conns.c */
	[NB_MAP_CONN_INDEX] = LEFT_OUT,
	[NB_MAP_CONNTRACK] = LEFT_OUT,
	[NB_MAP_FRONTENDS] = NEEDED,
	[NB_MAP_BACKENDS] = NEEDED,
	[NB_MAP_SERVICE_IDS] = NEEDED,
	[NB_MAP_AFFINITIES] = IF_POSSIBLE,
	[NB_MAP_FRAGMENTS] = LEFT_OUT,
	[NB_MAP_SERVICES] = NEEDED,
	[NB_MAP_ENDPOINTS] = NEEDED,
	[NB_MAP_PORTS] = NEEDED,
	[NB_MAP_LINKS] = NEEDED,
	[NB_MAP_COUNTERS] = LEFT_OUT,
	[NB_MAP_SETTINGS] = NEEDED,
	[NB_MAP_RUNTIME] = NEEDED,
	[NB_MAP_FLOWS] = IF_POSSIBLE,
	[NB_MAP_OWN_PORTS] = IF_POSSIBLE,
	[NB_MAP_FRONTENDS_SEEN] = LEFT_OUT,
};

void nb_map_types_free(struct nb_map_types *side)
{
	btf__free(side->btf);
}

int nb_map_types_read(struct nb_map_types *side, int fd, struct nb_error *err)
{
	__u32 len = sizeof(side->info);

	if (bpf_obj_get_info_by_fd(fd, &side->info, &len))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read about it");
	if (!side->info.btf_id)
		return nb_fail(err, NB_ERR_DATAPATH, 0, "does not say what its values are (BTF)");
	side->btf = btf__load_from_kernel_by_id(side->info.btf_id);
	return side->btf ? 0 : nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read its types (BTF)");
}

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
	if (needs[copy->map] == IF_POSSIBLE && copy->is_array && old.info.max_entries != new.info.max_entries)
		return nb_fail(err, NB_ERR_DATAPATH, 0, "has another size"); /* and with it, other indexes */
	rc = plan(copy, &old, &new, err);
	rc = rc ?: nb_map_sizes(from, copy->map, &copy->from_size, err);
	return rc ?: nb_map_sizes(copy->to, copy->map, &copy->to_size, err);
}

static int carry_map(const struct nb_datapath *from, const struct nb_datapath *to, enum nb_map map,
		     struct nb_error *err)
{
	struct copy copy nb_cleanup(copy_free) = { .to = to, .map = map, .err = err };
	int rc = prepare(&copy, from, err);

	return rc ?: nb_map_walk(from, map, copy_chunk, &copy, err);
}

int nb_migrate_maps(const struct nb_datapath *from, const struct nb_datapath *to, struct nb_error *err)
{
	for (int i = 0; i < NB_MAPS; i++) {
		struct nb_error why = { 0 };
		int rc = 0;

		if (needs[i] != LEFT_OUT && from->map_fd[i] >= 0 && to->map_fd[i] >= 0)
			rc = carry_map(from, to, i, &why);
		if (!rc || needs[i] == IF_POSSIBLE)
			continue;
		if (err)
			*err = why;
		return nb_wrap(err, "%s", nb_map_name(i));
	}
	/* After the settings, where the seed of their hash stands. */
	return nb_migrate_conns(from, to, err);
}
