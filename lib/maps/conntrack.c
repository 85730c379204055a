// SPDX-License-Identifier: GPL-2.0-or-later
/* Which connections of the table are live, and for how long. */
#include "conntrack.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <natbridge/abi.h>
#include <natbridge/conn_life.h>

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

/* The kernel has one name for both ends of an association. */
static const char *const sctp_state_names[NB_TCP_STATES] = {
	[NB_SCTP_NONE] = "CLOSED",
	[NB_SCTP_COOKIE_WAIT] = "COOKIE_WAIT",
	[NB_SCTP_COOKIE_ECHOED] = "COOKIE_ECHOED",
	[NB_SCTP_ESTABLISHED] = "ESTABLISHED",
	[NB_SCTP_SHUTDOWN_SENT] = "SHUTDOWN_SENT",
	[NB_SCTP_SHUTDOWN_RECD] = "SHUTDOWN_RECD",
	[NB_SCTP_SHUTDOWN_ACK_SENT] = "SHUTDOWN_ACK_SENT",
	[NB_SCTP_CLOSED] = "CLOSED",
};

const char *nb_conn_state_name(unsigned int proto, unsigned int state)
{
	const char *const *names = proto == IPPROTO_TCP    ? tcp_state_names
				   : proto == IPPROTO_SCTP ? sctp_state_names
							   : NULL;

	if (!names)
		return NULL;
	return state < NB_TCP_STATES && names[state] ? names[state] : "UNKNOWN";
}

/* Ticks left, by the same rules as in the programs (nb_conn_stalled() of bpf/ebpf/conntrack.h). */
static __s32 ticks_left(const struct nb_settings *settings, const struct nb_pair *pair, __u32 now)
{
	const struct nb_conn *conn = &pair->dir[0].conn, *rev = &pair->dir[1].conn;
	__u32 established = settings->timeouts[NB_TCP_ESTABLISHED], limit;
	__s32 left = nb_life_expires(conn->life) - now;

	/* Without SEEN_REPLY another timeout holds (nb_timeout_of()). */
	if (pair->dir[0].key.proto != IPPROTO_TCP || nb_life_state(conn->life) != NB_TCP_ESTABLISHED ||
	    left <= 0 || !(nb_life_flags(conn->life) & NB_LIFE_SEEN_REPLY))
		return left;
	if (nb_tagged_more(conn->seq) >= NB_RETRANS_MAX || nb_tagged_more(rev->seq) >= NB_RETRANS_MAX)
		limit = settings->timeouts[NB_TIMEOUT_TCP_RETRANS];
	else if ((__s32)((__u32)conn->seq - (__u32)rev->acked) > 0 ||
		 (__s32)((__u32)rev->seq - (__u32)conn->acked) > 0)
		limit = settings->timeouts[NB_TIMEOUT_TCP_UNACKNOWLEDGED];
	else
		return left;
	return limit < established ? left - (__s32)(established - limit) : left;
}

/* What decides whether a connection is live. */
struct present {
	struct nb_settings settings;
	__u32 now;
	__u32 generations[NB_MAX_PORTS];
};

static int read_present(const struct nb_datapath *dp, struct present *present, struct nb_error *err)
{
	int rc = nb_settings_read(dp, &present->settings, err);

	if (rc)
		return rc;
	rc = nb_tick_now(dp, &present->now, err);
	if (rc)
		return rc;
	return nb_endpoint_generations(dp, present->generations, err);
}

/* Removing a pod changes the generation of its slot. */
bool nb_conn_has_both_ends(const struct nb_pair *pair, const __u32 *generations)
{
	for (int dir = 0; dir < 2; dir++) {
		const struct nb_conn *conn = &pair->dir[dir].conn;

		if (conn->out_slot >= NB_MAX_PORTS || generations[conn->out_slot] != conn->out_gen)
			return false;
	}
	return true;
}

struct walk {
	const struct present *present;
	const struct nb_conntrack_walk *walk;
};

/* Describes a connection. False: it is not live. */
static bool describe(const struct present *present, const struct nb_conn_copy *copy,
		     struct nb_conn_info *info)
{
	const struct nb_pair *pair = &copy->pair;
	__s32 left;

	if (nb_life_use(pair->dir[0].conn.life) != NB_USE_TAKEN ||
	    !nb_conn_has_both_ends(pair, present->generations))
		return false;
	left = ticks_left(&present->settings, pair, present->now);
	if (left <= 0)
		return false;
	/* An entry lives up to a second longer than its timeout says (nb_conn_deadline()). */
	left -= nb_ticks_from_seconds(1);
	info->orig = pair->dir[0].key;
	info->reply = pair->dir[1].key;
	info->conn = pair->dir[0].conn;
	info->remaining = left > 0 ? nb_seconds_from_ticks(left) : 0;
	memcpy(info->accounts, copy->accounts, sizeof(info->accounts));
	return true;
}

static int look_at(const struct nb_conn_copy *copy, void *arg)
{
	const struct walk *walk = arg;
	struct nb_conn_info info;

	return walk->walk->fn(copy, describe(walk->present, copy, &info) ? &info : NULL, walk->walk->arg);
}

static bool is_wanted(__u32 pair_id, __u64 life, void *arg)
{
	const struct walk *walk = arg;

	return walk->walk->wanted && walk->walk->wanted(pair_id, life, walk->walk->arg);
}

int nb_conntrack_walk(const struct nb_datapath *dp, const struct nb_conntrack_walk *how, struct nb_error *err)
{
	nb_autofree struct present *present = calloc(1, sizeof(*present));
	struct walk walk = { present, how };
	int rc;

	if (!present)
		return nb_fail_nomem(err);
	rc = read_present(dp, present, err);
	return rc ? rc : nb_conn_table_walk_all(dp, is_wanted, look_at, &walk, err);
}

struct each {
	int (*fn)(const struct nb_conn_info *info, void *arg);
	void *arg;
};

static int pass_live(const struct nb_conn_copy *copy, const struct nb_conn_info *info, void *arg)
{
	const struct each *each = arg;

	(void)copy;
	return info ? each->fn(info, each->arg) : 0;
}

int nb_conntrack_each(const struct nb_datapath *dp, int (*fn)(const struct nb_conn_info *info, void *arg),
		      void *arg, struct nb_error *err)
{
	struct each each = { fn, arg };
	const struct nb_conntrack_walk walk = { .fn = pass_live, .arg = &each };

	return nb_conntrack_walk(dp, &walk, err);
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

	if (rc)
		return rc;
	*count = counted;
	return 0;
}

int nb_conntrack_flush(const struct nb_datapath *dp, unsigned int *removed, struct nb_error *err)
{
	nb_cleanup(nb_conn_table_close) struct nb_conn_table table = { 0 };
	unsigned int ended = 0;
	int rc = nb_conn_table_open(dp, &table, err);

	if (rc)
		return rc;
	for (__u32 pair_id = 0; pair_id < table.n_pairs; pair_id++)
		ended += nb_conn_table_end(&table, pair_id);
	if (removed)
		*removed = ended;
	return 0;
}
