// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Addresses that no ADD gave: floating ones, second ones of a pod, those behind a router pod. They
 * belong to the port that uses them now. An address that an ADD gave belongs to that pod, and after
 * its DEL to the next one.
 */
#include "env.h"

#include "lib/maps/conntrack.h"
#include "lib/maps/endpoint.h"
#include "lib/maps/settings.h"
#include "lib/net/ifaddr.h"
#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/net/route.h"
#include "lib/net/sysctl.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include <linux/if_addr.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "suites.h"

struct family {
	const char *vip, *frontend;                                /* the address; the same with a port */
	const char *client, *near;                                 /* of pods A and B */
	const char *floating, *far;                                /* on the bridge's subnet, and beyond */
	const char *near_backend, *floating_backend, *far_backend; /* with their ports */
	const char *gateway;
	uint8_t icmp;
};

static const struct family families[] = {
	{ "10.96.0.10", "10.96.0.10:80", "10.1.0.2", "10.1.0.3", "10.1.0.200", "10.9.0.9", "10.1.0.3:8080",
	  "10.1.0.200:8080", "10.9.0.9:8080", GATEWAY4, IPPROTO_ICMP },
	{ "fd00:96::10", "[fd00:96::10]:80", "fd00:1::2", "fd00:1::3", "fd00:1::200", "fd00:9::9",
	  "[fd00:1::3]:8080", "[fd00:1::200]:8080", "[fd00:9::9]:8080", GATEWAY6, IPPROTO_ICMPV6 },
};

static struct nb_addr addr(const char *text)
{
	struct nb_addr parsed;

	assert_true(nb_addr_parse(text, &parsed));
	return parsed;
}

static void expect_done(int rc, const struct nb_error *err)
{
	if (rc)
		fail_msg("%s", err->msg);
}

/* The node: a bridge with the gateways, and routes through it to the network behind a router pod. */
static void make_bridge(struct env *env)
{
	static const char *const gateways[] = { GATEWAY4, GATEWAY6 };
	static const char *const behind[] = { "10.9.0.0", "fd00:9::" };
	static const unsigned char mac[NB_MAC_LEN] = { 2, 0, 0, 0, 0, 1 };
	nb_cleanup(nb_netlink_close) struct nb_netlink nl = { 0 };
	const struct nb_link_change up = { .set_up = true, .up = true };
	struct nb_settings settings;
	struct nb_error err = { 0 };
	struct nb_link bridge = { 0 };

	expect_done(nb_sysctl_write("net/ipv4/ip_forward", "1", &err), &err);
	expect_done(nb_sysctl_write("net/ipv6/conf/all/forwarding", "1", &err), &err);
	expect_done(nb_netlink_open(&nl, &err), &err);
	expect_done(nb_link_create_bridge(&nl, "br", mac, 0, false, &err), &err);
	expect_done(nb_link_get(&nl, "br", &bridge, &err), &err);
	expect_done(nb_link_change(&nl, bridge.index, &up, &err), &err);
	for (int i = 0; i < 2; i++) {
		const struct nb_ifaddr gateway = { .addr = addr(gateways[i]),
						   .prefix_len = i ? 64 : 24,
						   .flags = i ? IFA_F_NODAD : 0 };
		const struct nb_route route = { .dst = addr(behind[i]),
						.prefix_len = i ? 64 : 24,
						.has_gw = true,
						.gw = addr(i ? "fd00:1::4" : "10.1.0.4"),
						.index = bridge.index };

		expect_done(nb_ifaddr_add(&nl, bridge.index, &gateway, &err), &err);
		expect_done(nb_route_add(&nl, &route, &err), &err);
	}
	assert_int_equal(nb_settings_read(&env->dp, &settings, &err), 0);
	settings.bridge_ifindex = bridge.index;
	assert_int_equal(nb_settings_write(&env->dp, &settings, &err), 0);
}

static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };

/* Runs a test for both families and protocols, each without connections and Services. */
static void for_each(struct env *env, void (*test)(struct env *env, const struct family *f, uint8_t proto))
{
	struct nb_error err = { 0 };

	make_bridge(env);
	for (size_t i = 0; i < 4; i++) {
		env_services_clear(env);
		assert_int_equal(nb_conntrack_flush(&env->dp, NULL, &err), 0);
		print_message("# %s, protocol %u\n", families[i / 2].vip, protos[i % 2]);
		test(env, &families[i / 2], protos[i % 2]);
	}
}

