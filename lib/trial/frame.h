/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_TRIAL_FRAME_H
#define NATBRIDGE_LIB_TRIAL_FRAME_H

/* Packets of a connection as Ethernet frames: the first one, its answer, a later one. */

#include <stddef.h>

#include <natbridge/abi.h>

enum { NB_FRAME_MAX = 256 /* bytes */ };

enum nb_frame_kind {
	NB_FRAME_FIRST,  /* TCP: SYN; SCTP: INIT; ICMP: an echo request */
	NB_FRAME_ANSWER, /* SYN and ACK; INIT ACK; its reply */
	NB_FRAME_LATER,  /* TCP: ACK; SCTP: HEARTBEAT; else as the first */
};

struct nb_frame {
	unsigned char src_mac[6], dst_mac[6];
	/* Addresses of one family. Protocol: TCP, UDP, SCTP; ICMP or ICMPv6, of which sport is the id of an
	 * echo. */
	struct nb_tuple tuple;
	enum nb_frame_kind kind;
};

/* Builds the frame into buf and returns its length. All checksums are right. UDP carries four bytes. */
size_t nb_frame_build(const struct nb_frame *frame, unsigned char buf[NB_FRAME_MAX]);

#endif
