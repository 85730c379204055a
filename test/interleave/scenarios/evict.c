// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table has one pair. Two CPUs have first packets of two connections; or one has a packet of the
 * connection that holds the pair, while the other's connection takes it.
 */
#include "world.h"

static int verdicts[2];

static void memory(void)
{
	world_memory();
	for (unsigned int i = 0; i < 2; i++)
		il_private(i, &verdicts[i], sizeof(verdicts[i]));
}

static void setup(void)
{
	world_setup();
	nb_settings.max = 1;
}

static void send_first(void)
{
	struct nb_addr client = world_pod(1), vip = world_vip();
	struct world_frame frame;

	world_udp(&frame, &client, 5000 + il_self(), &vip, 53);
	verdicts[il_self()] =
		world_send(1, &frame, offsetof(struct world_frame, udp) + sizeof(frame.udp) + 1);
}

/* ---- a packet of the connection that loses its pair ---- */

static struct world_frame sent[2];
static struct nb_addr backend; /* of the connection that holds the pair first */

static void memory_of_packets(void)
{
	memory();
	for (unsigned int i = 0; i < 2; i++)
		il_private(i, &sent[i], sizeof(sent[i]));
}

static void send_datagram(unsigned int cpu, unsigned int pod, const struct nb_addr *to, __u16 sport,
			  __u16 dport)
{
	struct nb_addr from = world_pod(pod);
	struct world_frame frame;

	world_udp(&frame, &from, sport, to, dport);
	verdicts[cpu] = world_send(pod, &frame, offsetof(struct world_frame, udp) + sizeof(frame.udp) + 1);
	memcpy(&sent[cpu], world_sent(cpu), sizeof(sent[cpu]));
}

/* The pair holds a connection of pod 1, which may give way: no answer has come. */
static void setup_connection(void)
{
	struct nb_addr vip = world_vip();

	setup();
	send_datagram(0, 1, &vip, 5000, 53);
	backend = world.pairs[0].dir[0].conn.dst;
}

static void send_request(void)
{
	struct nb_addr vip = world_vip();

	send_datagram(0, 1, &vip, 5000, 53);
}

static void send_answer(void)
{
	struct nb_addr client = world_pod(1);

	send_datagram(0, backend.w[3] == world_pod(3).w[3] ? 3 : 4, &client, 8080, 5000);
}

static void send_other(void)
{
	struct nb_addr vip = world_vip();

	send_datagram(1, 2, &vip, 5001, 53);
}

/* Dropped, since the other CPU owned the only pair, or translated to a backend. */
static void expect_request(unsigned int cpu, unsigned int pod, __u16 sport)
{
	const struct world_frame *frame = &sent[cpu];

	if (verdicts[cpu] == TC_ACT_SHOT) /* the table was full */
		return;
	il_check(verdicts[cpu] == TC_ACT_REDIRECT, "CPU %u passes its packet", cpu);
	il_check(frame->ip.saddr == world_pod(pod).w[3] && frame->udp.source == bpf_htons(sport),
		 "the request of CPU %u has another connection's source", cpu);
	il_check((frame->ip.daddr == world_pod(3).w[3] || frame->ip.daddr == world_pod(4).w[3]) &&
			 frame->udp.dest == bpf_htons(8080),
		 "the request of CPU %u does not go to a backend", cpu);
}

/* One connection at most, of which the index has both entries. */
static void table_is_whole(void)
{
	const struct nb_pair *pair = &world.pairs[0];
	unsigned int ways = 0;

	for (int i = 0; i < WORLD_SETS * NB_CONN_WAYS; i++)
		ways += world.sets[i / NB_CONN_WAYS].ways[i % NB_CONN_WAYS] != 0;
	il_check(nb_life_use(pair->dir[0].conn.life) != NB_USE_BUSY, "the pair stays busy");
	il_check(ways == (nb_life_use(pair->dir[0].conn.life) == NB_USE_TAKEN ? 2 : 0),
		 "%u ways, and the pair's use is %u", ways, nb_life_use(pair->dir[0].conn.life));
	il_check(pair->dir[0].conn.sport == pair->dir[1].key.dport &&
			 pair->dir[1].conn.dport == pair->dir[0].key.sport,
		 "the halves of the pair are of two connections");
}

static void request_and_other(void)
{
	table_is_whole();
	expect_request(0, 1, 5000);
	expect_request(1, 2, 5001);
}

/* The answer is translated, or passes as one of no connection. */
static void answer_and_other(void)
{
	bool known = verdicts[0] == TC_ACT_REDIRECT;

	table_is_whole();
	expect_request(1, 2, 5001);
	il_check(known || verdicts[0] == TC_ACT_UNSPEC, "the answer is dropped");
	il_check(sent[0].ip.saddr == (known ? world_vip() : backend).w[3] &&
			 sent[0].udp.source == bpf_htons(known ? 53 : 8080),
		 "the answer has another connection's source");
	il_check(sent[0].ip.daddr == world_pod(1).w[3] && sent[0].udp.dest == bpf_htons(5000),
		 "the answer goes to another connection's client");
}

#define WORLD_SCENARIO(of, packet, check)                                                                    \
	{                                                                                                    \
		.name = of, .memory = memory_of_packets, .setup = setup_connection,                          \
		.switched = world_switched, .name_of = world_name, .leads = world_leads,                     \
		.actors = { packet, send_other }, .finally = check,                                          \
		.models = 1 << IL_SC | 1 << IL_TSO | 1 << IL_PSO | 1 << IL_ARM,                              \
	}

static const struct il_scenario scenarios[] = {
	WORLD_SCENARIO("an answer, and another connection takes its pair", send_answer, answer_and_other),
	WORLD_SCENARIO("a request, and another connection takes its pair", send_request, request_and_other),
	{
		.name = "two connections, one pair",
		.memory = memory,
		.setup = setup,
		.switched = world_switched,
		.name_of = world_name,
		.leads = world_leads,
		.actors = { send_first, send_first },
		.finally = table_is_whole,
		.models = 1 << IL_SC | 1 << IL_TSO | 1 << IL_PSO | 1 << IL_ARM,
	},
};

int main(int argc, char **argv)
{
	return il_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
