// SPDX-License-Identifier: GPL-2.0-or-later
/* Builds the packets of a storm's connections beforehand: a storm has no time for that. */
#include "storm_flow.h"

#include <arpa/inet.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { FIRST_PORT = 2000, TARGET_PORT = 8080 /* of the first backend; the second has the next one */ };

static const char *const vips4[STORM_SERVICES] = { "10.96.0.1", "10.96.0.2" };
static const char *const vips6[STORM_SERVICES] = { "fd00:96::1", "fd00:96::2" };
static const enum pod pods[STORM_SERVICES] = { POD_B, POD_C };

void storm_serve(struct env *env)
{
	for (unsigned int i = 0; i < STORM_SERVICES * 2 * 2; i++) {
		unsigned int service = i / 4;
		bool v6 = i & 1, tcp = i & 2;
		const char *address = (v6 ? pod_addr6 : pod_addr4)[pods[service]];
		const char *form = v6 ? "[%s]:%d" : "%s:%d";
		char name[32], vip[64], first[64], second[64];

		snprintf(name, sizeof(name), "default/s%u", i);
		snprintf(vip, sizeof(vip), form, (v6 ? vips6 : vips4)[service], 80);
		snprintf(first, sizeof(first), form, address, TARGET_PORT);
		snprintf(second, sizeof(second), form, address, TARGET_PORT + 1);
		env_service(env, name, vip, tcp ? IPPROTO_TCP : IPPROTO_UDP,
			    (const char *[]){ first, second, NULL });
	}
}

/* ---- one packet ---- */

enum kind { REQUEST, ANSWER, ERROR, ARRIVAL };

struct step {
	enum kind kind;
	uint8_t flags;
	uint32_t seq, ack;
	const char *payload;
};

static const struct step udp_steps[] = {
	[STORM_REQUEST] = { .kind = REQUEST, .payload = "query" },
	[STORM_ANSWER] = { .kind = ANSWER, .payload = "answer" },
	[STORM_ERROR] = { .kind = ERROR },
	[STORM_ARRIVAL] = { .kind = ARRIVAL, .payload = "answer" },
};

static const struct step tcp_steps[STORM_STEPS] = {
	{ REQUEST, SYN, 100, 0, NULL },
	{ ANSWER, SYN | ACK, 200, 101, NULL },
	{ REQUEST, ACK, 101, 201, NULL },
	[STORM_TCP_DATA] = { REQUEST, ACK | PSH, 101, 201, "request" },
	{ ANSWER, ACK | PSH, 201, 108, "response" },
	{ REQUEST, ACK, 108, 209, NULL },
	[STORM_TCP_FIN] = { REQUEST, FIN | ACK, 108, 209, NULL },
	{ ANSWER, FIN | ACK, 209, 109, NULL },
	{ REQUEST, ACK, 109, 210, NULL },
	{ REQUEST, RST, 109, 0, NULL },
};

/* A connection, as its client and as one of its backends see it. */
struct ends {
	struct packet client, backend; /* a packet that each sends */
	struct packet at_backend;      /* the client's, as it arrives */
	enum pod pod;
	bool via_host;
};

static struct packet with_step(const struct packet *packet, const struct step *step)
{
	struct packet made = *packet;

	made.tcp_flags = step->flags;
	made.seq = step->seq;
	made.ack = step->ack;
	made.payload = step->payload;
	return made;
}

static struct packet error_about(const struct packet *quoted, const char *src, const char *dst)
{
	bool v6 = strchr(src, ':');

	return (struct packet){ .src = src,
				.dst = dst,
				.proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
				.icmp_type = v6 ? 1 : 3, /* port unreachable */
				.icmp_code = v6 ? 4 : 3,
				.quoted = quoted };
}

static void build(struct storm_image *image, const struct packet *packet)
{
	uint8_t frame[FRAME_MAX];
	size_t len = packet_build(packet, frame);

	assert_in_range(len, 1, STORM_FRAME);
	memcpy(image->data, frame, len);
	image->len = len;
}

static void build_both(struct storm_packet *packet, unsigned int b, const struct packet *sent,
		       const struct packet *received)
{
	build(&packet->sent[b], sent);
	build(&packet->received[b], received);
}

static void make_request(struct storm_packet *packet, unsigned int b, const struct ends *ends,
			 const struct step *step)
{
	struct packet sent = with_step(&ends->client, step), received = with_step(&ends->at_backend, step);

	received.dmac = ends->via_host ? BRIDGE_MAC : pod_mac[ends->pod];
	build_both(packet, b, &sent, &received);
}

static void make_answer(struct storm_packet *packet, unsigned int b, const struct ends *ends,
			const struct step *step)
{
	struct packet sent = with_step(&ends->backend, step), received = sent;

	if (ends->via_host && step->kind == ANSWER) {
		received.dmac = BRIDGE_MAC;
	} else {
		received.src = ends->client.dst;
		received.sport = ends->client.dport;
	}
	if (step->kind == ARRIVAL)
		sent.smac = received.smac = BRIDGE_MAC;
	build_both(packet, b, &sent, &received);
}

