// SPDX-License-Identifier: GPL-2.0-or-later
/* How full the maps are, and which counters grow. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/maps/conntrack.h"
#include "lib/maps/counters.h"
#include "lib/maps/usage.h"
#include "lib/util/addr.h"

#include "checks.h"
#include "reasons.h"

enum { NEARLY_FULL = 90 /* percent */, DEFAULT_SECONDS = 2 };

static void check_fill(struct nb_doctor *doctor, const struct nb_doctor_network *network, const char *what,
		       unsigned int n, unsigned int max, const char *fix)
{
	if (max && (unsigned long long)n * 100 >= (unsigned long long)max * NEARLY_FULL)
		nb_found(doctor, network->name,
			 nb_doctor_text(doctor, "it has %u of at most %u %s", n, max, what), fix);
}

static int check_map(struct nb_doctor *doctor, const struct nb_doctor_network *network, enum nb_map map,
		     const char *fix, struct nb_error *err)
{
	__u32 n = 0, max = 0;

	if (network->dp.map_fd[map] < 0)
		return 0;
	int rc = nb_map_capacity(&network->dp, map, &max, err);
	rc = rc ? rc : nb_map_count(&network->dp, map, &n, err);
	if (!rc)
		check_fill(doctor, network,
			   nb_doctor_text(doctor, "elements of the map \"%s\"", nb_map_name(map)), n, max,
			   fix);
	return rc;
}

int nb_check_table_full(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			struct nb_error *err)
{
	static const char limits[] =
		"raise serviceProxy.limits, and recreate the network (uninstall, new pods)";
	__u32 n = 0;
	int rc = 0;

	/* Expired connections give way to new ones. */
	if (network->dp.map_fd[NB_MAP_CONNECTIONS] >= 0) {
		rc = nb_conntrack_count(&network->dp, &n, err);
		if (!rc)
			check_fill(doctor, network, "connections", n, network->settings.max,
				   nb_doctor_text(doctor,
						  "natbridgectl --network %s conntrack set max=%u; look for "
						  "clients that leave connections open: conntrack list",
						  network->name, 2 * network->settings.max));
	}
	rc = rc ? rc : check_map(doctor, network, NB_MAP_FRONTENDS, limits, err);
	rc = rc ? rc : check_map(doctor, network, NB_MAP_BACKENDS, limits, err);
	rc = rc ? rc : check_map(doctor, network, NB_MAP_SERVICES, limits, err);
	rc = rc ? rc
		: check_map(doctor, network, NB_MAP_SOURCE_RANGES, "use fewer loadBalancerSourceRanges", err);
	rc = rc ? rc
		: check_map(doctor, network, NB_MAP_ENDPOINTS, "move pods to another network or node", err);
	if (!rc)
		check_fill(doctor, network, "pods", network->n_ports, NB_MAX_PORTS - 1,
			   "move pods to another network or node");
	return rc;
}

/* ---- counters that grow ---- */

static void wait_until(long long ms)
{
	struct timespec until = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

int nb_check_drops(struct nb_doctor *doctor, const struct nb_doctor_network *network, struct nb_error *err)
{
	unsigned long long seconds = DEFAULT_SECONDS;
	__u64 now[NB_COUNTERS];
	struct timespec at;

	/* The command line is checked already. */
	if (doctor->cli->seconds)
		nb_uint_parse(doctor->cli->seconds, 0, NB_SECONDS_MAX, &seconds);
	if (!seconds)
		return 0;
	wait_until(doctor->started_ms + (long long)seconds * 1000);
	int rc = nb_counters_read(&network->dp, now, err);
	clock_gettime(CLOCK_MONOTONIC, &at);
	for (size_t i = 0; nb_reasons[i].why && !rc; i++) {
		const struct nb_reason *reason = &nb_reasons[i];
		const __u64 more = now[reason->counter] - network->counters[reason->counter];
		const long long ms = at.tv_sec * 1000LL + at.tv_nsec / 1000000 - doctor->started_ms;

		if (more)
			nb_found_other(doctor,
				       &(struct nb_finding){ .severity = reason->severity,
							     .subject = network->name,
							     .what = nb_doctor_text(
								     doctor, "%s has grown by %llu in %.1f s",
								     nb_counter_name(reason->counter),
								     (unsigned long long)more, ms / 1000.0),
							     .why = reason->why,
							     .fix = reason->fix });
	}
	return rc;
}
