// SPDX-License-Identifier: GPL-2.0-or-later
/* Loads empty maps in the old ones' sizes, then copies map by map, chunk by chunk. */
#include "migrate.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/maps/seal.h"
#include "lib/maps/settings.h"
#include "lib/maps/usage.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "btf_convert.h"
#include "load.h"
#include "migrate_conns.h"
#include "migrate_flows.h"
#include "pins.h"

static bool is_array(const struct bpf_map_info *info)
{
	return info->type == BPF_MAP_TYPE_ARRAY;
}

struct copy {
	const struct nb_datapath *from, *to;
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

/* Converts a set of flows once more, as it is by now. */
static int settle_flows(const struct copy *copy, const void *key, struct nb_flow_set *set)
{
	nb_autofree char *value = calloc(1, copy->from_size.value);
	nb_autofree struct nb_flow_set *again = calloc(1, copy->to_size.value);
	int found;

	if (!value || !again)
		return nb_fail_nomem(copy->err);
	found = nb_map_get(copy->from, copy->map, key, value, copy->err);
	if (found < 0)
		return found;
	nb_btf_conversion_run(&copy->values, value, again);
	nb_migrate_flow_set(set, again);
	return 0;
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
		char *new_key = new_keys + (size_t)taken * copy->to_size.key;
		char *new_value = new_values + (size_t)taken * copy->to_size.value;

		if (copy->is_array && is_zero(value, copy->from_size.value)) /* the new one is zero as well */
			continue;
		if (!nb_btf_conversion_run(&copy->keys, key, new_key) ||
		    !nb_btf_conversion_run(&copy->values, value, new_value))
			return nb_fail(copy->err, NB_ERR_DATAPATH, 0,
				       "a value does not fit into map layout %d", NB_ABI_VERSION);
		/* The ledger, under the zero key, is not of the map's type. Zero: unfinished. */
		if (nb_map_rows[copy->map].migration == NB_MIGRATE_SERVICES &&
		    is_zero(key, copy->from_size.key))
			memset(new_value, 0, copy->to_size.value);
		nb_seal(copy->map, new_key, new_value);
		if (nb_map_rows[copy->map].migration == NB_MIGRATE_FLOWS) {
			int rc = settle_flows(copy, key, (struct nb_flow_set *)new_value);

			if (rc)
				return rc;
		}
		taken++;
	}
	return nb_map_write(copy->to, copy->map, new_keys, new_values, taken, NULL, copy->err);
}

/* What the programs learn again. */
static bool may_stay_empty(enum nb_map map)
{
	enum nb_map_migration migration = nb_map_rows[map].migration;

	return migration == NB_MIGRATE_IF_POSSIBLE || migration == NB_MIGRATE_FLOWS;
}

static int plan_keys(struct copy *copy, const struct nb_map_types *from, const struct nb_map_types *to,
		     struct nb_error *err)
{
	/* The index of an array: the map of a section has no type for it. */
	const struct nb_btf_conversion_step index = { 0, 0, sizeof(__u32), sizeof(__u32) };

	if (copy->is_array)
		return nb_vec_push(&copy->keys.steps, index, err);
	return nb_btf_conversion_make(&copy->keys, from->btf, from->info.btf_key_type_id, to->btf,
				      to->info.btf_key_type_id, err);
}

static int plan_copy(struct copy *copy, const struct nb_map_types *from, const struct nb_map_types *to,
		     struct nb_error *err)
{
	int rc;

	copy->is_array = is_array(&from->info);
	if (copy->is_array != is_array(&to->info))
		return nb_fail(err, NB_ERR_DATAPATH, 0,
			       "the map is an array in only one of the two map layouts");
	/* In another size, indices mean something else. */
	if (may_stay_empty(copy->map) && copy->is_array && from->info.max_entries != to->info.max_entries)
		return nb_fail(err, NB_ERR_DATAPATH, 0, "the map has another size");
	rc = plan_keys(copy, from, to, err);
	if (rc)
		return rc;
	return nb_btf_conversion_make(&copy->values, from->btf, from->info.btf_value_type_id, to->btf,
				      to->info.btf_value_type_id, err);
}

static int prepare(struct copy *copy, const struct nb_datapath *from, struct nb_error *err)
{
	nb_cleanup(nb_map_types_free) struct nb_map_types old = { 0 };
	nb_cleanup(nb_map_types_free) struct nb_map_types new = { 0 };
	int rc = nb_map_types_read(&old, from->map_fd[copy->map], err);

	if (rc)
		return rc;
	rc = nb_map_types_read(&new, copy->to->map_fd[copy->map], err);
	if (rc)
		return rc;
	rc = plan_copy(copy, &old, &new, err);
	if (rc)
		return rc;
	rc = nb_map_sizes(from, copy->map, &copy->from_size, err);
	if (rc)
		return rc;
	return nb_map_sizes(copy->to, copy->map, &copy->to_size, err);
}

static int copy_map(const struct nb_datapath *from, const struct nb_datapath *to, enum nb_map map,
		    struct nb_error *err)
{
	nb_cleanup(copy_free) struct copy copy = { .from = from, .to = to, .map = map, .err = err };
	int rc = prepare(&copy, from, err);

