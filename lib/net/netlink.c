// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sends netlink requests and reads their answers. The answers are checked as if they were hostile.
 */
#include "netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "lib/util/error.h"

#include "netns.h"

enum {
	TIMEOUT_S = 10,         /* for each datagram of an answer */
	RECV_BUFFER = 32768,    /* the kernel's largest datagram of a dump (net/netlink/af_netlink.c) */
	MAX_DUMP_TRIES = 16,    /* of a dump that changes interrupt */
	MAX_INTERRUPTIONS = 16, /* signals and strangers' datagrams during one receive */
};

/* The state of reading an answer. */
struct answer {
	const struct nlmsghdr *request;
	nb_netlink_fn fn;
	void *arg;
	bool interrupted; /* the dump is not consistent */
	bool done;
	int result; /* the first that is not 0, of fn or of the kernel */
};

static void set_option(const struct mnl_socket *sock, int option)
{
	int one = 1;

	/* A kernel without the option gives less detailed answers, which are also read. */
	(void)mnl_socket_setsockopt(sock, option, &one, sizeof(one));
}

static int open_bus(int bus, struct nb_netlink *nl, struct nb_error *err)
{
	struct timeval timeout = { .tv_sec = TIMEOUT_S };
	struct mnl_socket *sock = mnl_socket_open2(bus, SOCK_CLOEXEC);

	if (!sock)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot open a netlink socket");
	if (mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(mnl_socket_get_fd(sock), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0) {
		int errnum = errno;

		mnl_socket_close(sock);
		return nb_fail(err, NB_ERR_SYSTEM, errnum, "cannot set up a netlink socket");
	}
	set_option(sock, NETLINK_EXT_ACK);
	set_option(sock, NETLINK_CAP_ACK);
	set_option(sock, NETLINK_GET_STRICT_CHK);
	*nl = (struct nb_netlink){ .sock = sock, .portid = mnl_socket_get_portid(sock) };
	return 0;
}

int nb_netlink_open(struct nb_netlink *nl, struct nb_error *err)
{
	return open_bus(NETLINK_ROUTE, nl, err);
}

int nb_netlink_open_netfilter(struct nb_netlink *nl, struct nb_error *err)
{
	return open_bus(NETLINK_NETFILTER, nl, err);
}

static int open_here(void *arg, struct nb_error *err)
{
	return nb_netlink_open(arg, err);
}

int nb_netlink_open_in(struct nb_netlink *nl, int netns_fd, struct nb_error *err)
{
	return nb_netns_run(netns_fd, open_here, nl, err);
}

void nb_netlink_close(struct nb_netlink *nl)
{
	if (nl->sock)
		mnl_socket_close(nl->sock);
	*nl = (struct nb_netlink){ 0 };
}

struct nlmsghdr *nb_request_start(struct nb_request *req, uint16_t type, uint16_t flags, void **extra,
				  uint32_t size)
{
	struct nlmsghdr *nlh;

	memset(req, 0, sizeof(*req));
	nlh = mnl_nlmsg_put_header(req->buf);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	if ((flags & NLM_F_DUMP) != NLM_F_DUMP)
		nlh->nlmsg_flags |= NLM_F_ACK;
	*extra = mnl_nlmsg_put_extra_header(nlh, size);
	return nlh;
}

static int malformed(struct nb_error *err)
{
	return nb_fail(err, NB_ERR_SYSTEM, EBADMSG, "the kernel's netlink answer is malformed");
}

/* Parses the attributes in [start, end). */
static int parse_range(const char *start, const char *end, const struct nlattr **tb, unsigned int max,
		       struct nb_error *err)
{
	const struct nlattr *attr = (const struct nlattr *)start;

	memset(tb, 0, (max + 1) * sizeof(*tb));
	while (end - (const char *)attr > 0) {
		if (!mnl_attr_ok(attr, (int)(end - (const char *)attr)))
			return malformed(err);
		if (mnl_attr_get_type(attr) <= max)
			tb[mnl_attr_get_type(attr)] = attr;
		attr = mnl_attr_next(attr);
	}
	return 0;
}

int nb_netlink_parse(const struct nlmsghdr *nlh, unsigned int offset, const struct nlattr **tb,
		     unsigned int max, struct nb_error *err)
{
	const char *end = mnl_nlmsg_get_payload_tail(nlh);

	if (nlh->nlmsg_len < MNL_NLMSG_HDRLEN + MNL_ALIGN(offset))
		return malformed(err);
	return parse_range(mnl_nlmsg_get_payload_offset(nlh, offset), end, tb, max, err);
}

int nb_netlink_parse_nested(const struct nlattr *nest, const struct nlattr **tb, unsigned int max,
			    struct nb_error *err)
{
	const char *start = mnl_attr_get_payload(nest);

	return parse_range(start, start + mnl_attr_get_payload_len(nest), tb, max, err);
}

bool nb_attr_bytes(const struct nlattr *attr, void *value, unsigned int size)
{
	if (!attr || mnl_attr_get_payload_len(attr) != size)
		return false;
	memcpy(value, mnl_attr_get_payload(attr), size);
	return true;
}

bool nb_attr_u8(const struct nlattr *attr, uint8_t *value)
{
	return nb_attr_bytes(attr, value, sizeof(*value));
}

bool nb_attr_u32(const struct nlattr *attr, uint32_t *value)
{
	return nb_attr_bytes(attr, value, sizeof(*value));
}

bool nb_attr_str(const struct nlattr *attr, char *buf, unsigned int size)
{
	size_t len;

	if (!attr)
		return false;
	len = strnlen(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
	if (len == mnl_attr_get_payload_len(attr) || len >= size)
		return false;
	memcpy(buf, mnl_attr_get_payload(attr), len + 1);
	return true;
}

/*
 * Copies the text of an extended acknowledgement to buf; "" if there is none. offset: of its
 * attributes.
 */
static void ext_ack_text(const struct nlmsghdr *nlh, size_t offset, char *buf, unsigned int size)
{
	const struct nlattr *tb[NLMSGERR_ATTR_MSG + 1];

	buf[0] = '\0';
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!nb_netlink_parse(nlh, (unsigned int)offset, tb, NLMSGERR_ATTR_MSG, NULL))
		(void)nb_attr_str(tb[NLMSGERR_ATTR_MSG], buf, size);
}

static int kernel_error(const struct nlmsghdr *nlh, int errnum, size_t offset, struct nb_error *err)
{
	char text[256];

	ext_ack_text(nlh, offset, text, sizeof(text));
	nb_fail(err, NB_ERR_SYSTEM, errnum, "%s", text);
	if (err && !text[0])
		snprintf(err->msg, sizeof(err->msg), "%s", strerror(errnum));
	return -errnum;
}

/* NLMSG_ERROR: an acknowledgement (error 0) or an error. */
static int handle_error(const struct nlmsghdr *nlh, struct nb_error *err)
{
	const struct nlmsgerr *ack = mnl_nlmsg_get_payload(nlh);
	size_t offset = sizeof(*ack);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ack))
		return malformed(err);
	if (!ack->error)
		return 0;
	if (ack->error > 0 || ack->error < -4095)
		return malformed(err);
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED) && ack->msg.nlmsg_len >= sizeof(ack->msg))
		offset += ack->msg.nlmsg_len - sizeof(ack->msg);
	return kernel_error(nlh, -ack->error, offset, err);
}

