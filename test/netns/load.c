// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * More than a table holds.
 *
 *   load flood IFACE MAC tcp|udp SOURCE ADDRESS PORT COUNT
 *       COUNT first packets (SYNs or datagrams) of as many connections from IPv4 address SOURCE and those
 *       after it, in frames to MAC; prints how many were sent
 *   load hold ADDRESS PORT COUNT
 *       COUNT TCP connections to a server of tool.c; at first and for each line of stdin prints over how many
 *       of them an answer comes
 *   load storm ADDRESS PORT SECONDS THREADS
 *       short TCP connections, one after the other in each thread: one line, one answer, the server closes;
 *       prints "N connections, F failed" and on stderr why the first one did
 *   load streams ADDRESS PORT COUNT SECONDS
 *       COUNT TCP connections to a server of tool.c, on each of which one line follows the other's answer;
 *       prints "open" once they are, and at the end "N streams, A answers, F failed, longest wait M ms"
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, PORTS = 60000, FIRST_PORT = 2000, HOLD_MAX = 1000, THREADS_MAX = 16, WAIT_SECONDS = 3 };

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- flood ---- */

struct frame {
	struct ethhdr eth;
	struct iphdr ip;
	union {
		struct tcphdr tcp;
		struct udphdr udp;
	};
} __attribute__((packed));

static unsigned int add(unsigned int sum, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : (unsigned int)bytes[i] << 8;
	return sum;
}

static unsigned short fold(unsigned int sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((unsigned short)~sum);
}

static size_t l4_len(const struct frame *frame)
{
	return frame->ip.protocol == IPPROTO_TCP ? sizeof(frame->tcp) : sizeof(frame->udp);
}

/* What is the same in all frames. */
static struct frame first_frame(char **args)
{
	struct frame frame = { .eth.h_proto = htons(ETH_P_IP), .ip = { .version = 4, .ihl = 5, .ttl = 64 } };
	unsigned char *mac = frame.eth.h_dest;

	/* NOLINTNEXTLINE(cert-err34-c): six bytes in hexadecimal */
	if (sscanf(args[1], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4,
		   mac + 5) != 6 ||
	    inet_pton(AF_INET, args[4], &frame.ip.daddr) != 1)
		fail("address");
	frame.ip.protocol = strcmp(args[2], "tcp") ? IPPROTO_UDP : IPPROTO_TCP;
	if (frame.ip.protocol == IPPROTO_TCP) {
		frame.tcp.dest = htons((unsigned short)atoi(args[5])); /* NOLINT(cert-err34-c) */
		frame.tcp.doff = 5;
		frame.tcp.syn = 1;
		frame.tcp.window = htons(8192);
	} else {
		frame.udp.dest = htons((unsigned short)atoi(args[5])); /* NOLINT(cert-err34-c) */
		frame.udp.len = htons(sizeof(frame.udp));
	}
	frame.ip.tot_len = htons((unsigned short)(sizeof(frame.ip) + l4_len(&frame)));
	return frame;
}

/* The i-th connection's first packet: of each source address PORTS ports. */
static void number_frame(struct frame *frame, struct in_addr source, unsigned long i)
{
	unsigned short port = htons((unsigned short)(FIRST_PORT + i % PORTS)), sum;
	size_t len = l4_len(frame);

	frame->ip.saddr = htonl(ntohl(source.s_addr) + (unsigned int)(i / PORTS));
	frame->ip.check = 0;
	frame->ip.check = fold(add(0, &frame->ip, sizeof(frame->ip)));
	if (frame->ip.protocol == IPPROTO_UDP) {
		frame->udp.source = port; /* without a checksum */
		return;
	}
	frame->tcp.source = port;
	frame->tcp.check = 0;
	sum = fold(add(add(IPPROTO_TCP + (unsigned int)len, &frame->ip.saddr, 8), &frame->tcp, len));
	frame->tcp.check = sum;
}

