// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Very many connections that begin, and what becomes of each.
 *
 *   begin serve PORT NAME
 *       TCP and UDP on every address; prints "ready" once bound. Answers each line or datagram with
 *       "NAME " and what came, and closes a TCP connection behind the line "bye".
 *   begin storm [OPTION...] tcp|udp ADDRESS PORT
 *       Opens connections at a steady rate, until SIGTERM comes or the time is over. On each, a message
 *       follows each answer after a short pause; the last message is "bye". Prints one line: how many
 *       connections there were, and how many of them were
 *         silent   the first answer never came, nor a reset or an ICMP error
 *         hung     a later answer never came
 *         wrong    an answer came from another address than was asked (UDP)
 *         moved    another backend answered than before
 *         reset    the connection was reset or refused
 *         late     served, but an answer took longer than LATE_MS: a packet was lost and sent again
 *
 * Options of storm: -s SECONDS (5)  -r RATE (connections a second, 200)  -n N (messages a connection, 3)
 *   -w MS (longest pause between two messages, 200)  -p PORT (the first of PORTS source ports, used in turns)
 *   -a ADDRESS -c N (N source addresses from this one on; each must keep its backend: client affinity)
 *   -2 ADDRESS (UDP: every second message goes there, from the same socket)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	CONNS = 16384,
	PORTS = 200,
	CLIENTS = 200,
	EVENTS = 256,
	NAME = 16,
	LINE = 128,
	BUFFER = 8 << 20,
	TICK_MS = 2,
	LATE_MS = 700,
	UDP_WAIT_MS = 2000,
	TCP_WAIT_MS = 8000,
};

static void fail(const char *what)
{
	perror(what);
	exit(2);
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void watch(int epoll, int fd, unsigned int events, unsigned int number)
{
	struct epoll_event event = { .events = events, .data.u32 = number };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		fail("epoll_ctl");
}

/* ---- serve ---- */

static int bound(int type, const char *port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6,
				    .sin6_port = htons((in_port_t)atoi(port)) }; /* NOLINT */
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK, 0), off = 0, on = 1, buffer = BUFFER;

	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) || (type == SOCK_STREAM && listen(fd, 4096)))
		fail("bind");
	return fd;
}

static void serve_datagrams(int fd, const char *name)
{
	for (;;) {
		struct sockaddr_in6 peer;
		socklen_t len = sizeof(peer);
		char text[LINE], answer[NAME + LINE];
		ssize_t got = recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&peer, &len);
		int n;

		if (got < 0)
			return;
		n = snprintf(answer, sizeof(answer), "%s %.*s", name, (int)got, text);
		if (sendto(fd, answer, (size_t)n, 0, (struct sockaddr *)&peer, len) < 0 &&
		    errno != ECONNREFUSED)
			perror("sendto");
	}
}

/* A chunk holds whole lines, since a client waits for each answer. */
static void serve_chunk(int fd, const char *name)
{
	char text[LINE], answer[NAME + LINE];
	ssize_t got = recv(fd, text, sizeof(text), 0);
	int n;

	if (got < 0 && errno == EAGAIN)
		return;
	if (got > 0) {
		n = snprintf(answer, sizeof(answer), "%s %.*s", name, (int)got, text);
		if (send(fd, answer, (size_t)n, MSG_NOSIGNAL) == n && strncmp(text, "bye", 3) != 0)
			return;
	}
	close(fd);
}

static void serve(const char *port, const char *name)
{
	int epoll = epoll_create1(0), tcp = bound(SOCK_STREAM, port), udp = bound(SOCK_DGRAM, port);

	watch(epoll, tcp, EPOLLIN, (unsigned int)tcp);
	watch(epoll, udp, EPOLLIN, (unsigned int)udp);
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct epoll_event events[EVENTS];
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			int fd = (int)events[i].data.u32, client;

			if (fd == udp)
				serve_datagrams(fd, name);
			else if (fd != tcp)
				serve_chunk(fd, name);
			else
				while ((client = accept4(tcp, NULL, NULL, SOCK_NONBLOCK)) >= 0)
					watch(epoll, client, EPOLLIN, (unsigned int)client);
		}
	}
}

/* ---- storm ---- */

static volatile sig_atomic_t is_over;

