// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Measures one path: a client in one network namespace, a server in another, both on one CPU, so that
 * wake-ups across CPUs do not drown the path.
 *
 *   rate [-c CPU] [-s MILLISECONDS] CLIENT-NETNS SERVER-NETNS tcp-rr|tcp-crr|tcp-stream|udp-rr ADDRESS PORT
 * LISTEN-PORT
 *
 * The namespaces are paths. The server listens on LISTEN-PORT on every address; the client asks ADDRESS and
 * PORT, which may be a Service. rr: one byte there, one byte back, over one connection; crr: a new connection
 * for each byte, closed by the client; stream: megabytes one way over one connection. Prints how many of them
 * were done in a second, and how many in a second of CPU time of client and server together: both fill their
 * CPU, so that the two are equal on an idle machine, and the second leaves out what others do on it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 1 << 16, MEGABYTE = 1 << 20 };

struct plan {
	const char *client_netns, *server_netns;
	const char *address, *port;
	unsigned int listen_port;
	bool tcp;
	bool reconnect;
	bool stream;
	unsigned long milliseconds;
	unsigned long cpu;
};

static void die(const char *what)
{
	fprintf(stderr, "rate: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned long number(const char *text, unsigned long max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (!*text || *end || n > max) {
		fprintf(stderr, "rate: '%s' is not a number up to %lu\n", text, max);
		exit(2);
	}
	return n;
}

static void enter(const char *netns)
{
	int fd = open(netns, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(netns);
	close(fd);
}

static int server_socket(const struct plan *plan)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6,
				    .sin6_port = htons((uint16_t)plan->listen_port) };
	int fd = socket(AF_INET6, plan->tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
	int off = 0, on = 1;

	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) || (plan->tcp && listen(fd, 64)))
		die("cannot listen");
	return fd;
}

/* Answers each byte with one, or takes all that comes. */
static void serve_one(int fd, bool stream)
{
	static char chunk[CHUNK];

	if (stream)
		while (read(fd, chunk, sizeof(chunk)) > 0)
			;
	else
		while (read(fd, chunk, 1) == 1 && send(fd, chunk, 1, MSG_NOSIGNAL) == 1)
			;
}

static void serve_tcp(int listener, bool stream)
{
	int on = 1;

	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			die("accept");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		serve_one(fd, stream);
		close(fd);
	}
}

static void serve_udp(int fd)
{
	for (;;) {
		struct sockaddr_in6 peer;
		socklen_t len = sizeof(peer);
		char byte;

		if (recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&peer, &len) == 1)
			sendto(fd, &byte, 1, 0, (struct sockaddr *)&peer, len);
	}
}

/* Forks the server; it listens when this returns, and ends with its parent. */
static pid_t start_server(const struct plan *plan)
{
	pid_t parent = getpid(), child;
	char byte = 0;
	int ready[2];

	if (pipe(ready))
		die("pipe");
	child = fork();
	if (child < 0)
		die("fork");
	if (child) {
		close(ready[1]);
		if (read(ready[0], &byte, 1) != 1)
			exit(1);
		close(ready[0]);
		return child;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		exit(1);
	enter(plan->server_netns);
	int fd = server_socket(plan);

	if (write(ready[1], &byte, 1) != 1)
		exit(1);
	if (plan->tcp)
		serve_tcp(fd, plan->stream);
	serve_udp(fd);
	exit(0);
}

static int connect_to(const struct plan *plan, const struct addrinfo *to)
{
	struct timeval timeout = { .tv_sec = 3 };
	int fd = socket(to->ai_family, to->ai_socktype, 0);
	int on = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, to->ai_addr, to->ai_addrlen))
		die("connect");
	if (plan->tcp)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void ask(int fd)
{
	char byte = 'x';

	if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || recv(fd, &byte, 1, 0) != 1)
		die("no answer");
}

/* A megabyte. */
static void push(int fd)
{
	static const char chunk[CHUNK];

	for (size_t sent = 0; sent < MEGABYTE; sent += sizeof(chunk))
		if (send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL) != (ssize_t)sizeof(chunk))
			die("cannot send");
}

/* One thing that is counted, over a connection or with one of its own. */
static void do_one(const struct plan *plan, const struct addrinfo *to, int fd)
{
	if (plan->reconnect)
		fd = connect_to(plan, to);
	if (plan->stream)
		push(fd);
	else
		ask(fd);
	if (plan->reconnect)
		close(fd);
}

static double seconds(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now))
		die("clock");
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* CPU time of client and server. */
static double cpu_seconds(pid_t server)
{
	clockid_t clock;

	errno = clock_getcpuclockid(server, &clock);
	if (errno)
		die("the server has gone");
	return seconds(CLOCK_PROCESS_CPUTIME_ID) + seconds(clock);
}

/* Prints requests (or connections) in a second, and in a second of CPU time. */
static void measure(const struct plan *plan, pid_t server)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				  .ai_socktype = plan->tcp ? SOCK_STREAM : SOCK_DGRAM };
	struct addrinfo *to;
	unsigned long done = 0;
	double start, start_cpu, now, end;
	int fd = -1;

	if (getaddrinfo(plan->address, plan->port, &hints, &to)) {
		fprintf(stderr, "rate: '%s' '%s' is no address and port\n", plan->address, plan->port);
		exit(2);
	}
	if (!plan->reconnect)
		fd = connect_to(plan, to);
	start_cpu = cpu_seconds(server);
	start = seconds(CLOCK_MONOTONIC);
	end = start + (double)plan->milliseconds / 1e3;
	do {
		/* The clock is read once in a few requests, so that it is no part of what is measured. */
		for (int i = 0; i < 16; i++, done++)
			do_one(plan, to, fd);
		now = seconds(CLOCK_MONOTONIC);
	} while (now < end);
	printf("%.0f %.0f\n", (double)done / (now - start), (double)done / (cpu_seconds(server) - start_cpu));
	freeaddrinfo(to);
}

static void read_arguments(struct plan *plan, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "c:s:")) != -1) {
		if (c == 'c')
			plan->cpu = number(optarg, CPU_SETSIZE - 1);
		else if (c == 's')
			plan->milliseconds = number(optarg, 600000);
	}
	argv += optind;
	if (argc - optind != 6 || (strcmp(argv[2], "tcp-rr") && strcmp(argv[2], "tcp-crr") &&
				   strcmp(argv[2], "tcp-stream") && strcmp(argv[2], "udp-rr"))) {
		fputs("usage: rate [-c CPU] [-s MILLISECONDS] CLIENT-NETNS SERVER-NETNS "
		      "tcp-rr|tcp-crr|tcp-stream|udp-rr "
		      "ADDRESS PORT LISTEN-PORT\n",
		      stderr);
		exit(2);
	}
	plan->client_netns = argv[0];
	plan->server_netns = argv[1];
	plan->tcp = argv[2][0] == 't';
	plan->reconnect = !strcmp(argv[2], "tcp-crr");
	plan->stream = !strcmp(argv[2], "tcp-stream");
	plan->address = argv[3];
	plan->port = argv[4];
	plan->listen_port = (unsigned int)number(argv[5], 65535);
}

int main(int argc, char **argv)
{
	struct plan plan = { .milliseconds = 1000 };
	cpu_set_t cpus;
	pid_t server;

	read_arguments(&plan, argc, argv);
	CPU_ZERO(&cpus);
	CPU_SET(plan.cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		die("sched_setaffinity");
	server = start_server(&plan);
	enter(plan.client_netns);
	measure(&plan, server);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return 0;
}
