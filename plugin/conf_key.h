/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_CONF_KEY_H
#define NATBRIDGE_PLUGIN_CONF_KEY_H

/* Tables of configuration keys: a row a key, which says how its value gets into struct nb_conf. */

#include <stdbool.h>
#include <stddef.h>

#include "lib/json/json.h"
#include "lib/util/error.h"

struct nb_conf;

struct nb_conf_key {
	const char *name;
	/* Neither of these two: natbridge knows the key, and does not read it here. */
	size_t flag; /* offset of a bool in struct nb_conf, whose first member is none */
	int (*parse)(const struct nb_json *at, struct nb_conf *conf, struct nb_error *err);
	bool for_removal; /* DEL and GC read it as well */
};

enum { NB_CONF_KEYS_MAX = 40 };

/* The names of a table, which ends with a row without name, in the form that nb_json_check_*() take. */
struct nb_conf_key_names {
	const char *names[NB_CONF_KEYS_MAX + 1];
};
struct nb_conf_key_names nb_conf_key_names(const struct nb_conf_key keys[]);

/*
 * Reads the values of an object in the order of the table; for DEL and GC (conf->command) only
 * rows with for_removal. An absent key keeps the default that *conf holds: parse() is called
 * for it with at->node NULL.
 */
int nb_conf_read_keys(const struct nb_json *object, const struct nb_conf_key keys[], struct nb_conf *conf,
		      struct nb_error *err);

#endif
