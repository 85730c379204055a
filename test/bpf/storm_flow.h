/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_TEST_BPF_STORM_FLOW_H
#define NATBRIDGE_TEST_BPF_STORM_FLOW_H

/*
 * The connections of test_storm.c: each packet as it is sent, and as its receiver must get it. The
 * two Services have backends of their own, and the client uses each of its ports for both, so that
 * a packet that was translated by another connection's entry cannot be right by chance.
 */

#include "env.h"

#include <stdatomic.h>

enum {
	STORM_SERVICES = 2,
	STORM_BACKENDS = 2, /* of each Service, on one pod */
	STORM_FRAME = 128,  /* bytes of the longest one */
	STORM_STEPS = 10,   /* packets of a connection */

	/* Of UDP. */
	STORM_REQUEST = 0,
	STORM_ANSWER = 1,
	STORM_ERROR = 2,   /* of the backend, about the request */
	STORM_ARRIVAL = 3, /* the answer at the client's port; only through the host */

	/* Of TCP: from here on the connection is established, and from there on it ends. */
	STORM_TCP_DATA = 3,
	STORM_TCP_FIN = 6,
};

struct storm_image {
	uint8_t data[STORM_FRAME];
	uint8_t len;
};

/* A packet of a connection, by the backend that the connection has. */
struct storm_packet {
	enum hook hook;
	enum pod pod;
	bool of_client; /* the same for every backend, and may not pass untouched */
	int verdict;    /* of one that is translated */
	struct storm_image sent[STORM_BACKENDS], received[STORM_BACKENDS];
};

struct storm_flow {
	unsigned int n_packets;
	struct storm_packet packets[STORM_STEPS];
	atomic_uint backend; /* that the client's last packet went to */
	atomic_uint next;    /* packet of a connection whose packets are sent in order */
};

/* Applies the Services, of both families and protocols. */
void storm_serve(struct env *env);

/*
 * A connection of pod A to one of the Services. Consecutive numbers are other Services, families
 * and ports. via_host: the network has no fast path.
 */
void storm_flow_make(struct storm_flow *flow, uint8_t proto, unsigned int number, bool via_host);

bool storm_image_is(const struct storm_image *image, const uint8_t *frame, size_t len);

/* Whether addresses and ports are the same. */
bool storm_image_same_tuple(const struct storm_image *image, const uint8_t *frame, size_t len);

/* Prints addresses and ports on stderr, and the whole frame. */
void storm_print(const char *what, const uint8_t *frame, size_t len);

#endif