static void serve(struct env *env, const struct family *f, uint8_t proto, const char *backend)
{
	char name[] = "default/web-4t";

	name[12] = f->icmp == IPPROTO_ICMP ? '4' : '6';
	name[13] = proto == IPPROTO_TCP ? 't' : 'u';
	env_service(env, name, f->frontend, proto, (const char *[]){ backend, NULL });
}

static struct packet request(const struct family *f, uint8_t proto, const char *client)
{
	return (struct packet){ .src = client,
				.dst = f->vip,
				.sport = 40000,
				.dport = 80,
				.proto = proto,
				.tcp_flags = proto == IPPROTO_TCP ? SYN : 0 };
}

static struct packet answer(uint8_t proto, const char *backend, const char *client, uint8_t flags)
{
	return (struct packet){ .src = backend,
				.dst = client,
				.sport = 8080,
				.dport = 40000,
				.proto = proto,
				.tcp_flags = proto == IPPROTO_TCP ? flags : 0 };
}

/* Expects that a pod's answer goes to the host, not translated. */
static void expect_up(struct env *env, enum pod pod, const struct packet *packet)
{
	struct packet up = *packet;

	up.dmac = BRIDGE_MAC;
	env_expect(env, FROM_POD, pod, packet, TC_ACT_UNSPEC, &up);
}

/* Expects that an answer from the host enters the client's pod as one of the Service. */
static void expect_translated(struct env *env, const struct family *f, enum pod pod, struct packet packet)
{
	struct packet received;

	packet.smac = BRIDGE_MAC;
	packet.ttl = 63;
	received = packet;
	received.src = f->vip;
	received.sport = 80;
	env_expect(env, TO_POD, pod, &packet, TC_ACT_UNSPEC, &received);
}

/* The backend's address moves from pod B to pod C, or is behind one and then the other. */
static void backend_moves(struct env *env, const struct family *f, uint8_t proto, const char *addr,
			  const char *backend)
{
	struct packet asked = request(f, proto, f->client), routed = asked, answered;
	struct nb_conn conn;

	serve(env, f, proto, backend);
	routed.dst = addr;
	routed.dport = 8080;
	routed.dmac = BRIDGE_MAC;
	env_expect(env, FROM_POD, POD_A, &asked, TC_ACT_UNSPEC, &routed);
	answered = answer(proto, addr, f->client, SYN | ACK);
	expect_up(env, POD_B, &answered);
	/* The connection is tracked once, at the client's port. */
	assert_true(env_conn(env, &asked, &conn));
	assert_false(nb_life_flags(conn.life) & NB_LIFE_SEEN_REPLY);
	expect_translated(env, f, POD_A, answered);
	assert_true(env_conn(env, &asked, &conn));
	assert_true(nb_life_flags(conn.life) & NB_LIFE_SEEN_REPLY);
	answered.tcp_flags = proto == IPPROTO_TCP ? ACK : 0;
	expect_up(env, POD_C, &answered);
	expect_translated(env, f, POD_A, answered);
	/* The same from the host, as from a router beyond it. */
	expect_translated(env, f, POD_A, answered);
}

static void floating_backend(struct env *env, const struct family *f, uint8_t proto)
{
	backend_moves(env, f, proto, f->floating, f->floating_backend);
	assert_int_equal(env_counter(env, NB_DROP_NOT_ITS_PORT), 0);
}

static void router_pod(struct env *env, const struct family *f, uint8_t proto)
{
	backend_moves(env, f, proto, f->far, f->far_backend);
	assert_int_equal(env_counter(env, NB_DROP_NOT_ITS_PORT), 0);
}

static void test_floating_backend(void **state)
{
	for_each(*state, floating_backend);
}

static void test_router_pod(void **state)
{
	for_each(*state, router_pod);
}

