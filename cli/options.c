// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of options. */
#include "options.h"

#include <stdio.h>

#include "cli.h"

#define NB_OPTION_ROW(id, type, field, name, letter, value, commands, rule, help)                            \
	{ name, letter, NB_TYPE_##type, offsetof(struct nb_cli, field), value, commands, rule, help },
const struct nb_option nb_options[NB_OPTIONS] = { NB_OPTION_TABLE(NB_OPTION_ROW) };
#undef NB_OPTION_ROW

const char *nb_option_format(const struct nb_option *option, char buf[NB_OPTION_STRLEN])
{
	if (option->letter)
		snprintf(buf, NB_OPTION_STRLEN, "-%c", option->letter);
	else
		snprintf(buf, NB_OPTION_STRLEN, "--%s", option->name);
	return buf;
}
