// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's helpers, as far as programs that run in a process need them. */
#include "hosted.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pkt_cls.h>

#include "bpf/bpf_helpers.h"

void *bpf_cast_to_kern_ctx(void *context);

struct hosted_cpu hosted_cpus[HOSTED_CPUS];
unsigned int hosted_cpu;
uint64_t hosted_jiffies;
uint32_t hosted_loop_max;
uint32_t (*hosted_prandom)(void);
long (*hosted_fib)(struct bpf_fib_lookup *params);
void (*hosted_on_hash)(const void *memory, size_t size, bool writes);

static _Noreturn void fault(const char *what)
{
	fprintf(stderr, "hosted: %s\n", what);
	abort();
}

/* ---- maps ---- */

struct map {
	const void *map; /* the program's definition */
	struct hosted_layout layout;
	struct {
		char *memory;
		size_t n;
	} cpus[HOSTED_CPUS];
};

static struct map maps[HOSTED_MAPS];
static size_t n_maps;

static struct map *find_map(const void *map)
{
	for (size_t i = 0; i < n_maps; i++)
		if (maps[i].map == map)
			return &maps[i];
	return NULL;
}

static bool is_hash(const struct hosted_layout *layout)
{
	return layout->type == BPF_MAP_TYPE_HASH || layout->type == BPF_MAP_TYPE_LRU_HASH;
}