static void on_term(int number)
{
	(void)number;
	is_over = 1;
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

enum outcome { SERVED, SILENT, HUNG, WRONG, MOVED, RESET, LATE, OUTCOMES };

static const char *const outcome_names[OUTCOMES] = { "served", "silent", "hung", "wrong",
						     "moved",  "reset",  "late" };

struct options {
	bool tcp;
	union address to[2]; /* the second one with -2 */
	socklen_t to_len;
	unsigned int destinations, seconds, rate, messages, pause, first_port, clients;
	struct in_addr first_client;
};

struct conn {
	int fd; /* -1: free */
	unsigned int sent, answers, client;
	bool late, waits; /* for an answer */
	long when;        /* it was asked, or the next message is due */
	char backend[2][NAME];
};

struct storm {
	const struct options *options;
	int epoll;
	struct conn conns[CONNS];
	char affinity[CLIENTS][NAME];
	unsigned int free[CONNS], n_free, opened;
	unsigned long counts[OUTCOMES], refused_ports;
};

/* Says which connection it was, for a look at captured packets. */
static void complain(const struct conn *conn, enum outcome outcome)
{
	union address from = { .v6 = { 0 } };
	socklen_t len = sizeof(from);
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	getsockname(conn->fd, &from.any, &len);
	fprintf(stderr, "%ld.%03ld: port %u: %s after %u answers\n", now.tv_sec, now.tv_nsec / 1000000,
		ntohs(from.v4.sin_port), outcome_names[outcome], conn->answers);
}

static void end(struct storm *storm, struct conn *conn, enum outcome outcome)
{
	if (outcome == SERVED && conn->late)
		outcome = LATE;
	if (outcome != SERVED)
		complain(conn, outcome);
	close(conn->fd);
	conn->fd = -1;
	storm->free[storm->n_free++] = (unsigned int)(conn - storm->conns);
	storm->counts[outcome]++;
}

static void ask(struct storm *storm, struct conn *conn)
{
	const struct options *options = storm->options;
	const union address *to = &options->to[conn->sent % options->destinations];
	char text[LINE];
	int len = snprintf(text, sizeof(text), "%s %u\n", conn->sent + 1 == options->messages ? "bye" : "on",
			   conn->sent);
	ssize_t sent = options->tcp ? send(conn->fd, text, (size_t)len, MSG_NOSIGNAL)
				    : sendto(conn->fd, text, (size_t)len, 0, &to->any, options->to_len);

	if (sent != len) {
		end(storm, conn, RESET);
		return;
	}
	conn->sent++;
	conn->waits = true;
	conn->when = now_ms();
}

/* A socket from the source address and port whose turn it is; -1: the port is in use. */
static int open_socket(struct storm *storm, unsigned int *client)
{
	const struct options *options = storm->options;
	struct sockaddr_in from = { .sin_family = AF_INET };
	int fd = socket(options->to[0].any.sa_family,
			(options->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0);
	unsigned int turn = storm->opened++;
	int on = 1;

	if (fd < 0)
		fail("socket");
	if (options->clients) {
		*client = turn % options->clients;
		from.sin_addr.s_addr = htonl(ntohl(options->first_client.s_addr) + *client);
	}
	if (options->first_port)
		from.sin_port = htons((in_port_t)(options->first_port + turn % PORTS));
	if ((options->first_port || options->clients) &&
	    (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	     bind(fd, (struct sockaddr *)&from, sizeof(from)))) {
		close(fd);
		return -1;
	}
	return fd;
}

static void begin(struct storm *storm)
{
	const struct options *options = storm->options;
	struct conn *conn;
	unsigned int client = 0, number;
	int fd = open_socket(storm, &client);

	if (fd < 0 || !storm->n_free) {
		storm->refused_ports++;
		close(fd);
		return;
	}
	number = storm->free[--storm->n_free];
	conn = &storm->conns[number];
	*conn = (struct conn){ .fd = fd, .client = client, .when = now_ms(), .waits = true };
	if (!options->tcp) {
		watch(storm->epoll, fd, EPOLLIN, number);
		ask(storm, conn);
		return;
	}
	if (connect(fd, &options->to[0].any, options->to_len) && errno != EINPROGRESS) {
		storm->refused_ports++; /* the socket of the former connection is not gone yet */
		close(fd);
		conn->fd = -1;
		storm->free[storm->n_free++] = number;
		return;
	}
	watch(storm->epoll, fd, EPOLLIN | EPOLLOUT | EPOLLET, number);
}

/* The first word of an answer. */
static void take_name(char name[NAME], const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && n < NAME - 1 && text[n] != ' ')
		n++;
	memcpy(name, text, n);
	name[n] = '\0';
}

/* Whether the backend is the one that the connection, or its client, had before. */
static bool same_backend(char known[NAME], const char *name)
{
	if (!known[0])
		memcpy(known, name, NAME);
	return !strcmp(known, name);
}

static void answered(struct storm *storm, struct conn *conn, const char *text, size_t len)
{
	const struct options *options = storm->options;
	char name[NAME];

	take_name(name, text, len);
	conn->waits = false;
	conn->late |= now_ms() - conn->when > LATE_MS;
	if (!same_backend(conn->backend[conn->answers++ % options->destinations], name) ||
	    (options->clients && !same_backend(storm->affinity[conn->client], name)))
		end(storm, conn, MOVED);
	else if (conn->answers == options->messages)
		end(storm, conn, SERVED);
	else
		conn->when = now_ms() + random() % (options->pause + 1);
}

static bool same_address(const union address *a, const union address *b)
{
	if (a->any.sa_family != b->any.sa_family || a->v4.sin_port != b->v4.sin_port)
		return false;
	return a->any.sa_family == AF_INET
		       ? a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr
		       : !memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr));
}

