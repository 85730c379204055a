// SPDX-License-Identifier: GPL-2.0-or-later
/* Batches of the bpf() system call, cut to sizes that the kernel takes. */
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
	CHUNK_FIRST = 4096,      /* elements that one call reads; a whole hash bucket must fit */
	CHUNK_MAX = 1 << 20,     /* longer than any bucket */
	WRITE_CHUNK = 1 << 16,   /* elements that one call writes: it cannot be interrupted */
	TRANSIENT_RETRIES = 200, /* 1 ms each */
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
	__u32 capacity;
	void *keys, *values;
};

static void chunk_free(struct chunk *chunk)
{
	free(chunk->keys);
	free(chunk->values);
}

static int chunk_resize(struct chunk *chunk, const struct nb_map_sizes *sizes, __u32 capacity,
			struct nb_error *err)
{
	chunk_free(chunk);
	chunk->capacity = capacity;
	chunk->keys = calloc(capacity, sizes->key);
	chunk->values = calloc(capacity, sizes->value);
	return chunk->keys && chunk->values ? 0 : nb_fail_nomem(err);
}

int nb_map_walk(const struct nb_datapath *dp, enum nb_map map, nb_map_fn fn, void *arg, struct nb_error *err)
{
	nb_cleanup(chunk_free) struct chunk chunk = { 0 };
	/* The kernel's cursor: a key for array maps, else a bucket number. */
	union {
		__u32 bucket;
		unsigned char key[sizeof(struct nb_service_key)];
	} at, next;
	struct nb_map_sizes sizes;
	bool is_first = true;
	int rc = nb_map_sizes(dp, map, &sizes, err);

	if (rc)
		return rc;
	rc = chunk_resize(&chunk, &sizes, CHUNK_FIRST, err);
	while (!rc) {
		__u32 n = chunk.capacity;
		int end = bpf_map_lookup_batch(dp->map_fd[map], is_first ? NULL : &at, &next, chunk.keys,
					       chunk.values, &n, NULL);

		if (end && errno == ENOSPC && chunk.capacity < CHUNK_MAX) {
			rc = chunk_resize(&chunk, &sizes, chunk.capacity * 4, err);
			continue;
		}
		if (end && errno != ENOENT)
			return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read map %s", nb_map_name(map));
		if (n)
			rc = fn(chunk.keys, chunk.values, n, arg);
		if (end)
			return rc;
		at = next;
		is_first = false;
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
 * Whether to try again after an error that passes. The kernel takes elements of a map without preallocation
 * from a small store that it refills in the background (ENOMEM); a program on this CPU may be using the
 * bucket (EBUSY).
 */
static bool passes(int errnum, unsigned int *retries)
{
	if ((errnum != ENOMEM && errnum != EBUSY && errnum != EINTR && errnum != EAGAIN) ||
	    ++*retries > TRANSIENT_RETRIES)
		return false;
	usleep(1000);
	return true;
}

/* How many elements to hand to one call. */
static __u32 batch_size(size_t left)
{
	return left < WRITE_CHUNK ? left : WRITE_CHUNK;
}

/* How many of them a call got through. If it fails before the first, the kernel may leave the count alone. */
static __u32 written(size_t left, __u32 count, int failed)
{
	return failed && count == batch_size(left) ? 0 : count;
}

int nb_map_write(const struct nb_datapath *dp, enum nb_map map, const void *keys, const void *values,
		 size_t n, unsigned int *writes, struct nb_error *err)
{
	struct nb_map_sizes sizes = { 0 };
	unsigned int retries = 0;
	size_t done = 0;
	int rc = n ? nb_map_sizes(dp, map, &sizes, err) : 0;

	if (rc)
		return rc;
	while (done < n) {
		__u32 count = batch_size(n - done);
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
		if (errnum && !passes(errnum, &retries))
			return nb_fail(err, NB_ERR_SYSTEM, errnum, "cannot write to map %s",
				       nb_map_name(map));
	}
	return 0;
}

int nb_map_remove(const struct nb_datapath *dp, enum nb_map map, const void *keys, size_t n,
		  unsigned int *writes, struct nb_error *err)
{
	struct nb_map_sizes sizes = { 0 };
	unsigned int retries = 0;
	size_t done = 0;
	int rc = n ? nb_map_sizes(dp, map, &sizes, err) : 0;

	if (rc)
		return rc;
	while (done < n) {
		__u32 count = batch_size(n - done);
		int failed = bpf_map_delete_batch(dp->map_fd[map], (const char *)keys + done * sizes.key,
						  &count, NULL);
		int errnum = failed ? errno : 0;

		count = written(n - done, count, failed);
		done += count;
		if (writes)
			*writes += count;
		if (errnum == ENOENT)
			done++;
		else if (errnum && !passes(errnum, &retries))
			return nb_fail(err, NB_ERR_SYSTEM, errnum, "cannot delete from map %s",
				       nb_map_name(map));
	}
	return 0;
}
