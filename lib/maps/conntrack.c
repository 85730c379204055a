// SPDX-License-Identifier: GPL-2.0-or-later
#include "conntrack.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "conn_table.h"
#include "endpoint.h"
#include "layout.h"
#include "settings.h"
#include "tick.h"

static const char *const tcp_state_names[NB_TCP_STATES] = {
	"NONE",       "SYN_SENT", "SYN_RECV",  "ESTABLISHED", "FIN_WAIT",
	"CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE",       "SYN_SENT2",
};

const char *nb_tcp_state_name(unsigned int state)
{
	return state < NB_TCP_STATES ? tcp_state_names[state] : "UNKNOWN";
}

/* Seconds left, by the same rules as in the programs (nb_conn_stalled() of bpf/ebpf/conntrack.h). */
static __s32 ticks_left(const struct nb_settings *settings, const struct nb_pair *pair, __u32 now)
{
	const struct nb_conn *conn = &pair->dir[0].conn, *rev = &pair->dir[1].conn;
	__u32 established = settings->timeouts[NB_TCP_ESTABLISHED], limit;
	__s32 left = conn->expires - now;

	if (pair->dir[0].key.proto != IPPROTO_TCP || conn->state != NB_TCP_ESTABLISHED || left <= 0 ||
	    !(conn->flags & NB_CONN_SEEN_REPLY)) /* then its timeout is another one (nb_conn_timeout()) */
		return left;
	if (conn->retrans >= 3 || rev->retrans >= 3)
		limit = settings->timeouts[NB_TIMEOUT_TCP_RETRANS];
	else if ((__s32)(conn->seq_end - rev->ack) > 0 || (__s32)(rev->seq_end - conn->ack) > 0)
		limit = settings->timeouts[NB_TIMEOUT_TCP_UNACKNOWLEDGED];
	else
		return left;
	return limit < established ? left - (__s32)(established - limit) : left;
}

/* What tells whether a connection lives. */
struct present {
	struct nb_settings settings;
	__u32 now;
	__u32 generations[NB_MAX_PORTS];
};

static int read_present(const struct nb_datapath *dp, struct present *present, struct nb_error *err)
{
	int rc = nb_settings_read(dp, &present->settings, err);

	if (!rc)
		rc = nb_tick_now(dp, &present->now, err);
	return rc ? rc : nb_endpoint_generations(dp, present->generations, err);
}

/* Whether both ends are there: a pod that has gone took the generation of its slot with it. */
static bool has_both_ends(const struct present *present, const struct nb_pair *pair)
{
	for (int dir = 0; dir < 2; dir++) {
		const struct nb_conn *conn = &pair->dir[dir].conn;

		if (conn->out_slot >= NB_MAX_PORTS || present->generations[conn->out_slot] != conn->out_gen)
			return false;
	}
	return true;
}

int nb_conntrack_each(const struct nb_datapath *dp, int (*fn)(const struct nb_conn_info *info, void *arg),
		      void *arg, struct nb_error *err)
{
	struct nb_conn_table table nb_cleanup(nb_conn_table_close) = { 0 };
	struct present *present nb_autofree = calloc(1, sizeof(*present));
	int rc = present ? read_present(dp, present, err) : nb_fail_nomem(err);

	rc = rc ?: nb_conn_table_open(dp, &table, err);
	for (__u32 place = 0; place < table.n_pairs && !rc; place++) {
		struct nb_conn_info info;
		struct nb_pair pair;
		__s32 left;

		if (!nb_conn_table_get(&table, place, &pair) || !has_both_ends(present, &pair))
			continue;
		left = ticks_left(&present->settings, &pair, present->now);
		if (left <= 0)
			continue;
		/* Entries are kept for up to a second more than they are promised (nb_conn_deadline()). */
		left -= nb_ticks_from_seconds(1);
		info.orig = pair.dir[0].key;
		info.reply = pair.dir[1].key;
		info.conn = pair.dir[0].conn;
		info.remaining = left > 0 ? nb_seconds_from_ticks(left) : 0;
		rc = fn(&info, arg);
	}
	return rc;
}

static int count_connection(const struct nb_conn_info *info, void *arg)
{
	__u32 *count = arg;

	(void)info;
	++*count;
	return 0;
}

int nb_conntrack_count(const struct nb_datapath *dp, __u32 *count, struct nb_error *err)
{
	__u32 counted = 0;
	int rc = nb_conntrack_each(dp, count_connection, &counted, err);

	if (!rc)
		*count = counted;
	return rc;
}

int nb_conntrack_flush(const struct nb_datapath *dp, unsigned int *removed, struct nb_error *err)
{
	struct nb_conn_table table nb_cleanup(nb_conn_table_close) = { 0 };
	unsigned int ended = 0;
	int rc = nb_conn_table_open(dp, &table, err);

	for (__u32 place = 0; place < table.n_pairs; place++)
		ended += nb_conn_table_end(&table, place);
	if (!rc && removed)
		*removed = ended;
	return rc;
}
