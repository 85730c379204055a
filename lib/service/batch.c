// SPDX-License-Identifier: GPL-2.0-or-later
/* Keys and values side by side in two growing buffers, as the kernel takes them. */
#include "batch.h"

#include <string.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/maps/seal.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "plan.h"

static const struct {
	size_t key, value; /* bytes */
} sizes[NB_MAPS] = {
	[NB_MAP_FRONTENDS] = { sizeof(struct nb_frontend_key), sizeof(struct nb_frontend) },
	[NB_MAP_BACKENDS] = { sizeof(struct nb_backend_key), sizeof(struct nb_backend) },
	[NB_MAP_SERVICES] = { sizeof(struct nb_service_key), sizeof(struct nb_service_entry) },
	[NB_MAP_SOURCE_RANGES] = { sizeof(struct nb_source_range), sizeof(__u32) },
	[NB_MAP_SERVICE_IDS] = { sizeof(__u32), sizeof(__u32) },
};

struct nb_batch nb_batch_write(struct nb_plan *plan, enum nb_map map)
{
	return (struct nb_batch){ .plan = plan, .map = map };
}

struct nb_batch nb_batch_delete(struct nb_plan *plan, enum nb_map map)
{
	return (struct nb_batch){ .plan = plan, .map = map, .deletes = true };
}

int nb_batch_add(struct nb_batch *batch, const void *key, const void *value, struct nb_error *err)
{
	size_t key_size = sizes[batch->map].key, value_size = sizes[batch->map].value;
	int rc = nb_vec_reserve(&batch->keys, (batch->n + 1) * key_size, err);

	if (rc)
		return rc;
	if (!batch->deletes) {
		rc = nb_vec_reserve(&batch->values, (batch->n + 1) * value_size, err);
		if (rc)
			return rc;
		memcpy(batch->values.items + batch->n * value_size, value, value_size);
		nb_seal(batch->map, key, batch->values.items + batch->n * value_size);
	}
	memcpy(batch->keys.items + batch->n * key_size, key, key_size);
	batch->n++;
	return 0;
}

int nb_batch_run(const struct nb_batch *batch, struct nb_error *err)
{
	unsigned int *writes = &batch->plan->changes.map_writes;
	const struct nb_datapath *dp = batch->plan->snapshot->dp;

	if (batch->deletes)
		return nb_map_remove(dp, batch->map, batch->keys.items, batch->n, writes, err);
	return nb_map_write(dp, batch->map, batch->keys.items, batch->values.items, batch->n, writes, err);
}

void nb_batch_free(struct nb_batch *batch)
{
	nb_vec_free(&batch->keys);
	nb_vec_free(&batch->values);
}
