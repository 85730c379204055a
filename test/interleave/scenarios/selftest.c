// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the engine has to find, and what it must not: small races whose outcomes are known, with and
 * without what prevents them, and counts of interleavings that were worked out by hand.
 */
#include "small.h"

/* Memory that the scenario does not name. */
static volatile uint64_t unnamed;

static void use_unnamed(void)
{
	for (int i = 0; i < 3; i++)
		WRITE(shared.x, ++unnamed);
}

/* ---- lost updates ---- */

static void increment(void)
{
	shared.x++;
}

static void increment_atomic(void)
{
	__sync_fetch_and_add(&shared.x, 1);
}

static void increment_cas(void)
{
	for (uint32_t old = READ(shared.x);;) {
		uint32_t found = __sync_val_compare_and_swap(&shared.x, old, old + 1);

		if (found == old)
			break;
		old = found;
	}
}

static void two_counted(void)
{
	il_check(shared.x == 2, "x is %u, not 2", shared.x);
}

/* ---- counts ---- */

static void write_own(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		WRITE(shared.words[4 * il_self() + i], 1);
}

static void write_own_3(void)
{
	write_own(3);
}

static void write_own_4(void)
{
	write_own(4);
}

static void write_same_4(void)
{
	for (unsigned int i = 0; i < 4; i++)
		WRITE(shared.words[i], il_self() + 1);
}

static void write_own_2(void)
{
	write_own(2);
}

static void read_all(void)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < 16; i++)
		sum += shared.words[i];
	il_check(sum <= 16, "never");
}

/* ---- locks ---- */

static void lock_cas(void)
{
	while (__sync_val_compare_and_swap(&shared.lock, 0, 1))
		;
	shared.x++;
	__atomic_store_n(&shared.lock, 0, __ATOMIC_RELEASE);
}

static void lock_test_then_set(void)
{
	while (READ(shared.lock))
		;
	WRITE(shared.lock, 1);
	shared.x++;
	__atomic_store_n(&shared.lock, 0, __ATOMIC_RELEASE);
}

/* G. Peterson, "Myths about the mutual exclusion problem", 1981. x and y: who wants to enter. */
static void peterson(int fences)
{
	uint32_t self = il_self();
	uint32_t *mine = self ? &shared.y : &shared.x, *other = self ? &shared.x : &shared.y;

	WRITE(*mine, 1);
	if (fences > 1)
		__sync_synchronize();
	WRITE(shared.turn, !self);
	if (fences > 0)
		__sync_synchronize();
	while (READ(*other) && READ(shared.turn) == !self)
		;
	if (fences > 2)
		__sync_synchronize();
	il_check(!READ(shared.lock), "two are inside");
	WRITE(shared.lock, 1);
	__sync_synchronize();
	WRITE(shared.lock, 0);
	__sync_synchronize();
	WRITE(*mine, 0);
}

static void peterson_plain(void)
{
	peterson(0);
}

static void peterson_fence(void)
{
	peterson(1);
}

static void peterson_two_fences(void)
{
	peterson(2);
}

static void peterson_three_fences(void)
{
	peterson(3);
}

/* ---- loops ---- */

static void wait_for_flag(void)
{
	while (!READ(shared.flag))
		;
}

static void set_flag(void)
{
	WRITE(shared.flag, 1);
}

static void count_for_ever(void)
{
	for (;;)
		__sync_fetch_and_add(&shared.data, 1);
}

static void count_alone_for_ever(void)
{
	for (;;)
		WRITE(shared.words[0], READ(shared.words[0]) + 1);
}

/* ---- always() ---- */

static void up_and_down(void)
{
	WRITE(shared.x, 3);
	WRITE(shared.x, 0);
}

static void never_three(void)
{
	il_check(shared.x != 3, "x is 3");
}

/* Remembers the highest x. */
static void keep_highest(void)
{
	if (shared.x > ghost)
		ghost = shared.x;
}

