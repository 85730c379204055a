// SPDX-License-Identifier: GPL-2.0-or-later
/* Backends that are removed from their Service under live connections (A9 .. A12), and affinity (A7). */
#include "env.h"

#include "lib/maps/endpoint.h"
#include "lib/maps/layout.h"
#include "lib/maps/settings.h"
#include "lib/maps/tick.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"
#include <bpf/bpf.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "suites.h"

#define VIP  "10.96.0.10"
#define NONE ((const char *[]){ NULL })
#define B    "10.1.0.3:8080"
#define C    "10.1.0.4:8080"
#define FAR  "10.9.0.9:8080"

static struct packet request(uint8_t proto, uint16_t sport)
{
	return (struct packet){ .src = pod_addr4[POD_A],
				.dst = VIP,
				.sport = sport,
				.dport = 80,
				.proto = proto,
				.tcp_flags = SYN,
				.seq = 1000 };
}

/* Sends a packet from pod A. Returns the destination that it has then; "": it was dropped. */
static const char *backend(struct env *env, const struct packet *packet)
{
	static char text[NB_ADDR_STRLEN];
	uint8_t frame[FRAME_MAX];
	struct nb_addr to = { 0 };
	size_t len;

	if (env_run(env, FROM_POD, POD_A, packet, frame, &len) == TC_ACT_SHOT)
		return "";
	to.w[2] = htonl(0xffff);
	memcpy(&to.w[3], frame + 30, 4);
	return nb_addr_format(&to, text);
}

static void serve(struct env *env, uint8_t proto, const char *const *backends, const char *const *draining)
{
	env_service_draining(env, "default/web", VIP ":80", proto, 0, backends, draining);
}

static void expect_reset(struct env *env, const struct packet *packet)
{
	uint64_t before = env_counter(env, NB_DROP_BACKEND_GONE);
	struct nb_conn conn;

	assert_string_equal(backend(env, packet), packet->src); /* the answer, to the client */
	assert_int_equal(env_counter(env, NB_DROP_BACKEND_GONE), before + 1);
	assert_false(env_conn(env, packet, &conn));
}

/*
 * A10: the next packet of a live UDP flow goes to another backend. Without one it is rejected,
 * until a backend appears.
 */
static void test_udp(void **state)
{
	struct env *env = *state;
	struct packet packet = request(IPPROTO_UDP, 40000);

	serve(env, IPPROTO_UDP, (const char *[]){ B, NULL }, NONE);
	assert_string_equal(backend(env, &packet), "10.1.0.3");
	serve(env, IPPROTO_UDP, (const char *[]){ B, C, NULL }, NONE);
	assert_string_equal(backend(env, &packet), "10.1.0.3");
	serve(env, IPPROTO_UDP, (const char *[]){ C, NULL }, (const char *[]){ B, NULL });
	assert_string_equal(backend(env, &packet), "10.1.0.3"); /* it still answers */
	serve(env, IPPROTO_UDP, (const char *[]){ C, NULL }, NONE);
	assert_string_equal(backend(env, &packet), "10.1.0.4");
	serve(env, IPPROTO_UDP, NONE, NONE);
	assert_string_equal(backend(env, &packet), packet.src); /* rejected */
	assert_int_equal(env_counter(env, NB_DROP_NO_BACKEND), 1);
	assert_int_equal(env_conn_count(env), 0);
	serve(env, IPPROTO_UDP, (const char *[]){ FAR, NULL }, NONE);
	assert_string_equal(backend(env, &packet), "10.9.0.9");
	env_services_clear(env);
	env_expect_untouched(env, FROM_POD, POD_A, &packet);
	assert_int_equal(env_conn_count(env), 0);
}

