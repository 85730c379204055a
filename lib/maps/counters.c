// SPDX-License-Identifier: GPL-2.0-or-later
/* The counters of the programs, summed, and their names. */
#include "counters.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "layout.h"

#define COUNTER_NAME(id, number, name) [number] = (name),

static const char *const names[NB_COUNTERS] = { NB_COUNTER_TABLE(COUNTER_NAME) };

const char *nb_counter_name(unsigned int counter)
{
	return counter < NB_COUNTERS ? names[counter] : NULL;
}

int nb_counters_read(const struct nb_datapath *dp, __u64 counters[NB_COUNTERS], struct nb_error *err)
{
	int cpus = libbpf_num_possible_cpus();
	__u64 *each nb_autofree = NULL;
	__u64 sum[NB_COUNTERS] = { 0 };

	if (cpus <= 0)
		return nb_fail(err, NB_ERR_SYSTEM, -cpus, "cannot count the CPUs");
	each = calloc(cpus, sizeof(*each));
	if (!each)
		return nb_fail_nomem(err);
	for (__u32 i = 0; i < NB_COUNTERS; i++) {
		if (bpf_map_lookup_elem(dp->map_fd[NB_MAP_COUNTERS], &i, each))
			return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot read the counters below \"%s\"",
				       dp->dir);
		for (int cpu = 0; cpu < cpus; cpu++)
			sum[i] += each[cpu];
	}
	memcpy(counters, sum, sizeof(sum));
	return 0;
}
