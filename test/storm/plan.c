// SPDX-License-Identifier: GPL-2.0-or-later
/* The network of a storm as its scenario describes it, and its namespaces, addresses and sockets. */
#include "storm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void fail(const char *what)
{
	perror(what);
	exit(2);
}

static bool read_addr(const char *text, struct in6_addr *addr)
{
	char mapped[INET6_ADDRSTRLEN + 8];

	snprintf(mapped, sizeof(mapped), strchr(text, ':') ? "%s" : "::ffff:%s", text);
	return inet_pton(AF_INET6, mapped, addr) == 1;
}

static bool read_pair(const char *v4, const char *v6, struct in6_addr addr[FAMILIES])
{
	return read_addr(v4, &addr[0]) && read_addr(v6, &addr[1]);
}

/* How many of each kind were read. */
struct found {
	unsigned int clients, services, backends[SERVICES];
};

static bool read_line(struct plan *plan, struct found *found, const char *line)
{
	char netns[sizeof(plan->clients[0].netns)], v4[64], v6[64];
	unsigned int service;
	struct pod *pod;

	if (sscanf(line, "service %63s %63s", v4, v6) == 2)
		return found->services < SERVICES && read_pair(v4, v6, plan->vips[found->services++]);
	if (sscanf(line, "client %127s %63s %63s", netns, v4, v6) == 3) {
		if (found->clients == CLIENTS)
			return false;
		pod = &plan->clients[found->clients++];
	} else if (sscanf(line, "backend %u %127s %63s %63s", &service, netns, v4, v6) == 4) {
		if (service >= SERVICES || found->backends[service] == BACKENDS)
			return false;
		pod = &plan->backends[service][found->backends[service]++];
	} else {
		return false;
	}
	strcpy(pod->netns, netns);
	return read_pair(v4, v6, pod->addr);
}

void plan_read(struct plan *plan, const char *path)
{
	FILE *file = fopen(path, "re");
	struct found found = { 0 };
	char line[512];

	if (!file)
		fail(path);
	while (fgets(line, sizeof(line), file))
		if (!read_line(plan, &found, line)) {
			fprintf(stderr, "%s: %s", path, line);
			exit(2);
		}
	fclose(file);
	if (found.clients == CLIENTS && found.services == SERVICES && found.backends[0] == BACKENDS &&
	    found.backends[1] == BACKENDS)
		return;
	fprintf(stderr, "%s: not all clients, Services and backends\n", path);
	exit(2);
}

socklen_t sockaddr_of(const struct in6_addr *addr, uint16_t port, struct sockaddr_storage *to)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
	struct sockaddr_in *in = (struct sockaddr_in *)to;

	memset(to, 0, sizeof(*to));
	if (IN6_IS_ADDR_V4MAPPED(addr)) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, &addr->s6_addr[12], sizeof(in->sin_addr));
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	in6->sin6_addr = *addr;
	return sizeof(*in6);
}

void sockaddr_split(const struct sockaddr_storage *from, struct in6_addr *addr, uint16_t *port)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
	const struct sockaddr_in *in = (const struct sockaddr_in *)from;

	*port = ntohs(in->sin_port); /* at one offset in both */
	if (from->ss_family == AF_INET6) {
		*addr = in6->sin6_addr;
		return;
	}
	*addr = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
	memcpy(&addr->s6_addr[12], &in->sin_addr, sizeof(in->sin_addr));
}

void enter(const struct pod *pod, int cpu)
{
	int fd = open(pod->netns, O_RDONLY | O_CLOEXEC);
	cpu_set_t cpus;

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		fail(pod->netns);
	close(fd);
	if (cpu < 0)
		return;
	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		fail("affinity");
}

static bool set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

int open_socket(bool v6, int type, uint16_t port, int ttl)
{
	const struct in6_addr any = v6 ? (struct in6_addr)IN6ADDR_ANY_INIT
				       : (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
	int fd = socket(v6 ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_storage to;
	socklen_t len = sockaddr_of(&any, port, &to);

	if (fd < 0 || (v6 && !set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) ||
	    (type == SOCK_STREAM && !set(fd, SOL_SOCKET, SO_REUSEADDR, 1)) ||
	    !(v6 ? set(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl) : set(fd, IPPROTO_IP, IP_TTL, ttl)))
		fail("socket");
	if (bind(fd, (struct sockaddr *)&to, len) == 0)
		return fd;
	if (errno != EADDRINUSE)
		fail("bind");
	close(fd);
	return -1;
}
