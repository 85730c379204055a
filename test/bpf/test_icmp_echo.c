// SPDX-License-Identifier: GPL-2.0-or-later
/* Echo requests (B14) and other protocols to addresses of Services and of service ranges. */
#include "env.h"

#include "lib/maps/settings.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"

#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "suites.h"

struct family {
	const char *client, *gateway, *vip, *web, *dns, *free; /* an address and two of its frontends */
	const char *backend;
	uint8_t icmp, request, reply;
};

static const struct family families[] = {
	{ "10.1.0.2", GATEWAY4, "10.96.0.10", "10.96.0.10:80", "10.96.0.10:53", "10.96.0.77", "10.1.0.3:8080",
	  IPPROTO_ICMP, 8, 0 },
	{ "fd00:1::2", GATEWAY6, "fd00:96::10", "[fd00:96::10]:80", "[fd00:96::10]:53", "fd00:96::77",
	  "[fd00:1::3]:8080", IPPROTO_ICMPV6, 128, 129 },
};

static const char *const none[] = { NULL };

/* Applies two Services with one address, each with a backend or without. */
static void serve(struct env *env, bool web, bool dns)
{
	for (int i = 0; i < 2; i++) {
		const struct family *f = &families[i];
		const char *const one[] = { f->backend, NULL };

		env_service(env, i ? "default/web6" : "default/web", f->web, IPPROTO_TCP, web ? one : none);
		env_service(env, i ? "default/dns6" : "default/dns", f->dns, IPPROTO_UDP, dns ? one : none);
	}
}

static void set_ranges(struct env *env)
{
	static const char *const ranges[] = { "10.96.0.0", "fd00:96::" };
	struct nb_settings settings;
	struct nb_error err = { 0 };

	assert_int_equal(nb_settings_read(&env->dp, &settings, &err), 0);
	settings.n_service_cidrs = 2;
	for (int i = 0; i < 2; i++) {
		struct nb_prefix *range = &settings.service_cidrs[i];

		assert_true(nb_addr_parse(ranges[i], &range->value));
		memset(&range->mask, 0xff, i ? 8 : 14);
		settings.vips[!i] = *range;
	}
	assert_int_equal(nb_settings_write(&env->dp, &settings, &err), 0);
}

static struct packet request(const struct family *f, const char *dst)
{
	return (struct packet){ .src = f->client,
				.dst = dst,
				.proto = f->icmp,
				.icmp_type = f->request,
				.payload = "0123456789abcdef0123456789abcdef",
				.smac = pod_mac[POD_A] };
}

static struct packet turned(const struct packet *in)
{
	struct packet out = *in;

	out.src = in->dst;
	out.dst = in->src;
	out.smac = BRIDGE_MAC;
	out.dmac = in->smac;
	return out;
}

static void expect_reply(struct env *env, const struct family *f, const struct packet *in)
{
	struct packet out = turned(in);

	out.icmp_type = f->reply;
	env_expect(env, FROM_POD, POD_A, in, TC_ACT_REDIRECT, &out);
}

static void test_answered(void **state)
{
	struct env *env = *state;

	serve(env, true, true);
	for (int i = 0; i < 2; i++) {
		struct packet in = request(&families[i], families[i].vip);

		expect_reply(env, &families[i], &in);
		in.ip_options = 1;
		in.tos = 0x28;
		in.ttl = 7;
		in.bad_csum = true; /* it stays wrong */
		expect_reply(env, &families[i], &in);
	}
	assert_int_equal(env_counter(env, NB_COUNT_ECHO), 4);
	assert_int_equal(env_conn_count(env), 0);
}

/* Each fragment of the request becomes one of the reply. The first has the type. */
static void test_fragments(void **state)
{
	struct env *env = *state;

	serve(env, true, true);
	for (int i = 0; i < 2; i++) {
		struct packet in = request(&families[i], families[i].vip);

		in.slice_len = 16;
		for (in.slice_from = 0; in.slice_from < 32; in.slice_from += 16)
			expect_reply(env, &families[i], &in);
	}
	assert_int_equal(env_counter(env, NB_COUNT_ECHO), 4);
}

