// SPDX-License-Identifier: GPL-2.0-or-later
/* Programs between the two layouts at every port, then round after round, each behind a grace period. */
#include "handover.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include <natbridge/abi.h>
#include <natbridge/handover.h>

#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/maps/settings.h"
#include "lib/net/rcu_expedite.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "datapath.h"
#include "load.h"
#include "migrate.h"
#include "migrate_conns.h"
#include "pins.h"
#include "ports.h"

enum {
	/* A client can keep the rounds going that long, by one connection after another from one port. */
	ROUNDS_MAX = 16,
};

struct handover {
	const char *network;
	enum nb_mode mode;
	struct nb_datapath old, new;
	unsigned int old_layout;
	struct nb_handover_progs progs;
	int inner_fd, outer_fd; /* see wait_for_programs() */
	struct nb_handed_over *handed;
	struct nb_error *err;
};

static void handover_close(struct handover *ho)
{
	nb_datapath_close(&ho->old);
	nb_datapath_close(&ho->new);
	nb_handover_progs_close(&ho->progs);
	nb_close_fd(&ho->inner_fd);
	nb_close_fd(&ho->outer_fd);
}

/* ---- the round ---- */

static int read_round(const struct nb_datapath *dp, __u32 *round, struct nb_error *err)
{
	struct nb_handover value = { .round = NB_ROUND_OLD };
	const __u32 zero = 0;
	int rc = 0;

	if (dp->map_fd[NB_MAP_HANDOVER] >= 0)
		rc = nb_map_get(dp, NB_MAP_HANDOVER, &zero, &value, err);
	*round = value.round;
	return rc < 0 ? rc : 0;
}

static int write_round(const struct handover *ho, __u32 round)
{
	const struct nb_handover value = { .round = round };
	const __u32 zero = 0;

	return nb_map_write(&ho->new, NB_MAP_HANDOVER, &zero, &value, 1, NULL, ho->err);
}

bool nb_handover_is_done(const struct nb_datapath *dp)
{
	__u32 round;

	return !read_round(dp, &round, NULL) && round == NB_ROUND_ENDED;
}

/*
 * Waits until all programs have ended that run now: they may have read the round before. The kernel does that
 * behind each update of an array of maps (maybe_wait_bpf_programs() in kernel/bpf/syscall.c).
 */
static int wait_for_programs(struct handover *ho)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	const __u32 zero = 0;

	if (ho->inner_fd < 0)
		ho->inner_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "nb_wait_inner", sizeof(__u32),
					      sizeof(__u32), 1, NULL);
	opts.inner_map_fd = (__u32)ho->inner_fd;
	if (ho->inner_fd >= 0 && ho->outer_fd < 0)
		ho->outer_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "nb_wait", sizeof(__u32),
					      sizeof(__u32), 1, &opts);
	if (ho->outer_fd < 0 || bpf_map_update_elem(ho->outer_fd, &zero, &ho->inner_fd, BPF_ANY))
		return nb_fail(ho->err, NB_ERR_SYSTEM, errno, "cannot wait for running eBPF programs");
	return 0;
}

/* ---- step 1: the programs between ---- */

static int fill_progs(const struct handover *ho)
{
	const int fds[NB_HANDOVER_PROGS] = {
		[NB_HANDOVER_OLD_FROM_POD] = ho->old.prog_fd[NB_PROG_FROM_POD],
		[NB_HANDOVER_OLD_TO_POD] = ho->old.prog_fd[NB_PROG_TO_POD],
		[NB_HANDOVER_NEW_FROM_POD] = ho->new.prog_fd[NB_PROG_FROM_POD],
		[NB_HANDOVER_NEW_TO_POD] = ho->new.prog_fd[NB_PROG_TO_POD],
	};

	for (__u32 i = 0; i < NB_HANDOVER_PROGS; i++)
		if (bpf_map_update_elem(ho->new.map_fd[NB_MAP_HANDOVER_PROGS], &i, &fds[i], BPF_ANY))
			return nb_fail(ho->err, NB_ERR_DATAPATH, errno, "cannot write to map %s",
				       nb_map_name(NB_MAP_HANDOVER_PROGS));
	return 0;
}

/* The pin keeps the programs in their array, also after a kill. */
static int load_and_pin(struct handover *ho)
{
	const struct nb_datapath before = ho->new;
	int rc = nb_handover_load(ho->network, &ho->new, &ho->progs, ho->err);

	if (rc)
		return rc;
	rc = fill_progs(ho);
	if (rc)
		return rc;
	return nb_pins_add(&before, &ho->new, ho->err);
}

/* Under the lock: replacing a program waits for nothing, and no other process may be in another step. */
static int attach(const struct handover *ho)
{
	struct nb_datapath between = ho->new; /* only looked at */
	struct nb_ports ports;

	between.prog_fd[NB_PROG_FROM_POD] = ho->progs.from_pod;
	between.prog_fd[NB_PROG_TO_POD] = ho->progs.to_pod;
	return nb_ports_attach_here(&between, ho->network, NB_MODE_EBPF, &ports, ho->err);
}

/* ---- step 2: the rounds ---- */

struct note_search {
	__u32 round;
	bool found;
};

static int look_for_note(const void *keys, const void *values, __u32 n, void *arg)
{
	struct note_search *search = arg;
	const __u32 *rounds = values;

	(void)keys;
	for (__u32 i = 0; i < n && !search->found; i++)
		search->found = rounds[i] + 1 >= search->round;
	return search->found;
}

