// SPDX-License-Identifier: GPL-2.0-or-later
/* ICMP errors about translated connections (B15), and redirects (A2). */

#include "lib/maps/layout.h"

#include "env.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "suites.h"

/* The addresses and ICMP numbers of a family. */
static const struct family {
	const char *vip, *near, *far, *router, *gateway, *const *pod;
	uint8_t proto, unreachable, too_big, redirect, redirect_header;
} families[] = {
	{ "10.96.0.10", "10.1.0.3", "10.9.0.9", "192.0.2.1", GATEWAY4, pod_addr4, IPPROTO_ICMP, 3, 3, 5, 8 },
	{ "fd00:96::10", "fd00:1::3", "fd00:9::9", "2001:db8::1", GATEWAY6, pod_addr6, IPPROTO_ICMPV6, 1, 2,
	  137, 48 },
};

static void serve(struct env *env)
{
	const uint8_t protos[] = { IPPROTO_UDP, IPPROTO_TCP };

	for (int i = 0; i < 2; i++) {
		const char *name = i ? "default/tcp" : "default/udp";
		const char *name6 = i ? "default/tcp6" : "default/udp6";

		env_service(env, name, "10.96.0.10:80", protos[i], (const char *[]){ "10.1.0.3:8080", NULL });
		env_service(env, name6, "[fd00:96::10]:80", protos[i],
			    (const char *[]){ "[fd00:1::3]:8080", NULL });
	}
	env_service(env, "default/far", "10.96.0.10:90", IPPROTO_TCP,
		    (const char *[]){ "10.9.0.9:8080", NULL });
	env_service(env, "default/far6", "[fd00:96::10]:90", IPPROTO_TCP,
		    (const char *[]){ "[fd00:9::9]:8080", NULL });
}

/* The first packet of a connection from pod A. */
static struct packet request(const struct family *f, uint8_t proto, uint16_t port)
{
	return (struct packet){ .src = f->pod[POD_A],
				.dst = f->vip,
				.sport = 40000,
				.dport = port,
				.proto = proto,
				.tcp_flags = SYN,
				.payload = "a question" };
}

static struct packet from_to(struct packet packet, const char *src, uint16_t sport, const char *dst,
			     uint16_t dport)
{
	packet.src = src;
	packet.sport = sport;
	packet.dst = dst;
	packet.dport = dport;
	return packet;
}

static struct packet error(const struct family *f, const char *src, const char *dst,
			   const struct packet *quoted)
{
	return (struct packet){ .src = src,
				.dst = dst,
				.proto = f->proto,
				.icmp_type = f->unreachable,
				.icmp_code = f->proto == IPPROTO_ICMP ? 3 : 4,
				.quoted = quoted,
				.ttl = 63 };
}

/* Errors about a connection to a backend on this bridge, from both ends. */
static void check_near(struct env *env, const struct family *f, uint8_t proto, uint16_t quoted_len)
{
	struct packet asked = request(f, proto, 80), answered = asked;
	struct packet at_backend = from_to(asked, asked.src, 40000, f->near, 8080);
	struct packet answer = from_to(asked, f->near, 8080, asked.src, 40000), at_client, in, out;

	answer.tcp_flags = answered.tcp_flags = SYN | ACK;
	at_client = from_to(answer, f->vip, 80, asked.src, 40000);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &asked, NULL, NULL), TC_ACT_REDIRECT);

	/* The backend reports an error about the request. */
	in = error(f, f->near, asked.src, &at_backend);
	out = error(f, f->vip, asked.src, &asked);
	out.dmac = pod_mac[POD_A];
	in.quoted_len = out.quoted_len = quoted_len;
	env_expect(env, FROM_POD, POD_B, &in, TC_ACT_REDIRECT, &out);

	/* The client reports an error about the answer. */
	assert_int_equal(env_run(env, FROM_POD, POD_B, &answer, NULL, NULL), TC_ACT_REDIRECT);
	in = error(f, asked.src, f->vip, &at_client);
	out = error(f, asked.src, f->near, &answer);
	out.dmac = pod_mac[POD_B];
	in.quoted_len = out.quoted_len = quoted_len;
	env_expect(env, FROM_POD, POD_A, &in, TC_ACT_REDIRECT, &out);

	/* Another pod may not report one. */
	in = error(f, f->near, asked.src, &at_backend);
	assert_int_equal(env_run(env, FROM_POD, POD_C, &in, NULL, NULL), TC_ACT_SHOT);
	/* An error to somebody else does not concern the connection. */
	in = error(f, f->near, f->pod[POD_C], &at_backend);
	env_expect_untouched(env, FROM_POD, POD_B, &in);
	env_services_clear(env);
}

static void test_near(void **state)
{
	struct env *env = *state;

	for (int i = 0; i < 2; i++) {
		serve(env);
		check_near(env, &families[i], IPPROTO_UDP, 8);
		serve(env);
		check_near(env, &families[i], IPPROTO_TCP, 8);
	}
	assert_int_equal(env_counter(env, NB_COUNT_RELATED), 8);
	assert_int_equal(env_counter(env, NB_DROP_NOT_ITS_PORT), 4);
}

static void test_whole_quote(void **state)
{
	struct env *env = *state;

	for (int i = 0; i < 2; i++) {
		serve(env);
		check_near(env, &families[i], IPPROTO_UDP, 200);
		serve(env);
		check_near(env, &families[i], IPPROTO_TCP, 200);
	}
}