/* Each connection looks up its backend once after a change, and not with every packet. */
static void test_looks_once(void **state)
{
	struct env *env = *state;
	struct packet packet = request(IPPROTO_TCP, 40000);
	struct nb_settings settings;
	struct nb_error err = { 0 };
	struct nb_conn conn;

	serve(env, IPPROTO_TCP, (const char *[]){ B, NULL }, NONE);
	assert_string_equal(backend(env, &packet), "10.1.0.3");
	env_service(env, "default/other", "10.96.0.11:80", IPPROTO_TCP, (const char *[]){ B, NULL });
	assert_int_equal(nb_settings_read(&env->dp, &settings, &err), 0);
	assert_true(env_conn(env, &packet, &conn));
	assert_int_not_equal((__u32)conn.checked, settings.epoch);
	assert_string_equal(backend(env, &packet), "10.1.0.3");
	assert_true(env_conn(env, &packet, &conn));
	assert_int_equal((__u32)conn.checked, settings.epoch);
}

/* A9, A11: TCP goes on while the backend's pod exists; then the client gets a reset. */
static void test_tcp_near(void **state)
{
	struct env *env = *state;
	struct packet packet = request(IPPROTO_TCP, 40000);
	struct nb_error err = { 0 };

	serve(env, IPPROTO_TCP, (const char *[]){ B, NULL }, NONE);
	assert_string_equal(backend(env, &packet), "10.1.0.3");
	packet.tcp_flags = ACK;
	serve(env, IPPROTO_TCP, (const char *[]){ C, NULL }, (const char *[]){ B, NULL });
	assert_string_equal(backend(env, &packet), "10.1.0.3");
	serve(env, IPPROTO_TCP, (const char *[]){ C, NULL }, NONE);
	assert_string_equal(backend(env, &packet), "10.1.0.3");
	env_services_clear(env);
	assert_string_equal(backend(env, &packet), "10.1.0.3");
	serve(env, IPPROTO_TCP, (const char *[]){ C, NULL }, NONE);
	assert_int_equal(nb_endpoint_delete(&env->dp, pod_addr4[POD_B], "eth0", &err), 0);
	expect_reset(env, &packet);
	/* A new connection from the same port gets the other backend. */
	packet.tcp_flags = SYN;
	assert_string_equal(backend(env, &packet), "10.1.0.4");
}

/* A backend off the bridge is gone as soon as no Service lists it. */
static void test_tcp_far(void **state)
{
	struct env *env = *state;
	struct packet packet = request(IPPROTO_TCP, 40000), again = request(IPPROTO_TCP, 40001);

	serve(env, IPPROTO_TCP, (const char *[]){ FAR, NULL }, NONE);
	assert_string_equal(backend(env, &packet), "10.9.0.9");
	assert_string_equal(backend(env, &again), "10.9.0.9");
	packet.tcp_flags = ACK;
	serve(env, IPPROTO_TCP, (const char *[]){ C, NULL }, (const char *[]){ FAR, NULL });
	assert_string_equal(backend(env, &packet), "10.9.0.9");
	env_services_clear(env);
	assert_string_equal(backend(env, &packet), "10.9.0.9");
	serve(env, IPPROTO_TCP, (const char *[]){ C, NULL }, NONE);
	expect_reset(env, &packet);
	assert_string_equal(backend(env, &again), "10.1.0.4"); /* a SYN */
}

