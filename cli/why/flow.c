// SPDX-License-Identifier: GPL-2.0-or-later
/* The packet and its answer, each through the programs that it meets. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>

#include "lib/net/route.h"
#include "lib/trial/frame.h"
#include "lib/trial/trial.h"
#include "lib/util/addr.h"

#include "why.h"

enum {
	/* Source ports of new connections: the kernel's first choice is from here on (ip_local_port_range).
	 */
	FIRST_PORT = 32768,
	LAST_PORT = 60999,
};

/* Whose ports are no part of its way. */
static bool is_ping(const struct nb_tuple *tuple)
{
	return tuple->proto == IPPROTO_ICMP || tuple->proto == IPPROTO_ICMPV6;
}

static bool is_same_way(const struct nb_tuple *a, const struct nb_tuple *b)
{
	return nb_addr_equal(&a->src, &b->src) && nb_addr_equal(&a->dst, &b->dst) &&
	       (is_ping(a) || (a->sport == b->sport && a->dport == b->dport));
}

/* ---- the request ---- */

static bool is_taken(const struct nb_why *why, __be16 sport)
{
	struct nb_tuple tuple = why->tuple;

	tuple.sport = sport;
	return why->trial.table.pairs && nb_conn_table_find(&why->trial.table, &tuple, NULL);
}

/* A port from which the client has no connection to the destination. */
static __be16 free_port(const struct nb_why *why)
{
	for (unsigned int port = FIRST_PORT; port <= LAST_PORT; port++)
		if (!is_taken(why, htons(port)))
			return htons(port);
	return htons(LAST_PORT);
}

int nb_why_run(struct nb_why *why, __be16 sport, struct nb_trial_result *result, struct nb_error *err)
{
	struct nb_frame frame = {
		.tuple = why->tuple,
		/* One of a connection that there is. */
		.kind = is_taken(why, sport) ? NB_FRAME_LATER : NB_FRAME_FIRST,
	};
	unsigned char bytes[NB_FRAME_MAX];
	struct nb_trial_frame at = { .prog = why->place.prog,
				     .ifindex = why->place.ifindex,
				     .came_by = why->sender == NB_SENDER_NODE ? 0 : why->place.ifindex,
				     .side = why->place.side,
				     .bytes = bytes };

	frame.tuple.sport = sport;
	memcpy(frame.src_mac, why->place.src_mac, NB_MAC_LEN);
	memcpy(frame.dst_mac, why->place.dst_mac, NB_MAC_LEN);
	at.len = nb_frame_build(&frame, bytes);
	return nb_trial_run(&why->trial, &at, result, err);
}

bool nb_why_is_past_host(const struct nb_trial_result *request)
{
	const struct nb_conn *conn = &request->pair.dir[0].conn;

	return conn->flags & NB_CONN_HERE && conn->in_ifindex;
}

enum nb_result nb_why_result(const struct nb_trial_result *result, const struct nb_tuple *sent)
{
	if (result->is_reject)
		return NB_REJECTED;
	if (result->drop || result->verdict == TC_ACT_SHOT)
		return NB_DROPPED;
	if (result->is_echo)
		return NB_ANSWERED;
	if (result->is_tracked || result->verdict == TC_ACT_REDIRECT || !is_same_way(&result->tuple, sent))
		return NB_ARRIVES;
	return NB_UNTOUCHED;
}

/* ---- the answer ---- */

/* The answer, in the state in which the next program meets it. */
struct answer {
	unsigned char bytes[NB_TRIAL_FRAME_MAX];
	size_t len;
	struct nb_trial_frame at;
};

/* Through one program. */
static int pass(struct nb_why *why, struct answer *answer, struct nb_error *err)
{
	int rc;

	answer->at.bytes = answer->bytes;
	answer->at.len = answer->len;
	rc = nb_trial_run(&why->trial, &answer->at, &why->answer, err);
	if (rc)
		return rc;
	memcpy(answer->bytes, why->answer.out, why->answer.len);
	answer->len = why->answer.len;
	snprintf(why->answer_link, sizeof(why->answer_link), "%s", nb_why_link_name(why, answer->at.ifindex));
	why->is_answered = true;
	return 0;
}

/* What the client gets, if the answer is translated. */
static bool is_translated(const struct nb_why *why)
{
	const struct nb_tuple *orig = &why->request.pair.dir[0].key, *got = &why->answer.tuple;

	return nb_addr_equal(&got->src, &orig->dst) && got->sport == orig->dport;
}

/*
 * At the ports of pods: at that of the backend, if it is one of this network; and if the host routes it, at
 * that of the client.
 */
static int answer_to_pod(struct nb_why *why, const struct nb_frame *frame, struct nb_error *err)
{
	const struct nb_endpoint_info *backend = nb_why_pod(why, &frame->tuple.src);
	struct answer answer = { .len = 0 };
	int rc = 0;

	answer.len = nb_frame_build(frame, answer.bytes);
	if (backend) {
		answer.at.prog = NB_PROG_FROM_POD;
		answer.at.ifindex = answer.at.came_by = backend->port.ifindex;
		rc = pass(why, &answer, err);
	}
	if (rc || (backend && (is_translated(why) || why->answer.drop)))
		return rc;
	memcpy(answer.bytes, why->pod->port.mac, NB_MAC_LEN);
	answer.at.prog = NB_PROG_TO_POD;
	answer.at.ifindex = why->pod->port.ifindex;
	answer.at.came_by = why->settings.bridge_ifindex;
	return pass(why, &answer, err);
}

