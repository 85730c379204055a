// SPDX-License-Identifier: GPL-2.0-or-later
/* What was found out, in sentences. */
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>

#include "cli/conn_filter.h"
#include "cli/out.h"
#include "lib/maps/conntrack.h"
#include "lib/maps/counters.h"
#include "lib/maps/tick.h"
#include "lib/net/route.h"
#include "lib/service/service.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"

#include "why.h"

static const char *const kind_names[] = { [NB_CLUSTER_IP] = "ClusterIP",
					  [NB_EXTERNAL_IP] = "external address",
					  [NB_LOAD_BALANCER] = "load balancer",
					  [NB_NODE_PORT] = "NodePort" };

/* ---- words ---- */

static const char *proto_word(__u8 proto)
{
	return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6 ? "icmp" : nb_conn_proto_name(proto);
}

/* ---- steps ---- */

static void say_sender(struct nb_why *why)
{
	char addr[NB_ADDR_STRLEN];

	nb_addr_format(&why->tuple.src, addr);
	if (why->pod)
		nb_why_step(why, "sender", "the pod with %s at port \"%s\" of network \"%s\", mode %s", addr,
			    why->place.link, why->network, nb_mode_name(why->mode));
	else if (why->sender == NB_SENDER_NODE)
		nb_why_step(why, "sender", "the node itself%s%s", *why->network ? ", from " : "",
			    *why->network ? addr : "");
	else
		nb_why_step(why, "sender", "%s, outside of this node", addr);
}

static void say_program(struct nb_why *why)
{
	if (!*why->network)
		nb_why_step(why, "program",
			    "none: natbridge does not translate what the node and clients outside send; "
			    "kube-proxy does, or "
			    "natbridge-agent with \"serviceProxy: node\"");
	else if (why->is_detached)
		nb_why_step(why, "program", "missing at \"%s\": somebody has removed it", why->place.link);
	else if (why->place.prog == NB_PROGS)
		nb_why_step(why, "program", "none at \"%s\", so natbridge does nothing with the packet",
			    why->place.link);
	else
		nb_why_step(why, "program", "%s at \"%s\"", nb_prog_name(why->place.prog), why->place.link);
}

static void say_flags(struct nb_why *why)
{
	const struct nb_port *port = why->pod ? &why->pod->port : NULL;

	if (why->settings.flags & NB_SETTINGS_SPOOFCHK && port &&
	    port->flags & (NB_PORT_SPOOFCHK | NB_PORT_MACSPOOFCHK))
		nb_why_step(why, "source check",
			    "on: packets from other addresses than the pod's are dropped");
	if (port && port->flags & NB_PORT_NO_FAST_PATH)
		nb_why_step(why, "fast path",
			    "off for this pod: its bandwidth is limited, so packets go through the host");
	else if (why->pod && why->mode == NB_MODE_EBPF && !(why->settings.flags & NB_SETTINGS_FAST_PATH))
		nb_why_step(why, "fast path",
			    "off for the network: all packets to Services go through the host");
	if (port && port->gen & NB_GEN_CUT)
		nb_why_step(why, "port", "cut off: the bridge does not forward to it");
}

/* The ports of Services at the address; "": no Service has it. *name: one of them. *inside: it has this port
 * too, but not for clients outside. */
static void list_ports(const struct nb_why *why, char *text, size_t size, const char **name, bool *inside)
{
	size_t len = 0;

	*text = '\0';
	*inside = false;
	for (size_t i = 0; i < why->services.n && len + 16 < size; i++) {
		const struct nb_service *service = &why->services.items[i];

		if (!nb_addr_equal(&service->key.addr, &why->tuple.dst) ||
		    service->key.side != NB_SIDE_INSIDE)
			continue;
		*name = !**name || !strcmp(*name, service->name) ? service->name : "more than one Service";
		*inside |= service->key.port == why->tuple.dport && service->key.proto == why->tuple.proto;
		len += (size_t)snprintf(text + len, size - len, "%s%u/%s", len ? ", " : "",
					ntohs(service->key.port), nb_proto_name(service->key.proto));
	}
}

static void say_no_service(struct nb_why *why)
{
	const struct nb_endpoint_info *pod = nb_why_pod(why, &why->tuple.dst);
	char ports[256], addr[NB_ADDR_STRLEN];
	const char *name = "";
	bool inside;

	list_ports(why, ports, sizeof(ports), &name, &inside);
	nb_addr_format(&why->tuple.dst, addr);
	if (inside)
		nb_why_step(why, "service", "%s, which serves %s inside of the cluster alone", name, addr);
	else if (*ports)
		nb_why_step(why, "service", "%s: the address has the ports %s%s", name, ports,
			    why->tuple.dport ? ", and not this port" : "");
	else if (pod)
		nb_why_step(why, "service", "none: %s is the pod at port \"%s\"", addr,
			    nb_why_link_name(why, pod->port.ifindex));
	else
		nb_why_step(why, "service", "none has this address");
}

