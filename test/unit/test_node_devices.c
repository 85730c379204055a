// SPDX-License-Identifier: GPL-2.0-or-later
/* Which links are devices of the node, by answers of kinds that a kernel may lack; and nb0's MTU. */
#include "netlink_answers.h"

#include "lib/node/devices.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <net/if_arp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <cmocka.h>

struct link_row {
	const char *name;
	unsigned short type;
	unsigned int flags, master;
};

/* A link with its row's number as index. */
static void push_row(int index, const struct link_row *row)
{
	struct nlmsghdr *nlh = push_link(index, row->name, NLM_F_MULTI);
	struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);

	info->ifi_type = row->type;
	info->ifi_flags = row->flags;
	mnl_attr_put_u32(nlh, IFLA_MTU, 1400 + (unsigned int)index);
	if (row->master)
		mnl_attr_put_u32(nlh, IFLA_MASTER, row->master);
	seal(&queue[queued - 1]);
}

struct addr_row {
	unsigned int index;
	const char *text;
	unsigned int flags;
	unsigned char scope;
};

/* An address in the answer to the second request. */
static void push_addr(const struct addr_row *row)
{
	struct datagram *datagram = push();
	struct nlmsghdr *nlh = message(datagram, RTM_NEWADDR, NLM_F_MULTI, sizeof(struct ifaddrmsg));
	struct ifaddrmsg *msg = mnl_nlmsg_get_payload(nlh);
	struct nb_addr addr;
	unsigned int len;
	const void *bytes;

	assert_true(nb_addr_parse(row->text, &addr));
	bytes = nb_addr_bytes(&addr, &len);
	nlh->nlmsg_seq++;
	msg->ifa_family = (unsigned char)nb_addr_family(&addr);
	msg->ifa_index = row->index;
	msg->ifa_scope = row->scope;
	mnl_attr_put(nlh, IFA_ADDRESS, len, bytes);
	mnl_attr_put_u32(nlh, IFA_FLAGS, row->flags);
	seal(datagram);
}

/* Both listings, then the names of the devices with their addresses, which are compared. */
static void expect(const struct link_row *links, unsigned int n_links, const struct addr_row *addrs,
		   unsigned int n_addrs, const char *expected)
{
	struct nb_node_device *devices = NULL;
	struct nb_error err = { 0 };
	char found[512] = "", v4[NB_ADDR_STRLEN], v6[NB_ADDR_STRLEN];
	unsigned int n = 0;
	int len = 0;

	start();
	for (unsigned int i = n_links; i > 0; i--) /* not in their order */
		push_row((int)i, &links[i - 1]);
	push_done(0);
	for (unsigned int i = 0; i < n_addrs; i++)
		push_addr(&addrs[i]);
	push_done(1);
	assert_int_equal(nb_node_devices_list(&nl, NULL, 0, &devices, &n, &err), 0);
	for (unsigned int i = 0; i < n; i++)
		if (devices[i].in_use)
			len += snprintf(found + len, sizeof(found) - (size_t)len, "%s%s %u %s %s",
					len ? ", " : "", devices[i].name, devices[i].mtu,
					devices[i].has_v4 ? nb_addr_format(&devices[i].v4, v4) : "-",
					devices[i].has_v6 ? nb_addr_format(&devices[i].v6, v6) : "-");
	assert_string_equal(found, expected);
	free(devices);
}

