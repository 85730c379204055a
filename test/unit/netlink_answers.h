/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TEST_UNIT_NETLINK_ANSWERS_H
#define TEST_UNIT_NETLINK_ANSWERS_H

/*
 * Netlink answers of a test's own: requests go to the kernel for real, what comes back is what was pushed
 * here. Once the queue is exhausted the kernel stays silent.
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

/* What will be received, how much of it there is, and how much was taken. */
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

/* A message for the request that comes next; its length follows from nlmsg_len when it is sealed. */
struct nlmsghdr *message(struct datagram *datagram, uint16_t type, uint16_t flags, uint32_t extra);
void seal(struct datagram *datagram);

struct nlmsghdr *push_error(int error, uint16_t flags);

/* The end of the dump that is asked for seq_ahead requests after the next. */
void push_done(uint32_t seq_ahead);

/* A link as the kernel describes it; without a name one thing is wrong. */
struct nlmsghdr *push_link(int index, const char *name, uint16_t flags);

#endif
