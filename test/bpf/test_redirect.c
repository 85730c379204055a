// SPDX-License-Identifier: GPL-2.0-or-later
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

#define VIP4 "10.96.0.10"
#define VIP6 "fd00:96::10"

enum {
	ETH = 14,
	IPV4 = 20,
	IPV6 = 40,
	QUOTED = 8, /* bytes of the quoted packet beyond its IP header */
};

/* A frame from the bridge to pod A with type, rest of the ICMP header, and the IP packet of quoted behind it.
 */
static size_t icmp_frame(uint8_t frame[FRAME_MAX], bool v6, uint8_t type, size_t header,
			 const struct packet *quoted)
{
	struct packet outer = { .src = v6 ? GATEWAY6 : GATEWAY4,
				.dst = v6 ? pod_addr6[POD_A] : pod_addr4[POD_A],
				.proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
				.smac = BRIDGE_MAC };
	size_t ip = v6 ? IPV6 : IPV4;
	uint8_t inner[FRAME_MAX];

	packet_build(&outer, frame);
	packet_build(quoted, inner);
	memset(frame + ETH + ip, 0, header);
	frame[ETH + ip] = type;
	if (v6) {
		frame[ETH + ip + 40] = 4; /* redirected header option, RFC 4861, 4.6.3 */
		frame[ETH + ip + 41] = (8 + ip + QUOTED) / 8;
	}
	memcpy(frame + ETH + ip + header, inner + ETH, ip + QUOTED);
	return ETH + ip + header + ip + QUOTED;
}

static int to_pod_a(struct env *env, uint8_t *frame, size_t len)
{
	struct __sk_buff ctx = { .ifindex = env->ifindex[POD_A] };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len, .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(env->dp.prog_fd[NB_PROG_TO_POD], &opts), 0);
	return (int)opts.retval;
}

/* A2: the host's redirect about a translated connection is dropped, any other one and other errors are
 * passed. */
static void check(struct env *env, bool v6, const char *vip, const char *backend)
{
	const char *client = v6 ? pod_addr6[POD_A] : pod_addr4[POD_A];
	struct packet request = { .src = client, .dst = vip, .sport = 40000, .dport = 80, .tcp_flags = SYN };
	struct packet routed = {
		.src = client, .dst = backend, .sport = 40000, .dport = 8080, .tcp_flags = SYN
	};
	uint8_t redirect = v6 ? 137 : 5, unreachable = v6 ? 1 : 3, frame[FRAME_MAX];
	size_t header = v6 ? 48 : 8, len;

	env_run(env, FROM_POD, POD_A, &request, NULL, NULL);
	len = icmp_frame(frame, v6, redirect, header, &routed);
	assert_int_equal(to_pod_a(env, frame, len), TC_ACT_SHOT);
	len = icmp_frame(frame, v6, unreachable, header, &routed);
	assert_int_equal(to_pod_a(env, frame, len), TC_ACT_UNSPEC);
	routed.dport = 8081;
	len = icmp_frame(frame, v6, redirect, header, &routed);
	assert_int_equal(to_pod_a(env, frame, len), TC_ACT_UNSPEC);
	/* Cut off anywhere: no crash, no drop. */
	for (size_t cut = ETH + (v6 ? IPV6 : IPV4); cut < len; cut += 3)
		assert_int_equal(to_pod_a(env, frame, cut), TC_ACT_UNSPEC);
}

static void test_redirects(void **state)
{
	struct env *env = *state;

	env_service(env, "default/far4", VIP4 ":80", IPPROTO_TCP, (const char *[]){ "10.9.0.9:8080", NULL });
	env_service(env, "default/far6", "[" VIP6 "]:80", IPPROTO_TCP,
		    (const char *[]){ "[fd00:9::9]:8080", NULL });
	check(env, false, VIP4, "10.9.0.9");
	check(env, true, VIP6, "fd00:9::9");
	assert_int_equal(env_counter(env, NB_DROP_REDIRECT), 2);
}

int suite_redirect(void)
{
	const struct CMUnitTest tests[] = { ENV_TEST(test_redirects) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
