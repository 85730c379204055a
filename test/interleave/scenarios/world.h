/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_TEST_INTERLEAVE_WORLD_H
#define NATBRIDGE_TEST_INTERLEAVE_WORLD_H

/*
 * A small network in the memory of a scenario, for the eBPF programs of bpf/natbridge.bpf.c, which
 * are included here: a bridge with a pod at each of its ports and one Service. Each actor is a CPU
 * with the actor's number.
 */

#include <stdio.h>
#include <string.h>

#include "bpf/natbridge.bpf.c"
#include "test/hosted/hosted.h"
#include "test/interleave/engine.h"

enum {
	WORLD_PAIRS = 4,
	WORLD_SETS = 2,
	WORLD_PODS = 4,     /* pod i: 10.1.0.i, at port slot i with ifindex 10 + i, from 1 */
	WORLD_BACKENDS = 2, /* of the Service, at port 8080: pods 3 and 4 */
	WORLD_TICK = 1000,  /* now */

	/* Bytes of a frame that are part of an actor's state. */
	WORLD_FRAME = 64,
};

_Static_assert(sizeof(struct nb_conn_set) == 64, "names of words");

static struct {
	struct nb_pair pairs[WORLD_PAIRS];
	struct nb_conn_set sets[WORLD_SETS];
	struct nb_port ports[WORLD_PODS + 1];
	char links[256], endpoints[512], frontends[512], backends[512];
} world __attribute__((aligned(64)));

/* Of each CPU. */
static struct nb_scratch world_scratch[IL_ACTORS];
static struct nb_looked_up world_looked_up[IL_ACTORS];
static struct hosted_packet *world_packets[IL_ACTORS];

static inline struct nb_addr world_addr(__u8 a, __u8 b, __u8 c, __u8 d)
{
	return (struct nb_addr){ .w = { 0, 0, bpf_htonl(0xffff),
					bpf_htonl((__u32)a << 24 | b << 16 | c << 8 | d) } };
}

static inline struct nb_addr world_pod(unsigned int pod)
{
	return world_addr(10, 1, 0, pod);
}

static inline struct nb_addr world_vip(void)
{
	return world_addr(10, 96, 0, 1);
}

/* ---- memory ---- */

static inline void world_memory(void)
{
	il_shared(&world, sizeof(world), "world");
	il_shared((void *)&nb_settings, sizeof(nb_settings), "settings");
	il_shared(&nb_runtime, sizeof(nb_runtime), "runtime");
	for (unsigned int cpu = 0; cpu < IL_ACTORS; cpu++) {
		if (!world_packets[cpu])
			world_packets[cpu] = hosted_packet_new();
		il_private(cpu, &world_scratch[cpu], sizeof(world_scratch[cpu]));
		il_private(cpu, &world_looked_up[cpu], sizeof(world_looked_up[cpu]));
		il_private(cpu, &hosted_cpus[cpu], sizeof(hosted_cpus[cpu]));
		il_private(cpu, &world_packets[cpu]->skb, sizeof(struct __sk_buff));
		il_private(cpu, world_packets[cpu]->bytes, WORLD_FRAME);
	}
}

static inline void world_switched(unsigned int cpu)
{
	hosted_cpu = cpu;
}

/* ---- the network ---- */

static inline void world_maps(void)
{
	hosted_map(&connections, world.pairs, WORLD_PAIRS);
	hosted_map(&conn_index, world.sets, WORLD_SETS);
	hosted_map(&ports, world.ports, WORLD_PODS + 1);
	hosted_map(&links, world.links, sizeof(world.links) / HOSTED_ELEMENT_SIZE(&links));
	hosted_map(&endpoints, world.endpoints, sizeof(world.endpoints) / HOSTED_ELEMENT_SIZE(&endpoints));
	hosted_map(&frontends, world.frontends, sizeof(world.frontends) / HOSTED_ELEMENT_SIZE(&frontends));
	hosted_map(&backends, world.backends, sizeof(world.backends) / HOSTED_ELEMENT_SIZE(&backends));
	hosted_map(&counters, NULL, 0);
	hosted_map(&accounts, NULL, 0);
	hosted_map(&service_drops, NULL, 0);
	hosted_map_of_maps(&listeners);
	for (unsigned int cpu = 0; cpu < IL_ACTORS; cpu++) {
		hosted_map_of_cpu(&scratch, cpu, &world_scratch[cpu], 1);
		hosted_map_of_cpu(&looked_up, cpu, &world_looked_up[cpu], 1);
	}
	hosted_on_hash = il_range;
	hosted_loop_max = 3;
}