/* NLMSG_DONE: the end of a dump, with an error number if the dump failed. */
static int handle_done(const struct nlmsghdr *nlh, struct nb_error *err)
{
	int code;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(code))
		return 0;
	memcpy(&code, mnl_nlmsg_get_payload(nlh), sizeof(code));
	if (code >= 0)
		return 0;
	return code < -4095 ? malformed(err) : kernel_error(nlh, -code, sizeof(code), err);
}

static void handle_message(const struct nlmsghdr *nlh, struct answer *answer, struct nb_error *err)
{
	int rc;

	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		answer->interrupted = true;
	switch (nlh->nlmsg_type) {
	case NLMSG_NOOP:
		return;
	case NLMSG_OVERRUN:
		answer->interrupted = true;
		return;
	case NLMSG_ERROR:
		answer->done = true;
		rc = answer->result ? 0 : handle_error(nlh, err);
		break;
	case NLMSG_DONE:
		answer->done = true;
		rc = answer->result ? 0 : handle_done(nlh, err);
		break;
	default:
		rc = answer->fn && !answer->result ? answer->fn(nlh, answer->arg, err) : 0;
		break;
	}
	if (!answer->result)
		answer->result = rc;
}

/* Receives one datagram from the kernel. Returns its length, or a negative errno value. */
static ssize_t receive(const struct nb_netlink *nl, char *buf, size_t size)
{
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { .iov_base = buf, .iov_len = size };

	for (unsigned int tries = 0; tries < MAX_INTERRUPTIONS; tries++) {
		struct msghdr msg = {
			.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1
		};
		ssize_t len = recvmsg(mnl_socket_get_fd(nl->sock), &msg, 0);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (msg.msg_flags & MSG_TRUNC)
			return -EMSGSIZE;
		/* Port id 0 is the kernel; any process may send to the socket. */
		if (msg.msg_namelen != sizeof(from) || from.nl_pid != 0)
			continue;
		return len;
	}
	return -EINTR;
}

