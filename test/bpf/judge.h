/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_TEST_BPF_JUDGE_H
#define NATBRIDGE_TEST_BPF_JUDGE_H

/*
 * Whether a program did to a frame what it may, whatever the frame is and whatever the maps hold.
 * Parses frames in its own way, and knows of the network only struct rules.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frame {
	const uint8_t *data;
	size_t len;
};

/* One run of a program. */
struct run {
	struct frame in, out;
	int verdict;
	bool from_pod;
	bool rejected; /* set by the judge: the packet became a reset or an ICMP error to its sender */
};

/* The network: lists of addresses as text that end with NULL. */
struct rules {
	const char *const *vips;
	const char *const *macs; /* of pods */
	const char *bridge_mac;
};

/* Returns NULL, or what the program must not have done. */
const char *judge(struct run *run, const struct rules *rules);

/* Corrects the checksum of the IPv4 header, if the frame has one. */
void judge_fix_header(uint8_t *frame, size_t len);

#endif
