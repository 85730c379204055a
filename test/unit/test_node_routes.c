// SPDX-License-Identifier: GPL-2.0-or-later
/* Routes of the node that are refused before anything is asked, and routes as the kernel lists them. */
#include "netlink_answers.h"

#include "lib/net/route.h"
#include "lib/node/node_routes.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include <cmocka.h>

static struct nb_node_route route(const char *dst, unsigned int prefix_len, const char *src)
{
	struct nb_node_route made = { .prefix_len = prefix_len, .has_src = src };

	assert_true(nb_addr_parse(dst, &made.dst));
	assert_true(!src || nb_addr_parse(src, &made.src));
	return made;
}

static void refused(const struct nb_node_route *wanted, size_t n, const char *text)
{
	struct nb_error err = { 0 };
	unsigned int seq = nl.seq;

	assert_int_equal(nb_node_routes_set(&nl, 7, wanted, n, NULL, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.msg, text));
	assert_int_equal(nl.seq, seq); /* no request */
}

static void test_refused(void **state)
{
	const struct {
		struct nb_node_route route;
		const char *text;
	} rows[] = {
		{ route("0.0.0.0", 0, NULL), "0.0.0.0/0: prefix length is not in 1..32" },
		{ route("10.0.0.0", 33, NULL), "10.0.0.0/33: prefix length is not in 1..32" },
		{ route("::", 0, NULL), "::/0: prefix length is not in 1..128" },
		{ route("fd00::", 129, NULL), "fd00::/129: prefix length is not in 1..128" },
		{ route("10.0.0.1", 31, NULL), "10.0.0.1/31: host bits are set" },
		{ route("fd00::1", 64, NULL), "fd00::1/64: host bits are set" },
		{ route("10.0.0.0", 8, "fd00::1"), "10.0.0.0/8: source of another family" },
		{ route("fd00::", 64, "10.0.0.1"), "fd00::/64: source of another family" },
	};
	struct nb_node_route two[] = { route("10.0.0.0", 8, "10.0.0.1"), route("fd00::", 64, NULL),
				       route("10.0.0.0", 8, "10.0.0.2") };

	(void)state;
	start();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		refused(&rows[i].route, 1, rows[i].text);
	refused(two, 3, "10.0.0.0/8: given twice, with two sources");
	two[2].has_src = false;
	refused(two, 3, "10.0.0.0/8: given twice, with two sources");
}

static void push_route(unsigned char type, unsigned char protocol, unsigned char table, unsigned int flags)
{
	struct datagram *datagram = push();
	struct nlmsghdr *nlh = message(datagram, RTM_NEWROUTE, NLM_F_MULTI, sizeof(struct rtmsg));
	struct rtmsg *msg = mnl_nlmsg_get_payload(nlh);

	msg->rtm_family = AF_INET;
	msg->rtm_dst_len = 32;
	msg->rtm_type = type;
	msg->rtm_protocol = protocol;
	msg->rtm_table = table;
	msg->rtm_flags = flags;
	mnl_attr_put_u32(nlh, RTA_DST, htonl(0x0a000000U + queued));
	mnl_attr_put_u32(nlh, RTA_PREFSRC, htonl(0x0a000100U + queued));
	seal(datagram);
}

/* The numbers of the routes that the query gives, from 1. */
static void listed(struct nb_route_query query, const char *expected)
{
	struct nb_route *routes = NULL;
	struct nb_error err = { 0 };
	char found[64] = "";
	unsigned int n = 0;
	int len = 0;

	start();
	push_route(RTN_UNICAST, RTPROT_STATIC, RT_TABLE_MAIN, 0);
	push_route(RTN_UNREACHABLE, RTPROT_STATIC, RT_TABLE_MAIN, 0);
	push_route(RTN_UNICAST, NB_ROUTE_PROTOCOL, RT_TABLE_MAIN, 0);
	push_route(RTN_UNICAST, NB_ROUTE_PROTOCOL, RT_TABLE_DEFAULT, 0);
	push_route(RTN_LOCAL, RTPROT_KERNEL, RT_TABLE_LOCAL, 0);
	push_route(RTN_UNICAST, RTPROT_STATIC, RT_TABLE_MAIN, RTM_F_CLONED);
	push_done(0);
	query.family = AF_INET;
	assert_int_equal(nb_route_query(&nl, &query, &routes, &n, &err), 0);
	for (unsigned int i = 0; i < n; i++) {
		unsigned int number = ntohl(routes[i].dst.w[3]) & 0xff;

		assert_true(routes[i].has_src);
		assert_int_equal(ntohl(routes[i].src.w[3]), 0x0a000100U + number);
		len += snprintf(found + len, sizeof(found) - (size_t)len, "%u:%u:%u ", number, routes[i].type,
				routes[i].protocol);
	}
	assert_string_equal(found, expected);
	free(routes);
}

static void test_listed(void **state)
{
	(void)state;
	listed((struct nb_route_query){ 0 }, "1:1:4 3:1:110 4:1:110 ");
	listed((struct nb_route_query){ .any_type = true }, "1:1:4 2:7:4 3:1:110 4:1:110 ");
	listed((struct nb_route_query){ .any_type = true, .table = RT_TABLE_MAIN }, "1:1:4 2:7:4 3:1:110 ");
	listed((struct nb_route_query){ .protocol = NB_ROUTE_PROTOCOL }, "3:1:110 4:1:110 ");
	listed((struct nb_route_query){ .any_type = true, .table = RT_TABLE_LOCAL }, "5:2:2 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_listed),
	};

	return cmocka_run_group_tests(tests, open_socket, close_socket);
}
