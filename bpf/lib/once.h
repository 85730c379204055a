/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_ONCE_H
#define NATBRIDGE_BPF_LIB_ONCE_H

#include <linux/types.h>

#include <bpf/bpf_helpers.h>

/*
 * Access to words in maps that other CPUs or userspace change at the same time: one load or one
 * store, not repeated, split or left out by the compiler. They order nothing.
 */

#define READ_ONCE(word)         (*(const volatile typeof(word) *)&(word))
#define WRITE_ONCE(word, value) (*(volatile typeof(word) *)&(word) = (value))

enum { NB_COPY_MAX = 8 };

/*
 * Copies n words of 64 bits: each is read once, and what is computed from the copy is computed from
 * what was read. n: a constant up to NB_COPY_MAX, for which the compiler leaves no loop.
 */
static inline __attribute__((always_inline)) void nb_copy_words(void *to, const void *from, int n)
{
	const volatile __u64 *word = from;
	__u64 *copy = to;

#pragma unroll
	for (int i = 0; i < NB_COPY_MAX; i++)
		if (i < n)
			copy[i] = word[i];
}

/*
 * Where the hardware reorders loads, or stores (the Makefile says so), an exchange is a full
 * barrier, whatever it is applied to (arch/arm64/net/bpf_jit_comp.c: SWPAL, or STLXR and DMB). An
 * addition would not do: clang makes one that orders nothing if nobody uses the result. x86 keeps
 * both in order: there only the compiler is told.
 */
static inline __attribute__((always_inline)) void nb_full_barrier(void)
{
#if NB_WEAKLY_ORDERED
	__u64 word = 0;

	__sync_lock_test_and_set(&word, 1);
#endif
	barrier();
}

static inline __attribute__((always_inline)) void nb_read_barrier(void)
{
	nb_full_barrier();
}

static inline __attribute__((always_inline)) void nb_write_barrier(void)
{
	nb_full_barrier();
}

#endif
