// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random packets, most of them damaged, against the rules of judge.c. NB_PACKETS sets their number,
 * NB_SEED the seed: the same seed gives the same packets.
 */
#include "env.h"

#include "judge.h"

#include "lib/util/addr.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "suites.h"

enum { PACKETS = 200000, ROUND = 8192, SAMPLES_MAX = 256 };

/* The addresses of a family. */
struct names {
	const char *a, *b, *c, *web, *far, *none, *self, *many, *away, *gateway;
};

static const struct names names[2] = {
	{ "10.1.0.2", "10.1.0.3", "10.1.0.4", "10.96.0.1", "10.96.0.2", "10.96.0.3", "10.96.0.4", "10.96.0.5",
	  "192.0.2.9", GATEWAY4 },
	{ "fd00:1::2", "fd00:1::3", "fd00:1::4", "fd00:96::1", "fd00:96::2", "fd00:96::3", "fd00:96::4",
	  "fd00:96::5", "2001:db8::9", GATEWAY6 },
};

static const char *const vips[] = { "10.96.0.1",  "10.96.0.2",  "10.96.0.3",  "10.96.0.4",
				    "10.96.0.5",  "fd00:96::1", "fd00:96::2", "fd00:96::3",
				    "fd00:96::4", "fd00:96::5", NULL };
static const char *const macs[] = { "02:00:00:00:01:02", "02:00:00:00:01:03", "02:00:00:00:01:04", NULL };
static const struct rules rules = { .vips = vips, .macs = macs, .bridge_mac = BRIDGE_MAC };

struct sample {
	enum hook hook;
	enum pod pod;
	size_t len;
	uint8_t frame[FRAME_MAX];
};

struct fuzz {
	struct env *env;
	struct sample samples[SAMPLES_MAX];
	unsigned int n_samples;
	uint64_t seed, chance;
	unsigned long dropped, rejected;
};

/* xorshift64 (Marsaglia 2003). */
static uint32_t chance(struct fuzz *fuzz, uint32_t below)
{
	fuzz->chance ^= fuzz->chance << 13;
	fuzz->chance ^= fuzz->chance >> 7;
	fuzz->chance ^= fuzz->chance << 17;
	return (fuzz->chance >> 16) % below;
}

/* ---- Services ---- */

static void serve_port(struct env *env, const char *vip, uint8_t proto, uint16_t port,
		       const char *const *backends, uint16_t target)
{
	char name[64], front[80], back[4][80];
	const char *list[5] = { NULL };
	bool v6 = strchr(vip, ':');

	snprintf(name, sizeof(name), "default/%s-%d", vip, proto);
	for (char *c = name; *c; c++)
		*c = *c == ':' ? '-' : *c;
	snprintf(front, sizeof(front), v6 ? "[%s]:%u" : "%s:%u", vip, port);
	for (int i = 0; backends[i]; i++) {
		snprintf(back[i], sizeof(back[i]), v6 ? "[%s]:%u" : "%s:%u", backends[i], target);
		list[i] = back[i];
	}
	env_service(env, name, front, proto, list);
}

static void serve_all(struct env *env, const char *vip, const char *const *backends)
{
	serve_port(env, vip, IPPROTO_TCP, 80, backends, 8080);
	serve_port(env, vip, IPPROTO_UDP, 53, backends, 5353);
	serve_port(env, vip, IPPROTO_SCTP, 90, backends, 9090);
}

static void serve(struct env *env)
{
	for (const struct names *n = names; n < names + 2; n++) {
		serve_all(env, n->web, (const char *[]){ n->b, NULL });
		serve_all(env, n->far, (const char *[]){ n->away, NULL });
		serve_all(env, n->none, (const char *[]){ NULL });
		serve_all(env, n->self, (const char *[]){ n->a, NULL });
		serve_all(env, n->many, (const char *[]){ n->b, n->c, NULL });
	}
}

/* ---- valid packets ---- */

static void sample(struct fuzz *fuzz, enum hook hook, enum pod pod, const struct packet *packet)
{
	struct sample *to = &fuzz->samples[fuzz->n_samples++];

	assert_in_range(fuzz->n_samples, 1, SAMPLES_MAX);
	*to = (struct sample){ .hook = hook, .pod = pod };
	to->len = packet_build(packet, to->frame);
}

/* The segments of a TCP connection. out: of the client, in: of the backend. */
static void sample_tcp(struct fuzz *fuzz, enum hook back_hook, enum pod back_pod, struct packet out,
		       struct packet in)
{
	static const uint8_t flags[] = { SYN, ACK, PSH | ACK, FIN | ACK, RST, RST | ACK };

