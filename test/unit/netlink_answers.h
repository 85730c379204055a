/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_TEST_UNIT_NETLINK_ANSWERS_H
#define NATBRIDGE_TEST_UNIT_NETLINK_ANSWERS_H

/*
 * Netlink answers made by a test. Requests go to the kernel; instead of its answers the socket
 * receives what the test has pushed here, and nothing when the queue is empty.
 */

#include "lib/net/netlink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/netlink.h>

enum { ANSWERS_MAX = 64, ANSWER_SIZE = 1024 };

struct datagram {
	char data[ANSWER_SIZE] __attribute__((aligned(16)));
	size_t len;
	int errnum;    /* recvmsg() fails with it instead */
	uint32_t from; /* port id of the sender, 0: the kernel */
	bool truncated;
};

/* The queue, its length, and the number of datagrams that were received. */
extern struct datagram queue[ANSWERS_MAX];
extern unsigned int queued, taken;

/* The socket of the tests; group setup and teardown. */
extern struct nb_netlink nl;
int open_socket(void **state);
int close_socket(void **state);

/* Empties the queue. */
void start(void);

/* A zeroed datagram at the end of the queue. */
struct datagram *push(void);

/*
 * Starts a message that answers the next request. seal() sets the datagram's length from nlmsg_len.
 */
struct nlmsghdr *message(struct datagram *datagram, uint16_t type, uint16_t flags, uint32_t extra);
void seal(struct datagram *datagram);

/* An acknowledgement (0) or an error (a negative errno value). */
struct nlmsghdr *push_error(int error, uint16_t flags);

/* The end of a dump: of the next request, or of one that is seq_ahead requests later. */
void push_done(uint32_t seq_ahead);

/* A link as the kernel sends it. name NULL: the attribute is missing, which is malformed. */
struct nlmsghdr *push_link(int index, const char *name, uint16_t flags);

#endif
