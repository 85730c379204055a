// SPDX-License-Identifier: GPL-2.0-or-later
/* What it comes to: a word, a sentence and the cure. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/doctor/reasons.h"
#include "lib/maps/conntrack.h"
#include "lib/maps/counters.h"
#include "lib/util/addr.h"

#include "send.h"
#include "why.h"

static const char *const result_names[NB_RESULTS] = {
	[NB_ARRIVES] = "arrives",          [NB_UNTOUCHED] = "untouched", [NB_ANSWERED] = "answered",
	[NB_REJECTED] = "rejected",        [NB_DROPPED] = "dropped",     [NB_NO_ROUTE] = "noRoute",
	[NB_WRONG_SOURCE] = "wrongSource", [NB_DETACHED] = "detached",
};

struct verdict {
	char text[512];
	const char *fix; /* NULL: nothing has to be done */
};

/* ---- of the trial ---- */

static enum nb_counter drop_of(const struct nb_why *why)
{
	return why->request.drop ? why->request.drop : why->answer.drop;
}

static void judge_trial(const struct nb_why *why, struct verdict *verdict)
{
	const struct nb_reason *reason = nb_reason_of(drop_of(why));
	const struct nb_trial_result *request = &why->request;
	char *text = verdict->text, end[NB_END_STRLEN], addr[NB_ADDR_STRLEN];
	const size_t size = sizeof(verdict->text);

	verdict->fix = reason ? reason->fix : NULL;
	nb_why_end(&request->tuple.dst, request->tuple.dport, end);
	switch (why->result) {
	case NB_ARRIVES:
		snprintf(text, size, "The packet gets to %s.", end);
		break;
	case NB_UNTOUCHED:
		snprintf(text, size,
			 why->mode == NB_MODE_ASSIST
				 ? "natbridge leaves the packet to the host's rules and the bridge."
				 : "natbridge does nothing with the packet.");
		break;
	case NB_ANSWERED:
		snprintf(text, size, "The ping is answered.");
		break;
	case NB_NO_ROUTE:
		snprintf(text, size, "The packet is lost: the host has no route to %s.",
			 nb_addr_format(&request->tuple.dst, addr));
		verdict->fix =
			"ip route get with that address; the routes to the pods of other nodes are made by "
			"the cluster's network (flannel, the cloud), not by natbridge";
		break;
	case NB_DETACHED:
		snprintf(text, size, "natbridge does not see what the pod sends.");
		verdict->fix =
			"delete and recreate the pod, and find what removes programs: another tool that "
			"manages tc or tcx";
		break;
	case NB_WRONG_SOURCE:
		snprintf(text, size, "The packet gets to %s, but its answer is not translated.", end);
		verdict->fix = "report it, with the output of natbridgectl -o json why";
		break;
	default:
		snprintf(text, size, "%s is %s%s%s.", why->answer.drop ? "The answer" : "The packet",
			 result_names[why->result], reason ? ": " : "", reason ? reason->why : "");
	}
}

/* ---- of the packet that was sent ---- */

static void say_heard(struct nb_why *why, const struct nb_sent *sent)
{
	for (size_t i = 0; i < sent->n_heard; i++)
		nb_why_step(why, "heard", "%s was dropped at \"%s\" of network \"%s\": %s",
			    sent->heard[i].is_answer ? "the answer" : "the packet", sent->heard[i].link,
			    sent->heard[i].network, nb_counter_name(sent->heard[i].reason));
}

static int note_connection(const struct nb_conn_info *info, void *arg)
{
	struct nb_why *why = arg;
	const struct nb_tuple *sent = &why->tuple;
	char end[NB_END_STRLEN];
	const char *state;

	if (!nb_addr_equal(&info->orig.src, &sent->src) || !nb_addr_equal(&info->orig.dst, &sent->dst) ||
	    info->orig.sport != sent->sport || info->orig.dport != sent->dport ||
	    info->orig.proto != sent->proto)
		return 0;
	state = nb_conn_state_name(info->orig.proto, nb_life_state(info->conn.life));
	nb_why_step(why, "it went to", "%s%s%s; %s", nb_why_end(&info->reply.src, info->reply.sport, end),
		    state ? ", connection " : "", state ? state : "",
		    nb_life_flags(info->conn.life) & NB_LIFE_SEEN_REPLY ? "it has answered"
									: "no answer was seen");
	return 1;
}

static void say_sent(struct nb_why *why, const struct nb_sent *sent)
{
	char src[NB_END_STRLEN];

	nb_why_end(&why->tuple.src, why->tuple.sport, src);
	if (!sent->errnum)
		nb_why_step(why, "sent", "from %s: answered after %.1f ms", src, sent->ms);
	else
		nb_why_step(why, "sent", "from %s: %s after %.1f ms", src, strerror(sent->errnum), sent->ms);
	say_heard(why, sent);
	if (why->dp.map_fd[NB_MAP_CONNECTIONS] >= 0)
		nb_conntrack_each(&why->dp, note_connection, why, NULL);
}

/* What is left when natbridge has done its part. */
static void judge_sent(const struct nb_why *why, const struct nb_sent *sent, struct verdict *verdict)
{
	char *text = verdict->text, end[NB_END_STRLEN];
	const size_t size = sizeof(verdict->text);
	const struct nb_reason *reason = sent->n_heard ? nb_reason_of(sent->heard[0].reason) : NULL;

	nb_why_end(&why->request.tuple.dst, why->request.tuple.dport, end);
	if (!sent->errnum) {
		snprintf(text, size, "It works: the packet was answered after %.1f ms.", sent->ms);
		verdict->fix = NULL;
	} else if (reason) {
		snprintf(text, size, "The packet was sent, and dropped: %s.", reason->why);
		verdict->fix = reason->fix;
	} else if (why->result != NB_ARRIVES && why->result != NB_UNTOUCHED) {
		judge_trial(why, verdict);
	} else if (sent->errnum == ECONNREFUSED) {
		snprintf(text, size, "The packet was refused, and not by natbridge.");
		verdict->fix = "see whether a process listens at the backend's port, and compare that with "
			       "targetPort";
	} else {
		snprintf(text, size, "natbridge let the packet pass, and no answer came (%s).",
			 strerror(sent->errnum));
		verdict->fix = "tcpdump at the backend; look for network policies, rules of the host's "
			       "firewall, and a "
			       "process that hangs. UDP need not answer";
	}
}

/* ---- together ---- */

static bool add_sent(struct nb_why *why, const struct nb_sent *sent)
{
	cJSON *object = cJSON_AddObjectToObject(why->row, "sent");

	return object &&
	       cJSON_AddStringToObject(object, "outcome",
				       sent->errnum ? strerror(sent->errnum) : "answered") &&
	       cJSON_AddNumberToObject(object, "milliseconds", sent->ms);
}

bool nb_why_add_result(struct nb_why *why, const struct nb_sent *sent)
{
	struct verdict verdict = { .text = "" };

	if (why->answer.drop)
		why->result = NB_DROPPED;
	if (sent) {
		say_sent(why, sent);
		judge_sent(why, sent, &verdict);
	} else {
		judge_trial(why, &verdict);
	}
	return cJSON_AddStringToObject(why->row, "result", result_names[why->result]) &&
	       (!drop_of(why) ||
		cJSON_AddStringToObject(why->row, "reason", nb_counter_name(drop_of(why)))) &&
	       (!sent || add_sent(why, sent)) && cJSON_AddStringToObject(why->row, "summary", verdict.text) &&
	       (!verdict.fix || cJSON_AddStringToObject(why->row, "fix", verdict.fix));
}
