// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Threads on all CPUs send the first datagrams of one UDP connection at the same moment, as resolvers do that
 * ask for A and AAAA over one socket.
 *
 *   race THREADS ROUNDS ADDRESS PORT
 *
 * Each round is a new connection to servers of tool.c, one datagram a thread. Prints "R rounds, L lost, T
 * twice, S split": answers that did not come within a second, those that came again, and rounds whose
 * datagrams were answered by several servers.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { THREADS_MAX = 16, ANSWER = 512 };

struct tally {
	unsigned long lost, twice, split;
};

static int current_fd = -1;
static atomic_uint round_number, ready;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* Sends one datagram in each round, as soon as the round begins: the threads spin, since waking them up takes
 * too long. */
static void *sender(void *arg)
{
	unsigned long number = (unsigned long)arg;
	char text = (char)('a' + number);
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(number % (unsigned long)sysconf(_SC_NPROCESSORS_ONLN), &cpus);
	if (pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus))
		fail("affinity");
	for (unsigned int done = 0;; done++) {
		while (atomic_load(&round_number) == done)
			sched_yield();
		if (send(current_fd, &text, 1, 0) != 1)
			perror("send");
		atomic_fetch_add(&ready, 1);
	}
	return NULL;
}

static int open_socket(const struct addrinfo *to)
{
	struct timeval second = { .tv_sec = 1 };
	int fd = socket(to->ai_family, SOCK_DGRAM, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second)) ||
	    connect(fd, to->ai_addr, to->ai_addrlen))
		fail("socket");
	return fd;
}

/* Takes one answer: the server's name is its first word, which thread asked is its last character. */
static bool receive(int fd, int flags, char server[ANSWER], unsigned int *asked)
{
	ssize_t got = recv(fd, server, ANSWER - 1, flags);

	if (got < 2)
		return false;
	*asked = 1U << (server[got - 2] - 'a'); /* before the line's end */
	server[got] = '\0';
	server[strcspn(server, " ")] = '\0';
	return true;
}

static void one_round(unsigned int threads, struct tally *tally)
{
	char first[ANSWER], server[ANSWER];
	unsigned int seen = 0, asked;
	bool split = false;

	for (unsigned int got = 0; got < threads && receive(current_fd, 0, got ? server : first, &asked);
	     got++) {
		split |= got && strcmp(first, server) != 0;
		tally->twice += seen & asked ? 1 : 0;
		seen |= asked;
	}
	while (receive(current_fd, MSG_DONTWAIT, server, &asked))
		tally->twice++;
	tally->lost += threads - (unsigned int)__builtin_popcount(seen);
	tally->split += split;
}

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM };
	unsigned int threads = argc == 5 ? (unsigned int)strtoul(argv[1], NULL, 10) : 0;
	struct tally tally = { 0 };
	struct addrinfo *to;
	unsigned long rounds;

	if (!threads || threads > THREADS_MAX || getaddrinfo(argv[3], argv[4], &hints, &to)) {
		fputs("usage: race THREADS ROUNDS ADDRESS PORT\n", stderr);
		return 2;
	}
	rounds = strtoul(argv[2], NULL, 10);
	for (unsigned long i = 0; i < threads; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, sender, (void *)i))
			fail("thread");
	}
	for (unsigned long r = 0; r < rounds; r++) {
		current_fd = open_socket(to);
		atomic_store(&ready, 0);
		atomic_fetch_add(&round_number, 1);
		while (atomic_load(&ready) < threads)
			sched_yield();
		one_round(threads, &tally);
		close(current_fd);
	}
	freeaddrinfo(to);
	printf("%lu rounds, %lu lost, %lu twice, %lu split\n", rounds, tally.lost, tally.twice, tally.split);
	return 0;
}
