// SPDX-License-Identifier: GPL-2.0-or-later
/* Two or three CPUs have the first packet of one connection at once: the whole of nb_from_pod(). */
#include "world.h"

/* What became of a CPU's packet. */
static struct {
	int verdict;
	__be32 to;
	__be16 port;
} sent[IL_ACTORS];

static void memory(void)
{
	world_memory();
	for (unsigned int i = 0; i < IL_ACTORS; i++)
		il_private(i, &sent[i], sizeof(sent[i]));
}

static void send_first(void)
{
	unsigned int self = il_self();
	struct nb_addr client = world_pod(1), vip = world_vip();
	struct world_frame frame;

	world_udp(&frame, &client, 5000, &vip, 53);
	sent[self].verdict = world_send(1, &frame, WORLD_UDP_HEAD + 1);
	sent[self].to = world_sent(self)->ip.daddr;
	sent[self].port = world_sent(self)->udp.dest;
}

/* At most one connection, and each packet that passed went to its backend. */
static void one_connection(void)
{
	unsigned int made = world_connections();

	il_check(made <= 1, "%u connections of one tuple", made);
	for (unsigned int i = 0; i < 3; i++) {
		if (sent[i].verdict != TC_ACT_REDIRECT)
			continue;
		il_check(sent[i].port == bpf_htons(8080), "a packet was not translated");
	}
}

/* And none was dropped. */
static void none_dropped(void)
{
	one_connection();
	for (unsigned int i = 0; i < 2; i++)
		il_check(sent[i].verdict == TC_ACT_REDIRECT, "CPU %u drops its packet", i);
}

static const struct il_scenario scenarios[] = {
	{
		.name = "two CPUs, and no packet is dropped",
		WORLD_COMMON(memory, world_setup),
		.actors = { send_first, send_first },
		.finally = none_dropped,
		.models = WORLD_ALL_MODELS,
		.reorders = 1,
	},
	{
		.name = "three CPUs, and one connection is made",
		WORLD_COMMON(memory, world_setup),
		.actors = { send_first, send_first, send_first },
		.finally = one_connection,
		.preemptions = 2,
	},
	{
		.name = "three CPUs, and one connection is made, three switches",
		WORLD_COMMON(memory, world_setup),
		.actors = { send_first, send_first, send_first },
		.finally = one_connection,
		.preemptions = 3,
		.is_long = true,
	},
};

int main(int argc, char **argv)
{
	return il_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