/* What a backend still sends to a client that is gone does not reach the next owner of its address. */
static void test_client_gone(void **state)
{
	struct env *env = *state;
	struct packet packet = request(IPPROTO_TCP, 40000), answer = packet;
	struct nb_endpoint_spec spec = { .container_id = "new", .ifname = "eth0", .n_addrs = 1 };
	struct nb_error err = { 0 };

	serve(env, IPPROTO_TCP, (const char *[]){ B, NULL }, NONE);
	assert_string_equal(backend(env, &packet), "10.1.0.3");
	answer.src = pod_addr4[POD_B];
	answer.sport = 8080;
	answer.dst = pod_addr4[POD_A];
	answer.dport = 40000;
	answer.tcp_flags = SYN | ACK;
	assert_int_equal(env_run(env, FROM_POD, POD_B, &answer, NULL, NULL), TC_ACT_REDIRECT);
	assert_int_equal(nb_endpoint_delete(&env->dp, pod_addr4[POD_A], "eth0", &err), 0);
	assert_int_equal(nb_endpoint_delete(&env->dp, pod_addr4[POD_C], "eth0", &err), 0);
	spec.ifindex = env->ifindex[POD_C];
	assert_true(nb_mac_parse(pod_mac[POD_C], spec.mac));
	assert_true(nb_addr_parse(pod_addr4[POD_A], &spec.addrs[0].addr));
	assert_int_equal(nb_endpoint_add(&env->dp, &spec, &err), 0);
	answer.tcp_flags = ACK;
	for (int i = 0; i < 3; i++)
		assert_int_equal(env_run(env, FROM_POD, POD_B, &answer, NULL, NULL), TC_ACT_SHOT);
	assert_int_equal(env_counter(env, NB_DROP_GONE), 3);
	env_advance(env, 12);
	env_expect_untouched(env, FROM_POD, POD_B, &answer);
}

/* Begins n connections, from source port "from" on. Returns how many go to C. */
static unsigned int count_c(struct env *env, const char *vip, uint16_t from, unsigned int n)
{
	unsigned int found = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct packet packet = request(IPPROTO_TCP, from + i);

		packet.dst = vip;
		found += !strcmp(backend(env, &packet), "10.1.0.4");
	}
	return found;
}

/* A7: a client keeps its backend until the affinity expires or the backend is removed. */
static void test_affinity(void **state)
{
	struct env *env = *state;
	struct nb_affinity_key key, next;
	struct nb_affinity value;
	unsigned int c;

	env_service_draining(env, "default/web", VIP ":80", IPPROTO_TCP, 10, (const char *[]){ B, C, NULL },
			     NONE);
	c = count_c(env, VIP, 1000, 40);
	assert_true(c == 0 || c == 40);
	/* It gets the other backend when this one is removed, and does not go back. */
	env_service_draining(env, "default/web", VIP ":80", IPPROTO_TCP, 10,
			     (const char *[]){ c ? B : C, NULL }, (const char *[]){ c ? C : B, NULL });
	assert_int_equal(count_c(env, VIP, 2000, 40), 40 - c);
	env_service_draining(env, "default/web", VIP ":80", IPPROTO_TCP, 10, (const char *[]){ B, C, NULL },
			     NONE);
	assert_int_equal(count_c(env, VIP, 3000, 40), 40 - c);
	/* Another client has its own. */
	assert_int_equal(bpf_map_get_next_key(env->dp.map_fd[NB_MAP_AFFINITIES], NULL, &key), 0);
	assert_int_not_equal(bpf_map_get_next_key(env->dp.map_fd[NB_MAP_AFFINITIES], &key, &next), 0);
	/* It expires. */
	assert_int_equal(bpf_map_lookup_elem(env->dp.map_fd[NB_MAP_AFFINITIES], &key, &value), 0);
	assert_in_range(value.expires - env_now(env), nb_ticks_from_seconds(9),
			10 * nb_ticks_from_seconds(1));
	for (uint16_t from = 4000; from < 4020; from++) {
		value.expires = env_now(env);
		assert_int_equal(
			bpf_map_update_elem(env->dp.map_fd[NB_MAP_AFFINITIES], &key, &value, BPF_ANY), 0);
		if (count_c(env, VIP, from, 1) == !!c)
			return; /* chosen anew, by the tuple's hash */
	}
	fail_msg("twenty new choices, all the same");
}

int suite_backend_removed(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST(test_udp),     ENV_TEST(test_looks_once),  ENV_TEST(test_tcp_near),
		ENV_TEST(test_tcp_far), ENV_TEST(test_client_gone), ENV_TEST(test_affinity),
	};

	return cmocka_run_group_tests_name("backend_removed", tests, NULL, NULL);
}
