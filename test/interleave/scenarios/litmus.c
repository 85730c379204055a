// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the models of memory allow, and what they forbid: the classic small programs, each with and
 * without the barriers that make it right.
 */
#include "small.h"

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

static const struct il_scenario scenarios[] = {
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
};

int main(int argc, char **argv)
{
	return small_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