	for (size_t i = 0; i < sizeof(flags); i++) {
		out.tcp_flags = flags[i];
		out.seq = 1000 + (i > 0);
		out.ack = i ? 5001 : 0;
		out.payload = flags[i] & PSH ? "GET / HTTP/1.1\r\n\r\n" : NULL;
		sample(fuzz, FROM_POD, POD_A, &out);
		in.tcp_flags = flags[i] | (i ? 0 : ACK);
		in.seq = 5000 + (i > 0);
		in.ack = 1001;
		in.payload = out.payload;
		sample(fuzz, back_hook, back_pod, &in);
	}
}

static void sample_udp(struct fuzz *fuzz, const struct names *n)
{
	struct packet out = { .src = n->a,
			      .dst = n->web,
			      .sport = 40001,
			      .dport = 53,
			      .proto = IPPROTO_UDP,
			      .payload = "what is the address of this?" };
	struct packet in = { .src = n->b,
			     .dst = n->a,
			     .sport = 5353,
			     .dport = 40001,
			     .proto = IPPROTO_UDP,
			     .payload = "that one." };

	for (int i = 0; i < 3; i++) {
		sample(fuzz, FROM_POD, POD_A, &out);
		sample(fuzz, FROM_POD, POD_B, &in);
		out.no_csum = in.no_csum = i == 0;
		out.ip_options = in.ip_options = i + 1;
	}
	out.ip_options = in.ip_options = 0;
	out.slice_len = in.slice_len = 16;
	for (int i = 0; i < 8; i++) {
		out.id = in.id = 7 + i / 4;
		out.slice_from = in.slice_from = i % 2 * 16;
		sample(fuzz, FROM_POD, i & 2 ? POD_B : POD_A, i & 2 ? &in : &out);
	}
	out.slice_len = 0;
	out.vlan = 5;
	sample(fuzz, FROM_POD, POD_A, &out);
	out.vlan = 0;
	out.dst = n->none;
	sample(fuzz, FROM_POD, POD_A, &out);
	out.dst = n->self;
	sample(fuzz, FROM_POD, POD_A, &out);
	out.dst = n->b;
	out.dport = 5353;
	sample(fuzz, FROM_POD, POD_A, &out);
}

/* The packets of an association. back_hook, back_pod, from: of the backend. */
static void sample_sctp(struct fuzz *fuzz, const struct names *n, const char *vip, enum hook back_hook,
			enum pod back_pod, const char *from)
{
	static const struct {
		bool reply;
		uint8_t chunks[4], n;
		const char *payload;
	} steps[] = {
		{ false, { 1 }, 1, NULL },
		{ true, { 2 }, 1, NULL },
		{ false, { 10, 0 }, 2, "the first message" },
		{ true, { 11, 3 }, 2, NULL },
		{ false, { 3, 4, 0 }, 3, "the second one" },
		{ true, { 3, 7 }, 2, NULL },
		{ false, { 8 }, 1, NULL },
		{ true, { 14 }, 1, NULL },
		{ false, { 6 }, 1, NULL },
	};
	const struct packet out = { .src = n->a, .dst = vip, .sport = 40002, .dport = 90, .seq = 7 };
	const struct packet in = { .src = from, .dst = n->a, .sport = 9090, .dport = 40002, .seq = 6 };

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		struct packet packet = steps[i].reply ? in : out;

		packet.proto = IPPROTO_SCTP;
		packet.seq = i ? packet.seq : 0;
		packet.ack = steps[i].reply ? 7 : 6;
		memcpy(packet.chunks, steps[i].chunks, sizeof(packet.chunks));
		packet.n_chunks = steps[i].n;
		packet.payload = steps[i].payload;
		packet.ip_options = i % 4 == 3;
		sample(fuzz, steps[i].reply ? back_hook : FROM_POD, steps[i].reply ? back_pod : POD_A,
		       &packet);
	}
}