static void make_error(struct storm_packet *packet, unsigned int b, const struct ends *ends)
{
	struct packet asked = with_step(&ends->client, &udp_steps[STORM_REQUEST]);
	struct packet got = with_step(&ends->at_backend, &udp_steps[STORM_REQUEST]);
	struct packet sent = error_about(&got, ends->backend.src, ends->client.src), received = sent;

	if (!ends->via_host)
		received = error_about(&asked, ends->client.dst, ends->client.src);
	sent.smac = received.smac = pod_mac[ends->pod];
	sent.dmac = pod_mac[POD_A];
	received.dmac = ends->via_host ? BRIDGE_MAC : pod_mac[POD_A];
	build_both(packet, b, &sent, &received);
}

static void make_packet(struct storm_packet *packet, unsigned int b, const struct ends *ends,
			const struct step *step)
{
	packet->hook = step->kind == ARRIVAL ? TO_POD : FROM_POD;
	packet->of_client = step->kind == REQUEST;
	packet->pod = step->kind == REQUEST || step->kind == ARRIVAL ? POD_A : ends->pod;
	packet->verdict = ends->via_host ? -1 /* TC_ACT_UNSPEC */ : TC_ACT_REDIRECT;
	if (step->kind == REQUEST)
		make_request(packet, b, ends, step);
	else if (step->kind == ERROR)
		make_error(packet, b, ends);
	else
		make_answer(packet, b, ends, step);
}

/* ---- a connection ---- */

static struct ends ends_of(uint8_t proto, unsigned int number, unsigned int b, bool via_host)
{
	unsigned int service = number % STORM_SERVICES;
	bool v6 = number / STORM_SERVICES % 2;
	const char *const *addresses = v6 ? pod_addr6 : pod_addr4;
	struct ends ends = { .pod = pods[service], .via_host = via_host };

	ends.client = (struct packet){ .src = addresses[POD_A],
				       .dst = (v6 ? vips6 : vips4)[service],
				       .sport = FIRST_PORT + number / STORM_SERVICES / 2,
				       .dport = 80,
				       .proto = proto,
				       .smac = pod_mac[POD_A],
				       .dmac = BRIDGE_MAC };
	ends.at_backend = ends.client;
	ends.at_backend.dst = addresses[ends.pod];
	ends.at_backend.dport = TARGET_PORT + b;
	ends.backend = (struct packet){ .src = ends.at_backend.dst,
					.dst = ends.client.src,
					.sport = ends.at_backend.dport,
					.dport = ends.client.sport,
					.proto = proto,
					.smac = pod_mac[ends.pod],
					.dmac = pod_mac[POD_A] };
	return ends;
}

void storm_flow_make(struct storm_flow *flow, uint8_t proto, unsigned int number, bool via_host)
{
	const struct step *steps = proto == IPPROTO_UDP ? udp_steps : tcp_steps;

	flow->n_packets = proto == IPPROTO_UDP ? sizeof(udp_steps) / sizeof(*udp_steps) : STORM_STEPS;
	for (unsigned int b = 0; b < STORM_BACKENDS; b++) {
		struct ends ends = ends_of(proto, number, b, via_host);

		for (unsigned int i = 0; i < flow->n_packets; i++)
			make_packet(&flow->packets[i], b, &ends, &steps[i]);
	}
}

/* ---- frames ---- */

bool storm_image_is(const struct storm_image *image, const uint8_t *frame, size_t len)
{
	return len == image->len && !memcmp(image->data, frame, len);
}

/* Where the addresses of a frame are, and behind them its ports. */
static size_t addresses_at(const uint8_t *frame, size_t *len)
{
	bool v6 = frame[12] == 0x86;

	*len = v6 ? 32 : 8;
	return v6 ? 22 : 26;
}

bool storm_image_same_tuple(const struct storm_image *image, const uint8_t *frame, size_t len)
{
	size_t addresses, at = addresses_at(image->data, &addresses);

	return len >= at + addresses + 4 && !memcmp(image->data + at, frame + at, addresses + 4);
}

void storm_print(const char *what, const uint8_t *frame, size_t len)
{
	char src[INET6_ADDRSTRLEN] = "?", dst[INET6_ADDRSTRLEN] = "?";
	size_t addresses, at = addresses_at(frame, &addresses), ports = at + addresses;
	int family = addresses == 8 ? AF_INET : AF_INET6;

	if (len >= ports + 4) {
		inet_ntop(family, frame + at, src, sizeof(src));
		inet_ntop(family, frame + at + addresses / 2, dst, sizeof(dst));
		fprintf(stderr, "%s: %s port %d > %s port %d\n", what, src,
			frame[ports] << 8 | frame[ports + 1], dst, frame[ports + 2] << 8 | frame[ports + 3]);
	}
	packet_dump(what, frame, len);
}
