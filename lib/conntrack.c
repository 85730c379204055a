// SPDX-License-Identifier: GPL-2.0-or-later
#include <natbridge/cleanup.h>
#include <natbridge/conntrack.h>
#include <natbridge/map.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

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
	[NB_DROP_ISOLATED] = "drop_isolated",
	[NB_DROP_GONE] = "drop_gone",
	[NB_DROP_NO_GATEWAY] = "drop_no_gateway",
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

static struct nb_tuple swap(const struct nb_conn *conn, __u8 proto)
{
	return (struct nb_tuple){
		.src = conn->dst, .dst = conn->src, .sport = conn->dport, .dport = conn->sport, .proto = proto
	};
}

/* Walk over the clients' entries; the fields below are what the callbacks need. */
struct walk {
	const struct nb_datapath *dp;
	struct nb_error *err;
	struct nb_settings settings;
	__u32 now;
	int (*fn)(const struct nb_conn_info *info, void *arg);
	void *arg;
};

/* Seconds left, by the same rules as in the programs (nb_conn_stalled() of bpf/conntrack.h). */
static __s32 ticks_left(const struct walk *walk, const struct nb_tuple *key, const struct nb_conn *conn,
			const struct nb_tuple *reply)
{
	__u32 established = walk->settings.timeouts[NB_TCP_ESTABLISHED];
	__s32 left = conn->expires - walk->now;
	struct nb_conn rev;
	__u32 limit;

	if (key->proto != IPPROTO_TCP || conn->state != NB_TCP_ESTABLISHED || left <= 0 ||
	    !(conn->flags & NB_CONN_SEEN_REPLY) || /* then its timeout is another one (nb_conn_timeout()) */
	    bpf_map_lookup_elem(walk->dp->map_fd[NB_MAP_CONNTRACK], reply, &rev))
		return left;
	if (conn->retrans >= 3 || rev.retrans >= 3)
		limit = walk->settings.timeouts[NB_TIMEOUT_TCP_RETRANS];
	else if ((__s32)(conn->seq_end - rev.ack) > 0 || (__s32)(rev.seq_end - conn->ack) > 0)
		limit = walk->settings.timeouts[NB_TIMEOUT_TCP_UNACKNOWLEDGED];
	else
		return left;
	return limit < established ? left - (__s32)(established - limit) : left;
}

static int walk_conns(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_tuple *key = keys;
	const struct nb_conn *conn = values;
	const struct walk *walk = arg;

	for (__u32 i = 0; i < n; i++) {
		struct nb_conn_info info = { .orig = key[i],
					     .conn = conn[i],
					     .reply = swap(&conn[i], key[i].proto) };
		__s32 left;
		int rc;

		if (conn[i].flags & NB_CONN_REPLY)
			continue;
		left = ticks_left(walk, &key[i], &conn[i], &info.reply);
		if (left <= 0)
			continue;
		/* Entries are kept for up to a second more than they are promised (nb_conn_deadline()). */
		left -= nb_ticks_from_seconds(1);
		info.remaining = left > 0 ? nb_seconds_from_ticks(left) : 0;
		rc = walk->fn(&info, walk->arg);
		if (rc)
			return rc;
	}
	return 0;
}

int nb_conntrack_each(const struct nb_datapath *dp, int (*fn)(const struct nb_conn_info *info, void *arg),
		      void *arg, struct nb_error *err)
{
	struct walk walk = { .dp = dp, .err = err, .fn = fn, .arg = arg };
	int rc = nb_settings_read(dp, &walk.settings, err);

	rc = rc ?: nb_tick_now(dp, &walk.now, err);
	return rc ?: nb_map_walk(dp, NB_MAP_CONNTRACK, walk_conns, &walk, err);
}

struct flush {
	const struct nb_datapath *dp;
	struct nb_error *err;
	unsigned int removed;
};

static int flush_conns(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_conn *conn = values;
	struct flush *flush = arg;

	for (__u32 i = 0; i < n; i++)
		flush->removed += !(conn[i].flags & NB_CONN_REPLY);
	return nb_map_remove(flush->dp, NB_MAP_CONNTRACK, keys, n, NULL, flush->err);
}

int nb_conntrack_flush(const struct nb_datapath *dp, unsigned int *removed, struct nb_error *err)
{
	struct flush flush = { .dp = dp, .err = err };
	int rc = nb_map_walk(dp, NB_MAP_CONNTRACK, flush_conns, &flush, err);

	if (!rc && removed)
		*removed = flush.removed;
	return rc;
}
