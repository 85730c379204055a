// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A client: datagrams and short streams through both Services, from the same ports, all at once.
 * Datagrams leave from sockets that are not connected, which see every answer, whoever it is from.
 */
#include "storm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	/* Requests without an answer, of one client. Those of both are about as many as the table holds. */
	WINDOW = 24,
	WAIT_MS = 2, /* an answer that is not there after that is lost */

	STREAMS = 6, /* at a time */
	ROUNDS_MANY = 100,
	ABORT_EVERY = 4, /* of so many streams, one is reset by its client amid the last answer */

	/* Of so many requests, one repeats a flow: one whose connection is about to give way. */
	REPEAT_EVERY = 4,
	RECENT = 32,
	TAGS_MOST = 4, /* in a message */
	/* Seconds until a stream counts as dead: a SYN is repeated after 1 s, then 2 s and 4 s. */
	OPEN_SECONDS = 8,
	ANSWER_SECONDS = 4,

	EVENTS = 64,
	UDP_SOCKETS = PORTS * FAMILIES,
};

/* A destination, and the port that goes there. */
struct flow {
	uint8_t service, v6;
	uint16_t port;
};

struct stream {
	struct flow flow;
	int fd; /* -1: none */
	bool connected, answered, aborts;
	unsigned int rounds; /* still to come */
	unsigned int n_tags; /* of the message under way */
	size_t got;          /* bytes of its answer */
	uint32_t first_seq;
	double deadline;
	struct tag answer[TAGS_MOST];
};

struct client {
	const struct plan *plan;
	unsigned int number;
	struct tally *tally;
	uint64_t chance;
	uint32_t seq;
	int epoll, udp[UDP_SOCKETS]; /* by FAMILIES * (port - FIRST_PORT) + family */
	unsigned int waiting;        /* requests without an answer */
	struct flow recent[RECENT];  /* as a ring */
	unsigned int n_recent;
	struct stream streams[STREAMS];
};

static uint32_t chance(struct client *client, uint32_t below)
{
	client->chance = client->chance * 6364136223846793005ULL + 1442695040888963407ULL;
	return ((client->chance >> 32) * below) >> 32;
}

static double now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec + at.tv_nsec / 1e9;
}

static struct flow any_flow(struct client *client)
{
	return (struct flow){ .service = chance(client, SERVICES),
			      .v6 = chance(client, FAMILIES),
			      .port = FIRST_PORT + chance(client, PORTS) };
}

static int ttl_of(const struct client *client, unsigned int service)
{
	return TTL_CLIENT + SERVICES * (int)client->number + (int)service;
}

static struct tag make_tag(struct client *client, const struct flow *flow, uint8_t proto)
{
	struct tag tag = {
		.client = client->number,
		.service = flow->service,
		.v6 = flow->v6,
		.proto = proto,
		.port = flow->port,
		.seq = client->seq++,
	};

	tag_seal(&tag);
	return tag;
}

static void watch_fd(const struct client *client, int fd, uint32_t events, uint32_t id)
{
	struct epoll_event event = { .events = events, .data.u32 = id };

	if (epoll_ctl(client->epoll, EPOLL_CTL_ADD, fd, &event))
		fail("client");
}

/* ---- datagrams ---- */

static void open_udp(struct client *client)
{
	for (unsigned int i = 0; i < UDP_SOCKETS; i++) {
		/* One socket for both Services: the TTL of the first. */
		client->udp[i] =
			open_socket(i % FAMILIES, SOCK_DGRAM, FIRST_PORT + i / FAMILIES, ttl_of(client, 0));
		if (client->udp[i] < 0)
			fail("a port is in use");
		watch_fd(client, client->udp[i], EPOLLIN, i);
	}
}

static struct flow next_flow(struct client *client)
{
	unsigned int i = client->n_recent++;

	if (i < RECENT || chance(client, REPEAT_EVERY))
		client->recent[i % RECENT] = any_flow(client);
	return client->recent[i % RECENT]; /* the oldest one, if it is not overwritten */
}