	if (rc)
		return rc;
	return nb_map_walk(from, map, copy_chunk, &copy, err);
}

static int copy_newer_affinity(const struct copy *copy, const void *old_key, const void *old_value)
{
	struct nb_affinity value = { 0 }, has;
	struct nb_affinity_key key = { 0 };
	int rc;

	if (!nb_btf_conversion_run(&copy->keys, old_key, &key) ||
	    !nb_btf_conversion_run(&copy->values, old_value, &value))
		return 0;
	rc = nb_map_get(copy->to, NB_MAP_AFFINITIES, &key, &has, NULL);
	if (rc > 0 && (__s32)(value.expires - has.expires) <= 0)
		return 0;
	if (rc < 0)
		return rc;
	nb_seal(NB_MAP_AFFINITIES, &key, &value);
	return nb_map_write(copy->to, NB_MAP_AFFINITIES, &key, &value, 1, NULL, NULL);
}

static int copy_newer_affinities(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct copy *copy = arg;
	int rc = 0;

	for (__u32 i = 0; i < n && !rc; i++)
		rc = copy_newer_affinity(copy, (const char *)keys + (size_t)i * copy->from_size.key,
					 (const char *)values + (size_t)i * copy->from_size.value);
	return rc;
}

void nb_migrate_affinities(const struct nb_datapath *from, const struct nb_datapath *to)
{
	nb_cleanup(copy_free) struct copy copy = { .to = to, .map = NB_MAP_AFFINITIES };

	if (from->map_fd[NB_MAP_AFFINITIES] < 0 || prepare(&copy, from, NULL))
		return;
	nb_map_walk(from, NB_MAP_AFFINITIES, copy_newer_affinities, &copy, NULL);
}

static bool is_copied(enum nb_map map)
{
	enum nb_map_migration migration = nb_map_rows[map].migration;

	return migration != NB_MIGRATE_NOT && migration != NB_MIGRATE_CONNS;
}

static int copy_maps(const struct nb_datapath *from, const struct nb_datapath *to, struct nb_error *err)
{
	for (int i = 0; i < NB_MAPS; i++) {
		struct nb_error why = { 0 };

		if (!is_copied(i) || from->map_fd[i] < 0 || to->map_fd[i] < 0)
			continue;
		if (!copy_map(from, to, i, &why) || may_stay_empty(i))
			continue;
		if (err)
			*err = why;
		return nb_wrap(err, "%s", nb_map_name(i));
	}
	return 0;
}

static int take_size(const struct nb_datapath *dp, enum nb_map map, __u32 *size, struct nb_error *err)
{
	return dp->map_fd[map] < 0 ? 0 : nb_map_capacity(dp, map, size, err);
}

/* The sizes of the old maps. A connection table that only another mode has takes the size of its flows. */
static int take_sizes(const struct nb_datapath *old, struct nb_limits *limits, struct nb_error *err)
{
	int rc = take_size(old, NB_MAP_FLOWS, &limits->connections, err);

	if (rc)
		return rc;
	rc = nb_migrate_capacity(old, &limits->connections, err);
	if (rc)
		return rc;
	rc = take_size(old, NB_MAP_FRONTENDS, &limits->frontends, err);
	if (rc)
		return rc;
	return take_size(old, NB_MAP_BACKENDS, &limits->backends, err);
}

static int load_modes(const struct nb_datapath_config *config, const struct nb_datapath *old,
		      struct nb_datapath *dp, struct nb_error *err)
{
	struct nb_datapath_config of_mode = *config;
	int rc = take_sizes(old, &of_mode.limits, err);

	if (rc)
		return rc;
	for (int mode = NB_MODE_OFF + 1; mode < NB_MODES; mode++) {
		if (mode != (int)config->mode && !nb_datapath_has_progs(old, mode))
			continue;
		of_mode.mode = mode;
		rc = nb_datapath_load(&of_mode, dp, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int migrate(const struct nb_datapath_config *config, struct nb_datapath *old, struct nb_datapath *dp,
		   struct nb_error *err)
{
	int rc = nb_pins_open(old, err);

	if (rc)
		return rc;
	rc = load_modes(config, old, dp, err);
	if (rc)
		return rc;
	rc = copy_maps(old, dp, err);
	if (rc)
		return rc;
	/* After the settings, which hold the seed of the index. handover.h brings the connections. */
	rc = nb_migrate_conns(old, dp, NB_CONNS_CHECK, NULL, err);
	if (rc)
		return rc;
	return nb_settings_change_flags(dp, 0, NB_SETTINGS_BEHIND, err);
}

int nb_migrate(const struct nb_datapath_config *config, unsigned int layout, const char *dir,
	       struct nb_datapath *dp, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath old = NB_DATAPATH_INIT;

	snprintf(old.dir, sizeof(old.dir), "%s", dir);
	if (migrate(config, &old, dp, err))
		return nb_wrap(err, "cannot migrate network \"%s\" from map layout %u to %d", config->network,
			       layout, NB_ABI_VERSION);
	return 0;
}
