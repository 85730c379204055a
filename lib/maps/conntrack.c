// SPDX-License-Identifier: GPL-2.0-or-later
#include "conntrack.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/util/cleanup.h"

#include "conn_table.h"
#include "endpoint.h"

static const char *const tcp_state_names[NB_TCP_STATES] = {
	"NONE",       "SYN_SENT", "SYN_RECV",  "ESTABLISHED", "FIN_WAIT",
	"CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE",       "SYN_SENT2",
};

static const char *const counter_names[NB_COUNTERS] = {
	[NB_COUNT_NONE] = "none",
	[NB_COUNT_INSERT] = "insert",
	[NB_COUNT_INSERT_FAILED] = "insert_failed",
	[NB_COUNT_CLASH_RESOLVE] = "clash_resolve",
	[NB_COUNT_EARLY_DROP] = "early_drop",
	[NB_COUNT_RECLAIMED] = "reclaimed",
	[NB_COUNT_PORT_CHANGED] = "port_changed",
	[NB_COUNT_REPAIRED] = "repaired",
	[NB_COUNT_FOUND] = "found",
	[NB_COUNT_ECHO] = "echo",
	[NB_COUNT_RELATED] = "related",
	[NB_COUNT_ASSISTED] = "assisted",
	[NB_DROP_TABLE_FULL] = "drop",
	[NB_DROP_NO_BACKEND] = "drop_no_backend",
	[NB_DROP_NO_SERVICE] = "drop_no_service",
	[NB_DROP_NO_VIP] = "drop_no_vip",
	[NB_DROP_BACKEND_GONE] = "drop_backend_gone",
	[NB_DROP_NO_PORT] = "drop_no_port",
	[NB_DROP_NOT_ITS_PORT] = "drop_not_its_port",
	[NB_DROP_INVALID] = "drop_invalid",
	[NB_DROP_FRAGMENT] = "drop_fragment",
	[NB_DROP_UNPARSED] = "drop_unparsed",
	[NB_DROP_CUT] = "drop_cut_off",
	[NB_DROP_ISOLATED] = "drop_isolated",
	[NB_DROP_GONE] = "drop_gone",
	[NB_DROP_WRITE] = "drop_write",
	[NB_DROP_REDIRECT] = "drop_redirect",
	[NB_DROP_SPOOFED] = "drop_spoofed",
};

const char *nb_tcp_state_name(unsigned int state)
{
	return state < NB_TCP_STATES ? tcp_state_names[state] : "UNKNOWN";
}

const char *nb_counter_name(enum nb_counter counter)
{
	return (unsigned int)counter < NB_COUNTERS ? counter_names[counter] : "unknown";
}

int nb_conntrack_counters(const struct nb_datapath *dp, __u64 counters[NB_COUNTERS], struct nb_error *err)
{
	int cpus = libbpf_num_possible_cpus();
	__u64 *each nb_autofree = NULL;
	__u64 sum[NB_COUNTERS] = { 0 };

	if (cpus <= 0)
		return nb_fail(err, NB_ERR_SYSTEM, -cpus, "cannot count the CPUs");
	each = calloc(cpus, sizeof(*each));
	if (!each)
		return nb_fail_nomem(err);
	for (__u32 i = 0; i < NB_COUNTERS; i++) {
		if (bpf_map_lookup_elem(dp->map_fd[NB_MAP_COUNTERS], &i, each))
			return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot read the counters below \"%s\"",
				       dp->dir);
		for (int cpu = 0; cpu < cpus; cpu++)
			sum[i] += each[cpu];
	}
	memcpy(counters, sum, sizeof(sum));
	return 0;
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
