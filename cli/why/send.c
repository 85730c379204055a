// SPDX-License-Identifier: GPL-2.0-or-later
/* Sends a packet for real: from the sender's namespace, from a source port by which it is known again. */
#include "send.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/monitor/listen.h"
#include "lib/net/netns.h"
#include "lib/net/netns_find.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/sockaddr.h"

enum { TCP_MS = 3000, OTHER_MS = 1000, HEAR_MS = 100 };

/* What a thread in the sender's namespace does. */
struct sending {
	struct nb_tuple *tuple;
	struct nb_sent *sent;
};

static bool is_ping(const struct nb_tuple *tuple)
{
	return tuple->proto == IPPROTO_ICMP || tuple->proto == IPPROTO_ICMPV6;
}

static int open_socket(const struct nb_tuple *tuple)
{
	const int type = is_ping(tuple) ? SOCK_RAW : tuple->proto == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;

	return socket(nb_addr_family(&tuple->dst), type | SOCK_CLOEXEC | SOCK_NONBLOCK, tuple->proto);
}

/* Binds to the tuple's source, and notes the port that the kernel chose. */
static int bind_source(int fd, struct nb_tuple *tuple)
{
	struct sockaddr_storage at;
	socklen_t len = nb_sockaddr_fill(&tuple->src, is_ping(tuple) ? 0 : tuple->sport, &at);

	if (bind(fd, (const struct sockaddr *)&at, len) || getsockname(fd, (struct sockaddr *)&at, &len))
		return -errno;
	if (is_ping(tuple))
		tuple->sport = htons(getpid() & 0xffff);
	else
		tuple->sport = nb_sockaddr_port(&at);
	return 0;
}

/* What a connection does not send of itself. */
static int send_payload(int fd, const struct nb_tuple *tuple)
{
	/* ICMP and ICMPv6 have the same header for an echo; the kernel sums up that of IPv6. */
	struct icmp6_hdr echo = {
		.icmp6_type = tuple->proto == IPPROTO_ICMP ? ICMP_ECHO : ICMP6_ECHO_REQUEST,
		.icmp6_id = tuple->sport,
		.icmp6_seq = htons(1),
	};
	const __u32 sum = (__u32)htons(ICMP_ECHO << 8) + echo.icmp6_id + echo.icmp6_seq;

	if (tuple->proto == IPPROTO_UDP)
		return send(fd, "why", 4, 0) < 0 ? -errno : 0;
	if (!is_ping(tuple))
		return 0;
	if (tuple->proto == IPPROTO_ICMP)
		echo.icmp6_cksum = (__be16) ~((sum & 0xffff) + (sum >> 16));
	return send(fd, &echo, sizeof(echo), 0) < 0 ? -errno : 0;
}

/* A raw socket gets all packets of its protocol from that address; of IPv4 with the header. */
static bool is_reply(const struct nb_tuple *tuple, const unsigned char *bytes, ssize_t n)
{
	const size_t off = tuple->proto == IPPROTO_ICMP && n > 0 ? 4U * (bytes[0] & 15) : 0;
	struct icmp6_hdr echo;

	if (!is_ping(tuple))
		return true;
	if (n < (ssize_t)(off + sizeof(echo)))
		return false;
	memcpy(&echo, bytes + off, sizeof(echo));
	return echo.icmp6_type == (tuple->proto == IPPROTO_ICMP ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) &&
	       echo.icmp6_id == tuple->sport;
}

static double ms_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - start->tv_sec) * 1e3 + (now.tv_nsec - start->tv_nsec) / 1e6;
}

static bool connects(const struct nb_tuple *tuple)
{
	return tuple->proto == IPPROTO_TCP || tuple->proto == IPPROTO_SCTP;
}

/* 0: connected, or answered; else -errno; -EAGAIN: it was nothing of ours. */
static int take_answer(int fd, const struct nb_tuple *tuple)
{
	unsigned char bytes[256];
	socklen_t len = sizeof(int);
	int error = 0;
	ssize_t n;

	if (connects(tuple))
		return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) ? -errno : -error;
	n = recv(fd, bytes, sizeof(bytes), 0);
	if (n < 0)
		return -errno;
	return is_reply(tuple, bytes, n) ? 0 : -EAGAIN;
}

static int wait_for_answer(int fd, const struct nb_tuple *tuple, const struct timespec *start)
{
	const int limit = connects(tuple) ? TCP_MS : OTHER_MS;
	struct pollfd poll_fd = { .fd = fd, .events = connects(tuple) ? POLLOUT : POLLIN };
	int rc = -EAGAIN;

	while (rc == -EAGAIN || rc == -EINTR) {
		const int left = limit - (int)ms_since(start);

		if (left <= 0 || !poll(&poll_fd, 1, left))
			return -ETIMEDOUT;
		rc = take_answer(fd, tuple);
	}
	return rc;
}

