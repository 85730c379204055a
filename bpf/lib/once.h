/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_ONCE_H
#define NATBRIDGE_BPF_LIB_ONCE_H

#include <linux/types.h>

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
 * 0, which depends on a value that was read: a load from an address to which it was added happens
 * after that read. CPUs keep this order, those of arm64, too; and neither the compiler nor the
 * kernel can tell that the sum is the address alone. Atomic operations that return a value are full
 * barriers; there is no cheaper one for loads.
 */
static inline __attribute__((always_inline)) __u64 nb_after(__u64 read)
{
	asm volatile("%0 &= 0" : "+r"(read));
	return read;
}

#endif
