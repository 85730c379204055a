// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The servers and clients of the scenarios.
 *
 *   tool serve tcp|udp PORT NAME      on every address of its namespace, IPv4 and IPv6; prints "ready" once
 * bound tool ask [OPTION...] tcp|udp ADDRESS PORT tool talk [OPTION...] tcp|udp ADDRESS PORT
 *
 * The server answers each line (TCP) or datagram (UDP) with
 *   NAME PEER-ADDRESS PEER-PORT LOCAL-ADDRESS LOCAL-PORT TEXT
 * where TEXT is what came and the addresses are what the server's own sockets say. ask sends one message and
 * prints the answer; talk sends each line of stdin over one connection and prints one answer (or one error) a
 * line. Both use connected sockets, so an answer from another address than ADDRESS is never taken.
 *
 * Options: -p PORT (bind this source port)  -t MS (wait for an answer, default 5000)  -m TEXT  -n N (ask:
 * that many messages over one connection; each answer a line)  -c N (ask: that many connections one after the
 * other)
 *
 * Exit status: 0 answered, 1 no answer, 2 usage or setup.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_CLIENTS = 1024, LINE = 2048 };

struct options {
	const char *source_port;
	const char *message;
	int timeout_ms;
	unsigned long messages;
	unsigned long connections;
	bool server_ends;
	bool tcp;
	const char *address;
	const char *port;
};

static void die(const char *what)
{
	fprintf(stderr, "tool: %s: %s\n", what, strerror(errno));
	exit(2);
}

static unsigned long number(const char *text, unsigned long max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (!*text || *end || n > max) {
		fprintf(stderr, "tool: '%s' is not a number up to %lu\n", text, max);
		exit(2);
	}
	return n;
}

/* Writes "ADDRESS PORT" of a socket address, IPv4-mapped addresses as IPv4. */
static void format_name(const struct sockaddr_in6 *name, char *text, size_t size)
{
	char address[INET6_ADDRSTRLEN];

	if (IN6_IS_ADDR_V4MAPPED(&name->sin6_addr))
		inet_ntop(AF_INET, &name->sin6_addr.s6_addr[12], address, sizeof(address));
	else
		inet_ntop(AF_INET6, &name->sin6_addr, address, sizeof(address));
	snprintf(text, size, "%s %u", address, ntohs(name->sin6_port));
}

static size_t format_answer(char *answer, size_t size, const char *name, const struct sockaddr_in6 *peer,
			    const struct sockaddr_in6 *local, const char *text, size_t len)
{
	char peer_text[INET6_ADDRSTRLEN + 8], local_text[INET6_ADDRSTRLEN + 8];
	int n;

	while (len && (text[len - 1] == '\n' || text[len - 1] == '\0'))
		len--;
	format_name(peer, peer_text, sizeof(peer_text));
	format_name(local, local_text, sizeof(local_text));
	n = snprintf(answer, size, "%s %s %s %.*s\n", name, peer_text, local_text, (int)len, text);
	return n < (int)size ? (size_t)n : size - 1;
}

static int bound_socket(int type, unsigned int port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);
	int off = 0, on = 1;

	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)))
		die("cannot bind");
	return fd;
}

/* Reads one chunk of a TCP client and answers each line of it. False: the connection has ended. */
static bool serve_client(int fd, const char *name)
{
	struct sockaddr_in6 peer = { 0 }, local = { 0 };
	socklen_t peer_len = sizeof(peer), local_len = sizeof(local);
	char text[LINE], answer[2 * LINE];
	ssize_t got = read(fd, text, sizeof(text) - 1);
	char *line = text, *end;

	if (got <= 0 || getpeername(fd, (struct sockaddr *)&peer, &peer_len) ||
	    getsockname(fd, (struct sockaddr *)&local, &local_len))
		return false;
	text[got] = '\0';
	while ((end = strchr(line, '\n'))) {
		size_t len = format_answer(answer, sizeof(answer), name, &peer, &local, line,
					   (size_t)(end - line));

		if (send(fd, answer, len, MSG_NOSIGNAL) != (ssize_t)len || !strncmp(line, "bye\n", 4))
			return false;
		line = end + 1;
	}
	return true;
}

static void serve_tcp(unsigned int port, const char *name)
{
	static struct pollfd fds[MAX_CLIENTS];
	nfds_t n = 1;

	fds[0] = (struct pollfd){ .fd = bound_socket(SOCK_STREAM, port), .events = POLLIN };
	if (listen(fds[0].fd, 512))
		die("cannot listen");
	puts("ready");
	for (;;) {
		if (poll(fds, n, -1) < 0 && errno != EINTR)
			die("poll");
		for (nfds_t i = n - 1; i > 0; i--) {
			if (!fds[i].revents || serve_client(fds[i].fd, name))
				continue;
			close(fds[i].fd);
			fds[i] = fds[--n];
		}
		if (n < MAX_CLIENTS && fds[0].revents) {
			int fd = accept(fds[0].fd, NULL, NULL);

			if (fd >= 0)
				fds[n++] = (struct pollfd){ .fd = fd, .events = POLLIN };
		}
	}
}

/* The address that a datagram was sent to, from its ancillary data. */
static struct in6_addr destination(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		struct in6_pktinfo info;

		if (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_PKTINFO)
			continue;
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		return info.ipi6_addr;
	}
	return in6addr_any;
}