/* For nb_netns_run(). Its error is only what keeps it from sending. */
static int send_there(void *arg, struct nb_error *err)
{
	struct sending *sending = arg;
	struct nb_tuple *tuple = sending->tuple;
	nb_autoclose int fd = open_socket(tuple);
	struct sockaddr_storage to;
	struct timespec start;
	socklen_t len;
	int rc;

	if (fd < 0)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot open a socket to send from");
	rc = bind_source(fd, tuple);
	if (rc)
		return nb_fail(err, NB_ERR_SYSTEM, -rc, "cannot send from port %u there",
			       ntohs(tuple->sport));
	len = nb_sockaddr_fill(&tuple->dst, is_ping(tuple) ? 0 : tuple->dport, &to);
	clock_gettime(CLOCK_MONOTONIC, &start);
	rc = connect(fd, (const struct sockaddr *)&to, len) ? -errno : 0;
	if (!rc)
		rc = send_payload(fd, tuple);
	if (rc == -EINPROGRESS || (!rc && !connects(tuple)))
		rc = wait_for_answer(fd, tuple, &start);
	sending->sent->errnum = -rc;
	sending->sent->ms = ms_since(&start);
	return 0;
}

/* ---- where it is sent from ---- */

static int open_sender(struct nb_why *why, int *fd, struct nb_error *err)
{
	const struct nb_link *link = nb_why_link(why, why->place.ifindex);

	if (why->sender == NB_SENDER_NODE)
		return nb_netns_open("/proc/thread-self/ns/net", fd, err);
	if (why->sender == NB_SENDER_OUTSIDE)
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "--send sends from a pod of this node or from the node, and not from outside");
	if (!link || !link->peer_elsewhere)
		return nb_fail(err, NB_ERR_NETNS, 0,
			       "the pod behind \"%s\" has no network namespace of its own", why->place.link);
	return nb_netns_find(&why->nl, link->peer_nsid, fd, err);
}

/* ---- what is heard meanwhile ---- */

struct hearing {
	const struct nb_why *why;
	struct nb_sent *sent;
};

static bool is_end(const struct nb_tuple *tuple, const struct nb_tuple *ours)
{
	/* An event has no id of an echo. */
	return nb_addr_equal(&tuple->src, &ours->src) && (is_ping(ours) || tuple->sport == ours->sport);
}

/* A drop of the packet, or of its answer in whatever form. */
static int hear(const struct nb_event *event, const char *network, void *arg)
{
	const struct hearing *hearing = arg;
	const struct nb_tuple *ours = &hearing->why->tuple;
	const struct nb_tuple back = { .src = event->tuple.dst, .sport = event->tuple.dport };
	struct nb_sent *sent = hearing->sent;
	struct nb_heard *heard = &sent->heard[sent->n_heard];

	if (sent->n_heard == NB_HEARD_MAX || event->tuple.proto != ours->proto ||
	    (!is_end(&event->tuple, ours) && !is_end(&back, ours)))
		return 0;
	heard->reason = event->reason;
	heard->is_answer = !is_end(&event->tuple, ours);
	snprintf(heard->network, sizeof(heard->network), "%s", network);
	snprintf(heard->link, sizeof(heard->link), "%s", nb_why_link_name(hearing->why, event->ifindex));
	sent->n_heard++;
	return 0;
}

int nb_why_send(struct nb_why *why, struct nb_sent *sent, struct nb_error *err)
{
	struct hearing hearing = { .why = why, .sent = sent };
	const struct nb_listen_config config = {
		.root = &why->cli->pin_root, .kinds = 1U << NB_EVENT_DROP, .fn = hear, .arg = &hearing
	};
	nb_cleanup(nb_listen_end) struct nb_listening *listening = NULL;
	struct sending sending = { .tuple = &why->tuple, .sent = sent };
	nb_autoclose int netns = -1;
	int rc = open_sender(why, &netns, err);

	*sent = (struct nb_sent){ 0 };
	if (rc)
		return rc;
	if (why->port_is_made_up)
		why->tuple.sport = 0;
	if (*why->network)
		rc = nb_listen_begin(&config, &listening, err);
	rc = rc ? rc : nb_netns_run(netns, send_there, &sending, err);
	if (rc || !listening)
		return rc;
	rc = nb_listen_wait(listening, HEAR_MS, err);
	return rc == -EINTR ? 0 : rc;
}
