// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a netlink answer may do to us. Requests go to the kernel for real; what comes back is replaced by the
 * rows below, through a recvmsg() of our own that the linker prefers to the C library's.
 */
#include <natbridge/address.h>
#include <natbridge/link.h>
#include <natbridge/route.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

enum { MAX_DATAGRAMS = 64, DATAGRAM_SIZE = 1024 };

static struct datagram {
	char data[DATAGRAM_SIZE] __attribute__((aligned(16)));
	size_t len;
	int errnum;    /* recvmsg() fails with it instead */
	uint32_t from; /* port id of the sender, 0: the kernel */
	bool truncated;
} queue[MAX_DATAGRAMS];
static unsigned int queued, taken;

/* An exhausted queue is a kernel that stays silent. */
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

static struct nb_netlink nl;

static int open_socket(void **state)
{
	(void)state;
	return nb_netlink_open(&nl, NULL);
}

static int close_socket(void **state)
{
	(void)state;
	nb_netlink_close(&nl);
	return 0;
}

static struct datagram *push(void)
{
	struct datagram *next = &queue[queued++];

	assert_true(queued <= MAX_DATAGRAMS);
	memset(next, 0, sizeof(*next));
	return next;
}

static void start(void)
{
	queued = taken = 0;
}

/* A message for the request that comes next; its length follows from nlmsg_len when it is sealed. */
static struct nlmsghdr *message(struct datagram *datagram, uint16_t type, uint16_t flags, uint32_t extra)
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

static void seal(struct datagram *datagram)
{
	datagram->len = ((const struct nlmsghdr *)datagram->data)->nlmsg_len;
}

static struct nlmsghdr *push_error(int error, uint16_t flags)
{
	struct datagram *datagram = push();
	struct nlmsghdr *nlh = message(datagram, NLMSG_ERROR, flags, sizeof(struct nlmsgerr));