static inline void world_add_pods(void)
{
	for (__u32 i = 1; i <= WORLD_PODS; i++) {
		__u32 ifindex = 10 + i;
		struct nb_addr addr = world_pod(i);
		struct nb_endpoint endpoint = { .slot = i };

		world.ports[i] =
			(struct nb_port){ .ifindex = ifindex, .gen = 1, .mac = { 2, 0, 0, 0, 0, i } };
		bpf_map_update_elem(&links, &ifindex, &i, BPF_ANY);
		endpoint.seal = nb_endpoint_seal(&addr, &endpoint);
		bpf_map_update_elem(&endpoints, &addr, &endpoint, BPF_ANY);
	}
}

static inline void world_know_port(__be16 port)
{
	nb_settings.known_ports[port / 32] |= 1U << port % 32;
}

/* A port of the VIP, whose backends have backend_port. */
static inline void world_add_service(__u8 proto, __u16 port, __u16 backend_port)
{
	struct nb_frontend_key key = { .addr = world_vip(), .port = bpf_htons(port), .proto = proto };
	struct nb_frontend frontend = {
		.flags = NB_FRONTEND_SERVICE, .set = port, .count = WORLD_BACKENDS, .known = WORLD_BACKENDS
	};

	frontend.seal = nb_frontend_seal(&key, &frontend);
	bpf_map_update_elem(&frontends, &key, &frontend, BPF_ANY);
	for (__u32 i = 0; i < WORLD_BACKENDS; i++) {
		struct nb_backend_key backend_key = { .set = port, .index = i };
		struct nb_backend backend = { .addr = world_pod(3 + i), .port = bpf_htons(backend_port) };

		backend.seal = nb_backend_seal(&backend_key, &backend);
		bpf_map_update_elem(&backends, &backend_key, &backend, BPF_ANY);
	}
	world_know_port(bpf_htons(port));
	world_know_port(bpf_htons(backend_port));
}

/* The first one of the VIP's port alone. */
static inline void world_use_one_backend(__u8 proto, __u16 port)
{
	struct nb_frontend_key key = { .addr = world_vip(), .port = bpf_htons(port), .proto = proto };
	struct nb_frontend *frontend = bpf_map_lookup_elem(&frontends, &key);

	if (!frontend)
		return;
	frontend->count = frontend->known = 1;
	frontend->seal = nb_frontend_seal(&key, frontend);
}

static inline void world_setup(void)
{
	const struct nb_constants constants = { .second = 10, .conn_sets = WORLD_SETS };

	hosted_write(&nb_constants, &constants, sizeof(constants));
	hosted_jiffies = WORLD_TICK;
	world_maps();
	for (int i = 0; i < NB_TUPLE_WORDS; i++)
		nb_settings.index_seed[i] = 0x9e3779b97f4a7c15ULL * (2 * i + 1);
	for (int i = 0; i < NB_TIMEOUTS; i++)
		nb_settings.timeouts[i] = 100;
	nb_settings.flags = NB_SETTINGS_FAST_PATH;
	nb_settings.max = WORLD_PAIRS;
	for (int i = 0; i < 4; i++) {
		nb_settings.vips[1].value.w[i] = world_vip().w[i];
		nb_settings.vips[1].mask.w[i] = 0xffffffff;
	}
	world_add_pods();
	world_add_service(IPPROTO_UDP, 53, 8080);
	world_add_service(IPPROTO_TCP, 80, 8080);
}

/* ---- packets ---- */

struct world_frame {
	struct ethhdr eth;
	struct iphdr ip;
	union {
		struct udphdr udp;
		struct tcphdr tcp;
	};
} __attribute__((packed));

