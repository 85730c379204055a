/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_NETLINK_H
#define NATBRIDGE_LIB_NET_NETLINK_H

/*
 * A netlink socket, and requests through it. All files that talk to rtnetlink or nfnetlink send
 * their requests by nb_netlink_request() or nb_netlink_dump().
 */

#include <stdbool.h>
#include <stdint.h>

#include "lib/util/error.h"

struct mnl_socket;
struct nlattr;
struct nlmsghdr;

struct nb_netlink {
	struct mnl_socket *sock; /* NULL: closed */
	unsigned int portid;
	unsigned int seq; /* of the last request */
};

enum { NB_NETLINK_REQUEST_SIZE = 2048 };

/*
 * The buffer of a request: large enough for each request that this library builds from checked
 * input.
 */
struct nb_request {
	_Alignas(16) char buf[NB_NETLINK_REQUEST_SIZE];
};

/*
 * Open a socket for rtnetlink or for nfnetlink in the caller's network namespace. *nl must be
 * zeroed or closed.
 */
int nb_netlink_open(struct nb_netlink *nl, struct nb_error *err);
int nb_netlink_open_netfilter(struct nb_netlink *nl, struct nb_error *err);

/* nb_netlink_open() in the network namespace netns_fd. The caller stays in its own (netns.h). */
int nb_netlink_open_in(struct nb_netlink *nl, int netns_fd, struct nb_error *err);

/* Closes the socket, if it is open, and zeroes *nl. For nb_cleanup(). */
void nb_netlink_close(struct nb_netlink *nl);

/*
 * Starts a request in *req: the netlink header with type (RTM_*) and flags (NLM_F_*), then size
 * zeroed bytes for the family's header, to which it points *extra. It adds NLM_F_REQUEST and,
 * except for dumps, NLM_F_ACK to the flags.
 */
struct nlmsghdr *nb_request_start(struct nb_request *req, uint16_t type, uint16_t flags, void **extra,
				  uint32_t size);

/*
 * Called for each message of an answer. If it returns an error, the rest of the answer is read
 * without it, and the request fails with that error.
 */
typedef int (*nb_netlink_fn)(const struct nlmsghdr *nlh, void *arg, struct nb_error *err);

/*
 * Sends the request and reads its answer up to the acknowledgement or the end of the dump. Calls fn
 * (may be NULL) for each other message. Ignores messages that are not from the kernel, or have not
 * the request's sequence number and the socket's port id. -ETIMEDOUT: the kernel did not answer for
 * 10 s. -EAGAIN: a dump was interrupted or overrun (NLM_F_DUMP_INTR, ENOBUFS); use
 * nb_netlink_dump() for dumps.
 *
 * The kernel's errors are returned as -errno. *err holds the text of the extended acknowledgement,
 * if there is one (NETLINK_EXT_ACK, Documentation/userspace-api/netlink/intro.rst); the caller adds
 * the context by nb_wrap().
 */
int nb_netlink_request(struct nb_netlink *nl, struct nlmsghdr *nlh, nb_netlink_fn fn, void *arg,
		       struct nb_error *err);

/* How a dump is read: take() collects its messages in *arg, reset() discards what *arg holds. */
struct nb_dump_reader {
	nb_netlink_fn take;
	void (*reset)(void *arg);
	void *arg;
};

/*
 * nb_netlink_request() for a dump. Repeats an interrupted dump, up to 16 tries; calls reset()
 * before each. -EAGAIN: all were interrupted.
 */
int nb_netlink_dump(struct nb_netlink *nl, struct nlmsghdr *nlh, const struct nb_dump_reader *reader,
		    struct nb_error *err);

/*
 * Parse the attributes of a message, or those nested in an attribute, into tb[0 .. max] (max + 1
 * pointers) by type; NULL: absent. Attributes of a type above max are ignored. offset: the size of
 * the family's header. -EBADMSG: an attribute exceeds the message.
 */
int nb_netlink_parse(const struct nlmsghdr *nlh, unsigned int offset, const struct nlattr **tb,
		     unsigned int max, struct nb_error *err);
int nb_netlink_parse_nested(const struct nlattr *nest, const struct nlattr **tb, unsigned int max,
			    struct nb_error *err);

/*
 * Copy an attribute of a fixed size. False: it is absent or has another size; the output is
 * untouched.
 */
bool nb_attr_u8(const struct nlattr *attr, uint8_t *value);
bool nb_attr_u32(const struct nlattr *attr, uint32_t *value);
bool nb_attr_bytes(const struct nlattr *attr, void *value, unsigned int size);

/* Copies a string. False: it is absent, has no NUL or does not fit buf[size]; buf is untouched. */
bool nb_attr_str(const struct nlattr *attr, char *buf, unsigned int size);

#endif
