// SPDX-License-Identifier: GPL-2.0-or-later
/* A queue of netlink messages that replaces the kernel's answers. */
#include "lib/net/netlink.h"

#include "netlink_answers.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

struct datagram queue[ANSWERS_MAX];
unsigned int queued, taken;

/* The linker prefers this function to the C library's. */
ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	const struct datagram *next = &queue[taken];
	struct sockaddr_nl *from = msg->msg_name;

	(void)fd;
	(void)flags;
	if (taken == queued) {
		errno = EAGAIN;
		return -1;
	}
	taken++;
	if (next->errnum) {
		errno = next->errnum;
		return -1;
	}
	*from = (struct sockaddr_nl){ .nl_family = AF_NETLINK, .nl_pid = next->from };
	msg->msg_namelen = sizeof(*from);
	msg->msg_flags = next->truncated ? MSG_TRUNC : 0;
	memcpy(msg->msg_iov[0].iov_base, next->data, next->len);
	return (ssize_t)next->len;
}

struct nb_netlink nl;

int open_socket(void **state)
{
	(void)state;
	return nb_netlink_open(&nl, NULL);
}

int close_socket(void **state)
{
	(void)state;
	nb_netlink_close(&nl);
	return 0;
}

struct datagram *push(void)
{
	struct datagram *next = &queue[queued++];

	assert_true(queued <= ANSWERS_MAX);
	memset(next, 0, sizeof(*next));
	return next;
}

void start(void)
{
	queued = taken = 0;
}

struct nlmsghdr *message(struct datagram *datagram, uint16_t type, uint16_t flags, uint32_t extra)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(datagram->data);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	nlh->nlmsg_seq = nl.seq + 1;
	nlh->nlmsg_pid = nl.portid;
	if (extra)
		mnl_nlmsg_put_extra_header(nlh, extra);
	return nlh;
}

void seal(struct datagram *datagram)
{
	datagram->len = ((const struct nlmsghdr *)datagram->data)->nlmsg_len;
}

struct nlmsghdr *push_error(int error, uint16_t flags)
{
	struct datagram *datagram = push();
	struct nlmsghdr *nlh = message(datagram, NLMSG_ERROR, flags, sizeof(struct nlmsgerr));

	((struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->error = error;
	seal(datagram);
	return nlh;
}

void push_done(uint32_t seq_ahead)
{
	struct datagram *datagram = push();
	struct nlmsghdr *nlh = message(datagram, NLMSG_DONE, NLM_F_MULTI, sizeof(int));

	nlh->nlmsg_seq += seq_ahead;
	seal(datagram);
}

struct nlmsghdr *push_link(int index, const char *name, uint16_t flags)
{
	struct datagram *datagram = push();
	struct nlmsghdr *nlh = message(datagram, RTM_NEWLINK, flags, sizeof(struct ifinfomsg));

	((struct ifinfomsg *)mnl_nlmsg_get_payload(nlh))->ifi_index = index;
	if (name)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	seal(datagram);
	return nlh;
}