static void serve_udp(unsigned int port, const char *name)
{
	int fd = bound_socket(SOCK_DGRAM, port);
	int on = 1;

	if (setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)))
		die("IPV6_RECVPKTINFO");
	puts("ready");
	for (;;) {
		struct sockaddr_in6 peer, local = { .sin6_port = htons((uint16_t)port) };
		char text[LINE], answer[2 * LINE], control[256];
		struct iovec iov = { text, sizeof(text) };
		struct msghdr msg = { .msg_name = &peer,
				      .msg_namelen = sizeof(peer),
				      .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = control,
				      .msg_controllen = sizeof(control) };
		ssize_t got = recvmsg(fd, &msg, 0);

		if (got < 0)
			continue; /* an ICMP error about an earlier answer */
		local.sin6_addr = destination(&msg);
		iov = (struct iovec){ answer, format_answer(answer, sizeof(answer), name, &peer, &local, text,
							    (size_t)got) };
		/* The same ancillary data sends the answer from the address that was asked. */
		if (sendmsg(fd, &msg, 0) < 0)
			perror("tool: sendmsg");
	}
}

static int open_client(const struct options *o)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				  .ai_socktype = o->tcp ? SOCK_STREAM : SOCK_DGRAM };
	struct timeval timeout = { o->timeout_ms / 1000, o->timeout_ms % 1000 * 1000L };
	struct addrinfo *to;
	int on = 1, fd;

	if (getaddrinfo(o->address, o->port, &hints, &to)) {
		fprintf(stderr, "tool: '%s' '%s' is no address and port\n", o->address, o->port);
		exit(2);
	}
	fd = socket(to->ai_family, to->ai_socktype | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)))
		die("cannot open a socket");
	if (o->source_port) {
		struct sockaddr_in6 from = { .sin6_family = (sa_family_t)to->ai_family };

		/* sin_port and sin6_port lie at the same place. */
		from.sin6_port = htons((uint16_t)number(o->source_port, 65535));
		if (bind(fd, (struct sockaddr *)&from, to->ai_addrlen))
			die("cannot bind the source port");
	}
	if (connect(fd, to->ai_addr, to->ai_addrlen)) {
		printf("error: connect: %s\n", strerror(errno == EINPROGRESS ? ETIMEDOUT : errno));
		close(fd);
		fd = -1;
	}
	freeaddrinfo(to);
	return fd;
}

/* One message and its answer, which is printed. */
static bool exchange(int fd, const struct options *o, const char *message)
{
	char text[2 * LINE];
	size_t used = 0;

	snprintf(text, sizeof(text), "%s\n", message);
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0) {
		printf("error: send: %s\n", strerror(errno));
		return false;
	}
	while (o->timeout_ms) {
		ssize_t got = recv(fd, text + used, sizeof(text) - 1 - used, 0);

		if (got <= 0) {
			printf("error: %s\n",
			       got ? (errno == EAGAIN ? "timeout" : strerror(errno)) : "closed");
			return false;
		}
		used += (size_t)got;
		if (text[used - 1] == '\n' || used == sizeof(text) - 1)
			break;
	}
	text[used] = '\0';
	fputs(text, stdout);
	return true;
}

static bool ask(const struct options *o)
{
	bool answered = true;

	for (unsigned long c = 0; c < o->connections; c++) {
		int fd = open_client(o);
		char byte;

		if (fd < 0)
			return false;
		for (unsigned long m = 0; m < o->messages; m++)
			answered &= exchange(fd, o, o->message);
		if (o->server_ends && recv(fd, &byte, 1, 0))
			answered = false;
		close(fd);
	}
	return answered;
}

static bool talk(const struct options *o)
{
	char line[LINE];
	bool answered = true;
	int fd = open_client(o);

	if (fd < 0)
		return false;
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		answered &= exchange(fd, o, line);
	}
	close(fd);
	return answered;
}

static void usage(void)
{
	fputs("usage: tool serve tcp|udp PORT NAME\n"
	      "       tool ask|talk [-p PORT] [-t MS] [-m TEXT] [-n N] [-c N] [-e] tcp|udp ADDRESS PORT\n",
	      stderr);
	exit(2);
}

static bool is_tcp(const char *protocol)
{
	if (strcmp(protocol, "tcp") && strcmp(protocol, "udp"))
		usage();
	return !strcmp(protocol, "tcp");
}

static void read_options(struct options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "p:t:m:n:c:e")) != -1) {
		if (c == 'p')
			o->source_port = optarg;
		else if (c == 't')
			o->timeout_ms = (int)number(optarg, 600000);
		else if (c == 'm')
			o->message = optarg;
		else if (c == 'n')
			o->messages = number(optarg, 1000000);
		else if (c == 'c')
			o->connections = number(optarg, 1000000);
		else if (c == 'e')
			o->server_ends = true;
		else
			usage();
	}
	if (argc - optind != 3)
		usage();
	o->tcp = is_tcp(argv[optind]);
	o->address = argv[optind + 1];
	o->port = argv[optind + 2];
}

int main(int argc, char **argv)
{
	struct options o = { .message = "hello", .timeout_ms = 5000, .messages = 1, .connections = 1 };

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2)
		usage();
	if (!strcmp(argv[1], "serve")) {
		unsigned int port;

		if (argc != 5)
			usage();
		port = (unsigned int)number(argv[3], 65535);
		if (is_tcp(argv[2]))
			serve_tcp(port, argv[4]);
		serve_udp(port, argv[4]);
	}
	if (strcmp(argv[1], "ask") && strcmp(argv[1], "talk"))
		usage();
	read_options(&o, argc - 1, argv + 1);
	return (strcmp(argv[1], "ask") ? talk(&o) : ask(&o)) ? 0 : 1;
}