static void say_service(struct nb_why *why)
{
	const struct nb_service *service = why->service;
	const char *policy = nb_row_text(why->row, "policy");

	if (why->mode == NB_MODE_ASSIST && !nb_why_pod(why, &why->tuple.dst)) {
		nb_why_step(why, "service",
			    "the host knows it: in mode assist its rules translate, those of kube-proxy");
		return;
	}
	if (!service) {
		say_no_service(why);
		return;
	}
	nb_why_step(why, "service", "%s, port %u%s%s%s: its %s%s%s", service->name,
		    ntohs(service->port ? service->port : service->key.port), *service->port_name ? " (" : "",
		    service->port_name, *service->port_name ? ")" : "", kind_names[service->kind],
		    *policy ? "; traffic policy " : "", policy);
	if (service->n_ranges)
		nb_why_step(why, "source ranges", "%zu: other clients are dropped", service->n_ranges);
	if (service->on_host)
		nb_why_step(why, "host address",
			    "the host has the Service's address, too, and answers instead of it");
}

static void say_affinity(struct nb_why *why)
{
	const struct nb_trial *trial = &why->trial;
	char end[NB_END_STRLEN];
	__u32 now;

	if (!trial->has_frontend || !trial->frontend.affinity)
		return;
	if (!trial->has_affinity || nb_tick_now(&why->dp, &now, NULL))
		nb_why_step(why, "affinity", "ClientIP for %u s; this client has no backend yet",
			    trial->frontend.affinity);
	else
		nb_why_step(why, "affinity", "ClientIP: this client goes to %s for %u s more",
			    nb_why_end(&trial->affinity.addr, trial->affinity.port, end),
			    nb_seconds_from_ticks(trial->affinity.expires - now));
}

static void say_backends(struct nb_why *why)
{
	const cJSON *backends = cJSON_GetObjectItemCaseSensitive(why->row, "backends"), *backend;
	unsigned int n = 0, in_use = 0;

	if (!backends)
		return;
	cJSON_ArrayForEach(backend, backends) {
		n++;
		in_use += nb_row_is(backend, "newConnections");
	}
	nb_why_step(why, "backends", n ? "%u of %u get new connections" : "none", in_use, n);
}

/* ---- connections ---- */

struct open {
	const struct nb_why *why;
	unsigned int n;
	bool is_this; /* info is the packet's own */
	struct nb_conn_info info;
};

static int count_open(const struct nb_conn_info *info, void *arg)
{
	struct open *open = arg;
	const struct nb_tuple *asked = &open->why->tuple;

	if (!nb_addr_equal(&info->orig.src, &asked->src) || !nb_addr_equal(&info->orig.dst, &asked->dst) ||
	    info->orig.dport != asked->dport || info->orig.proto != asked->proto)
		return 0;
	if (info->orig.sport == asked->sport && open->why->port_is_made_up)
		return 0; /* the one that was just sent */
	open->n++;
	if (info->orig.sport == asked->sport) {
		open->is_this = true;
		open->info = *info;
	}
	return 0;
}

static void say_connection(struct nb_why *why)
{
	struct open open = { .why = why };
	char end[NB_END_STRLEN];
	const char *state;

	if (!why->trial.table.pairs || nb_conntrack_each(&why->dp, count_open, &open, NULL))
		return;
	if (why->request.is_answer) {
		const struct nb_tuple *orig = &why->request.pair.dir[0].key;
		char dst[NB_END_STRLEN];

		nb_why_step(why, "connection", "an answer of the one from %s to %s",
			    nb_why_end(&orig->src, orig->sport, end),
			    nb_why_end(&orig->dst, orig->dport, dst));
	} else if (open.is_this) {
		state = nb_conn_state_name(open.info.orig.proto, nb_life_state(open.info.conn.life));
		nb_why_step(why, "connection", "open, to %s%s%s, for %u s more without a packet",
			    nb_why_end(&open.info.reply.src, open.info.reply.sport, end), state ? ", " : "",
			    state ? state : "", open.info.remaining);
	} else if (open.n || why->result == NB_ARRIVES) {
		nb_why_step(why, "connection", "%s; this client has %u open to there",
			    why->result == NB_ARRIVES ? "a new one" : "none begins", open.n);
	}
}

/* The trial's table holds this client's connections alone, and has room. */
static void say_table(struct nb_why *why)
{
	__u32 n = 0;

	if (!why->trial.table.pairs || nb_conntrack_count(&why->dp, &n, NULL) || n < why->settings.max)
		return;
	nb_why_step(why, "table", "full, with %u connections: a new one may be dropped (%s)", n,
		    nb_counter_name(NB_DROP_TABLE_FULL));
}

/* ---- the way ---- */

/* The device by which the host sends to an address; "?": none. */
static const char *device_to(struct nb_why *why, const struct nb_addr *dst)
{
	struct nb_route route;

	if (nb_why_route(why, &why->request, dst, &route))
		return "?";
	return nb_why_link_name(why, route.index);
}

