// SPDX-License-Identifier: GPL-2.0-or-later
/* Durations, ends of connections, states of ports. */
#include "texts.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <unistd.h>

const char *nb_duration_format(unsigned int seconds, char buf[NB_DURATION_STRLEN])
{
	static const struct {
		unsigned int seconds;
		char name;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	size_t i = 0;
	int len;

	while (i < 3 && seconds < units[i].seconds)
		i++;
	len = snprintf(buf, NB_DURATION_STRLEN, "%u%c", seconds / units[i].seconds, units[i].name);
	seconds %= units[i].seconds;
	if (i < 3 && seconds / units[i + 1].seconds)
		snprintf(buf + len, NB_DURATION_STRLEN - (size_t)len, "%u%c", seconds / units[i + 1].seconds,
			 units[i + 1].name);
	return buf;
}

const char *nb_end_format(const struct nb_addr *addr, __be16 port, char buf[NB_END_STRLEN])
{
	const bool is_v6 = nb_addr_family(addr) == AF_INET6;
	char text[NB_ADDR_STRLEN];

	nb_addr_format(addr, text);
	if (port)
		snprintf(buf, NB_END_STRLEN, is_v6 ? "[%s]:%u" : "%s:%u", text, ntohs(port));
	else
		snprintf(buf, NB_END_STRLEN, "%s", text);
	return buf;
}

const struct nb_coloured nb_port_colours[] = {
	{ "detached", NB_COLOUR_RED },
	{ "gone", NB_COLOUR_RED },
	{ "off-bridge", NB_COLOUR_YELLOW },
	{ "down", NB_COLOUR_YELLOW },
	{ "not-forwarding", NB_COLOUR_YELLOW },
	{ "bridge-down", NB_COLOUR_YELLOW },
	{ 0 },
};

bool nb_is_for_people(void)
{
	return isatty(STDOUT_FILENO);
}
