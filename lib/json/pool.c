// SPDX-License-Identifier: GPL-2.0-or-later
/* cJSON's hooks: allocations out of a block that is emptied as a whole. */
#include "pool.h"

#include <cjson/cJSON.h>

#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>

enum {
	BLOCK_SIZE = 512 * 1024, /* pages come as they are used */
	ALIGNMENT = alignof(max_align_t),
};

static alignas(ALIGNMENT) char block[BLOCK_SIZE];
static size_t used, in_use; /* bytes of the block; allocations in it that are not freed */

static void *allocate(size_t size)
{
	const size_t rounded = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	void *at;

	if (rounded < size || rounded > sizeof(block) - used)
		return malloc(size);
	at = block + used;
	used += rounded;
	in_use++;
	return at;
}

static void release(void *at)
{
	const char *byte = at;

	if (byte < block || byte >= block + sizeof(block)) {
		free(at);
		return;
	}
	if (!--in_use)
		used = 0;
}

void nb_json_use_pool(void)
{
	cJSON_InitHooks(&(cJSON_Hooks){ .malloc_fn = allocate, .free_fn = release });
}
