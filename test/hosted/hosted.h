/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_TEST_HOSTED_H
#define NATBRIDGE_TEST_HOSTED_H

/*
 * The eBPF programs as part of a process: bpf/ebpf/ and bpf/lib/ are compiled as they are, by clang,
 * with -Itest/hosted before all other directories, so that <bpf/...> is what lies in
 * test/hosted/bpf/. hosted.c stands for the kernel's helpers.
 *
 *   #include "bpf/ebpf/conn_create.h"
 *   #include "test/hosted/hosted.h"
 *
 *   static struct nb_pair pairs[2];
 *   hosted_map(&connections, pairs, 2);
 *   hosted_write(&nb_constants, &constants, sizeof(constants));
 *
 * A map has no elements of its own: the test gives it memory. A lookup in a map that got none is a
 * fault of the test and ends the process.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/bpf.h>

enum {
	HOSTED_CPUS = 8,
	HOSTED_MAPS = 32,

	/* Bytes that a packet may have. */
	HOSTED_PACKET_MAX = 4096,
};

/* ---- maps ---- */

/* What a definition of a map says about it. */
struct hosted_layout {
	uint32_t type; /* enum bpf_map_type */
	uint32_t key_size, value_size;
};

#define HOSTED_LAYOUT(map)                                                                                   \
	(&(struct hosted_layout){ .type = sizeof(*(map)->type) / sizeof(int),                                \
				  .key_size = sizeof(*(map)->key),                                           \
				  .value_size = sizeof(*(map)->value) })

/* Gives an array n elements at "memory", which stays the test's; 0: each lookup finds nothing. */
#define hosted_map(map, memory, n) hosted_map_set(map, HOSTED_LAYOUT(map), 0, memory, n)

/* An array of maps that is empty. */
#define hosted_map_of_maps(map)                                                                              \
	hosted_map_set(map, &(struct hosted_layout){ .type = BPF_MAP_TYPE_ARRAY_OF_MAPS, .key_size = 4 }, 0, \
		       NULL, 0)

/* The same for one CPU of a map that has its elements once for each. */
#define hosted_map_of_cpu(map, cpu, memory, n) hosted_map_set(map, HOSTED_LAYOUT(map), cpu, memory, n)

/* A hash: memory is n times HOSTED_ELEMENT_SIZE(map), all zero for an empty one. */
#define HOSTED_ELEMENT_SIZE(map) hosted_element_size(HOSTED_LAYOUT(map))

void hosted_map_set(const void *map, const struct hosted_layout *layout, unsigned int cpu, void *memory,
		    size_t n);
size_t hosted_element_size(const struct hosted_layout *layout);

/*
 * NULL, or called with the memory that a program's access to a hash reads or writes, before it
 * does: a lookup reads the keys, which come first, and an update or a deletion may write anything.
 */
extern void (*hosted_on_hash)(const void *memory, size_t size, bool writes);

/* ---- the rest of a CPU ---- */

struct hosted_cpu {
	uint64_t random;           /* state of bpf_get_prandom_u32(); 0 counts as a seed, too */
	uint32_t redirect_ifindex; /* of the last bpf_redirect() or bpf_redirect_peer() */
	uint32_t redirect_peer;
};

extern struct hosted_cpu hosted_cpus[HOSTED_CPUS];
extern unsigned int hosted_cpu; /* the one that the code runs on now */

extern uint64_t hosted_jiffies;

/* bpf_loop() ends after as many turns; 0: when it is over. */
extern uint32_t hosted_loop_max;

/* NULL: pseudo-random numbers of the CPU's seed. */
extern uint32_t (*hosted_prandom)(void);

/* NULL: no address is forwarded (BPF_FIB_LKUP_RET_NOT_FWDED). */
extern long (*hosted_fib)(struct bpf_fib_lookup *params);

/* Writes what is constant for the program, as libbpf does before it loads one. */
void hosted_write(const volatile void *at, const void *from, size_t size);

/* ---- packets ---- */

/* A packet. Programs get &packet->skb; its bytes are in memory that 32-bit pointers reach. */
struct hosted_packet {
	struct __sk_buff skb;
	unsigned char *bytes; /* HOSTED_PACKET_MAX of them, of which skb.len are the packet */
	unsigned char ip_summed;
};

/* Never freed. *packet is all zero, with no bytes. */
struct hosted_packet *hosted_packet_new(void);

/* Gives a packet these bytes. */
void hosted_packet_set(struct hosted_packet *packet, const void *bytes, uint32_t len);

#endif
