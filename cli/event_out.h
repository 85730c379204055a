/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_EVENT_OUT_H
#define NATBRIDGE_CLI_EVENT_OUT_H

/* An event as a line, and as an object of JSON. */

#include <cjson/cJSON.h>
#include <stdio.h>

#include "event_filter.h"

/* "12:34:56.000001 pods veth1 begin tcp 10.0.0.2:40000 > 10.96.0.1:80 as 10.0.0.2:40000 > 10.0.0.3:8080" */
void nb_seen_print(const struct nb_seen *seen, FILE *to);

/* The caller frees it. NULL: out of memory. */
struct cJSON *nb_seen_json(const struct nb_seen *seen);

#endif
