// SPDX-License-Identifier: GPL-2.0-or-later
/* The list of spec versions and their order. */
#include "cni_version.h"

#include <stddef.h>
#include <string.h>

const char *const NB_CNI_VERSIONS[] = { "0.1.0", "0.2.0", "0.3.0",       "0.3.1",
					"0.4.0", "1.0.0", NB_CNI_NEWEST, NULL };

int nb_cni_version_rank(const char *version)
{
	for (int i = 0; NB_CNI_VERSIONS[i]; i++)
		if (strcmp(version, NB_CNI_VERSIONS[i]) == 0)
			return i;
	return -1;
}
