// SPDX-License-Identifier: GPL-2.0-or-later
/* The event loop: order of timers, and callbacks that change what is in the loop. */
#include "agent/loop.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cmocka.h>

enum { N = 4 };

static struct nb_loop loop = { .epoll_fd = -1 };
static struct nb_timer timers[N];
static struct nb_loop_fd readers[N];
static int pipes[N][2];
static char heard[64];

static void hear(const char *what, const void *arg, const void *first, size_t size)
{
	const size_t len = strlen(heard);

	snprintf(heard + len, sizeof(heard) - len, "%s%d ", what,
		 (int)(((const char *)arg - (const char *)first) / size));
}

static void on_timer(void *arg)
{
	hear("t", arg, timers, sizeof(timers[0]));
	if (arg == &timers[N - 1])
		nb_loop_stop(&loop);
}

static void run(const char *expected)
{
	struct nb_error err = { 0 };

	heard[0] = '\0';
	assert_int_equal(nb_loop_run(&loop, &err), 0);
	assert_string_equal(heard, expected);
}

static void test_timers(void **state)
{
	int64_t began = nb_loop_now();

	(void)state;
	for (size_t i = 0; i < N; i++)
		timers[i] = (struct nb_timer){ .fn = on_timer, .arg = &timers[i] };
	nb_timer_set(&loop, &timers[3], 30);
	nb_timer_set(&loop, &timers[0], 20);
	nb_timer_set(&loop, &timers[1], 10);
	nb_timer_set(&loop, &timers[2], 0);
	run("t2 t1 t0 t3 ");
	assert_true(nb_loop_now() - began >= 30);
	/* Armed anew, stopped, stopped twice. */
	nb_timer_set(&loop, &timers[3], 20);
	nb_timer_set(&loop, &timers[0], 5);
	nb_timer_set(&loop, &timers[0], 10);
	nb_timer_set(&loop, &timers[1], 5);
	nb_timer_stop(&timers[1]);
	nb_timer_stop(&timers[1]);
	nb_timer_stop(&timers[2]);
	run("t0 t3 ");
	assert_null(loop.timers);
}

static void stop_next(void *arg)
{
	hear("t", arg, timers, sizeof(timers[0]));
	nb_timer_stop(&timers[1]);
	nb_timer_set(&loop, &timers[2], 0);
}

/* Of two that are due, the first stops the second and arms a third. */
static void test_timers_in_callbacks(void **state)
{
	(void)state;
	timers[0].fn = stop_next;
	for (size_t i = 0; i < 2; i++)
		nb_timer_set(&loop, &timers[i], 0);
	nb_timer_set(&loop, &timers[3], 20);
	run("t0 t2 t3 ");
}

/* The first descriptor that is heard takes the others out, whose events have come as well. */
static void on_readable(uint32_t events, void *arg)
{
	assert_true(events & EPOLLIN);
	hear("r", arg, readers, sizeof(readers[0]));
	for (size_t i = 0; i < N; i++)
		nb_loop_fd_remove(&loop, &readers[i]);
}

static void test_descriptors(void **state)
{
	struct nb_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(pipe(pipes[i]), 0);
		assert_int_equal(write(pipes[i][1], "x", 1), 1);
		readers[i] = (struct nb_loop_fd){ .fd = pipes[i][0], .fn = on_readable, .arg = &readers[i] };
		assert_int_equal(nb_loop_fd_add(&loop, &readers[i], EPOLLIN, &err), 0);
	}
	nb_timer_set(&loop, &timers[3], 10);
	run("r0 t3 ");
	/* Not for EPOLLIN: not heard. */
	assert_int_equal(nb_loop_fd_add(&loop, &readers[1], EPOLLIN, &err), 0);
	assert_int_equal(nb_loop_fd_change(&loop, &readers[1], 0, &err), 0);
	nb_timer_set(&loop, &timers[3], 10);
	run("t3 ");
	assert_int_equal(nb_loop_fd_change(&loop, &readers[1], EPOLLIN, &err), 0);
	nb_timer_set(&loop, &timers[3], 10);
	run("r1 t3 ");
	for (size_t i = 0; i < N; i++) {
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
	assert_true(nb_loop_fd_add(&loop, &readers[0], EPOLLIN, &err) < 0);
	assert_false(readers[0].added);
}

static int open_loop(void **state)
{
	struct nb_error err = { 0 };

	(void)state;
	return nb_loop_open(&loop, &err);
}

static int close_loop(void **state)
{
	(void)state;
	nb_timer_set(&loop, &timers[0], 1000);
	nb_loop_close(&loop);
	return timers[0].at ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timers),
		cmocka_unit_test(test_timers_in_callbacks),
		cmocka_unit_test(test_descriptors),
	};

	return cmocka_run_group_tests(tests, open_loop, close_loop);
}
