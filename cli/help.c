// SPDX-License-Identifier: GPL-2.0-or-later
/* natbridgectl help and version: synopsis, commands and options, from their tables. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <natbridge/abi.h>
#include <natbridge/version.h>

#include "lib/util/error.h"

#include "cli.h"
#include "commands.h"
#include "options.h"
#include "out.h"
#include "values.h"

/* The width of the left column: command, or name and value of an option. */
enum { COMMAND_WIDTH = 18, OPTION_WIDTH = 24 };

static const char *format_command(const struct nb_command *command, char buf[64])
{
	snprintf(buf, 64, "%s%s%s", command->noun, *command->verb ? " " : "", command->verb);
	return buf;
}

/* " -f FILE [-f FILE]...", " [--dry-run]", or a part of " [--keep | --prune-all]". */
static void print_option_usage(const struct nb_option *option, bool *in_group)
{
	const char *placeholder = nb_values[option->value].placeholder;
	char name[NB_OPTION_STRLEN], usage[64];

	nb_option_format(option, name);
	snprintf(usage, sizeof(usage), "%s%s%s", name, *placeholder ? " " : "", placeholder);
	if (*in_group && option->rule != NB_EITHER)
		printf("]");
	if (option->rule == NB_EITHER)
		printf("%s%s", *in_group ? " | " : " [", usage);
	else
		printf(option->rule == NB_REQUIRED ? " %s" : " [%s]", usage);
	if (option->type == NB_TYPE_LIST)
		printf(" [%s]...", usage);
	*in_group = option->rule == NB_EITHER;
}

static void print_usage(const struct nb_command *command)
{
	const char *placeholder = nb_values[command->argument].placeholder;
	bool in_group = false;
	char name[64];

	printf("  natbridgectl [OPTIONS] %s", format_command(command, name));
	if (command->most)
		printf(command->least ? " %s" : " [%s]", placeholder);
	if (command->most == NB_ANY_NUMBER)
		printf("...");
	for (size_t i = 0; i < NB_OPTIONS; i++) {
		const struct nb_option *option = &nb_options[i];

		if (option->commands != NB_EVERY_COMMAND && option->commands & nb_command_bit(command))
			print_option_usage(option, &in_group);
	}
	printf(in_group ? "]\n" : "\n");
}

static void print_synopsis(unsigned int commands)
{
	printf("SYNOPSIS\n");
	if (commands == NB_EVERY_COMMAND)
		printf("  natbridgectl [OPTIONS] COMMAND\n");
	for (size_t i = 0; i < NB_COMMANDS && commands != NB_EVERY_COMMAND; i++) {
		if (commands & nb_command_bit(&nb_commands[i]))
			print_usage(&nb_commands[i]);
	}
}

static void print_commands(unsigned int commands)
{
	char name[64];

	printf("\nCOMMANDS\n");
	for (size_t i = 0; i < NB_COMMANDS; i++) {
		if (commands & nb_command_bit(&nb_commands[i]))
			printf("  %-*s %s\n", COMMAND_WIDTH, format_command(&nb_commands[i], name),
			       nb_commands[i].summary);
	}
}

/* The options that all of these commands take. */
static void print_options(unsigned int commands)
{
	printf("\nOPTIONS\n");
	for (size_t i = 0; i < NB_OPTIONS; i++) {
		const struct nb_option *option = &nb_options[i];
		char letter[4] = "   ", usage[64];

		if ((option->commands & commands) != commands)
			continue;
		if (option->letter)
			snprintf(letter, sizeof(letter), "-%c,", option->letter);
		snprintf(usage, sizeof(usage), "--%s %s", option->name, nb_values[option->value].placeholder);
		printf("  %s %-*s %s\n", letter, OPTION_WIDTH, usage, option->help);
	}
}

/* Help of the command line's command, of its noun if there is no verb, or of the program. */
int nb_cmd_help(const struct nb_cli *cli, struct nb_error *err)
{
	unsigned int commands = NB_EVERY_COMMAND;
	char name[64];

	(void)err;
	nb_out_as_text(cli->out);
	if (cli->command) {
		commands = nb_command_bit(cli->command);
		printf("natbridgectl %s - %s\n\n", format_command(cli->command, name), cli->command->summary);
	} else if (cli->noun) {
		commands = nb_commands_of_noun(cli->noun);
	} else {
		printf("natbridgectl - manage Services, connections and pods of natbridge networks\n\n");
	}
	print_synopsis(commands);
	if (!cli->command)
		print_commands(commands);
	print_options(commands);
	if (!cli->command)
		printf("\n\"natbridgectl COMMAND --help\" shows the options of one command.\n");
	printf("%sThe manual page natbridgectl(8) describes all.\n", cli->command ? "\n" : "");
	return 0;
}

int nb_cmd_version(const struct nb_cli *cli, struct nb_error *err)
{
	(void)err;
	nb_out_as_text(cli->out);
	printf("natbridgectl %s (map layout v%d)\n", NB_VERSION, NB_ABI_VERSION);
	return 0;
}
