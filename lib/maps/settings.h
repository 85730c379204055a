/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MAPS_SETTINGS_H
#define NATBRIDGE_LIB_MAPS_SETTINGS_H

/* What changes while the datapath runs: struct nb_settings, and the values in it that an operator may set. */

#include <natbridge/abi.h>

#include "lib/util/error.h"

#include "layout.h"

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

#endif
