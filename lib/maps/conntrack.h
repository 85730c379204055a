/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MAPS_CONNTRACK_H
#define NATBRIDGE_LIB_MAPS_CONNTRACK_H

/* Reading and flushing the connection table, its clock, and the settings and counters beside it. */

#include <stdbool.h>
#include <time.h>

#include "lib/datapath/datapath.h"

struct nb_conn_info {
	struct nb_tuple orig;   /* as the client sends */
	struct nb_tuple reply;  /* as the backend answers */
	struct nb_conn conn;    /* the client's entry */
	unsigned int remaining; /* seconds until it expires */
};

/*
 * Calls fn for each live connection, in no order, until fn returns not 0; returns that. Not live are expired
 * ones and those of pods that have gone.
 */
int nb_conntrack_each(const struct nb_datapath *dp, int (*fn)(const struct nb_conn_info *info, void *arg),
		      void *arg, struct nb_error *err);

/* How many nb_conntrack_each() would show. */
int nb_conntrack_count(const struct nb_datapath *dp, __u32 *count, struct nb_error *err);

/* Removes all connections, live or not. *removed (may be NULL): connections. */
int nb_conntrack_flush(const struct nb_datapath *dp, unsigned int *removed, struct nb_error *err);

/* Counters summed over all CPUs. */
int nb_conntrack_counters(const struct nb_datapath *dp, __u64 counters[NB_COUNTERS], struct nb_error *err);

/* Name of a counter: the kernel's where it means the same ("insert_failed", "early_drop"), else "drop_..." */
const char *nb_counter_name(enum nb_counter counter);

/* Name of a TCP state as conntrack -L prints it ("SYN_SENT"). */
const char *nb_tcp_state_name(unsigned int state);

unsigned int nb_timeout_default(unsigned int timeout); /* seconds */

/* What can be changed while the datapath runs: by number, the timeouts and then the number of connections. */
enum {
	NB_SETTING_FIRST = NB_TCP_SYN_SENT, /* nothing uses NB_TCP_NONE */
	NB_SETTING_MAX = NB_TIMEOUTS,
	NB_SETTINGS,
};

/* Ranges of the values. */
enum {
	NB_CONNECTIONS_MIN = 1024,
	NB_CONNECTIONS_MAX = 1 << 23,
	NB_TIMEOUT_MAX = 365 * 86400, /* seconds */
};

/* Its name as nf_conntrack has it ("max", "tcp_established", "udp_stream"), and back; -1: there is none. */
const char *nb_setting_name(unsigned int setting);
int nb_setting_find(const char *name);

/* Its value: connections or seconds. nb_setting_put() takes what is in range. */
unsigned int nb_setting_get(const struct nb_settings *settings, unsigned int setting);
void nb_setting_put(struct nb_settings *settings, unsigned int setting, unsigned int value);
unsigned int nb_setting_least(unsigned int setting);
unsigned int nb_setting_most(unsigned int setting);

/* Reads "NAME=VALUE", the value a decimal number in range. */
int nb_setting_parse(const char *text, unsigned int *setting, unsigned int *value, struct nb_error *err);

/* Fails if the table was made for fewer connections: its memory is taken when it is loaded. */
int nb_settings_check_max(const struct nb_datapath *dp, unsigned int max, struct nb_error *err);

/* The mode that the network's ports were brought to; before they were, the one that it has programs of. */
int nb_datapath_mode(const struct nb_datapath *dp, enum nb_mode *mode, struct nb_error *err);

int nb_settings_read(const struct nb_datapath *dp, struct nb_settings *settings, struct nb_error *err);
int nb_settings_write(const struct nb_datapath *dp, const struct nb_settings *settings, struct nb_error *err);

/* Notes that a frontend or a backend has this port, or will have it: written before it has. */
void nb_settings_know_l4port(struct nb_settings *settings, __be16 port);

/*
 * The datapath's clock: a tick is 2^shift jiffies, the longest such time under 1/8 s. nb_tick_shift() derives
 * the shift from the kernel's HZ, nb_tick_now() reads it by a program.
 */
unsigned int nb_tick_shift(void);
int nb_tick_now(const struct nb_datapath *dp, __u32 *now, struct nb_error *err);
__u32 nb_ticks_from_seconds(unsigned int seconds);
unsigned int nb_seconds_from_ticks(__u32 ticks);

#endif