static void say_way(struct nb_why *why, const struct nb_trial_result *request, const char *end)
{
	const struct nb_conn *conn = &request->pair.dir[0].conn;
	const struct nb_endpoint_info *to = nb_why_pod(why, &request->tuple.dst);
	const char *device =
		to ? nb_why_link_name(why, to->port.ifindex) : device_to(why, &request->tuple.dst);

	if (why->pod && request->verdict == TC_ACT_REDIRECT)
		nb_why_step(why, "request", "to %s, past the bridge into port \"%s\"", end, device);
	else if (why->pod && conn->flags & NB_CONN_VIA_HOST && to && to->port.flags & NB_PORT_NO_FAST_PATH)
		nb_why_step(
			why, "request",
			"to %s, through the host's IP stack, since the bandwidth of port \"%s\" is limited",
			end, device);
	else if (why->pod && conn->flags & NB_CONN_VIA_HOST)
		nb_why_step(why, "request", "to %s, through the host's IP stack, which sends it by \"%s\"",
			    end, device_to(why, &request->tuple.dst));
	else if (why->pod)
		nb_why_step(why, "request", "to %s, by the bridge", end);
	else if (conn->flags & NB_CONN_TO_SELF)
		nb_why_step(why, "request", "to %s, an address of the node itself", end);
	else if (nb_why_is_past_host(request))
		nb_why_step(why, "request", "to %s, past the host's IP stack into the pod", end);
	else if (request->verdict == TC_ACT_REDIRECT)
		nb_why_step(why, "request", "to %s, from the program out by \"%s\"", end, device);
	else
		nb_why_step(why, "request", "to %s, through the host's IP stack, which sends it by \"%s\"",
			    end, device);
}

static void say_request(struct nb_why *why)
{
	const struct nb_trial_result *request = &why->request;
	char end[NB_END_STRLEN];

	nb_why_end(&request->tuple.dst, request->tuple.dport, end);
	switch (why->result) {
	case NB_DETACHED:
		break;
	case NB_REJECTED:
		nb_why_step(why, "request", "refused, and the sender is told at once: %s",
			    nb_counter_name(request->drop));
		break;
	case NB_DROPPED:
		nb_why_step(why, "request", "dropped, and the sender is not told: %s",
			    nb_counter_name(request->drop));
		break;
	case NB_ANSWERED:
		nb_why_step(why, "request", "answered by natbridge itself, in the name of the Service");
		break;
	case NB_NO_ROUTE:
		nb_why_step(why, "request", "to %s, through the host's IP stack, which has no route there",
			    end);
		break;
	case NB_ARRIVES:
	case NB_WRONG_SOURCE:
		say_way(why, request, end);
		break;
	default:
		if (why->place.prog != NB_PROGS)
			nb_why_step(why, "request",
				    "not changed: the bridge or the host sends it where it is addressed to");
	}
}

static void say_answer(struct nb_why *why)
{
	const struct nb_trial_result *answer = &why->answer;
	char from[NB_END_STRLEN], as[NB_END_STRLEN];

	if (!why->is_answered)
		return;
	nb_why_end(&why->request.pair.dir[1].key.src, why->request.pair.dir[1].key.sport, from);
	nb_why_end(&answer->tuple.src, answer->tuple.sport, as);
	if (answer->drop)
		nb_why_step(why, "answer", "dropped at \"%s\": %s", why->answer_link,
			    nb_counter_name(answer->drop));
	else if (strcmp(from, as) != 0)
		nb_why_step(why, "answer", "from %s becomes one from %s at \"%s\"", from, as,
			    why->answer_link);
	else
		nb_why_step(why, "answer", "from %s, not changed", from);
}

static bool add_question(struct nb_why *why)
{
	char src[NB_END_STRLEN], dst[NB_END_STRLEN];

	if (nb_addr_is_zero(&why->tuple.src))
		snprintf(src, sizeof(src), "node");
	else
		nb_why_end(&why->tuple.src, why->port_is_made_up ? 0 : why->tuple.sport, src);
	nb_why_end(&why->tuple.dst, why->tuple.dport, dst);
	return cJSON_AddStringToObject(why->row, "from", src) &&
	       cJSON_AddStringToObject(why->row, "to", dst) &&
	       cJSON_AddStringToObject(why->row, "protocol", proto_word(why->tuple.proto)) &&
	       cJSON_AddStringToObject(why->row, "network", why->network) &&
	       (!why->service || cJSON_AddStringToObject(why->row, "service", why->service->name));
}

int nb_why_report(struct nb_why *why, const struct nb_sent *sent, struct nb_error *err)
{
	if (!cJSON_AddArrayToObject(why->row, "steps") || !add_question(why))
		return nb_fail_nomem(err);
	say_sender(why);
	say_program(why);
	if (*why->network) {
		say_flags(why);
		say_service(why);
		say_affinity(why);
		say_connection(why);
		say_table(why);
		say_backends(why);
		say_request(why);
		say_answer(why);
	}
	return nb_why_add_result(why, sent) ? 0 : nb_fail_nomem(err);
}