static void test_links(void **state)
{
	static const struct link_row links[] = {
		{ "lo", ARPHRD_LOOPBACK, IFF_UP | IFF_LOOPBACK, 0 },
		{ "eth0", ARPHRD_ETHER, IFF_UP, 4 }, /* of a bond */
		{ "eth1", ARPHRD_ETHER, IFF_UP, 4 },
		{ "bond0", ARPHRD_ETHER, IFF_UP, 0 },
		{ "bond0.5", ARPHRD_ETHER, IFF_UP, 0 },
		{ "wg0", ARPHRD_NONE, IFF_UP, 0 },
		{ "gre0", ARPHRD_IPGRE, IFF_UP, 0 },
		{ "ib0", ARPHRD_INFINIBAND, IFF_UP, 0 },
		{ "off0", ARPHRD_ETHER, 0, 0 },
		{ "nb0", ARPHRD_ETHER, IFF_UP, 0 },
		{ "nb0-peer", ARPHRD_ETHER, IFF_UP, 0 },
		{ "bare0", ARPHRD_ETHER, IFF_UP, 0 },
	};
	enum { N = sizeof(links) / sizeof(links[0]) };
	static const char *const texts[N] = { "198.51.100.1",  "198.51.100.2",  "198.51.100.3",
					      "198.51.100.4",  "198.51.100.5",  "198.51.100.6",
					      "198.51.100.7",  "198.51.100.8",  "198.51.100.9",
					      "198.51.100.10", "198.51.100.11", "fe80::12" };
	struct addr_row addrs[N] = { 0 };

	(void)state;
	for (unsigned int i = 0; i < N; i++)
		addrs[i] = (struct addr_row){ .index = i + 1, .text = texts[i] };
	addrs[N - 1].scope = RT_SCOPE_LINK;
	expect(links, N, addrs, N, "bond0 1404 198.51.100.4 -, bond0.5 1405 198.51.100.5 -");
}

static void test_addresses(void **state)
{
	static const struct link_row links[] = { { "eth0", ARPHRD_ETHER, IFF_UP, 0 },
						 { "eth1", ARPHRD_ETHER, IFF_UP, 0 } };
	static const struct addr_row addrs[] = {
		{ 1, "10.0.0.1", IFA_F_DEPRECATED, RT_SCOPE_UNIVERSE },
		{ 1, "10.0.0.2", IFA_F_SECONDARY, RT_SCOPE_UNIVERSE },
		{ 1, "10.0.0.3", 0, RT_SCOPE_LINK },
		{ 1, "10.0.0.4", 0, RT_SCOPE_HOST },
		{ 1, "169.254.0.1", 0, RT_SCOPE_UNIVERSE },
		{ 2, "10.0.0.5", 0, RT_SCOPE_UNIVERSE },
		{ 1, "10.0.0.6", IFA_F_PERMANENT, RT_SCOPE_UNIVERSE },
		{ 1, "10.0.0.7", 0, RT_SCOPE_UNIVERSE },
		{ 1, "fe80::1", 0, RT_SCOPE_UNIVERSE }, /* whatever its scope */
		{ 1, "fd00::1", IFA_F_TENTATIVE, RT_SCOPE_UNIVERSE },
		{ 1, "fd00::2", IFA_F_DADFAILED, RT_SCOPE_UNIVERSE },
		{ 1, "fd00::3", IFA_F_TEMPORARY, RT_SCOPE_UNIVERSE },
		{ 1, "fd00::4", 0, RT_SCOPE_SITE },
		{ 1, "fd00::5", IFA_F_MANAGETEMPADDR, RT_SCOPE_UNIVERSE },
	};
	unsigned int n = sizeof(addrs) / sizeof(addrs[0]);

	(void)state;
	expect(links, 2, addrs, n, "eth0 1401 10.0.0.6 fd00::5, eth1 1402 10.0.0.5 -");
	expect(links, 2, addrs, 5, "");
	expect(links, 2, addrs + 8, n - 8, "eth0 1401 - fd00::5");
}

static void test_mtu(void **state)
{
	const struct nb_node_device devices[] = { { .mtu = 9000, .in_use = true },
						  { .mtu = 1400, .in_use = true },
						  { .mtu = 1450, .in_use = true },
						  { .mtu = 576, .in_use = true } };

	(void)state;
	assert_int_equal(nb_node_devices_mtu(NULL, 0), 1500);
	assert_int_equal(nb_node_devices_mtu(devices, 1), 9000);
	assert_int_equal(nb_node_devices_mtu(devices, 3), 1400);
	assert_int_equal(nb_node_devices_mtu(devices, 4), 1280);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_mtu),
	};

	return cmocka_run_group_tests(tests, open_socket, close_socket);
}
