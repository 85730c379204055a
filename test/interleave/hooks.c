// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What clang calls before each access with -fsanitize=thread. An access of an actor to shared
 * memory is a trap: the engine goes on, and comes back when the access may happen. Plain accesses
 * happen behind the call, in the actor's own code; atomic ones are made by the engine.
 *
 * These functions return what il_switch_back() returns and leave nothing on the stack, so that two
 * actors that have done the same have the same bytes there.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

struct il_trap il_trapped;
uint64_t il_trapped_result;
bool il_running, il_checking;
unsigned int il_current;
uintptr_t il_low, il_span;

static inline __attribute__((always_inline)) bool shared(const volatile void *at)
{
	return (uintptr_t)at - il_low < il_span;
}

static inline __attribute__((always_inline)) uint64_t
trap(const volatile void *at, uint32_t size, enum il_op op, uint32_t order, uint64_t arg0, uint64_t arg1)
{
	il_trapped = (struct il_trap){ .at = (void *)(uintptr_t)at, /* NOLINT(performance-no-int-to-ptr) */
				       .size = size,
				       .op = op,
				       .order = order,
				       .atomic = true,
				       .arg = { arg0, arg1 } };
	return il_switch_back();
}

/* ---- plain accesses ---- */

static inline __attribute__((always_inline)) uint64_t plain_trap(const volatile void *at, uint32_t size,
								 enum il_op op)
{
	il_trapped = (struct il_trap){ .at = (void *)(uintptr_t)at, .size = size, .op = op };
	return il_switch_back();
}

static inline __attribute__((always_inline)) uint64_t plain(void *at, uint32_t size, enum il_op op)
{
	if (!shared(at))
		return 0;
	if (il_running)
		return plain_trap(at, size, op);
	if (il_checking && op == IL_READ)
		il_use(IL_OBSERVER, at, size, true, false);
	return 0;
}

/* The compiler does not look at what these return, and takes less than 64 bits of what others return. */
#define PLAIN(name, size, op)                                                                                \
	uint64_t __tsan_##name(void *at);                                                                    \
	uint64_t __tsan_##name(void *at)                                                                     \
	{                                                                                                    \
		return plain(at, size, op);                                                                  \
	}

