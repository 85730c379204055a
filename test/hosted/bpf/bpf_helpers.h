/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef __BPF_HELPERS__
#define __BPF_HELPERS__

/*
 * In place of libbpf's header, for programs that run in a process: see test/hosted/hosted.h. What
 * the kernel's helpers do there is in test/hosted/hosted.c.
 */

#include <linux/bpf.h>
#include <linux/types.h>

/* NOLINTBEGIN(bugprone-macro-parentheses): declarations */
#define __uint(name, val)  int(*name)[val]
#define __type(name, val)  typeof(val) *name
#define __array(name, val) typeof(val) *name[]
/* NOLINTEND(bugprone-macro-parentheses) */

#define SEC(name) __attribute__((used))
#define __ksym

#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#undef __noinline
#define __noinline __attribute__((noinline))
#undef __weak
#define __weak __attribute__((weak))

#ifndef NULL
#define NULL ((void *)0)
#endif

#define barrier()        asm volatile("" ::: "memory")
#define barrier_var(var) asm volatile("" : "=r"(var) : "0"(var))

void *bpf_map_lookup_elem(const void *map, const void *key);
long bpf_map_update_elem(const void *map, const void *key, const void *value, __u64 flags);
long bpf_map_delete_elem(const void *map, const void *key);

long bpf_loop(__u32 n, void *step, void *context, __u64 flags);
__u32 bpf_get_prandom_u32(void);
__u64 bpf_jiffies64(void);
__u64 bpf_ktime_get_ns(void);

__s64 bpf_csum_diff(const __be32 *from, __u32 from_size, const __be32 *to, __u32 to_size, __wsum seed);
long bpf_l4_csum_replace(struct __sk_buff *skb, __u32 off, __u64 from, __u64 to, __u64 flags);

long bpf_skb_pull_data(struct __sk_buff *skb, __u32 len);
long bpf_skb_load_bytes(const void *skb, __u32 off, void *to, __u32 len);
long bpf_skb_store_bytes(struct __sk_buff *skb, __u32 off, const void *from, __u32 len, __u64 flags);
long bpf_skb_change_tail(struct __sk_buff *skb, __u32 len, __u64 flags);
long bpf_skb_change_type(struct __sk_buff *skb, __u32 type);
long bpf_skb_adjust_room(struct __sk_buff *skb, __s32 len_diff, __u32 mode, __u64 flags);

long bpf_fib_lookup(void *context, struct bpf_fib_lookup *params, int size, __u32 flags);
long bpf_redirect(__u32 ifindex, __u64 flags);
long bpf_redirect_peer(__u32 ifindex, __u64 flags);
long bpf_tail_call(void *context, const void *progs, __u32 index);
long bpf_ringbuf_output(const void *ring, const void *data, __u64 size, __u64 flags);
long bpf_check_mtu(void *context, __u32 ifindex, __u32 *mtu, __s32 len_diff, __u64 flags);

#endif
