/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_TEST_BPF_PACKET_H
#define NATBRIDGE_TEST_BPF_PACKET_H

/*
 * A packet as a row of a test says it, and the frame that it makes. Checksums are computed here from scratch,
 * not as the programs do it.
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

/* Fields that a row leaves out are zero, and mean what the comment says. */
struct packet {
	const char *smac, *dmac; /* NULL: 02:00:00:00:00:aa and ..:bb */
	const char *src, *dst;   /* both of one family */
	uint16_t sport, dport;
	uint8_t proto; /* 0: TCP */
	uint8_t tcp_flags;
	uint32_t seq, ack;
	const char *payload; /* NULL: none */
	uint8_t ttl;         /* 0: 64 */
	uint8_t tos;
	uint16_t id;
	uint16_t frag; /* IPv4: flags and offset, host order */
	uint16_t slice_from,
		slice_len;  /* the fragment with these bytes behind the IP header; 0: not a fragment */
	uint8_t ip_options; /* IPv4: number of NOP words, 0 .. 10; IPv6: of destination options headers, 8
			       bytes each */
	bool no_csum;       /* UDP checksum 0 */
	bool bad_csum;      /* the checksum of the protocol is one too much */
	uint16_t vlan;      /* a 802.1Q tag in the frame */
	/* An ICMP message (proto says so) of this type and code, with a header of 8 bytes, or of as many as
	 * it says. */
	uint8_t icmp_type, icmp_code, icmp_header;
	const struct packet *quoted; /* behind the header: this packet without its link layer, */
	uint16_t quoted_len;         /* as many bytes of it beyond its IP header; 0: 8 */
};

/* Length of the frame in frame[FRAME_MAX]. */
size_t packet_build(const struct packet *packet, uint8_t frame[FRAME_MAX]);

/* Prints both as hex on stderr, for a test that is about to fail. */
void packet_dump(const char *what, const uint8_t *frame, size_t len);

#endif
