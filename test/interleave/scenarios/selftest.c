// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the engine has to find, and what it must not: small races whose outcomes are known, with and
 * without what prevents them, and counts of interleavings that were worked out by hand.
 */
#include <string.h>

#include "test/interleave/engine.h"

#define READ(word)         (*(const volatile typeof(word) *)&(word))
#define WRITE(word, value) (*(volatile typeof(word) *)&(word) = (value))

enum {
	SC = 1 << IL_SC,
	TSO = 1 << IL_TSO,
	PSO = 1 << IL_PSO,
	ARM = 1 << IL_ARM,
	ALL = (1 << IL_MODELS) - 1,
};

struct two_words {
	uint64_t a, b;
};

static struct {
	uint32_t x, y, turn, lock;
	uint64_t data, flag;
	uint32_t seq, pad;
	struct two_words pair;
	uint64_t words[16];
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;
} shared __attribute__((aligned(64)));

/* What an actor has seen. */
static struct {
	uint64_t a, b;
} seen[IL_ACTORS];

static uint64_t ghost;

static void nothing(void)
{
}

/* Memory that the scenario does not name. */
static volatile uint64_t unnamed;

static void use_unnamed(void)
{
	for (int i = 0; i < 3; i++)
		WRITE(shared.x, ++unnamed);
}

