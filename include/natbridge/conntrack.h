/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CONNTRACK_H
#define NATBRIDGE_CONNTRACK_H

/* Reading and flushing the connection table, its clock, and the settings and counters beside it. */

#include <natbridge/datapath.h>

#include <stdbool.h>
#include <time.h>

struct nb_conn_info {
	struct nb_tuple orig;   /* as the client sends */
	struct nb_tuple reply;  /* as the backend answers */
	struct nb_conn conn;    /* the client's entry */
	unsigned int remaining; /* seconds until it expires */
};

/* Calls fn for each live connection (not the expired ones), in no order, until fn returns not 0; returns
 * that. */
int nb_conntrack_each(const struct nb_datapath *dp, int (*fn)(const struct nb_conn_info *info, void *arg),
		      void *arg, struct nb_error *err);

/* Removes all connections, live or not. *removed (may be NULL): connections. */
int nb_conntrack_flush(const struct nb_datapath *dp, unsigned int *removed, struct nb_error *err);

/* Counters summed over all CPUs. */
int nb_conntrack_counters(const struct nb_datapath *dp, __u64 counters[NB_COUNTERS], struct nb_error *err);

/* Name of a counter: the kernel's where it means the same ("insert_failed", "early_drop"), else "drop_..." */
const char *nb_counter_name(enum nb_counter counter);

/* Name of a TCP state as conntrack -L prints it ("SYN_SENT"). */
const char *nb_tcp_state_name(unsigned int state);

/* Name of a timeout as nf_conntrack has it ("tcp_established", "udp_stream"), and its default in seconds. */
const char *nb_timeout_name(unsigned int timeout);
unsigned int nb_timeout_default(unsigned int timeout);
/* Index of a name, or -1. */
int nb_timeout_find(const char *name);

int nb_settings_read(const struct nb_datapath *dp, struct nb_settings *settings, struct nb_error *err);
int nb_settings_write(const struct nb_datapath *dp, const struct nb_settings *settings, struct nb_error *err);

/*
 * The datapath's clock: a tick is 2^shift jiffies, the longest such time under 1/8 s. nb_tick_shift() derives
 * the shift from the kernel's HZ, nb_tick_now() reads it by a program.
 */
unsigned int nb_tick_shift(void);
int nb_tick_now(const struct nb_datapath *dp, __u32 *now, struct nb_error *err);
__u32 nb_ticks_from_seconds(unsigned int seconds);
unsigned int nb_seconds_from_ticks(__u32 ticks);

#endif