static int flood(char **args)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(args[0]) };
	static struct frame frames[BATCH];
	struct mmsghdr messages[BATCH] = { 0 };
	struct iovec parts[BATCH];
	unsigned long count = strtoul(args[6], NULL, 10), sent = 0;
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	struct in_addr source;

	if (fd < 0 || !to.sll_ifindex || bind(fd, (struct sockaddr *)&to, sizeof(to)) ||
	    inet_pton(AF_INET, args[3], &source) != 1)
		fail("flood");
	for (int i = 0; i < BATCH; i++) {
		frames[i] = first_frame(args);
		parts[i] = (struct iovec){ &frames[i], sizeof(frames[i].eth) + ntohs(frames[i].ip.tot_len) };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
	}
	while (sent < count) {
		unsigned int n = count - sent < BATCH ? (unsigned int)(count - sent) : BATCH;
		int done;

		for (unsigned int i = 0; i < n; i++)
			number_frame(&frames[i], source, sent + i);
		done = sendmmsg(fd, messages, n, 0);
		if (done < 0 && errno != ENOBUFS)
			fail("sendmmsg");
		sent += done > 0 ? (unsigned long)done : 0;
	}
	printf("%lu sent\n", sent);
	return 0;
}

/* ---- TCP ---- */

static struct addrinfo *server_of(char **args)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
	struct addrinfo *to;

	if (getaddrinfo(args[0], args[1], &hints, &to))
		fail("address");
	return to;
}

/* A connection, or -1. Nothing on it waits for longer than WAIT_SECONDS. */
static int open_connection(const struct addrinfo *to)
{
	struct timeval wait = { .tv_sec = WAIT_SECONDS };
	int fd = socket(to->ai_family, SOCK_STREAM, 0);

	if (fd < 0)
		fail("socket");
	if (!setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) &&
	    !setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) &&
	    !connect(fd, to->ai_addr, to->ai_addrlen))
		return fd;
	close(fd);
	return -1;
}

/* One line there and one back. */
static bool exchange(int fd, const char *line)
{
	char answer[512];
	size_t len = strlen(line);
	ssize_t got = 0, more;

	if (send(fd, line, len, MSG_NOSIGNAL) != (ssize_t)len)
		return false;
	do {
		more = recv(fd, answer + got, sizeof(answer) - (size_t)got, 0);
		got += more > 0 ? more : 0;
	} while (more > 0 && answer[got - 1] != '\n');
	return more > 0;
}

static int hold(char **args)
{
	const struct addrinfo *to = server_of(args);
	unsigned int count = (unsigned int)strtoul(args[2], NULL, 10);
	char line[64];
	int fds[HOLD_MAX];

	if (count > HOLD_MAX)
		fail("too many");
	for (unsigned int i = 0; i < count; i++)
		fds[i] = open_connection(to);
	do {
		unsigned int alive = 0;

		for (unsigned int i = 0; i < count; i++)
			alive += fds[i] >= 0 && exchange(fds[i], "still there?\n");
		printf("%u of %u\n", alive, count);
		fflush(stdout);
	} while (fgets(line, sizeof(line), stdin));
	return 0;
}

struct storm {
	pthread_t thread;
	const struct addrinfo *to;
	time_t end;
	unsigned long connections, failed;
	const char *why;
	int error;
};

static void *storm_thread(void *arg)
{
	struct storm *storm = arg;

	while (time(NULL) < storm->end) {
		const char *why = "connect";
		int fd = open_connection(storm->to), error = errno;
		char end;
		bool ok = fd >= 0;

		if (ok) {
			why = "answer";
			errno = 0;
			ok = exchange(fd, "bye\n") && recv(fd, &end, 1, 0) == 0;
			error = errno;
			close(fd);
		}
		storm->connections++;
		if (!ok && !storm->failed++) {
			storm->why = why;
			storm->error = error;
		}
	}
	return NULL;
}

