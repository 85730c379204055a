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

/* What a counter that grows says, in the words of doc/COUNTERS.md. */
static const struct growth {
	unsigned int counter;
	enum nb_severity severity;
	const char *why, *fix;
} growths[] = {
	{ NB_COUNT_INSERT_FAILED, NB_NOTICE, "many CPUs send first packets of the same connection",
	  "nothing, unless it grows steadily: then report it" },
	{ NB_COUNT_REPAIRED, NB_WARNING, "somebody writes to the maps, or natbridge has a fault",
	  "report it" },
	{ NB_DROP_TABLE_FULL, NB_ERROR, "new connections are refused: the table is full",
	  "natbridgectl conntrack set max=N; conntrack list shows who holds connections" },
	{ NB_DROP_NO_BACKEND, NB_WARNING, "clients of a Service get \"connection refused\"",
	  "natbridgectl service list; kubectl get endpointslices" },
	{ NB_DROP_NO_SERVICE, NB_WARNING, "a client uses a port that its Service does not have",
	  "natbridgectl service list, and compare with the client's port and protocol" },
	{ NB_DROP_NO_VIP, NB_WARNING, "a client uses an address of the service ranges that no Service has",
	  "natbridgectl service list; kubectl get services -A" },
	{ NB_DROP_BACKEND_GONE, NB_NOTICE, "clients of a deleted pod get resets, and connect again",
	  "nothing, or let the application drain before its pod ends" },
	{ NB_DROP_NO_PORT, NB_WARNING, "a client has too many connections to one backend",
	  "spread the connections over more clients or backends" },
	{ NB_DROP_NOT_ITS_PORT, NB_WARNING, "a pod uses the address of another pod",
	  "natbridgectl endpoint list, and tcpdump at these ports" },
	{ NB_DROP_INVALID, NB_NOTICE, "packets of connections that are over, or of port scans",
	  "if it grows with the load, compare the timeouts with how long connections are idle" },
	{ NB_DROP_FRAGMENT, NB_WARNING, "fragmented packets do not reach Services",
	  "set the MTU of the pods to what the path carries" },
	{ NB_DROP_UNPARSED, NB_WARNING, "somebody sends malformed packets to Services",
	  "tcpdump at the pods' ports" },
	{ NB_DROP_CUT, NB_ERROR, "Services send to a pod that is cut off from its bridge",
	  "natbridgectl endpoint list" },
	{ NB_DROP_ISOLATED, NB_NOTICE, "two pods may not reach each other",
	  "nothing, if portIsolation or the VLANs are meant so" },
	{ NB_DROP_GONE, NB_NOTICE, "peers of a deleted pod still send to it", "nothing" },
	{ NB_DROP_WRITE, NB_ERROR, "the kernel has no memory for packets", "look at dmesg and free" },
	{ NB_DROP_REDIRECT, NB_NOTICE, "the host sends ICMP redirects to pods",
	  "nothing: they would lead past the translation" },
	{ NB_DROP_SPOOFED, NB_WARNING, "a pod sends from an address that is not its own",
	  "tcpdump at the pods' ports; switch ipspoofchk off if a pod is meant to do so" },
	{ NB_DROP_NO_LOCAL_BACKEND, NB_WARNING,
	  "the traffic policy is Local, and no pod of the Service is here",
	  "kubectl get endpointslices, or set the policy to Cluster" },
	{ NB_DROP_SOURCE_RANGE, NB_WARNING, "a client is in none of the loadBalancerSourceRanges",
	  "add the client's range, or let pods use the ClusterIP" },
	{ NB_DROP_NO_DEVICE, NB_ERROR, "the node has no way to a backend",
	  "ip route get with the backend's address; natbridgectl --network @node status" },
};

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
	for (size_t i = 0; i < sizeof(growths) / sizeof(growths[0]) && !rc; i++) {
		const struct growth *growth = &growths[i];
		const __u64 more = now[growth->counter] - network->counters[growth->counter];
		const long long ms = at.tv_sec * 1000LL + at.tv_nsec / 1000000 - doctor->started_ms;

		if (more)
			nb_found_other(doctor,
				       &(struct nb_finding){ .severity = growth->severity,
							     .subject = network->name,
							     .what = nb_doctor_text(
								     doctor, "%s has grown by %llu in %.1f s",
								     nb_counter_name(growth->counter),
								     (unsigned long long)more, ms / 1000.0),
							     .why = growth->why,
							     .fix = growth->fix });
	}
	return rc;
}