static void readable(struct storm *storm, struct conn *conn)
{
	const struct options *options = storm->options;
	union address from = { .v6 = { 0 } };
	socklen_t from_len = sizeof(from);
	char text[LINE + NAME];
	ssize_t len = recvfrom(conn->fd, text, sizeof(text), 0, &from.any, &from_len);

	if (len < 0 && errno == EAGAIN)
		return;
	if (len <= 0 || !conn->waits)
		end(storm, conn, RESET);
	else if (!options->tcp && !same_address(&from, &options->to[conn->answers % options->destinations]))
		end(storm, conn, WRONG);
	else
		answered(storm, conn, text, (size_t)len);
}

static void on_event(struct storm *storm, struct conn *conn, unsigned int events)
{
	if (conn->fd < 0)
		return;
	if (events & EPOLLERR) {
		end(storm, conn, RESET);
		return;
	}
	if (storm->options->tcp && !conn->sent && events & EPOLLOUT) {
		conn->late |= now_ms() - conn->when > LATE_MS;
		ask(storm, conn);
	}
	if (conn->fd >= 0 && events & EPOLLIN)
		readable(storm, conn);
}

/* Messages that are due, and answers that did not come. */
static void tick(struct storm *storm)
{
	const long now = now_ms(), wait = storm->options->tcp ? TCP_WAIT_MS : UDP_WAIT_MS;

	for (unsigned int i = 0; i < CONNS; i++) {
		struct conn *conn = &storm->conns[i];

		if (conn->fd < 0)
			continue;
		if (!conn->waits && now >= conn->when)
			ask(storm, conn);
		else if (conn->waits && now - conn->when > wait)
			end(storm, conn, conn->answers ? HUNG : SILENT);
	}
}

static void step(struct storm *storm, int wait)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(storm->epoll, events, EVENTS, wait);

	for (int i = 0; i < n; i++)
		on_event(storm, &storm->conns[events[i].data.u32], events[i].events);
}

static void report(const struct storm *storm)
{
	unsigned long all = 0;

	for (int i = 0; i < OUTCOMES; i++)
		all += storm->counts[i];
	printf("%lu connections", all);
	for (int i = 1; i < OUTCOMES; i++)
		printf(", %lu %s", storm->counts[i], outcome_names[i]);
	if (storm->refused_ports)
		printf("; %lu found their port in use", storm->refused_ports);
	putchar('\n');
}

static int run(const struct options *options)
{
	static struct storm storm;
	const long start = now_ms();
	long ticked = 0;

	signal(SIGTERM, on_term);
	storm.options = options;
	storm.epoll = epoll_create1(0);
	for (unsigned int i = 0; i < CONNS; i++) {
		storm.conns[i].fd = -1;
		storm.free[storm.n_free++] = i;
	}
	for (;;) {
		const long now = now_ms(), due = (now - start) * options->rate / 1000;
		bool over = is_over || now - start >= options->seconds * 1000L;

		if (over && storm.n_free == CONNS)
			break;
		while (!over && storm.opened < (unsigned long)due)
			begin(&storm);
		step(&storm, TICK_MS);
		if (now != ticked)
			tick(&storm);
		ticked = now;
	}
	report(&storm);
	return 0;
}

static void resolve(const char *address, const char *port, union address *to, socklen_t *len)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
					.ai_socktype = SOCK_STREAM };
	struct addrinfo *found;

	if (getaddrinfo(address, port, &hints, &found))
		fail("address");
	memcpy(to, found->ai_addr, found->ai_addrlen);
	*len = found->ai_addrlen;
	freeaddrinfo(found);
}

static int usage(void)
{
	fputs("usage: begin serve PORT NAME | storm [OPTION...] tcp|udp ADDRESS PORT; see begin.c\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	struct options options = {
		.seconds = 5, .rate = 200, .messages = 3, .pause = 200, .destinations = 1
	};
	const char *second = NULL;
	int c;

	if (argc == 4 && !strcmp(argv[1], "serve"))
		serve(argv[2], argv[3]);
	if (argc < 2 || strcmp(argv[1], "storm") != 0)
		return usage();
	argc--;
	argv++;
	while ((c = getopt(argc, argv, "s:r:n:w:p:a:c:2:")) != -1) {
		unsigned int number = (unsigned int)strtoul(optarg ? optarg : "", NULL, 10);

		if (c == 's')
			options.seconds = number;
		else if (c == 'r')
			options.rate = number;
		else if (c == 'n')
			options.messages = number;
		else if (c == 'w')
			options.pause = number;
		else if (c == 'p')
			options.first_port = number;
		else if (c == 'c')
			options.clients = number < CLIENTS ? number : CLIENTS;
		else if (c == '2')
			second = optarg;
		else if (c != 'a' || !inet_aton(optarg, &options.first_client))
			return usage();
	}
	if (argc - optind != 3)
		return usage();
	options.tcp = !strcmp(argv[optind], "tcp");
	resolve(argv[optind + 1], argv[optind + 2], &options.to[0], &options.to_len);
	if (second) {
		resolve(second, argv[optind + 2], &options.to[1], &options.to_len);
		options.destinations = 2;
	}
	return run(&options);
}