static void memory(void)
{
	il_shared(&shared, sizeof(shared), "shared");
	for (unsigned int i = 0; i < IL_ACTORS; i++)
		il_private(i, &seen[i], sizeof(seen[i]));
	il_ghost(&ghost, sizeof(ghost));
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

/* ---- stores that are late ---- */

static void store_then_load(void)
{
	uint32_t *mine = il_self() ? &shared.y : &shared.x, *other = il_self() ? &shared.x : &shared.y;

	WRITE(*mine, 1);
	seen[il_self()].a = READ(*other);
}

static void store_fence_load(void)
{
	uint32_t *mine = il_self() ? &shared.y : &shared.x, *other = il_self() ? &shared.x : &shared.y;

	WRITE(*mine, 1);
	__sync_synchronize();
	seen[il_self()].a = READ(*other);
}

static void store_rmw_load(void)
{
	uint32_t *mine = il_self() ? &shared.y : &shared.x, *other = il_self() ? &shared.x : &shared.y;

	__sync_lock_test_and_set(mine, 1);
	seen[il_self()].a = READ(*other);
}

/* The reverse: each loads what the other stores afterwards. */
static void load_then_store(void)
{
	uint32_t *mine = il_self() ? &shared.y : &shared.x, *other = il_self() ? &shared.x : &shared.y;

	seen[il_self()].a = READ(*other);
	WRITE(*mine, 1);
}

static void not_both_zero(void)
{
	il_check(seen[0].a || seen[1].a, "both have read 0");
}

/* ---- messages ---- */

static void send_plain(void)
{
	WRITE(shared.data, 1);
	WRITE(shared.flag, 1);
}

static void send_release(void)
{
	WRITE(shared.data, 1);
	__atomic_store_n(&shared.flag, 1, __ATOMIC_RELEASE);
}

static void send_fence(void)
{
	WRITE(shared.data, 1);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	WRITE(shared.flag, 1);
}

static void send_cas(void)
{
	WRITE(shared.data, 1);
	__sync_val_compare_and_swap(&shared.flag, 0, 1);
}

static void send_add(void)
{
	WRITE(shared.data, 1);
	__sync_fetch_and_add(&shared.flag, 1);
}

static void receive_acquire(void)
{
	seen[1].a = __atomic_load_n(&shared.flag, __ATOMIC_ACQUIRE);
	seen[1].b = READ(shared.data);
}

static void receive_plain(void)
{
	seen[1].a = READ(shared.flag);
	seen[1].b = READ(shared.data);
}

static void receive_fence(void)
{
	seen[1].a = READ(shared.flag);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	seen[1].b = READ(shared.data);
}

/* The address of the second load depends on the first. */
static void receive_address(void)
{
	seen[1].a = READ(shared.flag);
	seen[1].b = *(&READ(shared.data) + (seen[1].a & 2));
}

static bool flag_leads(const void *at)
{
	return at == &shared.flag;
}

/* A compare and swap that fails orders nothing. */
static void receive_failing(void)
{
	seen[1].a = __sync_val_compare_and_swap(&shared.flag, 2, 3);
	seen[1].b = READ(shared.data);
}

static void received_whole(void)
{
	il_check(!seen[1].a || seen[1].b, "the flag came before the data");
}

/* Two write, two read in opposite orders: do all see the writes in one order? */
static void write_x(void)
{
	WRITE(shared.x, 1);
}

static void write_y(void)
{
	WRITE(shared.y, 1);
}

static void read_x_then_y(void)
{
	seen[2].a = READ(shared.x);
	seen[2].b = READ(shared.y);
}

static void read_y_then_x(void)
{
	seen[3].a = READ(shared.y);
	seen[3].b = READ(shared.x);
}

static void acquire_x_then_y(void)
{
	seen[2].a = __atomic_load_n(&shared.x, __ATOMIC_ACQUIRE);
	seen[2].b = READ(shared.y);
}

static void acquire_y_then_x(void)
{
	seen[3].a = __atomic_load_n(&shared.y, __ATOMIC_ACQUIRE);
	seen[3].b = READ(shared.x);
}

static void one_order(void)
{
	il_check(!seen[2].a || seen[2].b || !seen[3].a || seen[3].b, "two orders of two writes");
}

/* The writer of y has read x. */
static void pass_on(void)
{
	if (READ(shared.x))
		WRITE(shared.y, 1);
}

static void cause_first(void)
{
	il_check(!seen[3].a || seen[3].b, "the effect came before the cause");
}

/* Two write two words in opposite orders. */
static void write_both(void)
{
	WRITE(shared.words[il_self()], 1);
	WRITE(shared.words[!il_self()], 2);
}

static void not_both_first(void)
{
	il_check(shared.words[0] != 1 || shared.words[1] != 1, "both first writes came last");
}

/* A word is read twice: what was read once is not undone. */
static void write_data(void)
{
	WRITE(shared.data, 1);
}

static void read_data_twice(void)
{
	seen[1].a = READ(shared.data);
	seen[1].b = READ(shared.data);
}

static void never_back(void)
{
	il_check(!seen[1].a || seen[1].b, "the old value came back");
}

/* An actor sees its own stores at once, also in parts. */
static void see_own(void)
{
	WRITE(shared.u64, 0x1122334455667788);
	WRITE(*(uint8_t *)&shared.u64, 0x99);
	il_check(READ(shared.u64) == 0x1122334455667799, "a store is not seen");
	il_check(READ(((uint16_t *)&shared.u64)[1]) == 0x5566, "half of a store is not seen");
}

static void meddle(void)
{
	seen[1].a = READ(shared.u64);
}

/* ---- sequence locks ---- */

static void seq_write(void)
{
	WRITE(shared.seq, 1);
	__sync_synchronize();
	WRITE(shared.pair.a, 7);
	WRITE(shared.pair.b, 7);
	__sync_synchronize();
	WRITE(shared.seq, 2);
}

/* No barrier before the end. */
static void seq_write_loose(void)
{
	WRITE(shared.seq, 1);
	__sync_synchronize();
	WRITE(shared.pair.a, 7);
	WRITE(shared.pair.b, 7);
	WRITE(shared.seq, 2);
}

static void seq_read(bool checks)
{
	uint32_t seq = __atomic_load_n(&shared.seq, __ATOMIC_ACQUIRE);
	struct two_words copy = shared.pair;

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (checks && (seq & 1 || READ(shared.seq) != seq))
		return;
	il_check(copy.a == copy.b, "the copy is torn");
}

static void seq_read_checked(void)
{
	seq_read(true);
}

static void seq_read_unchecked(void)
{
	seq_read(false);
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

#define TWO(what)   .actors = { what, what }
#define THREE(what) .actors = { what, what, what }

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

	{ .name = "store buffering",
	  TWO(store_then_load),
	  .finally = not_both_zero,
	  .models = ALL,
	  .violation = "both have read 0",
	  .violated_in = ALL & ~SC },
	{ .name = "store buffering: 3 outcomes in order",
	  TWO(store_then_load),
	  .interleavings = 6,
	  .ends = 3 },
	{ .name = "store buffering: 4 outcomes with buffers",
	  TWO(store_then_load),
	  .models = ALL & ~SC,
	  .ends = 4,
	  .cross_check = true },
	{ .name = "load buffering: 3 outcomes, the fourth is not modelled",
	  TWO(load_then_store),
	  .models = ALL,
	  .ends = 3,
	  .cross_check = true },
	{ .name = "a message: 3 outcomes in order",
	  .actors = { send_plain, receive_plain },
	  .models = SC | TSO,
	  .ends = 3,
	  .cross_check = true },
	{ .name = "a message: 4 outcomes out of order",
	  .actors = { send_plain, receive_plain },
	  .models = PSO | ARM,
	  .ends = 4,
	  .cross_check = true },
	{ .name = "store buffering, with a fence",
	  TWO(store_fence_load),
	  .finally = not_both_zero,
	  .models = ALL,
	  .cross_check = true },
	{ .name = "store buffering, by an exchange",
	  TWO(store_rmw_load),
	  .finally = not_both_zero,
	  .models = ALL,
	  .cross_check = true },

	{ .name = "a message without a barrier",
	  .actors = { send_plain, receive_acquire },
	  .finally = received_whole,
	  .models = ALL,
	  .violation = "before the data",
	  .violated_in = ALL & ~(SC | TSO) },
	{ .name = "a message, by store-release",
	  .actors = { send_release, receive_acquire },
	  .finally = received_whole,
	  .models = ALL,
	  .cross_check = true },
	{ .name = "a message, by a fence",
	  .actors = { send_fence, receive_acquire },
	  .finally = received_whole,
	  .models = ALL,
	  .cross_check = true },
	{ .name = "a message, by compare and swap",
	  .actors = { send_cas, receive_acquire },
	  .finally = received_whole,
	  .models = ALL,
	  .cross_check = true },
	{ .name = "a message, by an addition that may order nothing",
	  .actors = { send_add, receive_acquire },
	  .finally = received_whole,
	  .models = ALL,
	  .violation = "before the data",
	  .violated_in = ALL & ~(SC | TSO) },
	{ .name = "a message, loads without a barrier",
	  .actors = { send_release, receive_plain },
	  .finally = received_whole,
	  .models = ALL,
	  .violation = "before the data",
	  .violated_in = ARM },
	{ .name = "a message, loads with a fence",
	  .actors = { send_release, receive_fence },
	  .finally = received_whole,
	  .models = ALL,
	  .cross_check = true },
	{ .name = "a message, loads with a dependency",
	  .actors = { send_release, receive_address },
	  .finally = received_whole,
	  .leads = flag_leads,
	  .models = ALL,
	  .cross_check = true },
	{ .name = "a message, loads behind a compare and swap that fails",
	  .actors = { send_release, receive_failing },
	  .finally = received_whole,
	  .models = ALL,
	  .violation = "before the data",
	  .violated_in = ARM },
	{ .name = "two writers, two readers",
	  .actors = { write_x, write_y, read_x_then_y, read_y_then_x },
	  .finally = one_order,
	  .models = ALL,
	  .violation = "two orders",
	  .violated_in = ARM },
	{ .name = "two writers, two readers that acquire",
	  .actors = { write_x, write_y, acquire_x_then_y, acquire_y_then_x },
	  .finally = one_order,
	  .models = ALL,
	  .cross_check = true },
	{ .name = "cause and effect",
	  .actors = { write_x, pass_on, nothing, acquire_y_then_x },
	  .finally = cause_first,
	  .models = ALL,
	  .cross_check = true },
	{ .name = "cause and effect, loads without a barrier",
	  .actors = { write_x, pass_on, nothing, read_y_then_x },
	  .finally = cause_first,
	  .models = ALL,
	  .violation = "before the cause",
	  .violated_in = ARM },
	{ .name = "two writers in opposite orders",
	  TWO(write_both),
	  .finally = not_both_first,
	  .models = ALL,
	  .violation = "came last",
	  .violated_in = PSO | ARM },
	{ .name = "a word does not go back",
	  .actors = { write_data, read_data_twice },
	  .finally = never_back,
	  .models = ALL,
	  .cross_check = true },
	{ .name = "an actor sees its own stores",
	  .actors = { see_own, meddle },
	  .models = ALL,
	  .cross_check = true },

	{ .name = "a sequence lock",
	  .actors = { seq_write, seq_read_checked },
	  .models = ALL,
	  .cross_check = true },
	{ .name = "a sequence lock that the reader does not check",
	  .actors = { seq_write, seq_read_unchecked },
	  .models = ALL,
	  .violation = "torn" },
	{ .name = "a sequence lock without a barrier of the writer",
	  .actors = { seq_write_loose, seq_read_checked },
	  .models = ALL,
	  .violation = "torn",
	  .violated_in = ALL & ~(SC | TSO) },

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
	static struct il_scenario filled[sizeof(scenarios) / sizeof(scenarios[0])];

	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		filled[i] = scenarios[i];
		filled[i].memory = memory;
	}
	return il_main(argc, argv, filled, sizeof(scenarios) / sizeof(scenarios[0]));
}
