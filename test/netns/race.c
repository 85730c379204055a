// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two CPUs send the first two datagrams of one UDP connection at the same moment, as resolvers do that ask
 * for A and AAAA over one socket.
 *
 *   race ROUNDS ADDRESS PORT
 *
 * Each round is a new connection to a server of tool.c. Prints "R rounds, L lost, S split": answers that did
 * not come within a second, and rounds whose two datagrams were answered by two servers.
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

enum { SENDERS = 2, ANSWER = 512 };

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
	unsigned long cpu = (unsigned long)arg;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus))
		fail("affinity");
	for (unsigned int done = 0;; done++) {
		while (atomic_load(&round_number) == done)
			sched_yield();
		if (send(current_fd, "hello", 5, 0) != 5)
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

static bool receive(int fd, char answer[ANSWER])
{
	ssize_t got = recv(fd, answer, ANSWER - 1, 0);

	if (got < 0)
		return false;
	answer[got] = '\0';
	answer[strcspn(answer, " ")] = '\0';
	return true;
}

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM };
	unsigned long rounds, lost = 0, split = 0;
	struct addrinfo *to;

	if (argc != 4 || getaddrinfo(argv[2], argv[3], &hints, &to)) {
		fputs("usage: race ROUNDS ADDRESS PORT\n", stderr);
		return 2;
	}
	rounds = strtoul(argv[1], NULL, 10);
	for (unsigned long i = 0; i < SENDERS; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, sender, (void *)i))
			fail("thread");
	}
	for (unsigned long r = 0; r < rounds; r++) {
		char answers[SENDERS][ANSWER];
		int got = 0;

		current_fd = open_socket(to);
		atomic_store(&ready, 0);
		atomic_fetch_add(&round_number, 1);
		while (atomic_load(&ready) < SENDERS)
			sched_yield();
		while (got < SENDERS && receive(current_fd, answers[got]))
			got++;
		lost += (unsigned long)(SENDERS - got);
		split += got == SENDERS && strcmp(answers[0], answers[1]) != 0;
		close(current_fd);
	}
	freeaddrinfo(to);
	printf("%lu rounds, %lu lost, %lu split\n", rounds, lost, split);
	return 0;
}
