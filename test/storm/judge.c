// SPDX-License-Identifier: GPL-2.0-or-later
/* Whether what was seen at a pod has the addresses and ports that its tag says. */
#include "storm.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { MAGIC = 0x6e627374, DESCRIBED = 10 };

/* FNV-1a. */
static uint32_t check_of(const struct tag *tag)
{
	const uint8_t *bytes = (const uint8_t *)tag;
	uint32_t hash = 2166136261U;

	for (size_t i = 0; i < offsetof(struct tag, check); i++)
		hash = (hash ^ bytes[i]) * 16777619U;
	return hash;
}

void tag_seal(struct tag *tag)
{
	tag->magic = MAGIC;
	tag->pad = 0;
	tag->check = check_of(tag);
}

static bool same(const struct in6_addr *a, const struct in6_addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static enum count judge_at_client(const struct seen *seen, const struct tag *tag)
{
	const struct plan *plan = seen->plan;

	if (!tag->answer || tag->client != seen->place.number || tag->by_service >= SERVICES ||
	    tag->by_backend >= BACKENDS)
		return WRONG_TAG;
	if (tag->by_service != tag->service)
		return WRONG_BACKEND;
	if (!same(&seen->dst, &plan->clients[tag->client].addr[tag->v6]))
		return WRONG_ADDRESS;
	if (seen->dport != tag->port)
		return WRONG_PORT;
	if (same(&seen->src, &plan->vips[tag->service][tag->v6]))
		return seen->sport == SERVICE_PORT ? ANSWERED : WRONG_PORT;
	if (same(&seen->src, &plan->backends[tag->by_service][tag->by_backend].addr[tag->v6]))
		return seen->sport == TARGET_PORT ? UNTRANSLATED : WRONG_PORT;
	return WRONG_ADDRESS;
}

static enum count judge_at_backend(const struct seen *seen, const struct tag *tag)
{
	const struct plan *plan = seen->plan;

	if (tag->answer)
		return WRONG_TAG;
	if (tag->service != seen->place.service)
		return WRONG_BACKEND;
	if (!same(&seen->src, &plan->clients[tag->client].addr[tag->v6]) ||
	    !same(&seen->dst, &plan->backends[tag->service][seen->place.number].addr[tag->v6]))
		return WRONG_ADDRESS;
	return seen->sport == tag->port && seen->dport == TARGET_PORT ? ANSWERED : WRONG_PORT;
}

enum count judge_tag(const struct seen *seen, const struct tag *tag)
{
	if (tag->magic != MAGIC || tag->check != check_of(tag) || tag->client >= CLIENTS ||
	    tag->service >= SERVICES || tag->v6 != !IN6_IS_ADDR_V4MAPPED(&seen->src) ||
	    tag->proto != seen->proto)
		return WRONG_TAG;
	return seen->place.is_backend ? judge_at_backend(seen, tag) : judge_at_client(seen, tag);
}

static bool is_client_port(uint16_t port)
{
	return port >= FIRST_PORT && port < FIRST_PORT + PORTS;
}

static enum count judge_empty_at_client(const struct seen *seen, bool v6, uint8_t ttl)
{
	unsigned int service = (ttl - TTL_BACKEND) / BACKENDS, backend = (ttl - TTL_BACKEND) % BACKENDS;
	const struct plan *plan = seen->plan;

	if (!same(&seen->dst, &plan->clients[seen->place.number].addr[v6]))
		return WRONG_ADDRESS;
	if (!is_client_port(seen->dport))
		return WRONG_PORT;
	if (service >= SERVICES) /* of the kernel alone: a reset, or of TIME_WAIT */
		return ANSWERED;
	if (same(&seen->src, &plan->vips[service][v6]))
		return seen->sport == SERVICE_PORT ? ANSWERED : WRONG_PORT;
	if (same(&seen->src, &plan->backends[service][backend].addr[v6]))
		return seen->sport == TARGET_PORT ? UNTRANSLATED : WRONG_PORT;
	return WRONG_ADDRESS;
}

static enum count judge_empty_at_backend(const struct seen *seen, bool v6, uint8_t ttl)
{
	unsigned int client = (ttl - TTL_CLIENT) / SERVICES, service = (ttl - TTL_CLIENT) % SERVICES;
	const struct place *place = &seen->place;

	if (!same(&seen->dst, &seen->plan->backends[place->service][place->number].addr[v6]))
		return WRONG_ADDRESS;
	if (!is_client_port(seen->sport) || seen->dport != TARGET_PORT)
		return WRONG_PORT;
	if (client >= CLIENTS)
		return ANSWERED;
	if (service != place->service)
		return WRONG_BACKEND;
	return same(&seen->src, &seen->plan->clients[client].addr[v6]) ? ANSWERED : WRONG_ADDRESS;
}

enum count judge_empty(const struct seen *seen, uint8_t ttl)
{
	bool v6 = !IN6_IS_ADDR_V4MAPPED(&seen->src);

	return seen->place.is_backend ? judge_empty_at_backend(seen, v6, ttl)
				      : judge_empty_at_client(seen, v6, ttl);
}

void describe(const char *what, const struct seen *seen, const struct tag *tag)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
	static unsigned int described;

	if (described++ >= DESCRIBED)
		return;
	inet_ntop(AF_INET6, &seen->src, src, sizeof(src));
	inet_ntop(AF_INET6, &seen->dst, dst, sizeof(dst));
	fprintf(stderr, "%s at %s %u of Service %u: protocol %u, %s port %u > %s port %u", what,
		seen->place.is_backend ? "backend" : "client", seen->place.number, seen->place.service,
		seen->proto, src, seen->sport, dst, seen->dport);
	if (tag)
		fprintf(stderr, "; tag: client %u, port %u, Service %u, protocol %u, %s, seq %u%s, by %u/%u",
			tag->client, tag->port, tag->service, tag->proto, tag->v6 ? "IPv6" : "IPv4", tag->seq,
			tag->answer ? ", answer" : "", tag->by_service, tag->by_backend);
	fputc('\n', stderr);
}
