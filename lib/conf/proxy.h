/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_CONF_PROXY_H
#define NATBRIDGE_LIB_CONF_PROXY_H

/* "serviceProxy" of a network's configuration, which the reference plugin does not have. */

#include <stdbool.h>

#include <natbridge/abi.h>

#include "lib/datapath/load.h"
#include "lib/datapath/pin_path.h"
#include "lib/json/json.h"
#include "lib/maps/layout.h"
#include "lib/service/service.h"
#include "lib/util/error.h"

struct cJSON;

struct nb_proxy_conf {
	bool full; /* set by the caller: all keys are read and checked; else only those of DEL and GC */
	enum nb_mode mode;
	bool fast_path, fast_path_given;
	bool rcu_expedited;          /* /sys/kernel/rcu_expedited may be switched on for a moment */
	struct nb_pin_root pin_root; /* from bpffs */
	struct nb_limits limits;
	__u32 timeouts[NB_TIMEOUTS];                   /* seconds; 0: not given */
	struct nb_prefix ranges[NB_MAX_SERVICE_CIDRS]; /* serviceCIDRs */
	unsigned int n_ranges;
	struct nb_services services; /* owned */
};

/* Reads the object into *conf, zeroed but for full. The caller frees it, also on failure. */
int nb_proxy_conf_parse(const struct nb_json *proxy, struct nb_proxy_conf *conf, struct nb_error *err);

/* Gives the object's keys the right case. NULL: does nothing. */
void nb_proxy_conf_correct_case(struct cJSON *proxy);

void nb_proxy_conf_free(struct nb_proxy_conf *conf); /* for nb_cleanup() */

#endif
