/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_FAMILIES_H
#define NATBRIDGE_AGENT_FAMILIES_H

/* The address families, as health and metrics name them. kube-proxy keeps its state by family. */

enum { NB_FAMILIES = 2 };

/* Sets of them; the bit of family i is 1 << i. */
enum { NB_FAMILY_V4 = 1, NB_FAMILY_V6 = 2, NB_FAMILY_BOTH = 3 };

static inline const char *nb_family_name(unsigned int i)
{
	return i ? "IPv6" : "IPv4";
}

#endif
