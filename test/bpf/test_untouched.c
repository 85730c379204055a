// SPDX-License-Identifier: GPL-2.0-or-later
/* Packets that do not concern natbridge (B18, B19). */
#include "env.h"

#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "suites.h"

#define VIP "10.96.0.10"

/* These pass byte for byte, and leave no entry. */
static const struct {
	const char *what;
	struct packet packet;
} rows[] = {
	{ "TCP to a pod",
	  { .src = "10.1.0.2", .dst = "10.1.0.3", .sport = 1, .dport = 22, .tcp_flags = SYN } },
	{ "UDP to a pod over IPv6",
	  { .src = "fd00:1::2", .dst = "fd00:1::3", .sport = 1, .dport = 2, .proto = 17 } },
	{ "DHCP",
	  { .src = "0.0.0.0",
	    .dst = "255.255.255.255",
	    .sport = 68,
	    .dport = 67,
	    .proto = 17,
	    .dmac = "ff:ff:ff:ff:ff:ff" } },
	{ "mDNS",
	  { .src = "10.1.0.2",
	    .dst = "224.0.0.251",
	    .sport = 5353,
	    .dport = 5353,
	    .proto = 17,
	    .dmac = "01:00:5e:00:00:fb" } },
	{ "VIP in a VLAN",
	  { .src = "10.1.0.2", .dst = VIP, .sport = 1, .dport = 80, .tcp_flags = SYN, .vlan = 5 } },
	{ "IPv6 to the VIP in its mapped form, which is no address on the wire (RFC 4291, 2.5.5.2)",
	  { .src = "::ffff:10.1.0.2", .dst = "::ffff:" VIP, .sport = 1, .dport = 80, .tcp_flags = SYN } },
	{ "from the VIP",
	  { .src = VIP, .dst = "10.1.0.2", .sport = 80, .dport = 40000, .tcp_flags = SYN | ACK } },
	{ "to its own sender and port, a backend (LAND)",
	  { .src = "10.1.0.3", .dst = "10.1.0.3", .sport = 8080, .dport = 8080, .tcp_flags = SYN } },
	{ "a later fragment",
	  { .src = "10.1.0.2", .dst = "10.1.0.3", .frag = 185, .proto = 17, .payload = "PPPPQQQQ" } },
};

static void test_untouched(void **state)
{
	struct env *env = *state;

	env_service(env, "default/web", VIP ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.3:8080", NULL });
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		print_message("# %s\n", rows[i].what);
		env_expect_untouched(env, FROM_POD, POD_A, &rows[i].packet);
		env_expect_untouched(env, TO_POD, POD_A, &rows[i].packet);
	}
	assert_int_equal(env_conn_count(env), 0);
}

/* A direct connection to a backend is tracked (B5), but its packets pass untouched. */
static void test_direct(void **state)
{
	struct env *env = *state;
	struct packet syn = {
		.src = "10.1.0.2", .dst = "10.1.0.3", .sport = 1, .dport = 8080, .tcp_flags = SYN
	};
	struct packet syn_ack = {
		.src = "10.1.0.3", .dst = "10.1.0.2", .sport = 8080, .dport = 1, .tcp_flags = SYN | ACK
	};

	env_service(env, "default/web", VIP ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.3:8080", NULL });
	env_expect_untouched(env, FROM_POD, POD_A, &syn);
	env_expect_untouched(env, TO_POD, POD_B, &syn);
	env_expect_untouched(env, FROM_POD, POD_B, &syn_ack);
	env_expect_untouched(env, TO_POD, POD_A, &syn_ack);
	assert_int_equal(env_conn_count(env), 1);
}

int suite_untouched(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST(test_untouched),
		ENV_TEST(test_direct),
	};

	return cmocka_run_group_tests_name("untouched", tests, NULL, NULL);
}
