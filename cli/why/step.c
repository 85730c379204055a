// SPDX-License-Identifier: GPL-2.0-or-later
/* Sentences of a report. */
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/util/addr.h"

#include "why.h"

const char *nb_why_end(const struct nb_addr *addr, __be16 port, char buf[NB_END_STRLEN])
{
	char text[NB_ADDR_STRLEN];

	nb_addr_format(addr, text);
	if (!port)
		snprintf(buf, NB_END_STRLEN, "%s", text);
	else if (nb_addr_is_v4(addr))
		snprintf(buf, NB_END_STRLEN, "%s:%u", text, ntohs(port));
	else
		snprintf(buf, NB_END_STRLEN, "[%s]:%u", text, ntohs(port));
	return buf;
}

void nb_why_step(struct nb_why *why, const char *name, const char *fmt, ...)
{
	cJSON *steps = cJSON_GetObjectItemCaseSensitive(why->row, "steps"), *item = cJSON_CreateObject();
	char *text = NULL;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	if (len >= 0 && cJSON_AddStringToObject(item, "step", name) &&
	    cJSON_AddStringToObject(item, "text", text))
		cJSON_AddItemToArray(steps, item);
	else
		cJSON_Delete(item);
	if (len >= 0)
		free(text);
}