/* Whether the old programs may still begin connections in this round. */
static int old_may_begin(const struct handover *ho, __u32 round, bool *may)
{
	struct note_search search = { .round = round };
	int rc = nb_map_walk(&ho->new, NB_MAP_HANDOVER_CLIENTS, look_for_note, &search, ho->err);

	*may = search.found;
	return rc < 0 ? rc : 0;
}

static int bring_conns(struct handover *ho, enum nb_conns_walk walk)
{
	return nb_migrate_conns(&ho->old, &ho->new, walk, &ho->handed->lost, ho->err);
}

/*
 * A connection that the old programs began in an earlier round is in the new table after this one, or its
 * client was noted in this one. *over: the old programs can begin nothing any more.
 */
static int run_round(struct handover *ho, __u32 round, bool *over)
{
	bool may_begin = true;
	int rc = wait_for_programs(ho);

	if (rc)
		return rc;
	nb_migrate_affinities(&ho->old, &ho->new);
	if (round >= NB_ROUND_NEW)
		rc = old_may_begin(ho, round, &may_begin);
	if (rc)
		return rc;
	*over = !may_begin;
	return *over ? 0 : bring_conns(ho, NB_CONNS_OPEN);
}

/* Goes on with the round that a killed process has left. */
static int run_rounds(struct handover *ho)
{
	bool over = false;
	__u32 round;
	int rc = read_round(&ho->new, &round, ho->err);

	if (!rc && round == NB_ROUND_OLD)
		rc = write_round(ho, ++round);
	for (int n = 0; !rc && round < NB_ROUND_DONE && n < ROUNDS_MAX; n++) {
		rc = run_round(ho, round, &over);
		if (rc || over)
			break;
		rc = write_round(ho, ++round);
	}
	return rc;
}

/* ---- step 3 ---- */

/* What is left are connections that were closed before, and those that packets under way have changed. */
static int end_rounds(struct handover *ho)
{
	int rc = write_round(ho, NB_ROUND_DONE);

	if (rc)
		return rc;
	rc = wait_for_programs(ho);
	if (rc)
		return rc;
	ho->handed->lost = 0; /* those of the rounds are counted once more */
	rc = bring_conns(ho, NB_CONNS_ALL);
	if (rc)
		return rc;
	return write_round(ho, NB_ROUND_ENDED);
}

/* ---- all of it ---- */

static bool has_programs(const struct nb_datapath *dp, enum nb_mode mode)
{
	return mode == NB_MODE_NODE ? dp->prog_fd[NB_PROG_NB0_OUT] >= 0
				    : dp->prog_fd[NB_PROG_FROM_POD] >= 0 && dp->prog_fd[NB_PROG_TO_POD] >= 0;
}

/* Opens both layouts. *needed: there is something to hand over. */
static int open_both(struct handover *ho, const struct nb_pin_root *root, bool *needed)
{
	int rc = nb_datapath_open(root, ho->network, true, &ho->new, ho->err);

	*needed = false;
	if (rc)
		return rc;
	rc = nb_pins_other_layout(root, ho->network, &ho->old_layout, ho->old.dir, ho->err);
	if (rc || !ho->old_layout || nb_handover_is_done(&ho->new))
		return rc;
	rc = nb_pins_open(&ho->old, ho->err);
	if (rc)
		return rc;
	rc = nb_datapath_mode(&ho->new, &ho->mode, ho->err);
	if (rc)
		return rc;
	*needed = ho->mode != NB_MODE_ASSIST && has_programs(&ho->old, ho->mode) &&
		  has_programs(&ho->new, ho->mode);
	return 0;
}

static int hand_over(struct handover *ho)
{
	NB_EXPEDITE;
	int rc = load_and_pin(ho);

	if (rc == -EOPNOTSUPP) {
		ho->handed->refused = true; /* nb_ports_note_upgraded() brings what begins from now on */
		return bring_conns(ho, NB_CONNS_ALL);
	}
	if (rc)
		return rc;
	rc = attach(ho);
	if (rc)
		return rc;
	rc = nb_links_check_known(&ho->new, &ho->old, ho->old_layout, ho->err);
	if (rc)
		return rc;
	rc = run_rounds(ho);
	if (rc)
		return rc;
	return end_rounds(ho);
}

int nb_handover(const struct nb_pin_root *root, const char *network, struct nb_handed_over *handed,
		struct nb_error *err)
{
	nb_cleanup(handover_close) struct handover ho = {
		.network = network,
		.old = NB_DATAPATH_INIT,
		.new = NB_DATAPATH_INIT,
		.progs = NB_HANDOVER_PROGS_INIT,
		.inner_fd = -1,
		.outer_fd = -1,
		.handed = handed,
		.err = err,
	};
	bool needed;
	int rc = open_both(&ho, root, &needed);

	*handed = (struct nb_handed_over){ 0 };
	if (rc || !needed)
		return rc;
	if (ho.mode == NB_MODE_NODE ? bring_conns(&ho, NB_CONNS_ALL) : hand_over(&ho))
		return nb_wrap(err, "cannot hand network \"%s\" over from map layout %u to %d", network,
			       ho.old_layout, NB_ABI_VERSION);
	return 0;
}

int nb_handover_forget(struct nb_datapath *dp, struct nb_error *err)
{
	for (int i = 0; i < NB_MAPS; i++) {
		int rc = nb_map_rows[i].modes & NB_IN_HANDOVER ? nb_pins_remove_map(dp, i, err) : 0;

		if (rc)
			return rc;
	}
	return 0;
}
