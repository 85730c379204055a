// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of reasons. */
#include "reasons.h"

#include <stddef.h>

#include <natbridge/abi.h>

const struct nb_reason nb_reasons[] = {
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
	{ .why = NULL },
};

const struct nb_reason *nb_reason_of(unsigned int counter)
{
	for (const struct nb_reason *reason = nb_reasons; reason->why; reason++)
		if (reason->counter == counter)
			return reason;
	return NULL;
}
