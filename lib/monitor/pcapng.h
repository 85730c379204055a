/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MONITOR_PCAPNG_H
#define NATBRIDGE_LIB_MONITOR_PCAPNG_H

/* Packets into a file that Wireshark reads: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html
 */

#include <stdint.h>
#include <stdio.h>

#include "lib/util/error.h"

struct nb_pcapng;

struct nb_pcapng_packet {
	const char *device; /* the name of the device where it was */
	uint64_t ns;        /* since the epoch */
	const unsigned char *bytes;
	uint32_t captured, len; /* bytes that are there, and of the whole frame */
	const char *comment;
};

/* Begins a file, which *to (open for writing) is; the caller closes it afterwards. */
int nb_pcapng_begin(FILE *to, struct nb_pcapng **pcapng, struct nb_error *err);
void nb_pcapng_end(struct nb_pcapng **pcapng); /* for nb_cleanup() */

/* Adds a packet, and writes it out. */
int nb_pcapng_add(struct nb_pcapng *pcapng, const struct nb_pcapng_packet *packet, struct nb_error *err);

#endif
