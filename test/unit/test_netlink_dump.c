// SPDX-License-Identifier: GPL-2.0-or-later
/* Answers to dumps of links, routes and addresses: interrupted, failed and malformed ones. */
#include "netlink_answers.h"

#include "lib/net/ifaddr.h"
#include "lib/net/link.h"
#include "lib/net/route.h"
#include "lib/util/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static int list_links(unsigned int *n)
{
	struct nb_error err = { 0 };
	struct nb_link *links = NULL;
	int rc = nb_link_list(&nl, NULL, 0, &links, n, &err);

	free(links);
	return rc;
}

/* Links that were collected before an interruption do not count twice. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interrupted_dump), cmocka_unit_test(test_endless_interruptions),
		cmocka_unit_test(test_failed_dump),      cmocka_unit_test(test_routes),
		cmocka_unit_test(test_malformed_routes), cmocka_unit_test(test_malformed_address),
	};

	return cmocka_run_group_tests(tests, open_socket, close_socket);
}