/* One port with a backend is enough; without any the request is rejected. */
static void test_no_backend(void **state)
{
	struct env *env = *state;
	uint64_t rejected = 0;

	for (int round = 0; round < 4; round++) {
		serve(env, round & 1, round & 2);
		for (int i = 0; i < 2; i++) {
			const struct family *f = &families[i];
			struct packet in = request(f, f->vip), out = turned(&in);

			if (round) {
				expect_reply(env, f, &in);
				continue;
			}
			out.src = f->gateway;
			out.payload = NULL;
			out.icmp_type = i ? 1 : 3;
			out.icmp_code = i ? 4 : 3;
			out.tos = i ? 0 : 0xc0;
			out.quoted = &in;
			out.quoted_len = 1000;
			env_expect(env, FROM_POD, POD_A, &in, TC_ACT_REDIRECT, &out);
			in.slice_len = in.slice_from = 16; /* a later fragment gets no error */
			assert_int_equal(env_run(env, FROM_POD, POD_A, &in, NULL, NULL), TC_ACT_SHOT);
			rejected++;
		}
	}
	assert_int_equal(env_counter(env, NB_DROP_NO_BACKEND), rejected);
	assert_int_equal(env_counter(env, NB_DROP_FRAGMENT), rejected);
	/* The last backend is removed, by a change of its Service alone. */
	serve(env, false, false);
	assert_int_equal(env_run(env, FROM_POD, POD_A,
				 &(struct packet){ .src = families[0].client,
						   .dst = families[0].vip,
						   .proto = IPPROTO_ICMP,
						   .icmp_type = 8 },
				 NULL, NULL),
			 TC_ACT_REDIRECT);
	assert_int_equal(env_counter(env, NB_DROP_NO_BACKEND), rejected + 1);
	env_services_clear(env);
	env_expect_untouched(env, FROM_POD, POD_A,
			     &(struct packet){ .src = families[0].client,
					       .dst = families[0].vip,
					       .proto = IPPROTO_ICMP,
					       .icmp_type = 8 });
}

/* A26: nothing leaves the node for a free address of a service range. SCTP to a VIP is rejected. */
static void test_free_address(void **state)
{
	struct env *env = *state;

	serve(env, true, true);
	set_ranges(env);
	for (int i = 0; i < 2; i++) {
		const struct family *f = &families[i];
		struct packet in = request(f, f->free);

		assert_int_equal(env_run(env, FROM_POD, POD_A, &in, NULL, NULL), TC_ACT_SHOT);
		in.slice_len = in.slice_from = 16;
		assert_int_equal(env_run(env, FROM_POD, POD_A, &in, NULL, NULL), TC_ACT_SHOT);
		in = (struct packet){
			.src = f->client, .dst = f->free, .proto = IPPROTO_GRE, .payload = "abcdefgh"
		};
		assert_int_equal(env_run(env, FROM_POD, POD_A, &in, NULL, NULL), TC_ACT_SHOT);
		in.dst = f->vip;
		env_expect_untouched(env, FROM_POD, POD_A, &in);
		in.proto = IPPROTO_SCTP;
		assert_int_equal(env_run(env, FROM_POD, POD_A, &in, NULL, NULL), TC_ACT_REDIRECT);
		in.dst = f->free;
		assert_int_equal(env_run(env, FROM_POD, POD_A, &in, NULL, NULL), TC_ACT_SHOT);
		/* A reply without a request passes (B14). */
		in = request(f, f->free);
		in.icmp_type = f->reply;
		env_expect_untouched(env, FROM_POD, POD_A, &in);
		in.dst = f->vip;
		env_expect_untouched(env, FROM_POD, POD_A, &in);
	}
	assert_int_equal(env_counter(env, NB_DROP_NO_VIP), 8);
	assert_int_equal(env_counter(env, NB_DROP_NO_SERVICE), 2);
	assert_int_equal(env_counter(env, NB_COUNT_ECHO), 0);
}

/* IPv6 with addresses of the form ::ffff:a.b.c.d passes, whatever the frame's address is. */
static void test_mapped(void **state)
{
	static const char *const dsts[] = { "::ffff:10.96.0.10", "::ffff:10.96.0.77" };
	static const uint8_t protos[] = { IPPROTO_ICMPV6, IPPROTO_GRE, IPPROTO_TCP };
	struct env *env = *state;

	serve(env, true, true);
	set_ranges(env);
	for (int i = 0; i < 2; i++) {
		for (int p = 0; p < 3; p++) {
			struct packet in = request(&families[1], dsts[i]);

			in.dmac = "80:00:00:00:00:01";
			in.proto = protos[p];
			in.dport = 80;
			env_expect_untouched(env, FROM_POD, POD_A, &in);
		}
	}
}

int suite_icmp_echo(void)
{
	const struct CMUnitTest tests[] = { ENV_TEST(test_answered), ENV_TEST(test_fragments),
					    ENV_TEST(test_no_backend), ENV_TEST(test_free_address),
					    ENV_TEST(test_mapped) };

	return cmocka_run_group_tests_name("icmp_echo", tests, NULL, NULL);
}