	((struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->error = error;
	seal(datagram);
	return nlh;
}

static void push_done(uint32_t seq_ahead)
{
	struct datagram *datagram = push();
	struct nlmsghdr *nlh = message(datagram, NLMSG_DONE, NLM_F_MULTI, sizeof(int));

	nlh->nlmsg_seq += seq_ahead;
	seal(datagram);
}

/* A link as the kernel describes it, or with one thing wrong. */
static struct nlmsghdr *push_link(int index, const char *name, uint16_t flags)
{
	struct datagram *datagram = push();
	struct nlmsghdr *nlh = message(datagram, RTM_NEWLINK, flags, sizeof(struct ifinfomsg));

	((struct ifinfomsg *)mnl_nlmsg_get_payload(nlh))->ifi_index = index;
	if (name)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	seal(datagram);
	return nlh;
}

static int get_link(struct nb_link *link, struct nb_error *err)
{
	int ret = nb_link_get_index(&nl, 7, link, err);

	assert_true(!ret || err->msg[0]);
	return ret;
}

static void test_answer(void **state)
{
	struct nb_error err = { 0 };
	struct nb_link link = { 0 };

	(void)state;
	start();
	push_link(7, "cni0", 0);
	push_error(0, 0);
	assert_int_equal(get_link(&link, &err), 0);
	assert_string_equal(link.name, "cni0");
	assert_int_equal(link.index, 7);
	assert_int_equal(taken, 2);
}

/* What is not an answer of the kernel's to this request is passed over. */
static void test_strangers(void **state)
{
	struct nb_error err = { 0 };
	struct nb_link link = { 0 };

	(void)state;
	start();
	push_link(7, "other", 0);
	queue[queued - 1].from = 4711;
	push_link(7, "old", 0)->nlmsg_seq--;
	push_link(7, "theirs", 0)->nlmsg_pid++;
	push()->errnum = EINTR;
	push_link(7, "cni0", 0);
	push_error(0, 0);
	assert_int_equal(get_link(&link, &err), 0);
	assert_string_equal(link.name, "cni0");
}

static void test_silence(void **state)
{
	struct nb_link link = { .index = 99 };
	struct nb_error err = { 0 };

	(void)state;
	start();
	assert_int_equal(get_link(&link, &err), -ETIMEDOUT);
	assert_int_equal(link.index, 99);
	/* an acknowledgement alone describes no link */
	start();
	push_error(0, 0);
	assert_int_equal(get_link(&link, &err), -ENODEV);
	assert_int_equal(link.index, 99);
}

static void test_refusals(void **state)
{
	struct nb_error err = { 0 };
	struct nb_link link;
	struct nlmsghdr *nlh;

	(void)state;
	start();
	push_error(-ENODEV, 0);
	assert_int_equal(get_link(&link, &err), -ENODEV);
	assert_string_equal(err.msg, "cannot look up link 7: No such device");

	start();
	nlh = push_error(-EINVAL, NLM_F_ACK_TLVS | NLM_F_CAPPED);
	mnl_attr_put_strz(nlh, NLMSGERR_ATTR_MSG, "MTU too large");
	seal(&queue[0]);
	assert_int_equal(get_link(&link, &err), -EINVAL);
	assert_string_equal(err.msg, "cannot look up link 7: MTU too large: Invalid argument");

	start();
	push_error(-EPERM, 0);
	assert_int_equal(get_link(&link, &err), -EPERM);
	assert_int_equal(err.code, NB_ERR_PRIVILEGE);
}

/* A text without its NUL, or whose place lies outside the message, is left out; the errno stays. */
static void test_bad_error_text(void **state)
{
	struct nb_error err = { 0 };
	struct nb_link link;
	struct nlmsghdr *nlh;

	(void)state;
	start();
	nlh = push_error(-EINVAL, NLM_F_ACK_TLVS | NLM_F_CAPPED);
	mnl_attr_put(nlh, NLMSGERR_ATTR_MSG, 4, "abcd");
	seal(&queue[0]);
	assert_int_equal(get_link(&link, &err), -EINVAL);
	assert_string_equal(err.msg, "cannot look up link 7: Invalid argument");

	start();
	nlh = push_error(-EINVAL, NLM_F_ACK_TLVS);
	((struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->msg.nlmsg_len = 0xfffffff0;
	assert_int_equal(get_link(&link, &err), -EINVAL);
	assert_string_equal(err.msg, "cannot look up link 7: Invalid argument");
}

/* Each of these is malformed, and *link stays as it was. */
static void assert_malformed(void)
{
	struct nb_error err = { 0 };
	struct nb_link link = { .index = 99 };

	assert_int_equal(get_link(&link, &err), -EBADMSG);
	assert_int_equal(link.index, 99);
}

static void test_malformed(void **state)
{
	static const int errors[] = { 1, -4096, -2147483647 - 1 };
	struct nlmsghdr *nlh;
	struct nlattr *attr;

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		start();
		push_error(errors[i], 0);
		assert_malformed();
	}
	start(); /* an error message that is too short for an error number */
	nlh = push_error(-EINVAL, 0);
	nlh->nlmsg_len = MNL_NLMSG_HDRLEN + 2;
	assert_malformed();

	start();
	push_link(7, NULL, 0);
	push_error(0, 0);
	assert_malformed();

	start();
	push_link(0, "cni0", 0);
	push_error(0, 0);
	assert_malformed();

	start();
	push_link(7, "sixteen-letters-", 0);
	push_error(0, 0);
	assert_malformed();

	start(); /* no room for struct ifinfomsg */
	nlh = push_link(7, "cni0", 0);
	nlh->nlmsg_len = MNL_NLMSG_HDRLEN + 4;
	queue[0].len = nlh->nlmsg_len;
	push_error(0, 0);
	assert_malformed();

	start(); /* an attribute that reaches beyond its message */
	nlh = push_link(7, "cni0", 0);
	attr = mnl_nlmsg_get_payload_offset(nlh, sizeof(struct ifinfomsg));
	attr->nla_len = 400;
	push_error(0, 0);
	assert_malformed();

	start(); /* an attribute shorter than its own header */
	nlh = push_link(7, "cni0", 0);
	attr = mnl_nlmsg_get_payload_offset(nlh, sizeof(struct ifinfomsg));
	attr->nla_len = 2;
	push_error(0, 0);
	assert_malformed();

	start(); /* a nested attribute that reaches beyond its nest */
	nlh = push_link(7, "cni0", 0);
	attr = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
	mnl_attr_nest_end(nlh, attr);
	((struct nlattr *)mnl_attr_get_payload(attr))->nla_len = 100;
	seal(&queue[0]);
	push_error(0, 0);
	assert_malformed();
}

/* Attributes of a size that is not theirs count as absent. */
static void test_odd_sizes(void **state)
{
	struct nb_error err = { 0 };
	struct nb_link link;
	struct nlmsghdr *nlh;

	(void)state;
	start();
	nlh = push_link(7, "cni0", 0);
	mnl_attr_put(nlh, IFLA_ADDRESS, 5, "12345");
	mnl_attr_put_u16(nlh, IFLA_MTU, 1500);
	mnl_attr_put_u64(nlh, IFLA_MASTER, 3);
	mnl_attr_put(nlh, IFLA_IFALIAS, 3, "abc");
	seal(&queue[0]);
	push_error(0, 0);
	assert_int_equal(get_link(&link, &err), 0);
	assert_false(link.has_mac);
	assert_int_equal(link.mtu, 0);
	assert_int_equal(link.master, 0);
	assert_string_equal(link.alias, "");
}

/* A message header that lies about its length ends the datagram; nothing beyond it is read. */
static void test_bad_length(void **state)
{
	static const uint32_t lengths[] = { 0, 8, 15, 0xffffffff };
	struct nb_error err = { 0 };
	struct nb_link link = { .index = 99 };

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		start();
		push_link(7, "cni0", 0)->nlmsg_len = lengths[i];
		assert_int_equal(get_link(&link, &err), -ETIMEDOUT);
		assert_int_equal(link.index, 99);
	}
	start();
	push_link(7, "cni0", 0);
	queue[0].truncated = true;
	assert_int_equal(get_link(&link, &err), -EMSGSIZE);
}

static int list_links(unsigned int *n)
{
	struct nb_error err = { 0 };
	struct nb_link *links = NULL;
	int ret = nb_link_list(&nl, NULL, 0, &links, n, &err);

	free(links);
	return ret;
}

/* What was collected before an interruption does not count twice. */
static void test_interrupted_dump(void **state)
{
	unsigned int n = 99;

	(void)state;
	start();
	push_link(1, "lo", NLM_F_MULTI);
	push_link(2, "eth0", NLM_F_MULTI | NLM_F_DUMP_INTR);
	push_done(0);
	push_link(1, "lo", NLM_F_MULTI)->nlmsg_seq++;
	push()->errnum = ENOBUFS;
	push_link(1, "lo", NLM_F_MULTI)->nlmsg_seq += 2;
	push_link(3, "eth1", NLM_F_MULTI)->nlmsg_seq += 2;
	push_done(2);
	assert_int_equal(list_links(&n), 0);
	assert_int_equal(n, 2);
}

static void test_endless_interruptions(void **state)
{
	unsigned int n = 99;

	(void)state;
	start();
	for (unsigned int i = 0; i < 20; i++) {
		struct nlmsghdr *nlh = push_link(1, "lo", NLM_F_MULTI | NLM_F_DUMP_INTR);

		nlh->nlmsg_seq += i;
		push_done(i);
	}
	assert_int_equal(list_links(&n), -EAGAIN);
	assert_int_equal(n, 99);
	assert_int_equal(taken, 32); /* 16 dumps of two messages */
}

static void test_failed_dump(void **state)
{
	struct nlmsghdr *nlh;
	unsigned int n = 99;

	(void)state;
	start();
	push_link(1, "lo", NLM_F_MULTI);
	push_done(0);
	nlh = (struct nlmsghdr *)queue[1].data;
	*(int *)mnl_nlmsg_get_payload(nlh) = -ENOMEM;
	assert_int_equal(list_links(&n), -ENOMEM);
	assert_int_equal(n, 99);
}

static struct nlmsghdr *push_route(int family)
{
	struct datagram *datagram = push();
	struct nlmsghdr *nlh = message(datagram, RTM_NEWROUTE, NLM_F_MULTI, sizeof(struct rtmsg));
	struct rtmsg *msg = mnl_nlmsg_get_payload(nlh);

	msg->rtm_family = (unsigned char)family;
	msg->rtm_type = RTN_UNICAST;
	msg->rtm_table = RT_TABLE_MAIN;
	seal(datagram);
	return nlh;
}

static int list_routes(struct nb_route **routes, unsigned int *n)
{
	struct nb_error err = { 0 };

	*routes = NULL;
	*n = 0;
	push_done(0);
	return nb_route_list(&nl, AF_INET, routes, n, &err);
}

static void test_routes(void **state)
{
	const struct {
		struct rtnexthop hop;
		struct nlattr attr;
		unsigned char gw[4];
	} hops[2] = {
		{ { .rtnh_len = 16, .rtnh_ifindex = 3 }, { 8, RTA_GATEWAY }, { 10, 0, 0, 1 } },
		{ { .rtnh_len = 16, .rtnh_ifindex = 4 }, { 8, RTA_GATEWAY }, { 10, 0, 0, 2 } },
	};
	struct nb_route *routes;
	struct nlmsghdr *nlh;
	unsigned int n;

	(void)state;
	start();
	nlh = push_route(AF_INET);
	mnl_attr_put(nlh, RTA_MULTIPATH, sizeof(hops), hops);
	seal(&queue[0]);
	push_route(AF_INET6); /* not asked for */
	assert_int_equal(list_routes(&routes, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(routes[0].index, 3);
	assert_int_equal(routes[1].index, 4);
	assert_int_equal(routes[1].gw.w[3], htonl(0x0a000002));
	free(routes);
}

static void test_malformed_routes(void **state)
{
	static const unsigned short lengths[] = { 0, 4, 20, 0xffff };
	struct rtnexthop hop = { .rtnh_ifindex = 3 };
	struct nb_route *routes;
	struct nlmsghdr *nlh;
	unsigned int n;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		start();
		nlh = push_route(AF_INET);
		hop.rtnh_len = lengths[i];
		mnl_attr_put(nlh, RTA_MULTIPATH, sizeof(hop), &hop);
		seal(&queue[0]);
		assert_int_equal(list_routes(&routes, &n), -EBADMSG);
		assert_null(routes);
	}
	start();
	nlh = push_route(AF_INET);
	mnl_attr_put(nlh, RTA_DST, 3, "abc");
	seal(&queue[0]);
	assert_int_equal(list_routes(&routes, &n), -EBADMSG);
}

static void test_malformed_address(void **state)
{
	struct nb_ifaddr *addrs = NULL;
	struct nb_error err = { 0 };
	struct datagram *datagram;
	struct ifaddrmsg *msg;
	struct nlmsghdr *nlh;
	unsigned int n = 99;

	(void)state;
	start();
	datagram = push();
	nlh = message(datagram, RTM_NEWADDR, NLM_F_MULTI, sizeof(*msg));
	msg = mnl_nlmsg_get_payload(nlh);
	msg->ifa_family = AF_INET6;
	msg->ifa_index = 7;
	mnl_attr_put(nlh, IFA_ADDRESS, 4, "abcd");
	seal(datagram);
	push_done(0);
	assert_int_equal(nb_ifaddr_list(&nl, 7, AF_UNSPEC, &addrs, &n, &err), -EBADMSG);
	assert_null(addrs);
	assert_int_equal(n, 99);
}

static void test_ifname(void **state)
{
	static const struct {
		const char *name;
		bool valid;
	} rows[] = {
		{ "eth0", true },     { "a", true },         { "fifteen-letters", true },
		{ "eth0.100", true }, { "", false },         { "sixteen-letters-", false },
		{ ".", false },       { "..", false },       { "a/b", false },
		{ "a:b", false },     { "a b", false },      { "a\n", false },
		{ "a\x7f", false },   { "\xc3\xa4", false }, { "all", false },
		{ "default", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		print_message("\"%s\"\n", rows[i].name);
		assert_int_equal(nb_ifname_valid(rows[i].name), rows[i].valid);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer),           cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_silence),          cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_bad_error_text),   cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_odd_sizes),        cmocka_unit_test(test_bad_length),
		cmocka_unit_test(test_interrupted_dump), cmocka_unit_test(test_endless_interruptions),
		cmocka_unit_test(test_failed_dump),      cmocka_unit_test(test_routes),
		cmocka_unit_test(test_malformed_routes), cmocka_unit_test(test_malformed_address),
		cmocka_unit_test(test_ifname),
	};

	return cmocka_run_group_tests(tests, open_socket, close_socket);
}
