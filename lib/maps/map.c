// SPDX-License-Identifier: GPL-2.0-or-later
#include "map.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "layout.h"

enum {
	CHUNK_FIRST = 4096,      /* elements asked for at a time; a hash bucket must fit as a whole */
	CHUNK_MAX = 1 << 20,     /* no bucket is as long */
	WRITE_CHUNK = 1 << 16,   /* elements a system call, which cannot be interrupted */
	TRANSIENT_RETRIES = 200, /* times 1 ms */
};

int nb_map_sizes(const struct nb_datapath *dp, enum nb_map map, struct nb_map_sizes *sizes,
		 struct nb_error *err)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(dp->map_fd[map], &info, &len))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read the size of map %s", nb_map_name(map));
	*sizes = (struct nb_map_sizes){ info.key_size, info.value_size, info.max_entries };
	return 0;
}

struct chunk {
	__u32 room;
	void *keys, *values;
};

static void chunk_free(struct chunk *chunk)
{
	free(chunk->keys);
	free(chunk->values);
}

static int chunk_grow(struct chunk *chunk, const struct nb_map_sizes *sizes, __u32 room, struct nb_error *err)
{
	chunk_free(chunk);
	chunk->room = room;
	chunk->keys = calloc(room, sizes->key);
	chunk->values = calloc(room, sizes->value);
	return chunk->keys && chunk->values ? 0 : nb_fail_nomem(err);
}

int nb_map_walk(const struct nb_datapath *dp, enum nb_map map, nb_map_fn fn, void *arg, struct nb_error *err)
{
	struct chunk chunk nb_cleanup(chunk_free) = { 0 };
	/* The kernel's cursor: a key for array maps, else a bucket number. */
	union {
		__u32 bucket;
		unsigned char key[sizeof(struct nb_service_key)];
	} at, next;
	struct nb_map_sizes sizes;
	bool first = true;
	int rc = nb_map_sizes(dp, map, &sizes, err);

	if (!rc)
		rc = chunk_grow(&chunk, &sizes, CHUNK_FIRST, err);
	while (!rc) {
		__u32 n = chunk.room;
		int end = bpf_map_lookup_batch(dp->map_fd[map], first ? NULL : &at, &next, chunk.keys,
					       chunk.values, &n, NULL);

		if (end && errno == ENOSPC && chunk.room < CHUNK_MAX) {
			rc = chunk_grow(&chunk, &sizes, chunk.room * 4, err);
			continue;
		}
		if (end && errno != ENOENT)
			return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read map %s", nb_map_name(map));
		if (n)
			rc = fn(chunk.keys, chunk.values, n, arg);
		if (end)
			break;
		at = next;
		first = false;
	}
	return rc;
}

int nb_map_get(const struct nb_datapath *dp, enum nb_map map, const void *key, void *value,
	       struct nb_error *err)
{
	if (!bpf_map_lookup_elem(dp->map_fd[map], key, value))
		return 1;
	if (errno == ENOENT)
		return 0;
	return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read map %s", nb_map_name(map));
}

/*
 * Errors that pass: an element of a map without preallocation comes from a small store that the kernel fills
 * up in the background (ENOMEM), and a bucket may be in use by a program on this CPU (EBUSY).
 */
static bool transient(int errnum, unsigned int *retries)
{
	if ((errnum != ENOMEM && errnum != EBUSY && errnum != EINTR && errnum != EAGAIN) ||
	    ++*retries > TRANSIENT_RETRIES)
		return false;
	usleep(1000);
	return true;
}

/* Elements that a batch got through: before the first one the kernel may fail without setting the count. */
static __u32 written(size_t left, __u32 count, int failed)
{
	__u32 asked = left < WRITE_CHUNK ? left : WRITE_CHUNK;

	return failed && count == asked ? 0 : count;
}

int nb_map_write(const struct nb_datapath *dp, enum nb_map map, const void *keys, const void *values,
		 size_t n, unsigned int *writes, struct nb_error *err)
{
	struct nb_map_sizes sizes;
	unsigned int retries = 0;
	int rc = n ? nb_map_sizes(dp, map, &sizes, err) : 0;
	size_t done = 0;

	while (!rc && done < n) {
		__u32 count = n - done < WRITE_CHUNK ? n - done : WRITE_CHUNK;
		int failed = bpf_map_update_batch(dp->map_fd[map], (const char *)keys + done * sizes.key,
						  (const char *)values + done * sizes.value, &count, NULL);
		int errnum = failed ? errno : 0;

		count = written(n - done, count, failed);
		done += count;
		if (writes)
			*writes += count;
		if (errnum == E2BIG)
			return nb_fail(err, NB_ERR_DATAPATH, ENOSPC,
				       "map %s is full (it holds at most %u elements)", nb_map_name(map),
				       sizes.max);
		if (errnum && !transient(errnum, &retries))
			return nb_fail(err, NB_ERR_SYSTEM, errnum, "cannot write to map %s",
				       nb_map_name(map));
	}
	return rc;
}

int nb_map_remove(const struct nb_datapath *dp, enum nb_map map, const void *keys, size_t n,
		  unsigned int *writes, struct nb_error *err)
{
	struct nb_map_sizes sizes;
	unsigned int retries = 0;
	int rc = n ? nb_map_sizes(dp, map, &sizes, err) : 0;
	size_t done = 0;

	while (!rc && done < n) {
		__u32 count = n - done < WRITE_CHUNK ? n - done : WRITE_CHUNK;
		int failed = bpf_map_delete_batch(dp->map_fd[map], (const char *)keys + done * sizes.key,
						  &count, NULL);
		int errnum = failed ? errno : 0;

		count = written(n - done, count, failed);
		done += count;
		if (writes)
			*writes += count;
		if (errnum == ENOENT)
			done++;
		else if (errnum && !transient(errnum, &retries))
			return nb_fail(err, NB_ERR_SYSTEM, errnum, "cannot delete from map %s",
				       nb_map_name(map));
	}
	return rc;
}