static bool is_per_cpu(const struct hosted_layout *layout)
{
	return layout->type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

/* A hash has a key after the other, each behind a word that is 1 if it is in use, and then the values. */
static size_t rounded(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

static size_t key_size(const struct hosted_layout *layout)
{
	return sizeof(uint64_t) + rounded(layout->key_size);
}

size_t hosted_element_size(const struct hosted_layout *layout)
{
	return is_hash(layout) ? key_size(layout) + rounded(layout->value_size) : layout->value_size;
}

void hosted_map_set(const void *map, const struct hosted_layout *layout, unsigned int cpu, void *memory,
		    size_t n)
{
	struct map *at = find_map(map);

	if (cpu >= HOSTED_CPUS || (!at && n_maps == HOSTED_MAPS))
		fault("too many maps or CPUs");
	if (!at)
		at = &maps[n_maps++];
	at->map = map;
	at->layout = *layout;
	at->cpus[cpu].memory = memory;
	at->cpus[cpu].n = n;
}

static uint64_t *hash_used(const struct map *map, size_t i)
{
	return (uint64_t *)(map->cpus[0].memory + i * key_size(&map->layout));
}

static char *hash_value(const struct map *map, size_t i)
{
	return map->cpus[0].memory + map->cpus[0].n * key_size(&map->layout) +
	       i * rounded(map->layout.value_size);
}

/* The number of the element with this key; n: none. */
static size_t hash_find(const struct map *map, const void *key)
{
	size_t i;

	for (i = 0; i < map->cpus[0].n; i++)
		if (*hash_used(map, i) && !memcmp(hash_used(map, i) + 1, key, map->layout.key_size))
			break;
	return i;
}

/* The number of the first one that is not in use; n: all are. */
static size_t hash_free(const struct map *map)
{
	size_t i;

	for (i = 0; i < map->cpus[0].n; i++)
		if (!*hash_used(map, i))
			break;
	return i;
}

static void on_lookup(const struct map *map)
{
	if (hosted_on_hash)
		hosted_on_hash(map->cpus[0].memory, map->cpus[0].n * key_size(&map->layout), false);
}

static void on_change(const struct map *map)
{
	if (hosted_on_hash)
		hosted_on_hash(map->cpus[0].memory, map->cpus[0].n * hosted_element_size(&map->layout), true);
}

static void *hash_lookup(const struct map *map, const void *key)
{
	size_t i;

	on_lookup(map);
	i = hash_find(map, key);
	return i < map->cpus[0].n ? hash_value(map, i) : NULL;
}

static void *array_lookup(const struct map *map, const void *key)
{
	unsigned int cpu = is_per_cpu(&map->layout) ? hosted_cpu : 0;
	uint32_t index;

	memcpy(&index, key, sizeof(index));
	return index < map->cpus[cpu].n ? map->cpus[cpu].memory + (size_t)index * map->layout.value_size
					: NULL;
}

static const struct map *known_map(const void *map)
{
	const struct map *at = find_map(map);

	if (!at)
		fault("a program uses a map that has no memory: hosted_map()");
	return at;
}

void *bpf_map_lookup_elem(const void *map, const void *key)
{
	const struct map *at = known_map(map);

	return is_hash(&at->layout) ? hash_lookup(at, key) : array_lookup(at, key);
}

static const struct map *known_hash(const void *map)
{
	const struct map *at = known_map(map);

	if (!is_hash(&at->layout))
		fault("an element of an array is written by a helper");
	return at;
}

long bpf_map_update_elem(const void *map, const void *key, const void *value, __u64 flags)
{
	const struct map *at = known_hash(map);
	size_t n = at->cpus[0].n, i;

	on_change(at);
	i = hash_find(at, key);
	if (i < n && flags == BPF_NOEXIST)
		return -EEXIST;
	if (i == n && flags == BPF_EXIST)
		return -ENOENT;
	if (i == n)
		i = hash_free(at);
	if (i == n)
		return -E2BIG;
	*hash_used(at, i) = 1;
	memcpy(hash_used(at, i) + 1, key, at->layout.key_size);
	memcpy(hash_value(at, i), value, at->layout.value_size);
	return 0;
}

long bpf_map_delete_elem(const void *map, const void *key)
{
	const struct map *at = known_hash(map);
	size_t i;

	on_change(at);
	i = hash_find(at, key);
	if (i == at->cpus[0].n)
		return -ENOENT;
	*hash_used(at, i) = 0;
	memset(hash_used(at, i) + 1, 0, at->layout.key_size);
	memset(hash_value(at, i), 0, at->layout.value_size);
	return 0;
}

/* ---- time, chance, loops ---- */

long bpf_loop(__u32 n, void *step, void *context, __u64 flags)
{
	long (*call)(__u64 i, void *context) = (long (*)(__u64, void *))step;
	__u32 i;

	if (flags)
		return -EINVAL;
	for (i = 0; i < n && (!hosted_loop_max || i < hosted_loop_max);)
		if (call(i++, context))
			break;
	return i;
}

/* SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014). */
__u32 bpf_get_prandom_u32(void)
{
	uint64_t z;

	if (hosted_prandom)
		return hosted_prandom();
	z = hosted_cpus[hosted_cpu].random += 0x9e3779b97f4a7c15ULL;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return (z ^ z >> 31) >> 32;
}

__u64 bpf_jiffies64(void)
{
	return hosted_jiffies;
}

__u64 bpf_ktime_get_ns(void)
{
	return hosted_jiffies * 1000000;
}

/* ---- checksums ---- */

static uint32_t add_carry(uint32_t a, uint32_t b)
{
	uint64_t sum = (uint64_t)a + b;

	return sum + (sum >> 32);
}

/*
 * A sum of 32 bits that is not folded, as the kernel's helper returned it before Linux 6.13. The
 * kernel's may be another number of the same residue class modulo 0xffff.
 */
__s64 bpf_csum_diff(const __be32 *from, __u32 from_size, const __be32 *to, __u32 to_size, __wsum seed)
{
	uint32_t sum = seed;

	if ((from_size | to_size) % sizeof(*from))
		return -EINVAL;
	for (size_t i = 0; i < from_size / sizeof(*from); i++)
		sum = add_carry(sum, ~from[i]);
	for (size_t i = 0; i < to_size / sizeof(*to); i++)
		sum = add_carry(sum, to[i]);
	return sum;
}

static uint16_t folded(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

static bool inside(const struct __sk_buff *skb, uint32_t off, uint32_t len)
{
	return off <= skb->len && len <= skb->len - off;
}

static unsigned char *at_offset(const struct __sk_buff *skb, uint32_t off)
{
	return ((const struct hosted_packet *)skb)->bytes + off;
}

/* inet_proto_csum_replace4(), inet_proto_csum_replace_by_diff() of net/core/utils.c. */
long bpf_l4_csum_replace(struct __sk_buff *skb, __u32 off, __u64 from, __u64 to, __u64 flags)
{
	bool partial = ((struct hosted_packet *)skb)->ip_summed == 3 /* CHECKSUM_PARTIAL */;
	bool pseudo = flags & BPF_F_PSEUDO_HDR, mangled = flags & BPF_F_MARK_MANGLED_0;
	uint32_t diff = add_carry(~(uint32_t)from, to);
	uint16_t check;

	if (!inside(skb, off, sizeof(check)) || off & 1)
		return -EFAULT;
	memcpy(&check, at_offset(skb, off), sizeof(check));
	if (mangled && !(flags & BPF_F_MARK_ENFORCE) && !check)
		return 0;
	switch (flags & BPF_F_HDR_FIELD_MASK) {
	case 0:
		if (from)
			return -EINVAL;
		diff = to;
		break;
	case 2:
		diff = add_carry(~from & 0xffff, to & 0xffff);
		break;
	case 4:
		break;
	default:
		return -EINVAL;
	}
	if (!partial)
		check = ~folded(add_carry(diff, (uint16_t)~check));
	else if (pseudo)
		check = folded(add_carry(diff, check));
	if (mangled && !check)
		check = 0xffff; /* CSUM_MANGLED_0 */
	memcpy(at_offset(skb, off), &check, sizeof(check));
	return 0;
}

/* ---- packets ---- */

/* Memory below 4 GiB, since __sk_buff has pointers of 32 bits. */
static void *low_memory(size_t size)
{
	for (uintptr_t hint = 0x10000000; hint < 0xf0000000; hint += 0x1000000) {
		void *at = mmap((void *)hint, size,
				PROT_READ | PROT_WRITE, /* NOLINT(performance-no-int-to-ptr) */
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		if (at == (void *)hint) /* NOLINT(performance-no-int-to-ptr) */
			return at;
		if (at != MAP_FAILED)
			munmap(at, size);
	}
	fault("no memory below 4 GiB");
}

static void set_len(struct hosted_packet *packet, uint32_t len)
{
	packet->skb.len = len;
	packet->skb.data = (uintptr_t)packet->bytes;
	packet->skb.data_end = (uintptr_t)packet->bytes + len;
}

struct hosted_packet *hosted_packet_new(void)
{
	struct hosted_packet *packet = low_memory(sizeof(*packet) + HOSTED_PACKET_MAX);

	packet->bytes = (unsigned char *)(packet + 1);
	set_len(packet, 0);
	return packet;
}

void hosted_packet_set(struct hosted_packet *packet, const void *bytes, uint32_t len)
{
	if (len > HOSTED_PACKET_MAX)
		fault("a packet is too long");
	memcpy(packet->bytes, bytes, len);
	set_len(packet, len);
}

void *bpf_cast_to_kern_ctx(void *context)
{
	return &((struct hosted_packet *)context)->ip_summed;
}

long bpf_skb_pull_data(struct __sk_buff *skb, __u32 len)
{
	return len <= skb->len ? 0 : -ENOMEM;
}

long bpf_skb_load_bytes(const void *skb, __u32 off, void *to, __u32 len)
{
	if (!inside(skb, off, len))
		return -EFAULT;
	memcpy(to, at_offset(skb, off), len);
	return 0;
}

long bpf_skb_store_bytes(struct __sk_buff *skb, __u32 off, const void *from, __u32 len, __u64 flags)
{
	(void)flags;
	if (!inside(skb, off, len))
		return -EFAULT;
	memcpy(at_offset(skb, off), from, len);
	return 0;
}

long bpf_skb_change_tail(struct __sk_buff *skb, __u32 len, __u64 flags)
{
	struct hosted_packet *packet = (struct hosted_packet *)skb;

	if (flags || len > HOSTED_PACKET_MAX)
		return -EINVAL;
	if (len > skb->len)
		memset(packet->bytes + skb->len, 0, len - skb->len);
	set_len(packet, len);
	return 0;
}

long bpf_skb_change_type(struct __sk_buff *skb, __u32 type)
{
	skb->pkt_type = type;
	return 0;
}

/* Behind the Ethernet header alone (BPF_ADJ_ROOM_MAC). */
long bpf_skb_adjust_room(struct __sk_buff *skb, __s32 len_diff, __u32 mode, __u64 flags)
{
	struct hosted_packet *packet = (struct hosted_packet *)skb;
	enum { ETH_HEADER = 14 };
	int64_t rest = (int64_t)skb->len - ETH_HEADER - (len_diff < 0 ? -(int64_t)len_diff : 0);
	unsigned char *l3 = packet->bytes + ETH_HEADER;

	(void)flags;
	if (mode != BPF_ADJ_ROOM_MAC || rest < 0 || (int64_t)skb->len + len_diff > HOSTED_PACKET_MAX)
		return -EINVAL;
	if (len_diff < 0) {
		memmove(l3, l3 - len_diff, rest);
	} else {
		memmove(l3 + len_diff, l3, rest);
		memset(l3, 0, len_diff);
	}
	set_len(packet, skb->len + len_diff);
	return 0;
}

/* ---- routes and redirects ---- */

long bpf_fib_lookup(void *context, struct bpf_fib_lookup *params, int size, __u32 flags)
{
	(void)context, (void)size, (void)flags;
	return hosted_fib ? hosted_fib(params) : BPF_FIB_LKUP_RET_NOT_FWDED;
}

static long redirect(uint32_t ifindex, bool peer)
{
	hosted_cpus[hosted_cpu].redirect_ifindex = ifindex;
	hosted_cpus[hosted_cpu].redirect_peer = peer;
	return TC_ACT_REDIRECT;
}

long bpf_redirect(__u32 ifindex, __u64 flags)
{
	(void)flags;
	return redirect(ifindex, false);
}

long bpf_redirect_peer(__u32 ifindex, __u64 flags)
{
	(void)flags;
	return redirect(ifindex, true);
}

/* No map has programs here: the caller goes on. */
long bpf_tail_call(void *context, const void *progs, __u32 index)
{
	(void)context, (void)progs, (void)index;
	return -ENOENT;
}

/* Nobody listens. */
long bpf_ringbuf_output(const void *ring, const void *data, __u64 size, __u64 flags)
{
	(void)ring, (void)data, (void)size, (void)flags;
	fault("an event for nobody");
}

/* Every device takes what Ethernet takes. */
long bpf_check_mtu(void *context, __u32 ifindex, __u32 *mtu, __s32 len_diff, __u64 flags)
{
	enum { ETH_HEADER = 14, MTU = 1500 };
	const struct __sk_buff *skb = context;

	(void)ifindex;
	*mtu = MTU;
	return flags & BPF_MTU_CHK_SEGS || (int64_t)skb->len + len_diff <= ETH_HEADER + MTU
		       ? BPF_MTU_CHK_RET_SUCCESS
		       : BPF_MTU_CHK_RET_FRAG_NEEDED;
}

/* ---- constants ---- */

void hosted_write(const volatile void *at, const void *from, size_t size)
{
	uintptr_t page = sysconf(_SC_PAGESIZE);
	uintptr_t first = (uintptr_t)at & ~(page - 1), end = ((uintptr_t)at + size + page - 1) & ~(page - 1);
	void *pages = (void *)first; /* NOLINT(performance-no-int-to-ptr) */

	/* A linker may put code on the same page. */
	if (mprotect(pages, end - first, PROT_READ | PROT_WRITE | PROT_EXEC) &&
	    mprotect(pages, end - first, PROT_READ | PROT_WRITE))
		fault("constants cannot be written");
	memcpy((void *)(uintptr_t)at, from, size); /* NOLINT(performance-no-int-to-ptr) */
}
