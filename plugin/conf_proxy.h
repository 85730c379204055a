/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_CONF_PROXY_H
#define NATBRIDGE_PLUGIN_CONF_PROXY_H

/* "serviceProxy" of the configuration, which the reference plugin does not have. */

#include <stdbool.h>

#include <natbridge/abi.h>

#include "lib/datapath/load.h"
#include "lib/datapath/pin_path.h"
#include "lib/json/json.h"
#include "lib/maps/layout.h"
#include "lib/service/service.h"
#include "lib/util/error.h"

struct cJSON;
struct nb_conf;

struct nb_proxy_conf {
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

/* Reads the object into conf->proxy; for DEL and GC only what they need. */
int nb_conf_parse_proxy(const struct nb_json *proxy, struct nb_conf *conf, struct nb_error *err);

/* Gives the object's keys the right case. NULL: does nothing. */
void nb_conf_correct_proxy(struct cJSON *proxy);

void nb_conf_free_proxy(struct nb_proxy_conf *proxy);

#endif
