/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_HANDOVER_H
#define NATBRIDGE_HANDOVER_H

/*
 * The handover of a network to another map layout: what userspace (lib/datapath/handover.h) and
 * the programs that are at the ports meanwhile (bpf/handover.bpf.c) share. Pinned beside the new
 * layout's maps, and of the same format as these (abi.h).
 */

#include <natbridge/abi.h>

/* Elements of the array of programs: whom a port's program hands a packet to. */
enum nb_handover_prog {
	NB_HANDOVER_OLD_FROM_POD,
	NB_HANDOVER_OLD_TO_POD,
	NB_HANDOVER_NEW_FROM_POD,
	NB_HANDOVER_NEW_TO_POD,
	NB_HANDOVER_PROGS,
};

/*
 * How far the handover has come. Only ever rises. A packet of a connection that the new table
 * has goes to the new programs in every round, and one that begins no connection and belongs to
 * none in the new table goes to the old programs. The round decides on the others.
 */
enum nb_handover_round {
	/* The old programs begin all connections. */
	NB_ROUND_OLD,
	/* The same, and each packet that may begin one has its client noted. */
	NB_ROUND_NOTED,
	/*
	 * The new programs begin connections, except those of clients that were noted in the round
	 * before this one or in this one, and in this round also those of clients with affinity. A
	 * segment of TCP that does not begin a connection goes to the old programs, and its client is
	 * noted.
	 */
	NB_ROUND_NEW,
	/* Any round between them: as NB_ROUND_NEW, without the exception for affinity. */
	NB_ROUND_DONE = 1 << 30, /* The new programs get all packets. */
	NB_ROUND_ENDED,          /* The same, and the new table has all connections. */
};

/* Clients that are noted: more than begin connections in the time of two rounds. */
enum { NB_HANDOVER_CLIENTS = 65536 };

struct nb_handover {
	__u32 round; /* enum nb_handover_round */
};

/*
 * A client with connections that the old table may have and the new one not. Its value is the round
 * in which it was noted last. With port and protocol 0 the client of any connection to a Service
 * with affinity.
 */
struct nb_handover_client {
	struct nb_addr addr;
	__be16 port;
	__u8 proto;
	__u8 pad;
};

#ifndef __cplusplus
_Static_assert(sizeof(struct nb_handover_client) == 20, "part of the map layout");
#endif

#endif
