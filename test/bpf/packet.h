/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_TEST_BPF_PACKET_H
#define NATBRIDGE_TEST_BPF_PACKET_H

/*
 * A packet as a test's row describes it, and the frame for it. Checksums are computed from scratch,
 * and not as the programs do it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FRAME_MAX = 2048,
	FIN = 0x01,
	SYN = 0x02,
	RST = 0x04,
	PSH = 0x08,
	ACK = 0x10,
};

/* A row leaves out fields that are zero. */
struct packet {
	const char *smac, *dmac; /* NULL: 02:00:00:00:00:aa and ..:bb */
	const char *src, *dst;   /* both of one family */
	uint16_t sport, dport;
	uint8_t proto; /* 0: TCP */
	uint8_t tcp_flags;
	uint32_t seq, ack; /* SCTP: the verification tag, and the tag that INIT and INIT ACK name */
	/* SCTP: types of its chunks; without any, DATA. The payload is the last one's, the flag T all's. */
	uint8_t chunks[4], n_chunks;
	bool chunk_t;
	const char *payload; /* NULL: none */
	uint8_t ttl;         /* 0: 64 */
	uint8_t tos;
	uint16_t id;
	uint16_t frag; /* IPv4: flags and offset, host order */
	/* A fragment with slice_len bytes from slice_from on behind the IP header; 0: not a fragment. */
	uint16_t slice_from, slice_len;
	/* IPv4: NOP words, 0 .. 10. IPv6: destination options headers of 8 bytes. */
	uint8_t ip_options;
	bool no_csum;  /* UDP or SCTP checksum 0 */
	bool bad_csum; /* the checksum is too large by 1; SCTP: another bit is wrong */
	uint16_t vlan; /* an 802.1Q tag in the frame; 0: none */
	/* With proto ICMP or ICMPv6: the message, with this much header; 0: 8 bytes. */
	uint8_t icmp_type, icmp_code, icmp_header;
	const struct packet *quoted; /* behind that header: this packet without its link layer */
	uint16_t quoted_len;         /* bytes of it behind its IP header; 0: 8 */
};

/* Returns the length of the frame. */
size_t packet_build(const struct packet *packet, uint8_t frame[FRAME_MAX]);

/* Prints a frame in hex on stderr, for a test that is about to fail. */
void packet_dump(const char *what, const uint8_t *frame, size_t len);

#endif
