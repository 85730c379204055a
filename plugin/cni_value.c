// SPDX-License-Identifier: GPL-2.0-or-later
/* Names and MAC addresses as text: see cni_value.h. */
#include "cni_value.h"

#include <string.h>

#include "lib/net/link.h"
#include "lib/util/addr.h"

const char *nb_ifname_problem(const char *name)
{
	if (nb_ifname_valid(name) && !strchr(name, '%'))
		return NULL;
	return "is not the name of an interface: 1 to 15 bytes of printable ASCII without blanks, "
	       "'/', ':' and '%', not \".\", \"..\", \"all\" or \"default\"";
}

bool nb_mac_parse_any(const char *text, unsigned char mac[6])
{
	char colons[NB_MAC_STRLEN];
	const bool dots = strlen(text) == strlen("aabb.ccdd.eeff") && text[4] == '.' && text[9] == '.';
	size_t n = 0;

	if (!dots && strlen(text) != NB_MAC_STRLEN - 1)
		return false;
	for (; *text; text++) {
		if (dots && *text == '.')
			continue;
		if (dots && n % 3 == 2)
			colons[n++] = ':';
		if (n == sizeof(colons) - 1)
			return false;
		colons[n++] = *text == '-' ? ':' : *text;
	}
	colons[n] = '\0';
	return nb_mac_parse(colons, mac);
}
