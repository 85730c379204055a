// SPDX-License-Identifier: GPL-2.0-or-later
/* A request and its answer over one socket, with a deadline. */
#include "local_get.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/sockaddr.h"

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Waits until the socket is ready. 0 or a negative errno. */
static int wait_for(int fd, short events, long long deadline)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };
	int n;

	do {
		const long long left = deadline - now_ms();

		if (left <= 0)
			return -ETIMEDOUT;
		n = poll(&poll_fd, 1, (int)left);
	} while (n < 0 && errno == EINTR);
	return n > 0 ? 0 : n ? -errno : -ETIMEDOUT;
}

/* The socket, or a negative errno. */
static int dial(const struct nb_addr *addr, unsigned int port, long long deadline)
{
	nb_autoclose int fd = socket(nb_addr_family(addr), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_storage to;
	const socklen_t len = nb_sockaddr_fill(addr, htons(port), &to);
	int error = 0;
	socklen_t size = sizeof(error);

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&to, len) && errno != EINPROGRESS)
		return -errno;
	int rc = wait_for(fd, POLLOUT, deadline);
	if (rc)
		return rc;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size))
		return -errno;
	return error ? -error : NB_TAKE_FD(fd);
}

static int send_request(int fd, const char *path, long long deadline)
{
	nb_autofree char *request = NULL;
	int len = asprintf(&request, "GET %s HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);

	if (len < 0) {
		request = NULL;
		return -ENOMEM;
	}
	for (int sent = 0; sent < len;) {
		ssize_t n = send(fd, request + sent, len - sent, MSG_NOSIGNAL);
		int rc = n < 0 && errno != EAGAIN && errno != EINTR ? -errno : 0;

		sent += n > 0 ? n : 0;
		rc = rc || n > 0 ? rc : wait_for(fd, POLLOUT, deadline);
		if (rc)
			return rc;
	}
	return 0;
}

/* Reads to the end. The caller frees *text, which ends with a NUL. */
static int read_all(int fd, long long deadline, char **text)
{
	nb_autofree char *buf = NULL;
	size_t len = 0, size = 0;

	for (;;) {
		if (size - len < 2) {
			char *more =
				size < NB_LOCAL_GET_MAX ? realloc(buf, size = size ? 2 * size : 4096) : NULL;

			if (!more)
				return size >= NB_LOCAL_GET_MAX ? -EFBIG : -ENOMEM;
			buf = more;
		}
		ssize_t n = recv(fd, buf + len, size - len - 1, 0);
		if (!n)
			break;
		int rc = n > 0 || errno == EINTR ? 0
			 : errno == EAGAIN       ? wait_for(fd, POLLIN, deadline)
						 : -errno;
		if (rc)
			return rc;
		len += n > 0 ? n : 0;
	}
	buf[len] = '\0';
	*text = NB_TAKE_PTR(buf);
	return 0;
}

/* The status of "HTTP/1.1 200 ..."; 0: it is no such line. */
static int parse_status(const char *text)
{
	static const char version[] = "HTTP/1.";
	const char *digits = text + strlen(version) + 2;

	if (strncmp(text, version, strlen(version)) != 0 || !strchr("01", digits[-2]) || digits[-1] != ' ')
		return 0;
	for (int i = 0; i < 3; i++)
		if (digits[i] < '0' || digits[i] > '9')
			return 0;
	return (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
}

static int parse(const char *text, struct nb_local_answer *answer)
{
	const char *body = strstr(text, "\r\n\r\n");
	/* The head is longer than the status, then. */
	const int status = body && body - text >= 12 ? parse_status(text) : 0;

	if (status < 100 || status > 599)
		return -EBADMSG;
	answer->body = strdup(body + 4);
	answer->status = status;
	return answer->body ? 0 : -ENOMEM;
}

int nb_local_get(const struct nb_addr *addr, unsigned int port, const char *path, unsigned int ms,
		 struct nb_local_answer *answer, struct nb_error *err)
{
	const long long deadline = now_ms() + ms;
	nb_autofree char *text = NULL;
	char name[NB_ADDR_STRLEN];
	nb_autoclose int fd = dial(addr, port, deadline);
	int rc = fd < 0 ? fd : send_request(fd, path, deadline);

	rc = rc ? rc : read_all(fd, deadline, &text);
	rc = rc ? rc : parse(text, answer);
	if (!rc)
		return 0;
	return nb_fail(err, NB_ERR_IO, -rc, "%s port %u: GET %s", nb_addr_format(addr, name), port, path);
}

void nb_local_answer_free(struct nb_local_answer *answer)
{
	free(answer->body);
	*answer = (struct nb_local_answer){ 0 };
}

int nb_local_connect(const struct nb_addr *addr, unsigned int port, unsigned int ms, struct nb_error *err)
{
	char name[NB_ADDR_STRLEN];
	nb_autoclose int fd = dial(addr, port, now_ms() + ms);

	if (fd >= 0)
		return 0;
	return nb_fail(err, NB_ERR_IO, -fd, "%s port %u", nb_addr_format(addr, name), port);
}
