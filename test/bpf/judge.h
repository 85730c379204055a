/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_TEST_BPF_JUDGE_H
#define NATBRIDGE_TEST_BPF_JUDGE_H

/*
 * What may become of a frame, whatever it is and whatever the maps hold. Reads frames by itself, not as the
 * programs do it, and knows of the network only what its callbacks say.
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
	bool rejected; /* set by the judge: the packet became a reset or an error and went back */
};

/* What the judge is told of the network: NULL-terminated lists of addresses as text. */
struct rules {
	const char *const *vips;
	const char *const *macs; /* of pods */
	const char *bridge_mac;
};

/* NULL: nothing is wrong. Else the rule that was broken. */
const char *judge(struct run *run, const struct rules *rules);

/* Makes the checksum of an IPv4 header right, if there is one. */
void judge_fix_header(uint8_t *frame, size_t len);

#endif
