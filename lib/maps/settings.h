/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MAPS_SETTINGS_H
#define NATBRIDGE_LIB_MAPS_SETTINGS_H

/* struct nb_settings, which the programs read, and the values in it that an operator may change. */

#include <natbridge/abi.h>

#include "lib/util/error.h"

#include "layout.h"

/* ---- values that an operator may change: the timeouts, by enum nb_timeout, and NB_SETTING_MAX ---- */

enum {
	NB_SETTING_FIRST = NB_TCP_SYN_SENT, /* nothing uses NB_TCP_NONE */
	NB_SETTING_MAX = NB_TIMEOUTS,
	NB_SETTINGS,
};

/* Ranges. */
enum {
	NB_CONNECTIONS_MIN = 1024,
	NB_CONNECTIONS_MAX = 1 << 23,
	NB_TIMEOUT_MAX = 365 * 86400, /* seconds */
};

/* Its name as nf_conntrack has it ("max", "tcp_established", "udp_stream"), and back; -1: unknown name. */
const char *nb_setting_name(unsigned int setting);
int nb_setting_find(const char *name);

/* Its value: connections or seconds. nb_setting_put() expects one in range. */
unsigned int nb_setting_get(const struct nb_settings *settings, unsigned int setting);
void nb_setting_put(struct nb_settings *settings, unsigned int setting, unsigned int value);
unsigned int nb_setting_least(unsigned int setting);
unsigned int nb_setting_most(unsigned int setting);

/* The default of a timeout, in seconds. */
unsigned int nb_timeout_default(unsigned int timeout);

/* Parses "NAME=VALUE". VALUE is a decimal number in the range of that setting. */
int nb_setting_parse(const char *text, unsigned int *setting, unsigned int *value, struct nb_error *err);

/* Fails if the connection table is smaller than max: its size is fixed when it is loaded. */
int nb_settings_check_max(const struct nb_datapath *dp, unsigned int max, struct nb_error *err);

/* ---- the whole struct ---- */

int nb_settings_read(const struct nb_datapath *dp, struct nb_settings *settings, struct nb_error *err);

/* Needs the lock of the datapath, from the read that *settings came from on. */
int nb_settings_write(const struct nb_datapath *dp, const struct nb_settings *settings, struct nb_error *err);

/* Clears and then sets flags (enum nb_settings_flags). Needs the lock. */
int nb_settings_change_flags(const struct nb_datapath *dp, __u16 clear, __u16 set, struct nb_error *err);

/* The mode that the network's ports were brought to; before that, the one whose programs it has. */
int nb_datapath_mode(const struct nb_datapath *dp, enum nb_mode *mode, struct nb_error *err);

/* Notes in *settings that a frontend or backend has this port. Write it before the frontend or backend. */
void nb_settings_know_l4port(struct nb_settings *settings, __be16 port);

#endif
