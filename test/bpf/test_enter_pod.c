// SPDX-License-Identifier: GPL-2.0-or-later
/* A packet of a client outside that the node's program has translated, on its way into a pod: B33. */
#include "env.h"

#include "lib/maps/settings.h"
#include "lib/util/error.h"

#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "suites.h"

static struct packet request_to(const char *pod, bool v6)
{
	return (struct packet){ .src = v6 ? "2001:db8::9" : "203.0.113.9",
				.dst = pod,
				.sport = 40000,
				.dport = 8080,
				.tcp_flags = SYN,
				.ttl = 64 };
}

static void test_enter(void **state)
{
	struct env *env = *state;

	for (enum pod pod = 0; pod < PODS; pod++) {
		for (int v6 = 0; v6 < 2; v6++) {
			struct packet request = request_to(v6 ? pod_addr6[pod] : pod_addr4[pod], v6);
			struct packet entered = request;

			entered.smac = BRIDGE_MAC;
			entered.dmac = pod_mac[pod];
			entered.ttl = 63;
			env_expect(env, ENTER_POD, POD_A, &request, TC_ACT_REDIRECT, &entered);
		}
	}
}

/* What the host has to see: of shaped pods, of nobody here, and what it tells the sender of. */
static void test_not(void **state)
{
	struct env *env = *state;
	static char text[1500];

	memset(text, 'x', sizeof(text) - 1);
	for (int v6 = 0; v6 < 2; v6++) {
		struct packet request = request_to(v6 ? "fd00:1::77" : "10.1.0.77", v6);

		env_expect_untouched(env, ENTER_POD, POD_A, &request);
		request.dst = v6 ? pod_addr6[POD_B] : pod_addr4[POD_B];
		request.ttl = 1;
		env_expect_untouched(env, ENTER_POD, POD_A, &request);
		request.ttl = 64;
		request.payload = text;
		env_expect_untouched(env, ENTER_POD, POD_A, &request);
		request.payload = NULL;
		env_port_flags(env, POD_B, NB_PORT_NO_FAST_PATH);
		env_expect_untouched(env, ENTER_POD, POD_A, &request);
		env_port_flags(env, POD_B, 0);
	}
}

static void test_no_fast_path(void **state)
{
	struct env *env = *state;
	struct packet request = request_to(pod_addr4[POD_B], false);
	struct nb_settings settings;
	struct nb_error err = { 0 };

	assert_int_equal(nb_settings_read(&env->dp, &settings, &err), 0);
	settings.flags &= ~NB_SETTINGS_FAST_PATH;
	assert_int_equal(nb_settings_write(&env->dp, &settings, &err), 0);
	env_expect_untouched(env, ENTER_POD, POD_A, &request);
}

int suite_enter_pod(void)
{
	const struct CMUnitTest tests[] = { ENV_TEST(test_enter), ENV_TEST(test_not),
					    ENV_TEST(test_no_fast_path) };

	return cmocka_run_group_tests_name("enter_pod", tests, NULL, NULL);
}