static void highest_is_three(void)
{
	il_check(ghost == 3 && shared.x == 0, "the highest x was %llu", (unsigned long long)ghost);
}

/* ---- what needs two switches ---- */

static void three_phases(void)
{
	if (READ(shared.x) == 1)
		WRITE(shared.y, 1);
	if (READ(shared.x) == 2)
		WRITE(shared.y, READ(shared.y) + 1);
}

static void two_values(void)
{
	WRITE(shared.x, 1);
	WRITE(shared.x, 2);
}

static void y_below_two(void)
{
	il_check(shared.y < 2, "y is 2");
}

/* ---- atomic operations ---- */

#define CHECK_OPS(word, first, with)                                                                         \
	do {                                                                                                 \
		typeof(word) want = (first);                                                                 \
		WRITE(word, first);                                                                          \
		il_check(__sync_fetch_and_add(&(word), with) == want, "add");                                \
		want += (with);                                                                              \
		il_check(__sync_fetch_and_sub(&(word), 3) == want, "sub");                                   \
		want -= 3;                                                                                   \
		il_check(__sync_fetch_and_or(&(word), 0x61) == want, "or");                                  \
		want |= 0x61;                                                                                \
		il_check(__sync_fetch_and_and(&(word), 0x4f) == want, "and");                                \
		want &= 0x4f;                                                                                \
		il_check(__sync_fetch_and_xor(&(word), 0xff) == want, "xor");                                \
		want ^= 0xff;                                                                                \
		il_check(__sync_lock_test_and_set(&(word), 5) == want, "exchange");                          \
		il_check(__sync_val_compare_and_swap(&(word), 6, 7) == 5, "cas that fails");                 \
		il_check(__sync_val_compare_and_swap(&(word), 5, 7) == 5, "cas");                            \
		il_check(__atomic_load_n(&(word), __ATOMIC_ACQUIRE) == 7, "load");                           \
		__atomic_store_n(&(word), 9, __ATOMIC_SEQ_CST);                                              \
		il_check(READ(word) == 9, "store");                                                          \
	} while (0)

static void operations(void)
{
	CHECK_OPS(shared.u8, 250, 10);
	CHECK_OPS(shared.u16, 65530, 10);
	CHECK_OPS(shared.u32, 0xfffffffa, 10);
	CHECK_OPS(shared.u64, 0xfffffffffffffffa, 10);
	il_check(!shared.pad, "a store is too wide");
}

static void watch_operations(void)
{
	seen[1].a = READ(shared.u8) + READ(shared.u16) + READ(shared.u32) + READ(shared.u64);
}

/* ---- copies ---- */

static void write_pair(void)
{
	struct two_words seven = { 7, 7 };

	shared.pair = seven;
}

static void copy_pair(void)
{
	struct two_words copy = shared.pair;

	seen[1].a = copy.a;
	seen[1].b = copy.b;
}

static void pair_is_whole(void)
{
	il_check(seen[1].a == seen[1].b, "the copy is torn");
}

