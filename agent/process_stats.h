/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_PROCESS_STATS_H
#define NATBRIDGE_AGENT_PROCESS_STATS_H

/* What this process uses, as Prometheus' clients report it: process_*. What /proc does not tell is 0. */

struct nb_process_stats {
	double cpu_seconds;             /* user and system */
	double resident, virtual_bytes; /* bytes */
	double start_time;              /* seconds since the epoch */
	double open_fds, max_fds;
};

struct nb_process_stats nb_process_stats_read(void);

#endif
