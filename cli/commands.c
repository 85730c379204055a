// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of commands, to be searched. */
#include "commands.h"

#include <string.h>

#define NB_COMMAND_ROW(id, noun, verb, argument, least, most, run, summary)                                  \
	{ noun, verb, argument, least, most, summary },
const struct nb_command nb_commands[NB_COMMANDS] = { NB_COMMAND_TABLE(NB_COMMAND_ROW) };
#undef NB_COMMAND_ROW

const struct nb_command *nb_command_find(const char *noun, const char *verb)
{
	for (size_t i = 0; i < NB_COMMANDS; i++) {
		if (!strcmp(nb_commands[i].noun, noun) && !strcmp(nb_commands[i].verb, verb))
			return &nb_commands[i];
	}
	return NULL;
}

unsigned int nb_command_bit(const struct nb_command *command)
{
	return 1U << (command - nb_commands);
}

unsigned int nb_commands_of_noun(const char *noun)
{
	unsigned int set = 0;

	for (size_t i = 0; i < NB_COMMANDS; i++) {
		if (!strcmp(nb_commands[i].noun, noun))
			set |= nb_command_bit(&nb_commands[i]);
	}
	return set;
}