static const struct il_scenario scenarios[] = {
	{ .name = "++ loses an update",
	  TWO(increment),
	  .finally = two_counted,
	  .models = ALL,
	  .violation = "x is 1, not 2" },
	{ .name = "an atomic ++ loses none",
	  TWO(increment_atomic),
	  .finally = two_counted,
	  .models = ALL,
	  .interleavings = 2,
	  .cross_check = true },
	{ .name = "++ by compare and swap loses none",
	  TWO(increment_cas),
	  .finally = two_counted,
	  .models = ALL,
	  .cross_check = true },
	{ .name = "all orders of three steps", THREE(increment_atomic), .interleavings = 6 },

	/* C(n + m, n), and one where nobody looks. */
	{ .name = "words of their own are no points",
	  .actors = { write_own_3, write_own_4 },
	  .interleavings = 1,
	  .models = ALL },
	{ .name = "C(7, 3) orders of 3 and 4 writes",
	  .actors = { write_own_3, write_own_4 },
	  .always = read_all,
	  .interleavings = 35,
	  .models = SC | TSO,
	  .cross_check = true },
	{ .name = "C(8, 4) orders of 4 and 4 writes",
	  TWO(write_same_4),
	  .interleavings = 70,
	  .models = SC,
	  .cross_check = true },
	{ .name = "9! / 3!^3 orders of 3 times 3 writes",
	  THREE(write_own_3),
	  .always = read_all,
	  .interleavings = 1680,
	  .models = SC | TSO,
	  .cross_check = true },
	{ .name = "12! / 4!^3 orders of 3 times 4 writes",
	  THREE(write_same_4),
	  .interleavings = 34650,
	  .models = SC,
	  .cross_check = true },
	{ .name = "4! orders of 2 and 2 stores that reach memory in any order",
	  TWO(write_own_2),
	  .always = read_all,
	  .interleavings = 24,
	  .models = PSO,
	  .cross_check = true },

	{ .name = "a lock", TWO(lock_cas), .finally = two_counted, .models = ALL, .waits = true },
	{ .name = "a lock that tests before it sets",
	  TWO(lock_test_then_set),
	  .finally = two_counted,
	  .models = ALL,
	  .waits = true,
	  .violation = "x is 1, not 2" },
	{ .name = "Peterson's lock",
	  TWO(peterson_plain),
	  .models = ALL,
	  .waits = true,
	  .violation = "two are inside",
	  .violated_in = ALL & ~SC },
	{ .name = "Peterson's lock, with a fence",
	  TWO(peterson_fence),
	  .models = ALL,
	  .waits = true,
	  .violation = "two are inside",
	  .violated_in = ALL & ~(SC | TSO) },
	{ .name = "Peterson's lock, with two fences",
	  TWO(peterson_two_fences),
	  .models = ALL,
	  .waits = true,
	  .violation = "two are inside",
	  .violated_in = ARM },
	{ .name = "Peterson's lock, with three fences",
	  TWO(peterson_three_fences),
	  .models = ALL,
	  .waits = true },

	{ .name = "an actor that waits",
	  .actors = { wait_for_flag, set_flag },
	  .violation = "a state comes back" },
	{ .name = "an actor that may wait", .actors = { wait_for_flag, set_flag }, .waits = true },
	{ .name = "a loop without end",
	  .actors = { count_for_ever, set_flag, count_for_ever },
	  .violation = "an execution of more than" },
	{ .name = "a loop without end that nobody sees",
	  .actors = { count_alone_for_ever, nothing },
	  .violation = "an execution of more than" },

	{ .name = "what lasts for one step only",
	  .actors = { up_and_down, nothing },
	  .always = never_three,
	  .violation = "x is 3" },
	{ .name = "what lasted for one step only",
	  .actors = { up_and_down, nothing },
	  .always = keep_highest,
	  .finally = highest_is_three },

	{ .name = "two switches are needed",
	  .actors = { three_phases, two_values },
	  .finally = y_below_two,
	  .violation = "y is 2" },
	{ .name = "two switches are needed, one is allowed",
	  .actors = { three_phases, two_values },
	  .finally = y_below_two,
	  .preemptions = 1 },
	{ .name = "two switches are needed and allowed",
	  .actors = { three_phases, two_values },
	  .finally = y_below_two,
	  .preemptions = 2,
	  .violation = "y is 2" },

	{ .name = "memory that the scenario does not name", TWO(use_unnamed), .violation = "does not name" },

	{ .name = "atomic operations", .actors = { operations, watch_operations }, .models = ALL },
	{ .name = "a struct is copied word by word",
	  .actors = { write_pair, copy_pair },
	  .finally = pair_is_whole,
	  .models = ALL,
	  .violation = "torn" },
};

int main(int argc, char **argv)
{
	return small_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
