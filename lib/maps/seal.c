// SPDX-License-Identifier: GPL-2.0-or-later
/* One function for each map whose values have seals. */
#include "seal.h"

#include <natbridge/abi.h>
#include <natbridge/seal.h>

#include "layout.h"

static void seal_frontend(const void *key, void *value)
{
	((struct nb_frontend *)value)->seal = nb_frontend_seal(key, value);
}

static void seal_backend(const void *key, void *value)
{
	((struct nb_backend *)value)->seal = nb_backend_seal(key, value);
}

static void seal_affinity(const void *key, void *value)
{
	((struct nb_affinity *)value)->seal = nb_affinity_seal(key, value);
}

static void seal_endpoint(const void *key, void *value)
{
	((struct nb_endpoint *)value)->seal = nb_endpoint_seal(key, value);
}

static void seal_device(const void *key, void *value)
{
	((struct nb_device *)value)->seal = nb_device_seal(*(const __u32 *)key, value);
}

/* Only programs write fragments[]. */
static void (*const sealers[NB_MAPS])(const void *key, void *value) = {
	[NB_MAP_FRONTENDS] = seal_frontend,  [NB_MAP_BACKENDS] = seal_backend,
	[NB_MAP_AFFINITIES] = seal_affinity, [NB_MAP_ENDPOINTS] = seal_endpoint,
	[NB_MAP_DEVICES] = seal_device,
};

void nb_seal(enum nb_map map, const void *key, void *value)
{
	if (sealers[map])
		sealers[map](key, value);
}