#define PLAIN_SIZE(size)                                                                                     \
	PLAIN(read##size, size, IL_READ)                                                                     \
	PLAIN(write##size, size, IL_WRITE)                                                                   \
	PLAIN(volatile_read##size, size, IL_READ)                                                            \
	PLAIN(volatile_write##size, size, IL_WRITE)                                                          \
	PLAIN(unaligned_read##size, size, IL_READ)                                                           \
	PLAIN(unaligned_write##size, size, IL_WRITE)                                                         \
	PLAIN(unaligned_volatile_read##size, size, IL_READ)                                                  \
	PLAIN(unaligned_volatile_write##size, size, IL_WRITE)

PLAIN_SIZE(1)
PLAIN_SIZE(2)
PLAIN_SIZE(4)
PLAIN_SIZE(8)
PLAIN_SIZE(16)

/* ---- atomic accesses ---- */

/* An exchange beside shared memory, on the stack for instance, is a barrier all the same. */
static inline __attribute__((always_inline)) uint64_t beside(enum il_op op, int order, uint64_t result)
{
	if (op == IL_XCHG && il_running)
		trap(NULL, 0, IL_FENCE, order, 0, 0);
	return result;
}

#define ATOMIC(bits, name, op, now)                                                                          \
	uint64_t __tsan_atomic##bits##_##name(volatile void *at, uint##bits##_t value, int order);           \
	uint64_t __tsan_atomic##bits##_##name(volatile void *at, uint##bits##_t value, int order)            \
	{                                                                                                    \
		if (il_running && shared(at))                                                                \
			return trap(at, (bits) / 8, op, order, value, 0);                                    \
		return beside(op, order, now((volatile uint##bits##_t *)at, value, __ATOMIC_SEQ_CST));       \
	}

#define ATOMIC_SIZE(bits)                                                                                    \
	uint64_t __tsan_atomic##bits##_load(const volatile void *at, int order);                             \
	uint64_t __tsan_atomic##bits##_load(const volatile void *at, int order)                              \
	{                                                                                                    \
		if (il_running && shared(at))                                                                \
			return trap(at, (bits) / 8, IL_READ, order, 0, 0);                                   \
		if (il_checking && shared(at))                                                               \
			il_use(IL_OBSERVER, (const void *)at, (bits) / 8, true, false);                      \
		return *(const volatile uint##bits##_t *)at;                                                 \
	}                                                                                                    \
	uint64_t __tsan_atomic##bits##_store(volatile void *at, uint##bits##_t value, int order);            \
	uint64_t __tsan_atomic##bits##_store(volatile void *at, uint##bits##_t value, int order)             \
	{                                                                                                    \
		if (il_running && shared(at))                                                                \
			return trap(at, (bits) / 8, IL_WRITE, order, value, 0);                              \
		*(volatile uint##bits##_t *)at = value;                                                      \
		return 0;                                                                                    \
	}                                                                                                    \
	uint64_t __tsan_atomic##bits##_compare_exchange_val(volatile void *at, uint##bits##_t old,           \
							    uint##bits##_t new, int order, int fail);        \
	uint64_t __tsan_atomic##bits##_compare_exchange_val(volatile void *at, uint##bits##_t old,           \
							    uint##bits##_t new, int order, int fail)         \
	{                                                                                                    \
		(void)fail;                                                                                  \
		if (il_running && shared(at))                                                                \
			return trap(at, (bits) / 8, IL_CAS, order, old, new);                                \
		return __sync_val_compare_and_swap((volatile uint##bits##_t *)at, old, new);                 \
	}                                                                                                    \
	ATOMIC(bits, exchange, IL_XCHG, __atomic_exchange_n)                                                 \
	ATOMIC(bits, fetch_add, IL_ADD, __atomic_fetch_add)                                                  \
	ATOMIC(bits, fetch_sub, IL_SUB, __atomic_fetch_sub)                                                  \
	ATOMIC(bits, fetch_and, IL_AND, __atomic_fetch_and)                                                  \
	ATOMIC(bits, fetch_or, IL_OR, __atomic_fetch_or)                                                     \
	ATOMIC(bits, fetch_xor, IL_XOR, __atomic_fetch_xor)

ATOMIC_SIZE(8)
ATOMIC_SIZE(16)
ATOMIC_SIZE(32)
ATOMIC_SIZE(64)

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order)
{
	if (il_running)
		trap(NULL, 0, IL_FENCE, order, 0, 0);
}

/* Orders only against a signal handler of the same actor. */
void __tsan_atomic_signal_fence(int order);
void __tsan_atomic_signal_fence(int order)
{
	(void)order;
}

void __tsan_init(void);
void __tsan_init(void)
{
}

/* ---- copies, in words: the Makefile has what clang compiles call these ---- */

/* The largest word that is aligned at both ends and not too long. */
static uint32_t word_size(uintptr_t a, uintptr_t b, size_t left)
{
	uint32_t size = 8;

	while (size > left || (a | b) % size)
		size /= 2;
	return size;
}

static void before(const volatile void *at, uint32_t size, enum il_op op, void *from)
{
	if (!shared(at))
		return;
	if (il_running) {
		il_trapped = (struct il_trap){
			.at = (void *)(uintptr_t)at, .size = size, .op = op, .from = (uintptr_t)from
		};
		il_switch_back();
	} else if (il_checking && op == IL_READ) {
		il_use(IL_OBSERVER, (const void *)at, size, true, false);
	}
}

static void copy_word(char *to, const char *from, uint32_t size, void *caller)
{
	uint64_t word = 0;

	before(from, size, IL_READ, caller);
	memcpy(&word, from, size);
	asm volatile("" : "+r"(word)); /* read once */
	before(to, size, IL_WRITE, caller);
	memcpy(to, &word, size);
}

static void *copy_up(void *to, const void *from, size_t size, void *caller)
{
	uint32_t word;

	for (size_t i = 0; i < size; i += word) {
		word = word_size((uintptr_t)to + i, (uintptr_t)from + i, size - i);
		copy_word((char *)to + i, (const char *)from + i, word, caller);
	}
	return to;
}

void *il_memcpy(void *to, const void *from, size_t size);
void *il_memcpy(void *to, const void *from, size_t size)
{
	return copy_up(to, from, size, __builtin_return_address(0));
}

void *il_memmove(void *to, const void *from, size_t size);
void *il_memmove(void *to, const void *from, size_t size)
{
	uint32_t word;

	if ((uintptr_t)to - (uintptr_t)from >= size)
		return copy_up(to, from, size, __builtin_return_address(0));
	for (size_t left = size; left; left -= word) {
		word = 8;
		while (word > left || ((uintptr_t)to + left) % word || ((uintptr_t)from + left) % word)
			word /= 2;
		copy_word((char *)to + left - word, (const char *)from + left - word, word,
			  __builtin_return_address(0));
	}
	return to;
}

void *il_memset(void *to, int byte, size_t size);
void *il_memset(void *to, int byte, size_t size)
{
	uint32_t word;

	for (size_t i = 0; i < size; i += word) {
		word = word_size((uintptr_t)to + i, 0, size - i);
		before((char *)to + i, word, IL_WRITE, __builtin_return_address(0));
		memset((char *)to + i, byte, word);
	}
	return to;
}

int il_memcmp(const void *a, const void *b, size_t size);
int il_memcmp(const void *a, const void *b, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char x, y;

		before((const char *)a + i, 1, IL_READ, __builtin_return_address(0));
		x = ((const volatile unsigned char *)a)[i];
		before((const char *)b + i, 1, IL_READ, __builtin_return_address(0));
		y = ((const volatile unsigned char *)b)[i];
		if (x != y)
			return x - y;
	}
	return 0;
}

void il_range(const void *at, size_t size, bool writes)
{
	if (il_running && shared(at))
		trap(at, size, writes ? IL_RANGE_WRITE : IL_RANGE_READ, IL_ORDER_SEQ_CST, 0, 0);
}