/* Bytes of all headers. */
enum {
	WORLD_UDP_HEAD = offsetof(struct world_frame, udp) + sizeof(struct udphdr),
	WORLD_TCP_HEAD = offsetof(struct world_frame, tcp) + sizeof(struct tcphdr),
};

/* The headers up to IP, of a packet of this protocol with so many bytes behind it. */
static inline void world_ip(struct world_frame *frame, const struct nb_addr *src, const struct nb_addr *dst,
			    __u8 proto, __u16 len)
{
	memset(frame, 0, sizeof(*frame));
	frame->eth.h_proto = bpf_htons(ETH_P_IP);
	frame->ip.version = 4;
	frame->ip.ihl = 5;
	frame->ip.ttl = 64;
	frame->ip.protocol = proto;
	frame->ip.tot_len = bpf_htons(sizeof(frame->ip) + len);
	frame->ip.saddr = src->w[3];
	frame->ip.daddr = dst->w[3];
}

/* A datagram of a pod, with one byte of data and no checksum. */
static inline void world_udp(struct world_frame *frame, const struct nb_addr *src, __u16 sport,
			     const struct nb_addr *dst, __u16 dport)
{
	world_ip(frame, src, dst, IPPROTO_UDP, sizeof(frame->udp) + 1);
	frame->udp.source = bpf_htons(sport);
	frame->udp.dest = bpf_htons(dport);
	frame->udp.len = bpf_htons(sizeof(frame->udp) + 1);
}

/* A segment without data and with no checksum. flags: the byte of the header. */
static inline void world_tcp(struct world_frame *frame, const struct nb_addr *src, __u16 sport,
			     const struct nb_addr *dst, __u16 dport, __u8 flags)
{
	world_ip(frame, src, dst, IPPROTO_TCP, sizeof(frame->tcp));
	frame->tcp.source = bpf_htons(sport);
	frame->tcp.dest = bpf_htons(dport);
	frame->tcp.doff = sizeof(frame->tcp) / 4;
	((__u8 *)&frame->tcp)[13] = flags;
}

/* Runs a program at a pod's port for a frame of this length, by the CPU whose code runs. */
static inline int world_run(int (*program)(struct __sk_buff *skb), unsigned int pod,
			    const struct world_frame *frame, __u32 len)
{
	struct hosted_packet *packet = world_packets[hosted_cpu];

	hosted_packet_set(packet, frame, len);
	packet->skb.ifindex = 10 + pod;
	packet->skb.protocol = bpf_htons(ETH_P_IP);
	return program(&packet->skb);
}

/* Sends a frame of this length from a pod. Returns the verdict. */
static inline int world_send(unsigned int pod, const struct world_frame *frame, __u32 len)
{
	return world_run(nb_from_pod, pod, frame, len);
}

/* The frame that a CPU has sent last, as it is now. */
static inline const struct world_frame *world_sent(unsigned int cpu)
{
	return (const struct world_frame *)world_packets[cpu]->bytes;
}

/* For il_scenario.leads: a way has the number of an entry, which is read next. */
static inline bool world_leads(const void *at)
{
	return (uintptr_t)at - (uintptr_t)world.sets < sizeof(world.sets);
}

/* ---- for il_scenario.finally ---- */

/*
 * Connections in the table. Each pair holds one, or is free; the index leads to both entries of a
 * connection and to nothing else, and its copy of the life is of the same connection.
 */
static inline unsigned int world_connections(void)
{
	unsigned int taken = 0, ways = 0;

	for (int i = 0; i < WORLD_PAIRS; i++) {
		__u64 record = world.pairs[i].dir[0].conn.life, copy = world.pairs[i].dir[1].conn.life;

		il_check(nb_life_use(record) == NB_USE_FREE || nb_life_use(record) == NB_USE_TAKEN,
			 "pair %d stays in use %u", i, nb_life_use(record));
		if (nb_life_use(record) == NB_USE_FREE)
			continue;
		taken++;
		il_check(nb_life_same(record, copy), "the halves of pair %d are of two connections", i);
	}
	for (int i = 0; i < WORLD_SETS * NB_CONN_WAYS; i++)
		ways += world.sets[i / NB_CONN_WAYS].ways[i % NB_CONN_WAYS] != 0;
	il_check(ways == 2 * taken, "%u ways for %u connections", ways, taken);
	return taken;
}