static void sample_errors(struct fuzz *fuzz, const struct names *n)
{
	bool v4 = n == names;
	struct packet got = {
		.src = n->a, .dst = n->b, .sport = 40000, .dport = 8080, .tcp_flags = ACK, .seq = 1001
	};
	struct packet answered = {
		.src = n->web, .dst = n->a, .sport = 80, .dport = 40000, .tcp_flags = ACK, .seq = 5001
	};
	struct packet routed = {
		.src = n->a, .dst = n->away, .sport = 40000, .dport = 8080, .tcp_flags = ACK
	};
	struct packet error = {
		.src = n->b, .dst = n->a, .proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, .quoted = &got
	};
	static const uint8_t types[2][4] = { { 3, 11, 12, 5 }, { 1, 2, 3, 137 } };

	for (int i = 0; i < 4; i++) {
		error.icmp_type = types[!v4][i];
		error.quoted_len = i % 2 ? 20 : 0;
		error.src = n->b, error.dst = n->a, error.quoted = &got;
		sample(fuzz, FROM_POD, POD_B, &error);
		error.src = n->a, error.dst = n->web, error.quoted = &answered;
		sample(fuzz, FROM_POD, POD_A, &error);
		error.src = n->gateway, error.dst = n->a, error.quoted = &routed;
		sample(fuzz, TO_POD, POD_A, &error);
	}
	error.quoted = NULL;
	error.icmp_type = v4 ? 8 : 128;
	error.src = n->a, error.dst = n->web;
	sample(fuzz, FROM_POD, POD_A, &error);
}

static void make_samples(struct fuzz *fuzz)
{
	for (const struct names *n = names; n < names + 2; n++) {
		const struct packet in = { .src = n->b, .dst = n->a, .sport = 8080, .dport = 40000 };
		const struct packet away = {
			.src = n->away, .dst = n->a, .sport = 8080, .dport = 40000, .smac = BRIDGE_MAC
		};
		struct packet out = { .src = n->a, .dst = n->web, .sport = 40000, .dport = 80 };

		sample_tcp(fuzz, FROM_POD, POD_B, out, in);
		out.dst = n->far;
		sample_tcp(fuzz, TO_POD, POD_A, out, away);
		out.dst = n->many;
		sample_tcp(fuzz, FROM_POD, POD_C, out, in);
		out.dst = n->none;
		sample(fuzz, FROM_POD, POD_A, &out);
		out.dst = n->web, out.dport = 81;
		sample(fuzz, FROM_POD, POD_A, &out);
		out.dst = n->b, out.dport = 8080, out.tcp_flags = SYN;
		sample(fuzz, FROM_POD, POD_A, &out);
		sample_udp(fuzz, n);
		sample_sctp(fuzz, n, n->web, FROM_POD, POD_B, n->b);
		sample_sctp(fuzz, n, n->far, TO_POD, POD_A, n->away);
		sample_errors(fuzz, n);
	}
}

/* ---- damaged packets ---- */

/* A number of 16 bits at the edge of a range. */
static uint16_t edge(struct fuzz *fuzz, uint16_t old)
{
	static const uint16_t edges[] = { 0,  1,      4,      7,      8,      19,     20,     21,
					  40, 0x1fff, 0x2000, 0x4000, 0x7fff, 0x8000, 0xfffe, 0xffff };
	uint32_t which = chance(fuzz, 20);

	return which < 16 ? edges[which] : which < 18 ? old + 1 : old - 1;
}

static size_t spoil(struct fuzz *fuzz, uint8_t *frame, size_t len)
{
	size_t near = len < 100 ? len : 100, at = 12 + chance(fuzz, near - 12);
	uint16_t value;

	switch (chance(fuzz, 8)) {
	case 0:
	case 1:
		frame[at] ^= 1 << chance(fuzz, 8);
		return len;
	case 2:
		frame[at] = chance(fuzz, 256);
		return len;
	case 3:
	case 4: /* a field of the IP header or the next one */
		at = 14 + 2 * chance(fuzz, near > 16 ? (near - 14) / 2 : 1);
		if (at + 2 > len)
			return len;
		value = edge(fuzz, frame[at] << 8 | frame[at + 1]);
		frame[at] = value >> 8;
		frame[at + 1] = value;
		return len;
	case 5: /* shorter; the kernel requires a byte behind the Ethernet header */
		return 15 + chance(fuzz, len - 14);
	case 6: /* a piece of another packet */
		value = chance(fuzz, fuzz->n_samples);
		if (at + 16 <= len && at + 16 <= fuzz->samples[value].len)
			memcpy(frame + at, fuzz->samples[value].frame + at, 16);
		return len;
	default: /* a trailer */
		value = chance(fuzz, 64);
		memset(frame + len, chance(fuzz, 256), value);
		return len + value;
	}
}

/* Pads a frame that is too short for the IP header of its type: the kernel runs no program on it. */
static size_t runnable(uint8_t *frame, size_t len)
{
	uint16_t type = frame[12] << 8 | frame[13];
	size_t least = type == ETH_P_IP ? 34 : type == ETH_P_IPV6 ? 54 : 15;

	if (len >= least)
		return len;
	memset(frame + len, 0, least - len);
	return least;
}

