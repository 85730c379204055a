/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_SCTP_H
#define NATBRIDGE_BPF_LIB_SCTP_H

/*
 * The header of SCTP and its chunks (RFC 9260, 3), and new ports in the header. The checksum (crc32c.h)
 * is that of the packet alone, without addresses: it changes only with the ports.
 */

#include "crc32c.h"
#include "csum.h"
#include "pkt.h"

struct nb_sctp_header {
	__be16 source;
	__be16 dest;
	__u32 tag;
	__u32 check; /* CRC32c, little endian */
};

enum { NB_SCTP_CHUNK_T = 1 /* flag */ };

struct nb_sctp_chunk {
	__u8 type;
	__u8 flags;
	__be16 len; /* without the padding to a multiple of 4 */
};

/* Types of chunks. Those that change a state are below 16: see enum nb_sctp_bits. */
enum nb_sctp_type {
	NB_SCTP_DATA = 0,
	NB_SCTP_INIT = 1,
	NB_SCTP_INIT_ACK = 2,
	NB_SCTP_ABORT = 6,
	NB_SCTP_SHUTDOWN = 7,
	NB_SCTP_SHUTDOWN_ACK = 8,
	NB_SCTP_ERROR = 9,
	NB_SCTP_COOKIE_ECHO = 10,
	NB_SCTP_COOKIE_ACK = 11,
	NB_SCTP_SHUTDOWN_COMPLETE = 14,
	NB_SCTP_TYPES = 16,
	NB_SCTP_I_DATA = 64, /* RFC 8260 */
};

/* Both ports, as they stand in a packet. */
static __always_inline __u32 nb_l4ports(const __be16 *source)
{
	return *(const __u32 *)source;
}

/*
 * Writes both ports into the header of a packet whose SCTP part has len bytes. A checksum of 0 stays 0:
 * the kernel computes it later, with the ports that the packet has then (CHECKSUM_PARTIAL:
 * net/sctp/output.c; the only sign of it before Linux 6.3, nb_csum_state()), or there is none (RFC 9653).
 */
static __always_inline void nb_sctp_set_l4ports(struct nb_sctp_header *l4, __u32 to, __u32 len,
						enum nb_csum_state state)
{
	__u32 from = nb_l4ports(&l4->source);

	*(__u32 *)&l4->source = to;
	if (from != to && l4->check && state != NB_CSUM_PARTIAL)
		l4->check = nb_crc32c_change(l4->check, from, to, len);
}

#endif
