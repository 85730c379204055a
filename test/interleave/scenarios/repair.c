// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The index has lost an entry of a connection: a process that changed the index was killed. Packets
 * of both directions, on two CPUs, enter it again, while another connection may take the pair.
 */
#include "world.h"

enum { CLIENT_PORT = 5000 };

/* What became of the packet of each CPU. */
static struct {
	int verdict;
	struct world_frame after;
} sent[IL_ACTORS];

static __be32 backend;

static void memory(void)
{
	world_memory();
	for (unsigned int i = 0; i < IL_ACTORS; i++)
		il_private(i, &sent[i], sizeof(sent[i]));
}

static void send_udp(unsigned int pod, const struct nb_addr *dst, __u16 sport, __u16 dport)
{
	struct nb_addr src = world_pod(pod);
	struct world_frame frame;

	world_udp(&frame, &src, sport, dst, dport);
	sent[hosted_cpu].verdict = world_send(pod, &frame, WORLD_UDP_HEAD + 1);
	memcpy(&sent[hosted_cpu].after, world_sent(hosted_cpu), WORLD_UDP_HEAD);
}

static void send_request(void)
{
	struct nb_addr vip = world_vip();

	send_udp(1, &vip, CLIENT_PORT, 53);
}

static void send_answer(void)
{
	struct nb_addr client = world_pod(1);

	send_udp(bpf_ntohl(backend) & 0xff, &client, 8080, CLIENT_PORT);
}

static void send_other(void)
{
	struct nb_addr vip = world_vip();

	send_udp(2, &vip, 6000, 53);
}

/* The connection exists, and the index has lost its client's entry (dir 0) or the other one. */
static void setup_lost(unsigned int dir, __u32 max)
{
	world_setup();
	nb_settings.max = max;
	hosted_cpu = 0;
	send_request();
	backend = sent[0].after.ip.daddr;
	memset(sent, 0, sizeof(sent));
	for (int i = 0; i < WORLD_SETS * NB_CONN_WAYS; i++) {
		volatile __u64 *way = &world.sets[i / NB_CONN_WAYS].ways[i % NB_CONN_WAYS];

		if (*way && (nb_way_entry_id(*way) & 1) == dir)
			*way = 0;
	}
}

static void setup_client(void)
{
	setup_lost(0, WORLD_PAIRS);
}

static void setup_backend(void)
{
	setup_lost(1, WORLD_PAIRS);
}

static void setup_client_one_pair(void)
{
	setup_lost(0, 1);
}

/* ---- checks ---- */

static void check_request(unsigned int cpu)
{
	const struct world_frame *frame = &sent[cpu].after;

	il_check(sent[cpu].verdict == TC_ACT_REDIRECT, "CPU %u drops its packet", cpu);
	il_check(frame->udp.dest == bpf_htons(8080) &&
			 (frame->ip.daddr == world_pod(3).w[3] || frame->ip.daddr == world_pod(4).w[3]),
		 "CPU %u does not send its packet to a backend", cpu);
}

static void check_answer(unsigned int cpu)
{
	const struct world_frame *frame = &sent[cpu].after;

	il_check(sent[cpu].verdict == TC_ACT_REDIRECT, "the answer is not translated");
	il_check(frame->ip.saddr == world_vip().w[3] && frame->udp.source == bpf_htons(53) &&
			 frame->ip.daddr == world_pod(1).w[3] && frame->udp.dest == bpf_htons(CLIENT_PORT),
		 "the answer is translated to something else");
}

/* One connection, and the request went on to its backend. */
static void request_and_answer(void)
{
	il_check(world_connections() == 1, "not one connection");
	check_request(0);
	il_check(sent[0].after.ip.daddr == backend, "the request went to another backend");
	check_answer(1);
}

/* The other tuple is in no index while the first packet comes: the answer may pass as it is. */
static void answer_and_request(void)
{
	il_check(world_connections() == 1, "not one connection");
	check_request(0);
	il_check(sent[0].after.ip.daddr == backend, "the request went to another backend");
	if (sent[1].verdict != TC_ACT_UNSPEC)
		check_answer(1);
}

static void two_requests(void)
{
	il_check(world_connections() == 1, "not one connection");
	for (unsigned int cpu = 0; cpu < 2; cpu++) {
		check_request(cpu);
		il_check(sent[cpu].after.ip.daddr == backend, "CPU %u sends to another backend", cpu);
	}
}

static void whole(void)
{
	world_connections();
}

static const struct il_scenario scenarios[] = {
	{
		.name = "the client's entry is lost: a request and an answer",
		WORLD_COMMON(memory, setup_client),
		.actors = { send_request, send_answer },
		.actor_names = { "request", "answer" },
		.finally = request_and_answer,
		.models = WORLD_ALL_MODELS,
		.reorders = 1,
	},
	{
		.name = "the client's entry is lost: two requests",
		WORLD_COMMON(memory, setup_client),
		.actors = { send_request, send_request },
		.finally = two_requests,
		.models = WORLD_ALL_MODELS,
		.reorders = 1,
	},
	{
		.name = "the backend's entry is lost: a request and an answer",
		WORLD_COMMON(memory, setup_backend),
		.actors = { send_request, send_answer },
		.actor_names = { "request", "answer" },
		.finally = answer_and_request,
		.models = WORLD_ALL_MODELS,
		.reorders = 1,
	},
	{
		.name = "the client's entry is lost: an answer, and the pair is taken",
		WORLD_COMMON(memory, setup_client_one_pair),
		.actors = { send_answer, send_other },
		.actor_names = { "answer", "other" },
		.finally = whole,
		.models = WORLD_ALL_MODELS,
		.reorders = 1,
	},
};

int main(int argc, char **argv)
{
	return il_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