static void send_request(struct client *client)
{
	struct flow flow = next_flow(client);
	struct tag tag = make_tag(client, &flow, IPPROTO_UDP);
	struct sockaddr_storage to;
	socklen_t len = sockaddr_of(&client->plan->vips[flow.service][flow.v6], SERVICE_PORT, &to);
	int fd = client->udp[FAMILIES * (flow.port - FIRST_PORT) + flow.v6];

	client->waiting++;
	if (sendto(fd, &tag, sizeof(tag), 0, (struct sockaddr *)&to, len) == sizeof(tag))
		client->tally->counts[SENT]++;
}

static void judge_answer(struct client *client, unsigned int socket, const struct sockaddr_storage *from,
			 const struct tag *tag)
{
	struct seen seen = { .plan = client->plan,
			     .place = { .number = client->number },
			     .dst = client->plan->clients[client->number].addr[socket % FAMILIES],
			     .dport = FIRST_PORT + socket / FAMILIES,
			     .proto = IPPROTO_UDP };
	enum count found;

	sockaddr_split(from, &seen.src, &seen.sport);
	found = judge_tag(&seen, tag);
	client->tally->counts[found < COUNT_WRONG ? found : WRONG_READ]++;
	if (found >= COUNT_WRONG)
		describe("wrong datagram", &seen, tag);
}

static void read_answers(struct client *client, unsigned int socket)
{
	struct sockaddr_storage from = { 0 };

	for (;;) {
		struct tag tag = { 0 };
		socklen_t len = sizeof(from);

		if (recvfrom(client->udp[socket], &tag, sizeof(tag), 0, (struct sockaddr *)&from, &len) < 0)
			return;
		client->waiting -= client->waiting > 0;
		judge_answer(client, socket, &from, &tag);
	}
}

/* ---- streams ---- */

static void open_stream(struct client *client, unsigned int i)
{
	struct stream *stream = &client->streams[i];
	struct sockaddr_storage to;
	socklen_t len;

	*stream = (struct stream){ .flow = any_flow(client),
				   .fd = -1,
				   .aborts = !chance(client, ABORT_EVERY),
				   .rounds = chance(client, 16) ? 1 + chance(client, 3) : ROUNDS_MANY,
				   .deadline = now() + OPEN_SECONDS };
	len = sockaddr_of(&client->plan->vips[stream->flow.service][stream->flow.v6], SERVICE_PORT, &to);
	stream->fd = open_socket(stream->flow.v6, SOCK_STREAM, stream->flow.port,
				 ttl_of(client, stream->flow.service));
	if (stream->fd < 0)
		return;
	/* A stream of this port to that Service may not be over yet: then another one will do. */
	if (connect(stream->fd, (struct sockaddr *)&to, len) && errno != EINPROGRESS) {
		close(stream->fd);
		stream->fd = -1;
		return;
	}
	client->tally->counts[OPENED]++;
	watch_fd(client, stream->fd, EPOLLIN | EPOLLOUT, UDP_SOCKETS + i);
}

/* Without a farewell: what is left of a stream must not keep its port. */
static void end_stream(struct client *client, struct stream *stream, enum count count)
{
	struct linger none = { .l_onoff = 1 };

	if (count != DONE)
		setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	client->tally->counts[count]++;
	close(stream->fd);
	stream->fd = -1;
}

static void end_broken(struct client *client, struct stream *stream)
{
	end_stream(client, stream, stream->answered ? RESET : REFUSED);
}

static void send_message(struct client *client, struct stream *stream)
{
	struct tag tags[TAGS_MOST];
	ssize_t len;

	stream->n_tags = 1 + chance(client, TAGS_MOST);
	stream->first_seq = client->seq;
	stream->got = 0;
	stream->rounds--;
	for (unsigned int i = 0; i < stream->n_tags; i++) {
		tags[i] = make_tag(client, &stream->flow, IPPROTO_TCP);
		tags[i].last = !stream->rounds && i == stream->n_tags - 1;
		tag_seal(&tags[i]);
	}
	stream->deadline = now() + (stream->answered ? ANSWER_SECONDS : OPEN_SECONDS);
	len = (ssize_t)(stream->n_tags * sizeof(*tags));
	if (send(stream->fd, tags, (size_t)len, MSG_NOSIGNAL) != len)
		end_broken(client, stream);
}