/* A router on the path to a backend elsewhere: the client gets the error from the VIP. */
static void test_router(void **state)
{
	struct env *env = *state;

	serve(env);
	for (int i = 0; i < 2; i++) {
		const struct family *f = &families[i];
		struct packet asked = request(f, IPPROTO_TCP, 90);
		struct packet routed = from_to(asked, asked.src, 40000, f->far, 8080), in, out;

		env_run(env, FROM_POD, POD_A, &asked, NULL, NULL);
		in = error(f, f->router, asked.src, &routed);
		out = error(f, f->vip, asked.src, &asked);
		in.icmp_type = out.icmp_type = f->too_big;
		env_expect(env, TO_POD, POD_A, &in, TC_ACT_UNSPEC, &out);
		/* At another pod's port it is not translated. */
		env_expect_untouched(env, TO_POD, POD_B, &in);
		routed.dport = 8081;
		env_expect_untouched(env, TO_POD, POD_A, &in);
		/* A later fragment has no ports. */
		routed.dport = 8080;
		routed.frag = 185;
		if (!i)
			env_expect_untouched(env, TO_POD, POD_A, &in);
	}
}

/* A pod that reaches itself, and a client whose port was changed: addresses and port are translated. */
static void test_hairpin_and_clash(void **state)
{
	struct env *env = *state;

	serve(env);
	for (int i = 0; i < 2; i++) {
		const struct family *f = &families[i];
		struct packet direct = request(f, IPPROTO_UDP, 8080), own = request(f, IPPROTO_UDP, 80),
			      clash = own;
		struct packet seen, in, out;
		struct nb_conn conn;

		own.src = f->near;
		assert_int_equal(env_run(env, FROM_POD, POD_B, &own, NULL, NULL), TC_ACT_REDIRECT);
		seen = from_to(own, f->gateway, 40000, f->near, 8080);
		in = error(f, f->near, f->gateway, &seen);
		out = error(f, f->vip, f->near, &own);
		out.dmac = pod_mac[POD_B];
		env_expect(env, FROM_POD, POD_B, &in, TC_ACT_REDIRECT, &out);

		direct.dst = f->near;
		env_run(env, FROM_POD, POD_A, &direct, NULL, NULL);
		assert_int_equal(env_run(env, FROM_POD, POD_A, &clash, NULL, NULL), TC_ACT_REDIRECT);
		assert_true(env_conn(env, &clash, &conn));
		assert_int_not_equal(ntohs(conn.sport), 40000);
		seen = from_to(clash, clash.src, ntohs(conn.sport), f->near, 8080);
		in = error(f, f->near, clash.src, &seen);
		out = error(f, f->vip, clash.src, &clash);
		out.dmac = pod_mac[POD_A];
		env_expect(env, FROM_POD, POD_B, &in, TC_ACT_REDIRECT, &out);
		/* An error about the direct connection passes untouched. */
		in = error(f, f->near, direct.src, &direct);
		env_expect_untouched(env, FROM_POD, POD_B, &in);
	}
}

/* Cuts the packet at each length, also in its IP header: no program may write into it. */
static void check_cut(struct env *env, const struct packet *packet, bool v6)
{
	uint8_t frame[FRAME_MAX], out[FRAME_MAX];
	size_t header = v6 ? 54 : 34, len = packet_build(packet, frame);

	for (size_t cut = header; cut < len; cut += 3) {
		uint16_t ip_len = htons(cut - (v6 ? header : 14));
		struct __sk_buff ctx = { .ifindex = env->ifindex[POD_A] };
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = cut, .data_out = out,
			    .data_size_out = sizeof(out), .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
			    .repeat = 1);

		memcpy(frame + (v6 ? 18 : 16), &ip_len, sizeof(ip_len));
		assert_int_equal(bpf_prog_test_run_opts(env->dp.prog_fd[NB_PROG_TO_POD], &opts), 0);
		/* One that quotes the ports, but less than 8 bytes, is dropped. */
		assert_int_equal((int)opts.retval, cut >= len - 4 ? TC_ACT_SHOT : TC_ACT_UNSPEC);
		assert_memory_equal(out, frame, cut);
	}
}

/* The host's redirect about a translated connection is dropped; any other one passes. */
static void test_redirects(void **state)
{
	struct env *env = *state;

	serve(env);
	for (int i = 0; i < 2; i++) {
		const struct family *f = &families[i];
		struct packet asked = request(f, IPPROTO_TCP, 90), in;
		struct packet routed = from_to(asked, asked.src, 40000, f->far, 8080);

		env_run(env, FROM_POD, POD_A, &asked, NULL, NULL);
		in = error(f, f->gateway, asked.src, &routed);
		in.icmp_type = f->redirect;
		in.icmp_code = 0;
		in.icmp_header = f->redirect_header;
		check_cut(env, &in, i);
		assert_int_equal(env_run(env, TO_POD, POD_A, &in, NULL, NULL), TC_ACT_SHOT);
		assert_int_equal(env_counter(env, NB_DROP_REDIRECT), i + 1);
		routed.dport = 8081;
		env_expect_untouched(env, TO_POD, POD_A, &in);
	}
}

int suite_icmp_nat(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST(test_near),      ENV_TEST(test_whole_quote),
		ENV_TEST(test_router),    ENV_TEST(test_hairpin_and_clash),
		ENV_TEST(test_redirects),
	};

	return cmocka_run_group_tests_name("icmp_nat", tests, NULL, NULL);
}
