// SPDX-License-Identifier: GPL-2.0-or-later
/* The pattern of names. */
#include "cni_id.h"

#include <ctype.h>
#include <string.h>

enum { CNI_NAME_MAX = 200 };

bool nb_cni_name_valid(const char *name)
{
	if (!isalnum((unsigned char)name[0]) || strlen(name) > CNI_NAME_MAX)
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("_.-", *name))
			return false;
	return true;
}