/*
 * Whether the message lies within the rest of the datagram. mnl_nlmsg_ok() of libmnl 1.0.4 compares
 * lengths as signed: one above 2 GB passes, and mnl_nlmsg_next() would stay at the same message.
 */
static bool is_whole(const struct nlmsghdr *nlh, int left)
{
	return mnl_nlmsg_ok(nlh, left) && nlh->nlmsg_len <= (unsigned int)left;
}

static int read_answer(const struct nb_netlink *nl, struct answer *answer, struct nb_error *err)
{
	_Alignas(16) char buf[RECV_BUFFER];

	while (!answer->done) {
		ssize_t received = receive(nl, buf, sizeof(buf));
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
		int left = (int)received;

		if (received == -ENOBUFS) {
			answer->interrupted = true;
			return 0;
		}
		if (received < 0)
			return nb_fail(err, NB_ERR_SYSTEM, (int)-received, "cannot receive a netlink answer");
		for (; !answer->done && is_whole(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			if (nlh->nlmsg_seq == answer->request->nlmsg_seq && nlh->nlmsg_pid == nl->portid)
				handle_message(nlh, answer, err);
		}
	}
	return answer->result;
}

static int transact(struct nb_netlink *nl, struct nlmsghdr *nlh, struct answer *answer, struct nb_error *err)
{
	nlh->nlmsg_seq = ++nl->seq;
	nlh->nlmsg_pid = nl->portid;
	answer->request = nlh;
	while (mnl_socket_sendto(nl->sock, nlh, nlh->nlmsg_len) < 0)
		if (errno != EINTR)
			return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot send a netlink request");
	return read_answer(nl, answer, err);
}

int nb_netlink_request(struct nb_netlink *nl, struct nlmsghdr *nlh, nb_netlink_fn fn, void *arg,
		       struct nb_error *err)
{
	struct answer answer = { .fn = fn, .arg = arg };
	int rc = transact(nl, nlh, &answer, err);

	if (!rc && answer.interrupted)
		return nb_fail(err, NB_ERR_SYSTEM, EAGAIN, "the netlink answer was interrupted");
	return rc;
}

int nb_netlink_dump(struct nb_netlink *nl, struct nlmsghdr *nlh, const struct nb_dump_reader *reader,
		    struct nb_error *err)
{
	for (unsigned int tries = 0; tries < MAX_DUMP_TRIES; tries++) {
		struct answer answer = { .fn = reader->take, .arg = reader->arg };
		int rc;

		reader->reset(reader->arg);
		rc = transact(nl, nlh, &answer, err);
		if (rc || !answer.interrupted)
			return rc;
	}
	return nb_fail(err, NB_ERR_SYSTEM, EAGAIN, "the netlink dump was interrupted %d times",
		       MAX_DUMP_TRIES);
}
