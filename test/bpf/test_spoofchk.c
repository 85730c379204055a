// SPDX-License-Identifier: GPL-2.0-or-later
/* ipspoofchk (B23): which source addresses a pod may send with. */

#include "lib/maps/settings.h"

#include "env.h"

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "suites.h"

#define VIP "10.96.0.10"

static void check_spoofing(struct env *env)
{
	struct nb_settings settings;

	assert_int_equal(nb_settings_read(&env->dp, &settings, NULL), 0);
	settings.flags |= NB_SETTINGS_SPOOFCHK;
	assert_int_equal(nb_settings_write(&env->dp, &settings, NULL), 0);
	env_port_flags(env, POD_A, NB_PORT_SPOOFCHK);
}

static const struct packet own[] = {
	{ .src = "10.1.0.2", .dst = "10.1.0.4", .sport = 1, .dport = 2, .proto = IPPROTO_UDP },
	{ .src = "fd00:1::2", .dst = "fd00:1::4", .sport = 1, .dport = 2, .proto = IPPROTO_UDP },
	{ .src = "0.0.0.0", .dst = "255.255.255.255", .sport = 68, .dport = 67, .proto = IPPROTO_UDP },
	{ .src = "::",
	  .dst = "ff02::1:ff00:2",
	  .proto = IPPROTO_ICMPV6,
	  .icmp_type = 135,
	  .icmp_header = 24 },
	{ .src = "fe80::42", .dst = "ff02::2", .proto = IPPROTO_ICMPV6, .icmp_type = 133 },
	{ .src = "10.1.0.2", .dst = "10.1.0.4", .proto = 47 },
	{ .src = "10.1.0.2", .dst = "10.1.0.4", .sport = 1, .dport = 2, .proto = IPPROTO_UDP, .vlan = 5 },
};

static const struct packet forged[] = {
	{ .src = "10.1.0.3", .dst = "10.1.0.4", .sport = 1, .dport = 2, .proto = IPPROTO_UDP },
	{ .src = "fd00:1::3", .dst = "fd00:1::4", .sport = 1, .dport = 2, .proto = IPPROTO_UDP },
	{ .src = "192.0.2.1", .dst = VIP, .sport = 1, .dport = 80, .tcp_flags = SYN },
	{ .src = VIP, .dst = "10.1.0.4", .sport = 80, .dport = 2, .tcp_flags = SYN | ACK },
	{ .src = "10.1.0.3", .dst = "10.1.0.4", .proto = IPPROTO_ICMP, .icmp_type = 5 },
	{ .src = "10.1.0.3", .dst = "10.1.0.4", .proto = 47 },
	{ .src = "10.1.0.3", .dst = "10.1.0.4", .frag = 185, .proto = IPPROTO_UDP, .payload = "PPPPQQQQ" },
	{ .src = "10.1.0.3", .dst = "10.1.0.4", .sport = 1, .dport = 2, .proto = IPPROTO_UDP, .vlan = 5 },
};

static void test_ip(void **state)
{
	struct env *env = *state;
	const size_t n = sizeof(forged) / sizeof(*forged);

	env_service(env, "default/web", VIP ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.3:8080", NULL });
	check_spoofing(env);
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		env_expect_untouched(env, FROM_POD, POD_A, &own[i]);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(env_run(env, FROM_POD, POD_A, &forged[i], NULL, NULL), TC_ACT_SHOT);
	assert_int_equal(env_counter(env, NB_DROP_SPOOFED), n);
	assert_int_equal(env_conn_count(env), 0);
	/* A port without the flag is not checked. */
	env_expect_untouched(env, FROM_POD, POD_C, &forged[0]);
}

enum { ARP_LEN = ETH_HLEN + 28, NA_LEN = ETH_HLEN + 40 + 24 };

/* Sends an ARP request from pod A with this sender address. */
static int run_arp(struct env *env, const uint8_t sender[4])
{
	uint8_t frame[ARP_LEN] = { [12] = 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1 }, out[FRAME_MAX + 256];
	size_t len;

	memcpy(frame + ETH_HLEN + 14, sender, 4);
	return env_run_frame(env, FROM_POD, POD_A, frame, sizeof(frame), out, &len);
}

static void test_arp(void **state)
{
	struct env *env = *state;

	check_spoofing(env);
	assert_int_equal(run_arp(env, (uint8_t[]){ 10, 1, 0, 2 }), TC_ACT_UNSPEC);
	assert_int_equal(run_arp(env, (uint8_t[]){ 0, 0, 0, 0 }), TC_ACT_UNSPEC); /* a probe, RFC 5227 */
	assert_int_equal(run_arp(env, (uint8_t[]){ 10, 1, 0, 1 }), TC_ACT_SHOT);  /* the gateway's */
}

/* Sends a neighbour advertisement from pod A's own address; the target ends with this byte. */
static int run_advertisement(struct env *env, uint8_t last)
{
	const struct packet packet = { .src = "fd00:1::2",
				       .dst = "ff02::1",
				       .proto = IPPROTO_ICMPV6,
				       .icmp_type = 136,
				       .icmp_header = 24 };
	uint8_t frame[FRAME_MAX], out[FRAME_MAX + 256];
	size_t len = packet_build(&packet, frame);
	uint8_t *target = frame + ETH_HLEN + 40 + 8;

	assert_int_equal(len, NA_LEN);
	memcpy(target, frame + ETH_HLEN + 8, 16);
	target[15] = last;
	return env_run_frame(env, FROM_POD, POD_A, frame, len, out, &len);
}

static void test_advertisement(void **state)
{
	struct env *env = *state;

	check_spoofing(env);
	assert_int_equal(run_advertisement(env, 2), TC_ACT_UNSPEC);
	assert_int_equal(run_advertisement(env, 1), TC_ACT_SHOT);
	assert_int_equal(env_counter(env, NB_DROP_SPOOFED), 1);
}

int suite_spoofchk(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST(test_ip),
		ENV_TEST(test_arp),
		ENV_TEST(test_advertisement),
	};

	return cmocka_run_group_tests_name("spoofchk", tests, NULL, NULL);
}
