// SPDX-License-Identifier: GPL-2.0-or-later
/* A GET to a server of this machine: whatever it answers, and the ports at which a process listens. */
#include "lib/net/listeners.h"
#include "lib/net/local_get.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { TIMEOUT_MS = 300 };

/* Listens on 127.0.0.1, at a port that the kernel chooses. */
static int listen_anywhere(unsigned int *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

/* A child that takes one connection and answers with the text, many times over; stays: it does not close. */
static pid_t serve(int fd, const char *text, unsigned int times, bool stays)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	int connection = accept(fd, NULL, NULL);
	char request[256];

	if (read(connection, request, sizeof(request)) <= 0)
		_exit(1);
	for (unsigned int i = 0; i < times; i++)
		if (send(connection, text, strlen(text), MSG_NOSIGNAL) < 0)
			_exit(1);
	if (stays)
		pause();
	_exit(0);
}

static void test_answers(void **state)
{
	static const struct {
		const char *answer;
		unsigned int times;
		bool stays;
		int rc, status;
		const char *body;
	} rows[] = {
		{ "HTTP/1.0 200 OK\r\nA: b\r\n\r\nhello", 1, false, 0, 200, "hello" },
		{ "HTTP/1.1 503 Service Unavailable\r\n\r\n{}", 1, false, 0, 503, "{}" },
		{ "HTTP/1.1 204 No Content\r\n\r\n", 1, false, 0, 204, "" },
		{ "", 1, false, -EBADMSG, 0, NULL },
		{ "hello\r\n\r\n", 1, false, -EBADMSG, 0, NULL },
		{ "HTTP/1.1 200 OK\r\n", 1, false, -EBADMSG, 0, NULL },
		{ "HTTP/1.1 999 OK\r\n\r\n", 1, false, -EBADMSG, 0, NULL },
		{ "HTTP/2 200\r\n\r\n", 1, false, -EBADMSG, 0, NULL },
		{ "HTTP/1.1 200 OK\r\n\r\nslow", 1, true, -ETIMEDOUT, 0, NULL },
		{ "HTTP/1.1 200 OK\r\n\r\nlarge", 100000, false, -EFBIG, 0, NULL },
	};
	struct nb_addr here;

	(void)state;
	assert_true(nb_addr_parse("127.0.0.1", &here));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		nb_cleanup(nb_local_answer_free) struct nb_local_answer answer = { 0 };
		struct nb_error err = { 0 };
		unsigned int port;
		nb_autoclose int fd = listen_anywhere(&port);
		pid_t pid = serve(fd, rows[i].answer, rows[i].times, rows[i].stays);

		assert_int_equal(nb_local_get(&here, port, "/x", TIMEOUT_MS, &answer, &err), rows[i].rc);
		assert_int_equal(answer.status, rows[i].status);
		if (rows[i].body)
			assert_string_equal(answer.body, rows[i].body);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

static void test_nobody(void **state)
{
	nb_cleanup(nb_local_answer_free) struct nb_local_answer answer = { 0 };
	struct nb_error err = { 0 };
	struct nb_addr here;
	unsigned int port;
	int fd = listen_anywhere(&port);

	(void)state;
	assert_true(nb_addr_parse("127.0.0.1", &here));
	assert_int_equal(nb_local_connect(&here, port, TIMEOUT_MS, &err), 0);
	close(fd);
	assert_int_equal(nb_local_connect(&here, port, TIMEOUT_MS, &err), -ECONNREFUSED);
	assert_int_equal(nb_local_get(&here, port, "/", TIMEOUT_MS, &answer, &err), -ECONNREFUSED);
}

static bool has(const struct nb_listeners *listeners, const char *addr, unsigned int port)
{
	struct nb_addr wanted;

	assert_true(nb_addr_parse(addr, &wanted));
	for (size_t i = 0; i < listeners->all.n; i++)
		if (listeners->all.items[i].port == port &&
		    nb_addr_equal(&listeners->all.items[i].addr, &wanted))
			return true;
	return false;
}

static void test_listeners(void **state)
{
	struct nb_listeners listeners = { 0 }, later = { 0 };
	struct nb_error err = { 0 };
	unsigned int port;
	int fd = listen_anywhere(&port);

	(void)state;
	assert_int_equal(nb_listeners_read(getpid(), &listeners, &err), 0);
	assert_true(has(&listeners, "127.0.0.1", port));
	close(fd);
	assert_int_equal(nb_listeners_read(getpid(), &later, &err), 0);
	assert_false(has(&later, "127.0.0.1", port));
	nb_listeners_free(&listeners);
	nb_listeners_free(&later);
	/* No process has this number: PID_MAX_LIMIT of linux/threads.h is 4194304. */
	assert_int_equal(nb_listeners_read(4194305, &later, &err), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_listeners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
