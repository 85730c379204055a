// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two connections of one client port, to two Services with the same backends: both want the same
 * reply tuple if they choose the same backend. One of them gets another source port.
 */
#include "world.h"

enum { CLIENT_PORT = 5000 };

/* What became of the packet of each CPU. */
static struct {
	int verdict;
	struct world_frame after;
} sent[IL_ACTORS];

static void memory(void)
{
	world_memory();
	for (unsigned int i = 0; i < IL_ACTORS; i++)
		il_private(i, &sent[i], sizeof(sent[i]));
}

static void send_to(__u16 port)
{
	struct nb_addr src = world_pod(1), vip = world_vip();
	struct world_frame frame;

	world_udp(&frame, &src, CLIENT_PORT, &vip, port);
	sent[hosted_cpu].verdict = world_send(1, &frame, WORLD_UDP_HEAD + 1);
	memcpy(&sent[hosted_cpu].after, world_sent(hosted_cpu), WORLD_UDP_HEAD);
}

static void send_first(void)
{
	send_to(53);
}

static void send_second(void)
{
	send_to(54);
}

/* Both Services have one backend. */
static void setup(void)
{
	world_setup();
	world_add_service(IPPROTO_UDP, 54, 8080);
	world_use_one_backend(IPPROTO_UDP, 53);
	world_use_one_backend(IPPROTO_UDP, 54);
}

/* Both packets are sent, from different ports: an answer belongs to one connection. */
static void two_ports(void)
{
	il_check(world_connections() == 2, "not two connections");
	for (unsigned int cpu = 0; cpu < 2; cpu++)
		il_check(sent[cpu].verdict == TC_ACT_REDIRECT, "CPU %u drops its packet", cpu);
	il_check(sent[0].after.udp.source != sent[1].after.udp.source,
		 "both connections are sent from port %u", bpf_ntohs(sent[0].after.udp.source));
	il_check(sent[0].after.udp.source == bpf_htons(CLIENT_PORT) ||
			 sent[1].after.udp.source == bpf_htons(CLIENT_PORT),
		 "both connections got another port");
}

static const struct il_scenario scenarios[] = {
	{
		.name = "two connections want one reply tuple",
		WORLD_COMMON(memory, setup),
		.actors = { send_first, send_second },
		.finally = two_ports,
		.models = WORLD_ALL_MODELS,
		.reorders = 1,
	},
};

int main(int argc, char **argv)
{
	return il_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
