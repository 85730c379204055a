// SPDX-License-Identifier: GPL-2.0-or-later
/* Which frames tell a pod's port that the pod has another MAC. */
#include "env.h"

#include "lib/util/addr.h"

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "suites.h"

#define NEW "02:00:00:00:77:02"
#define VIP "10.96.0.10"

enum { ARP_LEN = ETH_HLEN + 28 };

static void expect_mac(struct env *env, enum pod pod, const char *mac)
{
	unsigned char want[6], have[6];

	assert_true(nb_mac_parse(mac, want));
	env_port_mac(env, pod, have);
	assert_memory_equal(have, want, sizeof(want));
}

/* Sends ARP from pod A with the MAC NEW and this sender address. */
static void run_arp(struct env *env, uint8_t last_of_mac, const uint8_t sender[4])
{
	uint8_t frame[ARP_LEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0x77,
				   2,    0x08, 0x06, 0,    1,    0x08, 0,    6, 4, 0, 1 },
		out[FRAME_MAX + 256];
	size_t len;

	frame[6] |= last_of_mac;
	memcpy(frame + ETH_HLEN + 14, sender, 4);
	assert_int_equal(env_run_frame(env, FROM_POD, POD_A, frame, sizeof(frame), out, &len), TC_ACT_UNSPEC);
}

static void test_arp(void **state)
{
	struct env *env = *state;

	run_arp(env, 0, (uint8_t[]){ 10, 1, 0, 3 }); /* another pod's */
	run_arp(env, 0, (uint8_t[]){ 0, 0, 0, 0 });
	run_arp(env, 1, (uint8_t[]){ 10, 1, 0, 2 }); /* from a group address */
	expect_mac(env, POD_A, pod_mac[POD_A]);
	run_arp(env, 0, (uint8_t[]){ 10, 1, 0, 2 });
	expect_mac(env, POD_A, NEW);
	expect_mac(env, POD_B, pod_mac[POD_B]);
}

static struct packet discovery(const char *src, uint8_t type)
{
	return (struct packet){ .smac = NEW,
				.src = src,
				.dst = "ff02::1",
				.proto = IPPROTO_ICMPV6,
				.icmp_type = type,
				.icmp_header = 24 };
}

static void test_discovery(void **state)
{
	const struct packet foreign[] = { discovery("fd00:1::3", 135), discovery("::", 135),
					  discovery("fe80::2", 136), discovery("fd00:1::2", 133),
					  discovery("fd00:1::2", 128) };
	static const uint8_t types[] = { 135, 136 };
	struct env *env = *state;

	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++) {
		env_expect_untouched(env, FROM_POD, POD_A, &foreign[i]);
		expect_mac(env, POD_A, pod_mac[POD_A]);
	}
	for (size_t i = 0; i < sizeof(types); i++) {
		const struct packet own = discovery("fd00:1::2", types[i]);
		unsigned char old[6];

		env_expect_untouched(env, FROM_POD, POD_A, &own);
		expect_mac(env, POD_A, NEW);
		assert_true(nb_mac_parse(pod_mac[POD_A], old));
		env_port_set_mac(env, POD_A, old);
	}
}

static void test_nothing_else(void **state)
{
	const struct packet others[] = {
		{ .smac = NEW,
		  .src = "10.1.0.2",
		  .dst = "10.1.0.3",
		  .sport = 1,
		  .dport = 2,
		  .proto = IPPROTO_UDP },
		{ .smac = NEW,
		  .src = "10.1.0.2",
		  .dst = "10.1.0.3",
		  .sport = 1,
		  .dport = 2,
		  .tcp_flags = SYN },
		{ .smac = NEW,
		  .src = "fd00:1::2",
		  .dst = "fd00:1::3",
		  .sport = 1,
		  .dport = 2,
		  .tcp_flags = SYN },
		{ .smac = NEW, .src = "10.1.0.2", .dst = "10.1.0.3", .proto = IPPROTO_ICMP, .icmp_type = 8 },
		{ .smac = NEW, .src = "10.1.0.2", .dst = "10.1.0.3", .proto = 47 },
	};
	struct env *env = *state;

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		env_expect_untouched(env, FROM_POD, POD_A, &others[i]);
	expect_mac(env, POD_A, pod_mac[POD_A]);
	/* With macspoofchk the host's rules allow one MAC, and it stays. */
	env_port_flags(env, POD_A, NB_PORT_MACSPOOFCHK);
	run_arp(env, 0, (uint8_t[]){ 10, 1, 0, 2 });
	expect_mac(env, POD_A, pod_mac[POD_A]);
}

/* Translated packets are addressed to the new MAC. */
static void test_delivery(void **state)
{
	const struct packet in = {
		.src = "10.1.0.3", .dst = VIP, .sport = 40000, .dport = 80, .tcp_flags = SYN
	};
	struct packet out = in;
	struct env *env = *state;

	env_service(env, "default/web", VIP ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.2:8080", NULL });
	run_arp(env, 0, (uint8_t[]){ 10, 1, 0, 2 });
	out.dmac = NEW;
	out.dst = "10.1.0.2";
	out.dport = 8080;
	env_expect(env, FROM_POD, POD_B, &in, TC_ACT_REDIRECT, &out);
}

int suite_mac_learn(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST(test_arp),
		ENV_TEST(test_discovery),
		ENV_TEST(test_nothing_else),
		ENV_TEST(test_delivery),
	};

	return cmocka_run_group_tests_name("mac_learn", tests, NULL, NULL);
}
