// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A TCP connection has ended (TIME_WAIT), and its client begins it anew with the same ports, while
 * other CPUs have packets of the old or of the new one, or end it.
 */
#include "world.h"

enum { CLIENT_PORT = 5000, SYN = 0x02, ACK = 0x10 };

/* What became of the packet of each CPU. */
static struct {
	int verdict;
	struct world_frame after;
} sent[IL_ACTORS];

static __be32 backend;   /* of the old connection */
static __u64 first_life; /* of its record */

static void memory(void)
{
	world_memory();
	for (unsigned int i = 0; i < IL_ACTORS; i++)
		il_private(i, &sent[i], sizeof(sent[i]));
}

static void send_tcp(unsigned int pod, const struct nb_addr *dst, __u16 sport, __u16 dport, __u8 flags)
{
	struct nb_addr src = world_pod(pod);
	struct world_frame frame;

	world_tcp(&frame, &src, sport, dst, dport, flags);
	sent[hosted_cpu].verdict = world_send(pod, &frame, WORLD_TCP_HEAD);
	memcpy(&sent[hosted_cpu].after, world_sent(hosted_cpu), WORLD_TCP_HEAD);
}

static void send_syn(void)
{
	struct nb_addr vip = world_vip();

	send_tcp(1, &vip, CLIENT_PORT, 80, SYN);
}

static void answer(__u8 flags)
{
	struct nb_addr client = world_pod(1);

	send_tcp(bpf_ntohl(backend) & 0xff, &client, 8080, CLIENT_PORT, flags);
}

/* The last packet of the old connection, late; or one that does not fit the new one. */
static void send_late_ack(void)
{
	answer(ACK);
}

/* Of the new connection; or one that does not fit the old one. */
static void send_syn_ack(void)
{
	answer(SYN | ACK);
}

/* Another connection looks for a pair. */
static void send_other(void)
{
	struct nb_addr vip = world_vip();

	send_tcp(2, &vip, 6000, 80, SYN);
}

static void setup(void)
{
	world_setup();
	nb_settings.max = 1;
	hosted_cpu = 0;
	send_syn();
	backend = sent[0].after.ip.daddr;
	memset(sent, 0, sizeof(sent));
	first_life = nb_life_with(world.pairs[0].dir[0].conn.life, NB_TCP_TIME_WAIT, NB_LIFE_SEEN_REPLY,
				  WORLD_TICK + 50);
	world.pairs[0].dir[0].conn.life = world.pairs[0].dir[1].conn.life = first_life;
}

/* ---- checks ---- */

static __u64 record(void)
{
	return world.pairs[0].dir[0].conn.life;
}

/* Translated to the backend of a connection of the Service, or dropped if that may be. */
static void check_syn(unsigned int cpu, bool may_drop)
{
	const struct world_frame *frame = &sent[cpu].after;

	if (may_drop && sent[cpu].verdict == TC_ACT_SHOT)
		return;
	il_check(sent[cpu].verdict == TC_ACT_REDIRECT, "CPU %u drops its packet", cpu);
	il_check((frame->ip.daddr == world_pod(3).w[3] || frame->ip.daddr == world_pod(4).w[3]) &&
			 frame->tcp.dest == bpf_htons(8080),
		 "CPU %u does not send its packet to a backend", cpu);
}

static void check_answer(unsigned int cpu)
{
	const struct world_frame *frame = &sent[cpu].after;

	if (sent[cpu].verdict == TC_ACT_REDIRECT)
		il_check(frame->ip.saddr == world_vip().w[3] && frame->tcp.source == bpf_htons(80) &&
				 frame->ip.daddr == world_pod(1).w[3] &&
				 frame->tcp.dest == bpf_htons(CLIENT_PORT),
			 "an answer is translated to something else");
}

/*
 * One connection, which is new, and whose state the late packet has not changed. If that comes after
 * the SYN, it counts as an answer, as in nf_conntrack_in().
 */
static void new_and_late(void)
{
	il_check(world_connections() == 1, "the connection is gone");
	check_syn(0, false);
	check_answer(1);
	il_check(!nb_life_same_gen(record(), first_life), "the connection is the old one");
	il_check(nb_life_state(record()) == NB_TCP_SYN_SENT, "state %u", nb_life_state(record()));
}

/* The answer came before the new connection, and did not count; or after it, and was its answer. */
static void new_and_answer(void)
{
	__u32 state = nb_life_state(record()), flags = nb_life_flags(record());

	il_check(world_connections() == 1, "the connection is gone");
	check_syn(0, false);
	check_answer(1);
	il_check(!nb_life_same_gen(record(), first_life), "the connection is the old one");
	il_check(state == (flags & NB_LIFE_SEEN_REPLY ? NB_TCP_SYN_RECV : NB_TCP_SYN_SENT),
		 "state %u, flags %u", state, flags);
}

static void new_twice(void)
{
	il_check(world_connections() == 1, "the connection is gone");
	check_syn(0, false);
	check_syn(1, false);
	il_check(sent[0].after.ip.daddr == sent[1].after.ip.daddr, "two backends for one connection");
	il_check(!nb_life_same_gen(record(), first_life), "the connection is the old one");
	il_check(nb_life_state(record()) == NB_TCP_SYN_SENT, "state %u", nb_life_state(record()));
}

static void new_and_other(void)
{
	il_check(world_connections() <= 1, "two connections in one pair");
	check_syn(0, true);
	check_syn(1, true);
}

static const struct il_scenario scenarios[] = {
	{
		.name = "a connection begins anew, and a late packet of the old one comes",
		WORLD_COMMON(memory, setup),
		.actors = { send_syn, send_late_ack },
		.actor_names = { "SYN", "late" },
		.finally = new_and_late,
		.models = WORLD_ALL_MODELS,
		.reorders = 1,
	},
	{
		.name = "a connection begins anew, and its answer comes",
		WORLD_COMMON(memory, setup),
		.actors = { send_syn, send_syn_ack },
		.actor_names = { "SYN", "answer" },
		.finally = new_and_answer,
		.models = WORLD_ALL_MODELS,
		.reorders = 1,
	},
	{
		.name = "two CPUs begin a connection anew",
		WORLD_COMMON(memory, setup),
		.actors = { send_syn, send_syn },
		.actor_names = { "SYN", "again" },
		.finally = new_twice,
		.models = WORLD_ALL_MODELS,
		.reorders = 1,
	},
	{
		.name = "a connection begins anew, and another one takes its pair",
		WORLD_COMMON(memory, setup),
		.actors = { send_syn, send_other },
		.actor_names = { "SYN", "other" },
		.finally = new_and_other,
		.models = WORLD_ALL_MODELS,
		.reorders = 1,
	},
	{
		.name = "a connection begins anew, its answer comes, and another one takes its pair",
		WORLD_COMMON(memory, setup),
		.actors = { send_syn, send_other, send_syn_ack },
		.actor_names = { "SYN", "other", "answer" },
		.finally = new_and_other,
		.preemptions = 2,
	},
	{
		.name = "a connection begins anew, its answer comes, and another one takes its pair, three "
			"switches",
		WORLD_COMMON(memory, setup),
		.actors = { send_syn, send_other, send_syn_ack },
		.actor_names = { "SYN", "other", "answer" },
		.finally = new_and_other,
		.preemptions = 3,
		.is_long = true,
	},
};

int main(int argc, char **argv)
{
	return il_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
