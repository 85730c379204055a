// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads the command line by the tables of commands and options, and says what is wrong with it. */
#include "command_line.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/error.h"

#include "cli.h"
#include "commands.h"
#include "options.h"
#include "values.h"

/* What getopt_long() returns for an option: its number from here on, beyond all letters. */
enum { FIRST_OPTION = 256 };

static int usage(struct nb_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int usage(struct nb_error *err, const char *fmt, ...)
{
	char text[NB_ERROR_MSG_MAX / 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return nb_fail(err, NB_ERR_CONFIG, 0, "%s; see natbridgectl --help", text);
}

/* ---- options ---- */

#define LONG_OPTION(id, type, field, name, letter, value, commands, rule, help)                              \
	{ name,                                                                                              \
	  NB_TYPE_##type == NB_TYPE_SWITCH  ? no_argument                                                    \
	  : NB_TYPE_##type == NB_TYPE_MAYBE ? optional_argument                                              \
					    : required_argument,                                             \
	  NULL, FIRST_OPTION + NB_OPTION_##id },
static const struct option long_options[] = { NB_OPTION_TABLE(LONG_OPTION){ 0 } };
#undef LONG_OPTION

/* Of a value given twice the first would be lost. */
static int set_value(const char **field, const struct nb_option *option, const char *value,
		     struct nb_error *err)
{
	char name[NB_OPTION_STRLEN];

	if (*field && strcmp(*field, value))
		return usage(err, "%s is given twice: \"%.200s\" and \"%.200s\"",
			     nb_option_format(option, name), *field, value);
	*field = value;
	return 0;
}

static int add_value(struct nb_option_values *field, const struct nb_option *option, const char *value,
		     struct nb_error *err)
{
	const char **items = reallocarray(field->items, field->n + 1, sizeof(*items));
	char name[NB_OPTION_STRLEN];

	if (!items)
		return nb_fail_nomem(err);
	field->items = items;
	for (size_t i = 0; i < field->n; i++) {
		if (!strcmp(value, "-") && !strcmp(items[i], "-"))
			return usage(err, "%s - is given twice: standard input can be read once",
				     nb_option_format(option, name));
	}
	items[field->n++] = value;
	return 0;
}

static int store(struct nb_cli *cli, const struct nb_option *option, const char *value, struct nb_error *err)
{
	void *field = (char *)cli + option->offset;
	char name[NB_OPTION_STRLEN];

	if (option->type == NB_TYPE_SWITCH) {
		*(bool *)field = true;
		return 0;
	}
	if (!nb_value_accepts(option->value, value))
		return usage(err, "%s \"%.200s\" is not %s", nb_option_format(option, name), value,
			     nb_values[option->value].expected);
	if (option->type == NB_TYPE_LIST)
		return add_value(field, option, value, err);
	return set_value(field, option, value, err);
}

static bool is_given(const struct nb_cli *cli, const struct nb_option *option)
{
	const void *field = (const char *)cli + option->offset;

	switch (option->type) {
	case NB_TYPE_SWITCH:
		return *(const bool *)field;
	case NB_TYPE_TEXT:
	case NB_TYPE_MAYBE:
		return *(const char *const *)field != NULL;
	case NB_TYPE_LIST:
		return ((const struct nb_option_values *)field)->n;
	}
	return false;
}

/* What getopt_long() returned: an option, or ':' or '?' for one that cannot be taken. word: as given. */
static int read_option(int found, const char *word, struct nb_cli *cli, struct nb_error *err)
{
	if (found == ':' && optopt < FIRST_OPTION)
		return usage(err, "-%c requires a value", optopt);
	if (found == ':')
		return usage(err, "--%s requires a value", nb_options[optopt - FIRST_OPTION].name);
	if (found == '?' && optopt >= FIRST_OPTION)
		return usage(err, "--%s takes no value", nb_options[optopt - FIRST_OPTION].name);
	if (found == '?' && optopt)
		return usage(err, "unknown option \"-%c\"", optopt);
	if (found == '?')
		return usage(err, "unknown option \"%.200s\"", word);
	for (size_t i = 0; i < NB_OPTIONS; i++) {
		if (found == FIRST_OPTION + (int)i || found == nb_options[i].letter)
			return store(cli, &nb_options[i], optarg, err);
	}
	return 0;
}

/* The value of an option that may have none; getopt_long() itself only takes one behind "=". */
static void take_next(int found, int argc, char **argv)
{
	const struct nb_option *option = &nb_options[found - FIRST_OPTION];

	if (optarg || option->type != NB_TYPE_MAYBE)
		return;
	if (optind < argc && *argv[optind] && nb_value_accepts(option->value, argv[optind]))
		optarg = argv[optind++];
	else
		optarg = (char *)"";
}

/* All options are read even after an error; the first one counts. */
static int read_options(int argc, char **argv, struct nb_cli *cli, struct nb_error *err)
{
	char letters[2 + 2 * NB_OPTIONS] = ":", *end = letters + 1;
	int rc = 0, found;

	for (size_t i = 0; i < NB_OPTIONS; i++) {
		if (nb_options[i].letter)
			*end++ = nb_options[i].letter;
		if (nb_options[i].letter && nb_options[i].value != NB_VALUE_NONE)
			*end++ = ':';
	}
	*end = '\0';
	opterr = 0;
	optind = 0; /* from the start, however often this is called */
	while ((found = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
		struct nb_error later = { 0 };
		int failed;

		if (found >= FIRST_OPTION)
			take_next(found, argc, argv);
		failed = read_option(found, argv[optind - 1], cli, rc ? &later : err);

		if (!rc)
			rc = failed;
	}
	return rc;
}

/* ---- command and arguments ---- */

/* Finds the command of the first words. Returns how many words it has, or an error. */
static int find_command(char *const *words, struct nb_cli *cli, struct nb_error *err)
{
	if (!words[0])
		return cli->help ? 0 : usage(err, "missing command");
	if (!nb_commands_of_noun(words[0]))
		return usage(err, "unknown command \"%.200s\"", words[0]);
	cli->noun = words[0];
	cli->command = nb_command_find(words[0], "");
	if (cli->command)
		return 1;
	if (!words[1])
		return cli->help ? 1 : usage(err, "missing command after \"%s\"", words[0]);
	cli->command = nb_command_find(words[0], words[1]);
	if (!cli->command)
		return usage(err, "unknown command \"%s %.200s\"", words[0], words[1]);
	return 2;
}

static int check_arguments(const struct nb_cli *cli, struct nb_error *err)
{
	const struct nb_command *command = cli->command;
	const struct nb_value *value = &nb_values[command->argument];
	size_t n = 0;

	for (; cli->arguments[n]; n++) {
		if (n >= command->most)
			return usage(err, "unexpected argument \"%.200s\"", cli->arguments[n]);
		if (!nb_value_accepts(command->argument, cli->arguments[n]))
			return usage(err, "\"%.200s\" is not %s", cli->arguments[n], value->expected);
	}
	if (n < command->least)
		return usage(err, "missing %s", value->placeholder);
	return 0;
}

static int check_options(const struct nb_cli *cli, struct nb_error *err)
{
	const struct nb_command *command = cli->command;
	const struct nb_option *either = NULL;
	char name[NB_OPTION_STRLEN], other[NB_OPTION_STRLEN];

	for (size_t i = 0; i < NB_OPTIONS; i++) {
		const struct nb_option *option = &nb_options[i];
		bool given = is_given(cli, option), takes = option->commands & nb_command_bit(command);

		nb_option_format(option, name);
		if (given && !takes)
			return usage(err, "\"%s%s%s\" does not take %s", command->noun,
				     *command->verb ? " " : "", command->verb, name);
		if (!given && takes && option->rule == NB_REQUIRED)
			return usage(err, "missing %s %s", name, nb_values[option->value].placeholder);
		if (!given || option->rule != NB_EITHER)
			continue;
		if (either)
			return usage(err, "%s and %s exclude each other", nb_option_format(either, other),
				     name);
		either = option;
	}
	return 0;
}

int nb_command_line_read(int argc, char **argv, struct nb_cli *cli, struct nb_error *err)
{
	int rc = read_options(argc, argv, cli, err), n;
	bool is_help_command = false;
	char *const *words;

	if (rc)
		return rc;
	words = argv + optind; /* where getopt_long() has moved them */
	if (cli->version) {
		cli->command = &nb_commands[NB_COMMAND_VERSION];
		return 0;
	}
	if (words[0] && !strcmp(words[0], nb_commands[NB_COMMAND_HELP].noun)) {
		/* "help service list" is "service list --help". */
		is_help_command = cli->help = true;
		words++;
	}
	n = find_command(words, cli, err);
	if (n < 0)
		return n;
	cli->arguments = words + n;
	if (is_help_command && words[n])
		return usage(err, "unexpected argument \"%.200s\"", words[n]);
	if (cli->help)
		return 0;
	rc = check_arguments(cli, err);
	if (rc)
		return rc;
	return check_options(cli, err);
}

void nb_command_line_free(struct nb_cli *cli)
{
	for (size_t i = 0; i < NB_OPTIONS; i++) {
		if (nb_options[i].type == NB_TYPE_LIST)
			free(((struct nb_option_values *)((char *)cli + nb_options[i].offset))->items);
	}
}
