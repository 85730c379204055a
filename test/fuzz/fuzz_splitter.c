// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Feeds mutated text to the splitter of JSON, with libFuzzer ("make fuzz"). The first byte is the
 * form of the input and the size of the chunks. Pieces, frame and failure are those of the same
 * text in one chunk.
 */
#include "lib/json/splitter.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A hash of what was heard: of each piece its text and size. */
struct heard {
	uint64_t hash;
	size_t n, bytes;
};

static void add(struct heard *heard, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		heard->hash = (heard->hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3;
}

static int hear(const struct nb_json_piece *piece, void *arg)
{
	struct heard *heard = arg;

	if (piece->len > piece->size || (piece->size > NB_JSON_HEAD && piece->len != NB_JSON_HEAD))
		abort();
	add(heard, piece->text, piece->len);
	add(heard, &piece->size, sizeof(piece->size));
	heard->n++;
	heard->bytes += piece->size;
	return 0;
}

static struct heard split(const uint8_t *data, size_t size, const char *key, size_t step)
{
	struct heard heard = { .hash = 0xcbf29ce484222325 };
	nb_cleanup(nb_json_splitter_free) struct nb_json_splitter splitter = {
		.key = key, .limit = NB_JSON_HEAD, .fn = hear, .arg = &heard
	};
	struct nb_error err = { 0 };
	int rc = 0;

	for (size_t at = 0; !rc && at < size; at += step) {
		const size_t len = step < size - at ? step : size - at;
		nb_autofree char *chunk = malloc(len);

		memcpy(chunk, data + at, len);
		rc = nb_json_splitter_feed(&splitter, chunk, len, &err);
	}
	if (!rc)
		rc = nb_json_splitter_end(&splitter, &err);
	if (rc && (!*err.msg || !err.code))
		abort();
	if (!rc && key)
		add(&heard, splitter.frame.text, splitter.frame.len);
	add(&heard, &rc, sizeof(rc));
	if (heard.bytes > size)
		abort();
	return heard;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *key;
	struct heard whole, chunks;

	if (size < 2)
		return 0;
	key = data[0] & 0x80 ? "items" : NULL;
	whole = split(data + 1, size - 1, key, size);
	chunks = split(data + 1, size - 1, key, (data[0] & 0x7f) + 1);
	if (whole.hash != chunks.hash || whole.n != chunks.n)
		abort();
	return 0;
}
