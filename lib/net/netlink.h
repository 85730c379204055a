/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_NETLINK_H
#define NATBRIDGE_LIB_NET_NETLINK_H

/*
 * One rtnetlink socket and the one function that talks through it. Everything that sends a request (link.h,
 * ifaddr.h, route.h, fdb.h) goes through nb_netlink_request().
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
	unsigned int seq; /* of the newest request */
};

/* A request is built here; large enough for every request that this library builds from checked input. */
enum { NB_NETLINK_REQUEST_SIZE = 2048 };

struct nb_request {
	_Alignas(16) char buf[NB_NETLINK_REQUEST_SIZE];
};

/* Opens a socket in the caller's network namespace. *nl must be zero-initialised or closed. */
int nb_netlink_open(struct nb_netlink *nl, struct nb_error *err);

/* The same for requests to netfilter. */
int nb_netlink_open_netfilter(struct nb_netlink *nl, struct nb_error *err);

/* nb_netlink_open() in the network namespace of netns_fd. The caller's own is never left (netns.h). */
int nb_netlink_open_in(struct nb_netlink *nl, int netns_fd, struct nb_error *err);

/* Closes what is open; a zeroed or closed *nl is fine. For nb_cleanup(). */
void nb_netlink_close(struct nb_netlink *nl);

/*
 * Starts a request in *req: its header with type (RTM_*) and flags (NLM_F_*; NLM_F_REQUEST and, except for
 * dumps, NLM_F_ACK are added), followed by size zeroed bytes for the family's own header, which *extra points
 * to.
 */
struct nlmsghdr *nb_request_start(struct nb_request *req, uint16_t type, uint16_t flags, void **extra,
				  uint32_t size);

/* Called for each message of an answer. Not 0: the answer is read to its end, then that value is returned. */
typedef int (*nb_netlink_fn)(const struct nlmsghdr *nlh, void *arg, struct nb_error *err);

/*
 * Sends the request and reads its answer up to the acknowledgement or the end of the dump; fn (may be NULL)
 * sees every other message. Only messages with the request's sequence number, from the kernel, for this
 * socket's port id are looked at. An interrupted or overrun dump (NLM_F_DUMP_INTR, ENOBUFS) gives -EAGAIN, so
 * that the caller can start its collection anew: use nb_netlink_dump() for those. A kernel that does not
 * answer for 10 seconds gives -ETIMEDOUT.
 *
 * The kernel's errors come back as -errno; *err holds the text of its extended acknowledgement, if it sent
 * one (NETLINK_EXT_ACK, Documentation/userspace-api/netlink/intro.rst), for the caller to nb_wrap().
 */
int nb_netlink_request(struct nb_netlink *nl, struct nlmsghdr *nlh, nb_netlink_fn fn, void *arg,
		       struct nb_error *err);

/*
 * nb_netlink_request() for a dump, started anew when it was interrupted, up to 16 times. Before each start
 * reset(arg) throws away what fn has collected.
 */
int nb_netlink_dump(struct nb_netlink *nl, struct nlmsghdr *nlh, nb_netlink_fn fn, void (*reset)(void *arg),
		    void *arg, struct nb_error *err);

/*
 * The attributes of a message, by type: tb[0 .. max] (max + 1 pointers, zeroed first). Lengths are checked
 * against the message; an attribute of a type above max is skipped. offset: size of the family's header.
 */
int nb_netlink_parse(const struct nlmsghdr *nlh, unsigned int offset, const struct nlattr **tb,
		     unsigned int max, struct nb_error *err);
int nb_netlink_parse_nested(const struct nlattr *nest, const struct nlattr **tb, unsigned int max,
			    struct nb_error *err);

/* Fixed-size attributes; false if the attribute is absent or has another size. Outputs untouched then. */
bool nb_attr_u8(const struct nlattr *attr, uint8_t *value);
bool nb_attr_u32(const struct nlattr *attr, uint32_t *value);
bool nb_attr_bytes(const struct nlattr *attr, void *value, unsigned int size);
/* A string with its NUL that fits buf[size]. */
bool nb_attr_str(const struct nlattr *attr, char *buf, unsigned int size);

#endif