/* The answer to a whole message. */
static void judge_message(struct client *client, struct stream *stream)
{
	const struct flow *flow = &stream->flow;
	struct seen seen = { .plan = client->plan,
			     .place = { .number = client->number },
			     .src = client->plan->vips[flow->service][flow->v6],
			     .dst = client->plan->clients[client->number].addr[flow->v6],
			     .sport = SERVICE_PORT,
			     .dport = flow->port,
			     .proto = IPPROTO_TCP };

	for (unsigned int i = 0; i < stream->n_tags; i++) {
		const struct tag *tag = &stream->answer[i];

		if (judge_tag(&seen, tag) == ANSWERED && tag->seq == stream->first_seq + i &&
		    tag->service == flow->service)
			continue;
		describe("wrong part of a stream", &seen, tag);
		client->tally->counts[WRONG_STREAM]++;
	}
	stream->answered = true;
	client->tally->counts[MESSAGES]++;
}

static void read_stream(struct client *client, struct stream *stream)
{
	size_t whole = stream->n_tags * sizeof(struct tag), room = whole - stream->got;
	uint8_t end;
	ssize_t len =
		recv(stream->fd, room ? (uint8_t *)stream->answer + stream->got : &end, room ? room : 1, 0);

	if (len < 0 && errno == EAGAIN)
		return;
	if (len == 0 && !room && !stream->rounds) {
		end_stream(client, stream, DONE);
		return;
	}
	if (len <= 0) {
		end_broken(client, stream);
		return;
	}
	if (!room) { /* more than was asked for */
		client->tally->counts[WRONG_STREAM]++;
		end_broken(client, stream);
		return;
	}
	stream->got += (size_t)len;
	/* The message is acknowledged: the reset is one that closes the connection (RFC 5961). */
	if (stream->aborts && !stream->rounds) {
		end_stream(client, stream, ABORTED);
		return;
	}
	if (stream->got < whole)
		return;
	judge_message(client, stream);
	if (stream->rounds)
		send_message(client, stream);
}

static void stream_event(struct client *client, unsigned int i, uint32_t events)
{
	struct stream *stream = &client->streams[i];
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = UDP_SOCKETS + i };

	if (stream->fd < 0)
		return;
	if (stream->connected) {
		read_stream(client, stream);
		return;
	}
	if (events & (EPOLLERR | EPOLLHUP)) {
		end_broken(client, stream);
		return;
	}
	stream->connected = true;
	if (epoll_ctl(client->epoll, EPOLL_CTL_MOD, stream->fd, &event))
		fail("client");
	send_message(client, stream);
}

static void look_after_streams(struct client *client)
{
	double at = now();

	for (unsigned int i = 0; i < STREAMS; i++) {
		struct stream *stream = &client->streams[i];

		if (stream->fd >= 0 && at > stream->deadline)
			end_stream(client, stream, stream->answered ? STALLED : SILENT);
		if (stream->fd < 0)
			open_stream(client, i);
	}
}

void client_run(const struct plan *plan, unsigned int number, struct shared *shared)
{
	struct client *client = calloc(1, sizeof(*client));
	struct epoll_event events[EVENTS];

	if (!client)
		fail("memory");
	enter(&plan->clients[number], (int)number);
	*client = (struct client){ .plan = plan,
				   .number = number,
				   .tally = &shared->clients[number],
				   .chance = 0x9e3779b97f4a7c15ULL * (number + 1),
				   .epoll = epoll_create1(EPOLL_CLOEXEC) };
	open_udp(client);
	for (unsigned int i = 0; i < STREAMS; i++)
		client->streams[i].fd = -1;
	while (!__atomic_load_n(&shared->clients_stop, __ATOMIC_RELAXED)) {
		int n;

		while (client->waiting < WINDOW)
			send_request(client);
		look_after_streams(client);
		n = epoll_wait(client->epoll, events, EVENTS, WAIT_MS);
		if (n == 0)
			client->waiting = 0;
		for (int i = 0; i < n; i++) {
			if (events[i].data.u32 < UDP_SOCKETS)
				read_answers(client, events[i].data.u32);
			else
				stream_event(client, events[i].data.u32 - UDP_SOCKETS, events[i].events);
		}
	}
	exit(0);
}