static size_t mutate(struct fuzz *fuzz, const struct sample *sample, uint8_t *frame)
{
	size_t len = sample->len;

	memcpy(frame, sample->frame, len);
	for (uint32_t n = chance(fuzz, 4); n > 0 && len < FRAME_MAX - 64; n--)
		len = spoil(fuzz, frame, len);
	len = runnable(frame, len);
	if (chance(fuzz, 2))
		judge_fix_header(frame, len);
	return len;
}

/* ---- the run ---- */

/*
 * A pod's MAC is learned from ARP and neighbour discovery alone, and only from what the pod itself
 * sends. Restores it, for the judge.
 */
static void check_mac(struct fuzz *fuzz, enum hook hook, enum pod pod, const uint8_t *in)
{
	static const uint8_t arp[] = { 0x08, 0x06 }, v6[] = { 0x86, 0xdd };
	unsigned char mac[6], old[6];

	assert_true(nb_mac_parse(pod_mac[pod], old));
	env_port_mac(fuzz->env, pod, mac);
	if (!memcmp(mac, old, sizeof(mac)))
		return;
	assert_int_equal(hook, FROM_POD);
	assert_memory_equal(mac, in + 6, sizeof(mac));
	if (memcmp(in + 12, arp, sizeof(arp)) != 0) {
		assert_memory_equal(in + 12, v6, sizeof(v6));
		assert_int_equal(in[20], IPPROTO_ICMPV6);
	}
	env_port_set_mac(fuzz->env, pod, old);
}

static void one_packet(struct fuzz *fuzz, unsigned long i)
{
	const struct sample *sample = &fuzz->samples[chance(fuzz, fuzz->n_samples)];
	enum pod pod = chance(fuzz, 16) ? sample->pod : chance(fuzz, PODS);
	uint8_t in[FRAME_MAX], out[FRAME_MAX + 256];
	struct run run = { .in = { in, mutate(fuzz, sample, in) }, .from_pod = sample->hook == FROM_POD };
	const char *wrong;

	run.out.data = out;
	run.verdict = env_run_frame(fuzz->env, sample->hook, pod, in, run.in.len, out, &run.out.len);
	wrong = judge(&run, &rules);
	check_mac(fuzz, sample->hook, pod, in);
	fuzz->dropped += run.verdict == TC_ACT_SHOT;
	fuzz->rejected += run.rejected;
	if (!wrong)
		return;
	packet_dump("in", in, run.in.len);
	packet_dump("out", out, run.out.len);
	fail_msg("packet %lu of NB_SEED=%lu, %s pod %d, verdict %d: %s", i, (unsigned long)fuzz->seed,
		 run.from_pod ? "from" : "to", pod, run.verdict, wrong);
}

/* Each drop and each rejected packet was counted once, and nothing else was. */
static void check_counters(struct fuzz *fuzz)
{
	uint64_t drops = 0;

	for (enum nb_counter c = NB_DROP_BASE; c < NB_COUNTERS; c++)
		drops += env_counter(fuzz->env, c);
	assert_int_equal(drops, fuzz->dropped + fuzz->rejected);
}

static unsigned long number(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

static unsigned long taint(void)
{
	FILE *file = fopen("/proc/sys/kernel/tainted", "re");
	unsigned long value = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu", &value), 1); /* NOLINT(cert-err34-c): the kernel's own number */
	fclose(file);
	return value;
}

static void test_mutated(void **state)
{
	static struct fuzz fuzz;
	unsigned long packets = number("NB_PACKETS", PACKETS), before = taint();

	fuzz = (struct fuzz){ .env = *state, .seed = number("NB_SEED", 1) };
	fuzz.chance = fuzz.seed * 0x9e3779b97f4a7c15ULL | 1;
	make_samples(&fuzz);
	serve(fuzz.env);
	for (unsigned long i = 0; i < packets; i++) {
		one_packet(&fuzz, i);
		if (i % ROUND != ROUND - 1)
			continue;
		check_counters(&fuzz);
		env_expect_whole(fuzz.env);
		env_advance(fuzz.env, chance(&fuzz, 200));
		if (chance(&fuzz, 8) == 0) {
			env_services_clear(fuzz.env);
			serve(fuzz.env);
		}
	}
	check_counters(&fuzz);
	assert_int_equal(taint(), before);
	assert_true(fuzz.dropped > 0 && fuzz.rejected > 0);
	assert_true(env_counter(fuzz.env, NB_COUNT_INSERT) > 0 &&
		    env_counter(fuzz.env, NB_COUNT_RELATED) > 0);
}

int suite_mutated(void)
{
	const struct CMUnitTest tests[] = { ENV_TEST_SMALL(test_mutated) };

	return cmocka_run_group_tests_name("mutated", tests, NULL, NULL);
}