/* An error of the backend reaches the client. The host's redirect to the backend reaches nobody. */
static void errors_of_floating(struct env *env, const struct family *f, uint8_t proto)
{
	struct packet asked = request(f, proto, f->client);
	struct packet got = asked, answered = answer(proto, f->floating, f->client, SYN | ACK);
	struct packet error = { .src = f->floating, .dst = f->client, .proto = f->icmp, .quoted = &got };
	bool v4 = f->icmp == IPPROTO_ICMP;

	serve(env, f, proto, f->floating_backend);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &asked, NULL, NULL), TC_ACT_UNSPEC);
	got.dst = f->floating;
	got.dport = 8080;
	error.icmp_type = v4 ? 3 : 1;
	error.icmp_code = v4 ? 3 : 4;
	expect_up(env, POD_B, &error);
	/* A redirect of IPv4 is built like an error; for IPv6 see test_icmp_nat.c. */
	if (!v4)
		return;
	error = (struct packet){ .src = f->gateway,
				 .dst = f->floating,
				 .proto = f->icmp,
				 .icmp_type = 5,
				 .icmp_code = 1,
				 .quoted = &answered };
	assert_int_equal(env_run(env, TO_POD, POD_B, &error, NULL, NULL), TC_ACT_SHOT);
}

static void test_errors_of_floating(void **state)
{
	struct env *env = *state;

	for_each(env, errors_of_floating);
	assert_int_equal(env_counter(env, NB_DROP_REDIRECT), 2);
}

/* The client's address moves from pod A to pod C, with its source port. */
static void client_moves(struct env *env, const struct family *f, uint8_t proto)
{
	struct packet asked = request(f, proto, f->floating), received = asked;
	struct packet answered = answer(proto, f->near, f->floating, SYN | ACK), back = answered;
	const enum pod holders[] = { POD_A, POD_C };

	serve(env, f, proto, f->near_backend);
	received.dst = f->near;
	received.dport = 8080;
	received.dmac = pod_mac[POD_B];
	back.src = f->vip;
	back.sport = 80;
	for (int i = 0; i < 2; i++) {
		back.dmac = pod_mac[holders[i]];
		env_expect(env, FROM_POD, holders[i], &asked, TC_ACT_REDIRECT, &received);
		env_expect(env, FROM_POD, POD_B, &answered, TC_ACT_REDIRECT, &back);
	}
	assert_int_equal(env_conn_count(env), 1);
	env_expect_whole(env);
}

static void test_client_moves(void **state)
{
	for_each(*state, client_moves);
}

/* The same for a backend beyond the host. Answers follow the address before the client sends again. */
static void far_client_moves(struct env *env, const struct family *f, uint8_t proto)
{
	struct packet asked = request(f, proto, f->floating);
	struct packet answered = answer(proto, f->far, f->floating, SYN | ACK);

	serve(env, f, proto, f->far_backend);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &asked, NULL, NULL), TC_ACT_UNSPEC);
	expect_translated(env, f, POD_A, answered);
	expect_translated(env, f, POD_C, answered);
}

static void test_far_client_moves(void **state)
{
	for_each(*state, far_client_moves);
}

/* No other pod can send in the name of a client or backend whose address an ADD gave. */
static void forged(struct env *env, const struct family *f, uint8_t proto)
{
	uint64_t before = env_counter(env, NB_DROP_NOT_ITS_PORT);
	struct packet asked = request(f, proto, f->client);
	struct packet answered = answer(proto, f->near, f->client, SYN | ACK);

	serve(env, f, proto, f->near_backend);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &asked, NULL, NULL), TC_ACT_REDIRECT);
	assert_int_equal(env_run(env, FROM_POD, POD_C, &asked, NULL, NULL), TC_ACT_SHOT);
	assert_int_equal(env_run(env, FROM_POD, POD_C, &answered, NULL, NULL), TC_ACT_SHOT);
	assert_int_equal(env_counter(env, NB_DROP_NOT_ITS_PORT), before + 2);
	assert_int_equal(env_run(env, FROM_POD, POD_B, &answered, NULL, NULL), TC_ACT_REDIRECT);
}

static void test_forged(void **state)
{
	for_each(*state, forged);
}

