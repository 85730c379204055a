// SPDX-License-Identifier: GPL-2.0-or-later
/* A backend: judges each tag that it gets, and sends it back with its own name on it. */
#include "storm.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 32, STREAMS = 4096, EVENTS = 64, BACKLOG = 1024, PART = 16 * sizeof(struct tag) };

/* A stream, by its descriptor. */
struct stream {
	struct seen seen;
	uint8_t part[sizeof(struct tag)]; /* of a tag of which the rest has not come yet */
	size_t got;
};

struct backend {
	const struct plan *plan;
	struct place place;
	struct tally *tally;
	int epoll, udp[FAMILIES], tcp[FAMILIES];
};

static struct stream streams[STREAMS];

static void watch_fd(const struct backend *backend, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (fd < 0 || epoll_ctl(backend->epoll, EPOLL_CTL_ADD, fd, &event))
		fail("backend");
}

/* Each answer leaves at once. Streams whose client has given up end as well. */
static bool set_options(int listener)
{
	const int one = 1, idle = 10, interval = 5, count = 2;

	return !setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) &&
	       !setsockopt(listener, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) &&
	       !setsockopt(listener, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle)) &&
	       !setsockopt(listener, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval)) &&
	       !setsockopt(listener, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static void open_all(struct backend *backend)
{
	int ttl = TTL_BACKEND + BACKENDS * backend->place.service + backend->place.number;

	backend->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (backend->epoll < 0)
		fail("epoll");
	for (int v6 = 0; v6 < FAMILIES; v6++) {
		backend->udp[v6] = open_socket(v6, SOCK_DGRAM, TARGET_PORT, ttl);
		watch_fd(backend, backend->udp[v6]);
		backend->tcp[v6] = open_socket(v6, SOCK_STREAM, TARGET_PORT, ttl);
		if (!set_options(backend->tcp[v6]) || listen(backend->tcp[v6], BACKLOG))
			fail("listen");
		watch_fd(backend, backend->tcp[v6]);
	}
}

/* What came from a peer; its own address is not known, but only one can have led here. */
static struct seen seen_from(const struct backend *backend, const struct sockaddr_storage *peer,
			     uint8_t proto)
{
	struct seen seen = {
		.plan = backend->plan, .place = backend->place, .proto = proto, .dport = TARGET_PORT
	};

	sockaddr_split(peer, &seen.src, &seen.sport);
	seen.dst = backend->plan->backends[backend->place.service][backend->place.number]
			   .addr[peer->ss_family == AF_INET6];
	return seen;
}

static void answer(const struct backend *backend, struct tag *tag)
{
	tag->answer = 1;
	tag->by_service = backend->place.service;
	tag->by_backend = backend->place.number;
	tag_seal(tag);
}

static void judge(const struct backend *backend, const struct seen *seen, const struct tag *tag)
{
	bool tcp = seen->proto == IPPROTO_TCP;

	if (judge_tag(seen, tag) < COUNT_WRONG)
		return;
	describe(tcp ? "wrong part of a stream" : "wrong datagram", seen, tag);
	backend->tally->counts[tcp ? WRONG_STREAM : WRONG_READ]++;
}

/* All that have come are read before one is answered: so answers meet what came after their requests. */
static void serve_datagrams(const struct backend *backend, int fd)
{
	static struct sockaddr_storage peers[BATCH];
	static struct tag tags[BATCH];
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	int n;

	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){ &tags[i], sizeof(tags[i]) };
		messages[i].msg_hdr = (struct msghdr){ .msg_name = &peers[i],
						       .msg_namelen = sizeof(peers[i]),
						       .msg_iov = &parts[i],
						       .msg_iovlen = 1 };
	}
	n = recvmmsg(fd, messages, BATCH, 0, NULL);
	for (int i = 0; i < n; i++) {
		struct seen seen = seen_from(backend, &peers[i], IPPROTO_UDP);

		judge(backend, &seen, &tags[i]);
		answer(backend, &tags[i]);
	}
	for (int sent = 0, more; sent<n; sent += more> 0 ? more : 1) /* what cannot be sent is lost */
		more = sendmmsg(fd, messages + sent, n - sent, 0);
}

static void accept_all(const struct backend *backend, int listener)
{
	struct sockaddr_storage peer = { 0 };

	for (;;) {
		socklen_t len = sizeof(peer);
		int fd = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		if (fd >= STREAMS)
			fail("too many streams");
		streams[fd] = (struct stream){ .seen = seen_from(backend, &peer, IPPROTO_TCP) };
		watch_fd(backend, fd);
	}
}

/*
 * Judges and answers each tag in "part", of which the first may have come in part before. Each answer
 * is a segment of its own. False: the stream is over.
 */
static bool serve_part(const struct backend *backend, int fd, const uint8_t *part, size_t len)
{
	struct stream *stream = &streams[fd];

	while (len) {
		size_t more = sizeof(stream->part) - stream->got;
		struct tag tag;

		more = more < len ? more : len;
		memcpy(stream->part + stream->got, part, more);
		stream->got += more;
		part += more;
		len -= more;
		if (stream->got < sizeof(stream->part))
			break;
		stream->got = 0;
		memcpy(&tag, stream->part, sizeof(tag));
		judge(backend, &stream->seen, &tag);
		answer(backend, &tag);
		if (send(fd, &tag, sizeof(tag), MSG_NOSIGNAL) != sizeof(tag) || tag.last)
			return false;
	}
	return true;
}

static void serve_stream(const struct backend *backend, int fd)
{
	uint8_t part[PART];
	ssize_t len = recv(fd, part, sizeof(part), 0);

	if (len < 0 && errno == EAGAIN)
		return;
	if (len > 0 && serve_part(backend, fd, part, (size_t)len))
		return;
	close(fd);
}

static void serve(const struct backend *backend, int fd)
{
	for (int v6 = 0; v6 < FAMILIES; v6++) {
		if (fd == backend->udp[v6]) {
			serve_datagrams(backend, fd);
			return;
		}
		if (fd == backend->tcp[v6]) {
			accept_all(backend, fd);
			return;
		}
	}
	serve_stream(backend, fd);
}

void backend_run(const struct plan *plan, unsigned int service, unsigned int number, struct shared *shared)
{
	struct backend backend = { .plan = plan,
				   .place = { true, service, number },
				   .tally = &shared->backends[service][number] };
	struct epoll_event events[EVENTS];

	enter(&plan->backends[service][number], (int)number);
	open_all(&backend);
	__atomic_add_fetch(&shared->backends_ready, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&shared->backends_stop, __ATOMIC_RELAXED)) {
		int n = epoll_wait(backend.epoll, events, EVENTS, 10);

		for (int i = 0; i < n; i++)
			serve(&backend, events[i].data.fd);
	}
}