static int storm(char **args)
{
	struct storm each[THREADS_MAX] = { 0 };
	const struct addrinfo *to = server_of(args);
	time_t end = time(NULL) + strtol(args[2], NULL, 10);
	unsigned int threads = (unsigned int)strtoul(args[3], NULL, 10);
	unsigned long connections = 0, failed = 0;

	if (threads > THREADS_MAX)
		fail("too many");
	for (unsigned int i = 0; i < threads; i++) {
		each[i] = (struct storm){ .to = to, .end = end };
		if (pthread_create(&each[i].thread, NULL, storm_thread, &each[i]))
			fail("thread");
	}
	for (unsigned int i = 0; i < threads; i++) {
		pthread_join(each[i].thread, NULL);
		connections += each[i].connections;
		failed += each[i].failed;
		if (each[i].failed)
			fprintf(stderr, "%s: %s\n", each[i].why, strerror(each[i].error));
	}
	printf("%lu connections, %lu failed\n", connections, failed);
	return 0;
}

/* ---- streams ---- */

struct streams {
	struct pollfd fds[HOLD_MAX]; /* fd -1: failed */
	long asked[HOLD_MAX];        /* ms, when its last line was sent */
	unsigned int count;
	unsigned long answers, failed;
	long longest;
};

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void wait_was(struct streams *all, unsigned int i, long now)
{
	if (now - all->asked[i] > all->longest)
		all->longest = now - all->asked[i];
}

static void give_up(struct streams *all, unsigned int i, const char *why)
{
	fprintf(stderr, "stream %u: %s: %s\n", i, why, strerror(errno));
	close(all->fds[i].fd);
	all->fds[i].fd = -1;
	all->failed++;
}

static void ask(struct streams *all, unsigned int i)
{
	static const char line[] = "and on\n";

	all->asked[i] = now_ms();
	if (send(all->fds[i].fd, line, sizeof(line) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(line) - 1)
		give_up(all, i, "send");
}

/* What has come of an answer, which ends with its line. */
static void take(struct streams *all, unsigned int i)
{
	char part[512];
	ssize_t len = recv(all->fds[i].fd, part, sizeof(part), MSG_DONTWAIT);

	if (len <= 0) {
		give_up(all, i, len ? "answer" : "closed");
	} else if (part[len - 1] == '\n') {
		wait_was(all, i, now_ms());
		all->answers++;
		ask(all, i);
	}
}

static int streams(char **args)
{
	static struct streams all;
	const struct addrinfo *to = server_of(args);
	long end;

	all.count = (unsigned int)strtoul(args[2], NULL, 10);
	if (all.count > HOLD_MAX)
		fail("too many");
	for (unsigned int i = 0; i < all.count; i++) {
		all.fds[i] = (struct pollfd){ .fd = open_connection(to), .events = POLLIN };
		if (all.fds[i].fd < 0)
			fail("connect");
	}
	puts("open");
	fflush(stdout);
	end = now_ms() + strtol(args[3], NULL, 10) * 1000;
	for (unsigned int i = 0; i < all.count; i++)
		ask(&all, i);
	while (now_ms() < end) {
		poll(all.fds, all.count, 100);
		for (unsigned int i = 0; i < all.count; i++)
			if (all.fds[i].fd >= 0 && all.fds[i].revents)
				take(&all, i);
	}
	for (unsigned int i = 0; i < all.count; i++)
		if (all.fds[i].fd >= 0)
			wait_was(&all, i, now_ms());
	printf("%u streams, %lu answers, %lu failed, longest wait %ld ms\n", all.count, all.answers,
	       all.failed, all.longest);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 9 && !strcmp(argv[1], "flood"))
		return flood(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "hold"))
		return hold(argv + 2);
	if (argc == 6 && !strcmp(argv[1], "storm"))
		return storm(argv + 2);
	if (argc == 6 && !strcmp(argv[1], "streams"))
		return streams(argv + 2);
	fputs("usage: load flood|hold|storm|streams ...; see load.c\n", stderr);
	return 2;
}
