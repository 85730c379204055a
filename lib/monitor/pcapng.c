// SPDX-License-Identifier: GPL-2.0-or-later
/* Blocks of pcapng: a section, an interface for each device, packets with comments. All in host byte order.
 */
#include "pcapng.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"
#include "lib/util/vec.h"

enum {
	SECTION = 0x0a0d0d0a,
	INTERFACE = 1,
	PACKET = 6,

	MAGIC = 0x1a2b3c4d,
	ETHERNET = 1, /* LINKTYPE_ETHERNET */

	OPT_END = 0,
	OPT_COMMENT = 1,
	IF_NAME = 2,
	IF_TSRESOL = 9,
	NANOSECONDS = 9, /* 10 to the power of -9 seconds */

	BLOCK_MAX = 1024,
};

struct nb_pcapng {
	FILE *to;
	NB_VEC(char *) devices; /* by number of interface */
};

/* A block that is being put together. */
struct block {
	uint32_t type;
	size_t len;
	unsigned char body[BLOCK_MAX];
};

/* Padded to 32 bits, as everything is. What does not fit is left out. */
static void put(struct block *block, const void *from, size_t len)
{
	const size_t padded = (len + 3) & ~(size_t)3;

	if (block->len + padded > BLOCK_MAX)
		return;
	memset(block->body + block->len, 0, padded);
	memcpy(block->body + block->len, from, len);
	block->len += padded;
}

static void put_u32(struct block *block, uint32_t value)
{
	put(block, &value, sizeof(value));
}

static void put_option(struct block *block, uint16_t code, const void *from, size_t len)
{
	const uint16_t head[2] = { code, (uint16_t)len };

	put(block, head, sizeof(head));
	put(block, from, len);
}

static int write_block(struct nb_pcapng *pcapng, const struct block *block, struct nb_error *err)
{
	const uint32_t len = (uint32_t)block->len + 3 * sizeof(uint32_t);

	fwrite(&block->type, sizeof(block->type), 1, pcapng->to);
	fwrite(&len, sizeof(len), 1, pcapng->to);
	fwrite(block->body, 1, block->len, pcapng->to);
	fwrite(&len, sizeof(len), 1, pcapng->to);
	if (fflush(pcapng->to) || ferror(pcapng->to))
		return nb_fail(err, NB_ERR_IO, errno, "cannot write packets");
	return 0;
}

int nb_pcapng_begin(FILE *to, struct nb_pcapng **pcapng, struct nb_error *err)
{
	nb_cleanup(nb_pcapng_end) struct nb_pcapng *new = calloc(1, sizeof(*new));
	const uint16_t version[2] = { 1, 0 };
	const int64_t unknown_len = -1;
	struct block block = { .type = SECTION };
	int rc;

	if (!new)
		return nb_fail_nomem(err);
	new->to = to;
	put_u32(&block, MAGIC);
	put(&block, version, sizeof(version));
	put(&block, &unknown_len, sizeof(unknown_len));
	rc = write_block(new, &block, err);
	if (rc)
		return rc;
	*pcapng = NB_TAKE_PTR(new);
	return 0;
}

void nb_pcapng_end(struct nb_pcapng **pcapng)
{
	struct nb_pcapng *old = *pcapng;

	if (!old)
		return;
	for (size_t i = 0; i < old->devices.n; i++)
		free(old->devices.items[i]);
	nb_vec_free(&old->devices);
	free(old);
	*pcapng = NULL;
}

/* The number of a device's interface, of which the file gets the block first. */
static int interface_of(struct nb_pcapng *pcapng, const char *device, uint32_t *number, struct nb_error *err)
{
	const unsigned char resolution = NANOSECONDS;
	const uint16_t link[2] = { ETHERNET, 0 };
	struct block block = { .type = INTERFACE };
	nb_autofree char *name = NULL;
	int rc;

	for (*number = 0; *number < pcapng->devices.n; ++*number)
		if (!strcmp(pcapng->devices.items[*number], device))
			return 0;
	put(&block, link, sizeof(link));
	put_u32(&block, 0); /* no limit of the bytes of a packet */
	put_option(&block, IF_NAME, device, strlen(device));
	put_option(&block, IF_TSRESOL, &resolution, sizeof(resolution));
	put_u32(&block, OPT_END);
	rc = nb_strdup(device, &name, err);
	rc = rc ? rc : nb_vec_push(&pcapng->devices, NB_TAKE_PTR(name), err);
	return rc ? rc : write_block(pcapng, &block, err);
}

int nb_pcapng_add(struct nb_pcapng *pcapng, const struct nb_pcapng_packet *packet, struct nb_error *err)
{
	struct block block = { .type = PACKET };
	uint32_t number;
	int rc = interface_of(pcapng, packet->device, &number, err);

	if (rc)
		return rc;
	put_u32(&block, number);
	put_u32(&block, (uint32_t)(packet->ns >> 32));
	put_u32(&block, (uint32_t)packet->ns);
	put_u32(&block, packet->captured);
	put_u32(&block, packet->len);
	put(&block, packet->bytes, packet->captured);
	put_option(&block, OPT_COMMENT, packet->comment, strlen(packet->comment));
	put_u32(&block, OPT_END);
	return write_block(pcapng, &block, err);
}