static void give(struct env *env, enum pod pod, const char *id, const char *const *addrs, unsigned int n)
{
	struct nb_endpoint_spec spec = { .container_id = id, .ifname = "eth0", .n_addrs = n };
	struct nb_error err = { 0 };

	spec.ifindex = env->ifindex[pod];
	assert_true(nb_mac_parse(pod_mac[pod], spec.mac));
	for (unsigned int i = 0; i < n; i++)
		assert_true(nb_addr_parse(addrs[i], &spec.addrs[i].addr));
	if (nb_endpoint_add(&env->dp, &spec, &err))
		fail_msg("%s", err.msg);
}

/* An ADD gives pod C the address that pod A has used so far: now it belongs to C alone. */
static void test_given_later(void **state)
{
	struct env *env = *state;
	const struct family *f = &families[0];
	struct packet asked = request(f, IPPROTO_UDP, f->floating);

	serve(env, f, IPPROTO_UDP, f->near_backend);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &asked, NULL, NULL), TC_ACT_REDIRECT);
	give(env, POD_C, "c", (const char *[]){ f->floating }, 1);
	assert_int_equal(env_run(env, FROM_POD, POD_C, &asked, NULL, NULL), TC_ACT_REDIRECT);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &asked, NULL, NULL), TC_ACT_SHOT);
	assert_int_equal(env_counter(env, NB_DROP_NOT_ITS_PORT), 1);
}

/* B26: what a backend beyond the host still sends does not reach the next owner of the client's address. */
static void test_next_owner(void **state)
{
	struct env *env = *state;
	struct nb_error err = { 0 };

	for (int i = 0; i < 2; i++) {
		const struct family *f = &families[i];

		for (int p = 0; p < 2; p++) {
			struct packet asked = request(f, protos[p], f->client);

			asked.sport += p;
			serve(env, f, protos[p], f->far_backend);
			assert_int_equal(env_run(env, FROM_POD, POD_A, &asked, NULL, NULL), TC_ACT_UNSPEC);
		}
	}
	assert_int_equal(nb_endpoint_delete(&env->dp, pod_addr4[POD_A], "eth0", &err), 0);
	assert_int_equal(nb_endpoint_delete(&env->dp, pod_addr4[POD_C], "eth0", &err), 0);
	give(env, POD_C, "new", (const char *[]){ families[0].client, families[1].client }, 2);
	for (int times = 0; times < 20; times++) {
		for (int i = 0; i < 4; i++) {
			const struct family *f = &families[i / 2];
			struct packet late = answer(protos[i % 2], f->far, f->client, ACK), error;

			late.dport += i % 2;
			assert_int_equal(env_run(env, TO_POD, POD_C, &late, NULL, NULL), TC_ACT_SHOT);
			late.src = f->client, late.sport = late.dport;
			late.dst = f->far, late.dport = 8080;
			error = (struct packet){ .src = f->far,
						 .dst = f->client,
						 .proto = f->icmp,
						 .icmp_type = f->icmp == IPPROTO_ICMP ? 3 : 1,
						 .quoted = &late };
			assert_int_equal(env_run(env, TO_POD, POD_C, &error, NULL, NULL), TC_ACT_SHOT);
		}
		env_advance(env, 8); /* an entry stays for 10 s (tcp_close) after the last packet */
	}
	assert_int_equal(env_counter(env, NB_DROP_GONE), 160);
	/* The new owner can use the same ports. */
	for (int i = 0; i < 2; i++) {
		const struct family *f = &families[i];
		struct packet asked = request(f, IPPROTO_UDP, f->client);

		asked.sport++;
		assert_int_equal(env_run(env, FROM_POD, POD_C, &asked, NULL, NULL), TC_ACT_UNSPEC);
		asked = answer(IPPROTO_UDP, f->far, f->client, 0);
		asked.dport++;
		asked.smac = BRIDGE_MAC;
		struct packet received = asked;

		received.src = f->vip;
		received.sport = 80;
		env_expect(env, TO_POD, POD_C, &asked, TC_ACT_UNSPEC, &received);
	}
}

int suite_floating(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST(test_floating_backend),   ENV_TEST(test_router_pod),
		ENV_TEST(test_errors_of_floating), ENV_TEST(test_client_moves),
		ENV_TEST(test_far_client_moves),   ENV_TEST(test_forged),
		ENV_TEST(test_given_later),        ENV_TEST(test_next_owner),
	};

	return cmocka_run_group_tests_name("floating", tests, NULL, NULL);
}
