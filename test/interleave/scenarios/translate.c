// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * CPUs translate packets of a connection while another one gives its pair to another connection: to
 * another client, Service and backend. No packet may get a mixture.
 */
#include "world.h"

enum { CLIENT_PORT = 5000 };

/* What became of the packet of each CPU. */
static struct {
	int verdict;
	struct world_frame before, after;
} sent[IL_ACTORS];

static __be32 backend; /* that the connection of setup() has */

static void memory(void)
{
	world_memory();
	for (unsigned int i = 0; i < IL_ACTORS; i++)
		il_private(i, &sent[i], sizeof(sent[i]));
}

static __u16 ip_sum(const struct world_frame *frame)
{
	__u16 word[sizeof(frame->ip) / 2];
	__u32 sum = 0;

	memcpy(word, (const char *)frame + offsetof(struct world_frame, ip), sizeof(word));
	for (size_t i = 0; i < sizeof(word) / sizeof(word[0]); i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return sum + (sum >> 16);
}

/* A datagram of a pod with this number, through a program at the port of the pod "at". */
static void run_udp(int (*program)(struct __sk_buff *skb), unsigned int at, unsigned int pod,
		    const struct nb_addr *dst, __u16 sport, __u16 dport)
{
	struct nb_addr src = world_pod(pod);
	struct world_frame frame;

	world_udp(&frame, &src, sport, dst, dport);
	frame.ip.check = ~ip_sum(&frame);
	memcpy(&sent[hosted_cpu].before, &frame, WORLD_UDP_HEAD);
	sent[hosted_cpu].verdict = world_run(program, at, &frame, WORLD_UDP_HEAD + 1);
	memcpy(&sent[hosted_cpu].after, world_sent(hosted_cpu), WORLD_UDP_HEAD);
}

static void send_udp(unsigned int pod, const struct nb_addr *dst, __u16 sport, __u16 dport)
{
	run_udp(nb_from_pod, pod, pod, dst, sport, dport);
}

/* Pod 1 to the first Service. */
static void send_request(void)
{
	struct nb_addr vip = world_vip();

	send_udp(1, &vip, CLIENT_PORT, 53);
}

/* Pod 2 to the second one: this begins a connection. */
static void send_other(void)
{
	struct nb_addr vip = world_vip();

	send_udp(2, &vip, 6000, 54);
}

/* The backend of pod 1 answers. */
static void send_answer(void)
{
	struct nb_addr client = world_pod(1);

	send_udp(bpf_ntohl(backend) & 0xff, &client, 8080, CLIENT_PORT);
}

/* The same answer, behind the host's IP stack. */
static void receive_answer(void)
{
	struct nb_addr client = world_pod(1);

	run_udp(nb_to_pod, 1, bpf_ntohl(backend) & 0xff, &client, 8080, CLIENT_PORT);
}

/* A table of one pair, which holds the connection of pod 1. */
static void setup_path(__u32 flags)
{
	world_setup();
	world_add_service(IPPROTO_UDP, 54, 9090);
	nb_settings.flags = flags;
	nb_settings.max = 1;
	hosted_cpu = 0;
	send_request();
	backend = sent[0].after.ip.daddr;
	memset(sent, 0, sizeof(sent));
}

static void setup(void)
{
	setup_path(NB_SETTINGS_FAST_PATH);
}

static void setup_via_host(void)
{
	setup_path(0);
}

/* ---- checks ---- */

/* What holds for each translated packet: sent to the pod that has the address, with a right checksum. */
static void check_translated(const struct world_frame *frame, unsigned int pod)
{
	il_check(ip_sum(frame) == 0xffff, "the IP checksum is wrong");
	il_check(frame->eth.h_dest[5] == pod && frame->eth.h_dest[0] == 2,
		 "sent to the MAC of pod %u, not %u", frame->eth.h_dest[5], pod);
}

static void check_request(unsigned int cpu, __u16 port, __u16 backend_port, unsigned int client)
{
	const struct world_frame *frame = &sent[cpu].after;
	unsigned int pod = bpf_ntohl(frame->ip.daddr) & 0xff;

	if (sent[cpu].verdict != TC_ACT_REDIRECT)
		return;
	il_check(frame->ip.daddr == world_pod(pod).w[3] && (pod == 3 || pod == 4) &&
			 frame->udp.dest == bpf_htons(backend_port),
		 "a packet to port %u is sent to port %u of pod %u", port, bpf_ntohs(frame->udp.dest), pod);
	il_check(frame->ip.saddr == world_pod(client).w[3] &&
			 frame->udp.source == sent[cpu].before.udp.source,
		 "a packet has another sender");
	check_translated(frame, pod);
}

static void check_answer_whole(const struct world_frame *frame)
{
	il_check(frame->ip.saddr == world_vip().w[3] && frame->udp.source == bpf_htons(53),
		 "an answer comes from port %u", bpf_ntohs(frame->udp.source));
	il_check(frame->ip.daddr == world_pod(1).w[3] && frame->udp.dest == bpf_htons(CLIENT_PORT),
		 "an answer goes to another client");
}

static void check_answer(unsigned int cpu)
{
	if (sent[cpu].verdict != TC_ACT_REDIRECT)
		return;
	check_answer_whole(&sent[cpu].after);
	check_translated(&sent[cpu].after, 1);
}

/* It is translated, or is as it was: its connection has ended. */
static void check_received(unsigned int cpu)
{
	const struct world_frame *frame = &sent[cpu].after;

	il_check(sent[cpu].verdict == TC_ACT_UNSPEC, "an answer is dropped");
	if (!memcmp(frame, &sent[cpu].before, WORLD_UDP_HEAD))
		return;
	check_answer_whole(frame);
	il_check(ip_sum(frame) == 0xffff, "the IP checksum is wrong");
}

static void request_and_other(void)
{
	check_request(0, 53, 8080, 1);
	check_request(1, 54, 9090, 2);
	world_connections();
}

static void answer_and_other(void)
{
	check_answer(0);
	check_request(1, 54, 9090, 2);
	world_connections();
}

static void received_and_other(void)
{
	check_received(0);
	world_connections();
}

static void all_three(void)
{
	request_and_other();
	check_answer(2);
}

static const struct il_scenario scenarios[] = {
	{
		.name = "a request, and its pair is taken",
		WORLD_COMMON(memory, setup),
		.actors = { send_request, send_other },
		.actor_names = { "request", "other" },
		.finally = request_and_other,
		.models = WORLD_ALL_MODELS,
		.reorders = 1,
	},
	{
		.name = "a request, and its pair is taken, loads are early",
		WORLD_COMMON(memory, setup),
		.actors = { send_request, send_other },
		.actor_names = { "request", "other" },
		.finally = request_and_other,
		.models = 1 << IL_ARM,
		.is_long = true,
	},
	{
		.name = "an answer, and its pair is taken",
		WORLD_COMMON(memory, setup),
		.actors = { send_answer, send_other },
		.actor_names = { "answer", "other" },
		.finally = answer_and_other,
		.models = WORLD_ALL_MODELS,
	},
	{
		.name = "an answer through the host, and its pair is taken",
		WORLD_COMMON(memory, setup_via_host),
		.actors = { receive_answer, send_other },
		.actor_names = { "answer", "other" },
		.finally = received_and_other,
		.models = WORLD_ALL_MODELS,
	},
	{
		.name = "a request, an answer, and their pair is taken",
		WORLD_COMMON(memory, setup),
		.actors = { send_request, send_other, send_answer },
		.actor_names = { "request", "other", "answer" },
		.finally = all_three,
		.models = 1 << IL_SC | 1 << IL_ARM,
		.preemptions = 2,
		.reorders = 1,
	},
	{
		.name = "a request, an answer, and their pair is taken, three switches",
		WORLD_COMMON(memory, setup),
		.actors = { send_request, send_other, send_answer },
		.actor_names = { "request", "other", "answer" },
		.finally = all_three,
		.preemptions = 3,
		.is_long = true,
	},
};

int main(int argc, char **argv)
{
	return il_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