/* Past the host's IP stack, which the request passed, too: at the pod's port, where that is on its bridge. */
static int answer_past_host(struct nb_why *why, const struct nb_frame *frame, struct nb_error *err)
{
	struct answer answer = { .at = { .prog = NB_PROG_POD_OUT } };
	struct nb_route route;
	int rc = nb_route_get(&why->nl, &frame->tuple.src, NULL, 0, &route, err);

	if (rc)
		return rc;
	answer.len = nb_frame_build(frame, answer.bytes);
	answer.at.ifindex = answer.at.came_by = answer.at.bridge = route.index;
	return pass(why, &answer, err);
}

/* At a device of the node: where answers come in, or where they leave. */
static int answer_at_device(struct nb_why *why, const struct nb_frame *frame, struct nb_error *err)
{
	static const enum nb_prog progs[] = { [NB_SIDE_INSIDE] = NB_PROG_NB0_OUT,
					      [NB_SIDE_OUTSIDE] = NB_PROG_DEVICE_IN,
					      [NB_SIDE_LEAVING] = NB_PROG_DEVICE_OUT };
	const enum nb_side side = frame->tuple.side;
	struct answer answer = { .at = { .side = side } };
	struct nb_route route = { .index = why->settings.bridge_ifindex };
	const struct nb_link *link;
	int rc = 0;

	if (side != NB_SIDE_INSIDE)
		rc = nb_route_get(&why->nl, side == NB_SIDE_LEAVING ? &frame->tuple.dst : &frame->tuple.src,
				  NULL, 0, &route, err);
	if (rc)
		return rc;
	answer.len = nb_frame_build(frame, answer.bytes);
	link = nb_why_link(why, route.index);
	if (link)
		memcpy(answer.bytes + (side == NB_SIDE_OUTSIDE ? 0 : NB_MAC_LEN), link->mac, NB_MAC_LEN);
	answer.at.prog = progs[side];
	answer.at.ifindex = route.index;
	answer.at.came_by = side == NB_SIDE_OUTSIDE ? route.index : 0;
	return pass(why, &answer, err);
}

/* Whether the host can send the packet on, where the programs leave that to it. */
bool nb_why_has_way(struct nb_why *why, const struct nb_trial_result *request)
{
	const struct nb_conn *conn = &request->pair.dir[0].conn;
	struct nb_route route;

	if (why->sender == NB_SENDER_POD && !(conn->flags & NB_CONN_VIA_HOST))
		return true;
	return !nb_why_route(why, request, &request->pair.dir[1].key.src, &route);
}

int nb_why_route(struct nb_why *why, const struct nb_trial_result *request, const struct nb_addr *dst,
		 struct nb_route *route)
{
	const bool forwards = why->sender == NB_SENDER_POD ||
			      (why->sender == NB_SENDER_OUTSIDE && request->verdict != TC_ACT_REDIRECT);
	const unsigned int bridge = why->settings.bridge_ifindex;

	return nb_route_get(&why->nl, dst, forwards ? &why->tuple.src : NULL,
			    !forwards                      ? 0
			    : why->sender == NB_SENDER_POD ? bridge
							   : why->place.ifindex,
			    route, NULL);
}

static int try_answer(struct nb_why *why, struct nb_error *err)
{
	struct nb_frame frame = {
		.tuple = why->request.pair.dir[1].key,
		.kind = why->port_is_made_up ? NB_FRAME_ANSWER : NB_FRAME_LATER,
	};
	const struct nb_endpoint_info *backend = nb_why_pod(why, &frame.tuple.src),
				      *receiver = nb_why_pod(why, &frame.tuple.dst);

	memcpy(frame.src_mac, backend ? backend->port.mac : why->settings.bridge_mac, NB_MAC_LEN);
	memcpy(frame.dst_mac, receiver ? receiver->port.mac : why->settings.bridge_mac, NB_MAC_LEN);
	if (why->sender == NB_SENDER_POD)
		return answer_to_pod(why, &frame, err);
	return nb_why_is_past_host(&why->request) ? answer_past_host(why, &frame, err)
						  : answer_at_device(why, &frame, err);
}

int nb_why_try(struct nb_why *why, struct nb_error *err)
{
	int rc;

	if (why->place.prog == NB_PROGS || why->is_detached) {
		why->result = why->is_detached ? NB_DETACHED : NB_UNTOUCHED;
		return 0;
	}
	rc = nb_trial_open(&why->dp, why->network, why->mode, &why->tuple, &why->trial, err);
	if (rc)
		return nb_wrap(err, "network \"%s\"", why->network);
	why->port_is_made_up = !why->tuple.sport;
	if (why->port_is_made_up)
		why->tuple.sport = is_ping(&why->tuple) ? htons(1) : free_port(why);
	rc = nb_why_run(why, why->tuple.sport, &why->request, err);
	if (rc)
		return rc;
	why->result = nb_why_result(&why->request, &why->tuple);
	if (why->result != NB_ARRIVES || !why->request.is_tracked || why->request.is_answer)
		return 0;
	if (!nb_why_has_way(why, &why->request)) {
		why->result = NB_NO_ROUTE;
		return 0;
	}
	rc = try_answer(why, err);
	if (rc)
		return nb_wrap(err, "the answer");
	if (!why->answer.drop && why->request.pair.dir[0].conn.flags & NB_CONN_NAT && !is_translated(why))
		why->result = NB_WRONG_SOURCE;
	return 0;
}
