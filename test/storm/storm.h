/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_TEST_STORM_STORM_H
#define NATBRIDGE_TEST_STORM_STORM_H

/*
 * A storm of tagged datagrams and streams, from clients through two Services to backends, all of
 * them pods on one bridge. Each datagram and each part of a stream carries a tag that says whose it
 * is, so that whoever sees it knows which addresses and ports it must have.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CLIENTS = 2, /* one on each of two CPUs */
	SERVICES = 2,
	BACKENDS = 2, /* of each Service: one on each CPU; no backend is in both Services */
	FAMILIES = 2, /* IPv4, IPv6 */

	/* All Services have one port number and one target port, for TCP and UDP. */
	SERVICE_PORT = 80,
	TARGET_PORT = 8080,

	/* Of each client, for both Services, both families and both protocols. */
	FIRST_PORT = 20000,
	PORTS = 128,

	/* The TTL that sockets have tells whose a segment without data is. */
	TTL_CLIENT = 100,  /* + SERVICES * client + Service */
	TTL_BACKEND = 110, /* + BACKENDS * Service + backend */
};

/* ---- plan.c: the network ---- */

/* IPv4 addresses are ::ffff:a.b.c.d. */
struct pod {
	char netns[128];
	struct in6_addr addr[FAMILIES];
};

struct plan {
	struct pod clients[CLIENTS], backends[SERVICES][BACKENDS];
	struct in6_addr vips[SERVICES][FAMILIES];
};

/*
 * Reads a file with a line for each client ("client NETNS ADDR4 ADDR6"), Service ("service VIP4
 * VIP6") and backend ("backend SERVICE NETNS ADDR4 ADDR6"; Services count from 0). Exits if it is
 * not complete.
 */
void plan_read(struct plan *plan, const char *path);

/* Prints what failed, and exits. */
void fail(const char *what) __attribute__((noreturn));

/* The socket address of an address in a plan; returns its length. */
socklen_t sockaddr_of(const struct in6_addr *addr, uint16_t port, struct sockaddr_storage *to);
void sockaddr_split(const struct sockaddr_storage *from, struct in6_addr *addr, uint16_t *port);

/* Enters a pod's namespace, and stays on a CPU; -1: on any. */
void enter(const struct pod *pod, int cpu);

/* A socket that does not block, bound to a port of its own: at any address of that family. */
int open_socket(bool v6, int type, uint16_t port, int ttl);

/* ---- what is counted: in memory that all processes of a storm share ---- */

#define COUNT_TABLE(ROW)                                                                                     \
	ROW(SENT, "sent")                                                                                    \
	ROW(ANSWERED, "answered")                                                                            \
	/* an answer came from the backend's own address: its connection had given way to another one */     \
	ROW(UNTRANSLATED, "untranslated")                                                                    \
	/* streams: opened, done, and reset by their clients */                                              \
	ROW(OPENED, "streams")                                                                               \
	ROW(DONE, "completed")                                                                               \
	ROW(ABORTED, "aborted")                                                                              \
	ROW(MESSAGES, "messages")                                                                            \
	/* a stream that was reset, or that nobody answered, before its first answer came */                 \
	ROW(REFUSED, "refused")                                                                              \
	ROW(SILENT, "silent")                                                                                \
	/* and after that */                                                                                 \
	ROW(RESET, "reset")                                                                                  \
	ROW(STALLED, "stalled")                                                                              \
	/* frames that were judged, and those that were not: too many, too long */                           \
	ROW(FRAMES, "frames")                                                                                \
	ROW(SEGMENTS, "segments")                                                                            \
	ROW(UNSEEN, "unseen")                                                                                \
	/* wrong frames, by what was seen first */                                                           \
	ROW(WRONG_TAG, "wrong_tag")                                                                          \
	ROW(WRONG_BACKEND, "wrong_backend")                                                                  \
	ROW(WRONG_ADDRESS, "wrong_address")                                                                  \
	ROW(WRONG_PORT, "wrong_port")                                                                        \
	ROW(WRONG_CHECKSUM, "wrong_checksum")                                                                \
	/* the same of TCP, whatever it was */                                                               \
	ROW(WRONG_SEGMENT, "wrong_segment")                                                                  \
	/* wrong datagrams, and parts of streams, that an application read */                                \
	ROW(WRONG_READ, "wrong_read")                                                                        \
	ROW(WRONG_STREAM, "wrong_stream")

#define COUNT_CONSTANT(id, name) id,
enum count { COUNT_TABLE(COUNT_CONSTANT) COUNTS, COUNT_WRONG = WRONG_TAG };
#undef COUNT_CONSTANT

/* Of one process, which alone writes it. */
struct tally {
	unsigned long counts[COUNTS];
};

struct shared {
	bool clients_stop, backends_stop;
	unsigned int backends_ready;
	struct tally clients[CLIENTS], backends[SERVICES][BACKENDS], watch;
};

/* ---- judge.c ---- */

/* Of a datagram; a message of a stream has several. */
struct tag {
	uint32_t magic;
	uint8_t client, service, v6, proto;
	uint16_t port; /* the client's */
	uint8_t answer;
	uint8_t by_service, by_backend; /* with answer: who answers */
	uint8_t last;                   /* the backend closes the stream behind it */
	uint16_t pad;
	uint32_t seq;
	uint32_t check; /* of the bytes before it */
};

void tag_seal(struct tag *tag);

/* Where something was seen. */
struct place {
	bool is_backend;
	uint8_t service; /* of a backend */
	uint8_t number;  /* of the client, or of the backend in its Service */
};

struct seen {
	const struct plan *plan;
	struct place place;
	struct in6_addr src, dst;
	uint16_t sport, dport;
	uint8_t proto;
};

/* ANSWERED: right. UNTRANSLATED, or WRONG_*. */
enum count judge_tag(const struct seen *seen, const struct tag *tag);

/* The same of a segment without data. */
enum count judge_empty(const struct seen *seen, uint8_t ttl);

/* Describes what is wrong on stderr, for the first few that this process finds. tag may be NULL. */
void describe(const char *what, const struct seen *seen, const struct tag *tag);

/* ---- the processes ---- */

/* client.c: until shared->clients_stop. */
void client_run(const struct plan *plan, unsigned int number, struct shared *shared);

/* backend.c: until shared->backends_stop. */
void backend_run(const struct plan *plan, unsigned int service, unsigned int number, struct shared *shared);

/* watch.c: judges every frame that enters a pod. */
void watch_open(const struct plan *plan, struct tally *tally);
void watch_read(void); /* all that have come */
void watch_close(void);

#endif
