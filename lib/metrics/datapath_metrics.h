/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_METRICS_DATAPATH_METRICS_H
#define NATBRIDGE_LIB_METRICS_DATAPATH_METRICS_H

/* The numbers of networks as metrics of Prometheus, natbridge_datapath_*: doc/METRICS.md. */

#include "lib/util/strbuf.h"

#include "network_stats.h"

/* Appends all of them. */
void nb_datapath_metrics_write(const struct nb_node_stats *stats, struct nb_strbuf *text);

#endif
