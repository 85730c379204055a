// SPDX-License-Identifier: GPL-2.0-or-later
/* What systemd would receive, at a socket of each kind. */
#include "agent/loop.h"
#include "agent/notify.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct nb_loop loop = { .epoll_fd = -1 };
static int systemd = -1;
static char name[64];

/* Listens at name, which begins with '@' or is a path. */
static void listen_at(bool abstract)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const struct timeval patience = { .tv_sec = 10 };

	snprintf(name, sizeof(name), "%snatbridge-notify-%d", abstract ? "@" : "/tmp/", (int)getpid());
	memcpy(to.sun_path, name, strlen(name));
	if (abstract)
		to.sun_path[0] = '\0';
	systemd = socket(AF_UNIX, SOCK_DGRAM, 0);
	assert_int_equal(
		bind(systemd, (struct sockaddr *)&to, offsetof(struct sockaddr_un, sun_path) + strlen(name)),
		0);
	setsockopt(systemd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setenv("NOTIFY_SOCKET", name, 1);
}

static int end(void **state)
{
	(void)state;
	close(systemd);
	if (*name == '/')
		unlink(name);
	*name = '\0';
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return 0;
}

static const char *received(void)
{
	static char text[4096];
	ssize_t n = recv(systemd, text, sizeof(text) - 1, 0);

	assert_true(n > 0);
	text[n] = '\0';
	return text;
}

static void open_it(struct nb_notify **notify)
{
	struct nb_error err = { 0 };

	assert_int_equal(nb_notify_open(&loop, notify, &err), 0);
}

static void check_states(bool abstract)
{
	nb_cleanup(nb_notify_close) struct nb_notify *notify = NULL;
	struct timespec now;
	long long usec;
	char rest[16];

	listen_at(abstract);
	open_it(&notify);
	assert_non_null(notify);
	assert_string_equal(getenv("NOTIFY_SOCKET"), name);
	nb_notify(notify, NB_NOTIFY_READY, NULL);
	assert_string_equal(received(), "READY=1\n");
	nb_notify(notify, NB_NOTIFY_READY, "2 networks");
	assert_string_equal(received(), "READY=1\nSTATUS=2 networks\n");
	nb_notify(notify, NB_NOTIFY_STATUS, "a\nSTOPPING=1");
	assert_string_equal(received(), "STATUS=a\n");
	nb_notify(notify, NB_NOTIFY_STOPPING, NULL);
	assert_string_equal(received(), "STOPPING=1\n");
	nb_notify(notify, NB_NOTIFY_RELOADING, NULL);
	clock_gettime(CLOCK_MONOTONIC, &now);
	assert_int_equal(sscanf(received(), "RELOADING=1\nMONOTONIC_USEC=%lld%15s", &usec, rest), 1);
	assert_in_range(now.tv_sec * 1000000LL + now.tv_nsec / 1000 - usec, 0, 10000000);
}

static void test_path(void **state)
{
	(void)state;
	check_states(false);
}

static void test_abstract(void **state)
{
	(void)state;
	check_states(true);
}

/* Without systemd nothing is sent, and nothing fails. */
static void test_none(void **state)
{
	struct nb_notify *notify = NULL;

	(void)state;
	open_it(&notify);
	assert_null(notify);
	nb_notify(notify, NB_NOTIFY_READY, NULL);
	nb_notify_close(&notify);
	setenv("NOTIFY_SOCKET", "", 1);
	open_it(&notify);
	assert_null(notify);
}

static void stop(void *arg)
{
	(void)arg;
	nb_loop_stop(&loop);
}

static void run_for(int64_t ms)
{
	struct nb_timer timer = { .fn = stop };
	struct nb_error err = { 0 };

	nb_timer_set(&loop, &timer, ms);
	assert_int_equal(nb_loop_run(&loop, &err), 0);
}

static void test_watchdog(void **state)
{
	nb_cleanup(nb_notify_close) struct nb_notify *notify = NULL;
	char pid[16];

	(void)state;
	listen_at(true);
	setenv("WATCHDOG_USEC", "20000", 1);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	open_it(&notify);
	run_for(35);
	/* At 0, 10, 20 and 30 ms, unless this process had to wait for its CPU. */
	assert_string_equal(received(), "WATCHDOG=1\n");
	assert_string_equal(received(), "WATCHDOG=1\n");
}

static void set(const char *variable, const char *value)
{
	if (value)
		setenv(variable, value, 1);
	else
		unsetenv(variable);
}

/* Not asked for, or asked of another process. */
static void test_no_watchdog(void **state)
{
	static const struct {
		const char *usec, *pid;
	} cases[] = { { NULL, NULL }, { "20000", "1" }, { "0", NULL }, { "x", NULL }, { "20000", "x" } };

	(void)state;
	listen_at(true);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		nb_cleanup(nb_notify_close) struct nb_notify *notify = NULL;

		setenv("NOTIFY_SOCKET", name, 1);
		set("WATCHDOG_USEC", cases[i].usec);
		set("WATCHDOG_PID", cases[i].pid);
		open_it(&notify);
		run_for(5);
		nb_notify(notify, NB_NOTIFY_READY, NULL);
		assert_string_equal(received(), "READY=1\n");
	}
}

static void test_bad_names(void **state)
{
	static const char *const names[] = { "relative", "/", "@", "/nonexistent/socket" };
	char too_long[200];

	(void)state;
	memset(too_long, 'x', sizeof(too_long) - 1);
	too_long[0] = '/';
	too_long[sizeof(too_long) - 1] = '\0';
	for (size_t i = 0; i <= sizeof(names) / sizeof(names[0]); i++) {
		struct nb_notify *notify = NULL;
		struct nb_error err = { 0 };

		setenv("NOTIFY_SOCKET", i < sizeof(names) / sizeof(names[0]) ? names[i] : too_long, 1);
		assert_true(nb_notify_open(&loop, &notify, &err) < 0);
		assert_null(notify);
		assert_non_null(strstr(err.msg, "NOTIFY_SOCKET"));
	}
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
	nb_loop_close(&loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_path, end),
		cmocka_unit_test_teardown(test_abstract, end),
		cmocka_unit_test_teardown(test_none, end),
		cmocka_unit_test_teardown(test_watchdog, end),
		cmocka_unit_test_teardown(test_no_watchdog, end),
		cmocka_unit_test_teardown(test_bad_names, end),
	};

	return cmocka_run_group_tests(tests, open_loop, close_loop);
}