/* ---- names ---- */

#define WORLD_FIELD(of, type, field)                                                                         \
	{                                                                                                    \
		offsetof(struct of, field), sizeof(((struct of *)0)->field), type #field                     \
	}

static inline const char *world_field(size_t off)
{
	static const struct {
		size_t at, size;
		const char *name;
	} fields[] = {
		WORLD_FIELD(nb_entry, "", key.src),        WORLD_FIELD(nb_entry, "", key.dst),
		WORLD_FIELD(nb_entry, "", key.sport),      WORLD_FIELD(nb_entry, "", key.dport),
		WORLD_FIELD(nb_entry, "", key.proto),      WORLD_FIELD(nb_entry, "", conn.src),
		WORLD_FIELD(nb_entry, "", conn.dst),       WORLD_FIELD(nb_entry, "", conn.sport),
		WORLD_FIELD(nb_entry, "", conn.dport),     WORLD_FIELD(nb_entry, "", conn.in_ifindex),
		WORLD_FIELD(nb_entry, "", conn.out_gen),   WORLD_FIELD(nb_entry, "", conn.out_slot),
		WORLD_FIELD(nb_entry, "", conn.flags),     WORLD_FIELD(nb_entry, "", conn.csum_addr),
		WORLD_FIELD(nb_entry, "", conn.csum_port), WORLD_FIELD(nb_entry, "", conn.life),
		WORLD_FIELD(nb_entry, "", conn.seq),       WORLD_FIELD(nb_entry, "", conn.acked),
		WORLD_FIELD(nb_entry, "", conn.checked),
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (off - fields[i].at < fields[i].size)
			return fields[i].name;
	return "?";
}

static inline bool world_is_in(const void *at, const void *array, size_t size, size_t *off)
{
	*off = (const char *)at - (const char *)array;
	return *off < size;
}

/* For il_scenario.name_of. */
static inline void world_name(const void *at, char *name, size_t size)
{
	size_t off;

	if (world_is_in(at, world.pairs, sizeof(world.pairs), &off))
		snprintf(name, size, "pair %zu dir %zu %s", off / sizeof(struct nb_pair),
			 off / sizeof(struct nb_entry) % 2, world_field(off % sizeof(struct nb_entry)));
	else if (world_is_in(at, world.sets, sizeof(world.sets), &off) && off % 64 < 8 * NB_CONN_WAYS)
		snprintf(name, size, "set %zu way %zu", off / 64, off % 64 / 8);
	else if (world_is_in(at, world.sets, sizeof(world.sets), &off))
		snprintf(name, size, "set %zu spilled", off / 64);
	else if (world_is_in(at, world.ports, sizeof(world.ports), &off))
		snprintf(name, size, "port %zu +%zu", off / sizeof(world.ports[0]),
			 off % sizeof(world.ports[0]));
	else if (world_is_in(at, world.links, sizeof(world.links), &off))
		snprintf(name, size, "links+%zu", off);
	else if (world_is_in(at, world.endpoints, sizeof(world.endpoints), &off))
		snprintf(name, size, "endpoints+%zu", off);
	else if (world_is_in(at, world.frontends, sizeof(world.frontends), &off))
		snprintf(name, size, "frontends+%zu", off);
	else if (world_is_in(at, world.backends, sizeof(world.backends), &off))
		snprintf(name, size, "backends+%zu", off);
}

/* For il_scenario.models. */
#define WORLD_ALL_MODELS (1 << IL_SC | 1 << IL_TSO | 1 << IL_PSO | 1 << IL_ARM)

/* What all scenarios of this network have in common. */
#define WORLD_COMMON(memory_, setup_)                                                                        \
	.memory = memory_, .setup = setup_, .switched = world_switched, .name_of = world_name,               \
	.leads = world_leads

#endif
