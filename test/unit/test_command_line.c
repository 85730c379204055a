// SPDX-License-Identifier: GPL-2.0-or-later
/* natbridgectl's command line: the tables of commands, options and values, and how argv is read by them. */

#include "cli/cli.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/values.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS_MAX = 16 };

/* A command line, read: its words are pieces of text. */
struct line {
	char text[256];
	char *argv[WORDS_MAX + 1];
	struct nb_cli cli;
	struct nb_error err;
	int rc;
};

static void read_line(const char *words, struct line *line)
{
	int argc = 0;
	char *rest;

	memset(line, 0, sizeof(*line));
	snprintf(line->text, sizeof(line->text), "natbridgectl %s", words);
	for (char *word = strtok_r(line->text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		assert_in_range(argc, 0, WORDS_MAX - 1);
		line->argv[argc++] = word;
	}
	line->rc = nb_command_line_read(argc, line->argv, &line->cli, &line->err);
}

static void free_line(struct line *line)
{
	nb_command_line_free(&line->cli);
}

static const struct {
	const char *words, *message;
} refused[] = {
	{ "", "missing command" },
	{ "frob", "unknown command \"frob\"" },
	{ "service", "missing command after \"service\"" },
	{ "service lst", "unknown command \"service lst\"" },
	{ "status x", "unexpected argument \"x\"" },
	{ "service delete a b c", "unexpected argument \"b\"" },
	{ "service delete", "missing NAMESPACE/NAME" },
	{ "conntrack set", "missing NAME=VALUE" },
	{ "install", "missing DIR" },
	{ "install bin", "\"bin\" is not an absolute path" },
	{ "completion fish", "\"fish\" is not bash, zsh, networks, services, pods or ends" },
	{ "status --watch=0", "--watch \"0\" is not a number of seconds, 1 to 3600" },
	{ "status --watch 0", "unexpected argument \"0\"" },
	{ "upgrade --watch", "\"upgrade\" does not take --watch" },
	{ "status --watch 2 --watch=3", "--watch is given twice: \"2\" and \"3\"" },
	{ "help frob", "unknown command \"frob\"" },
	{ "help service frob", "unknown command \"service frob\"" },
	{ "help service list x", "unexpected argument \"x\"" },
	{ "help status x", "unexpected argument \"x\"" },
	{ "service list --frce", "unknown option \"--frce\"" },
	{ "service list -x", "unknown option \"-x\"" },
	{ "-xq service list", "unknown option \"-x\"" },
	{ "service list --network", "--network requires a value" },
	{ "service list -o", "-o requires a value" },
	{ "service list --output", "--output requires a value" },
	{ "uninstall --dry-run=no", "--dry-run takes no value" },
	{ "--network ../x service list", "--network \"../x\" is not a network name" },
	{ "--network= service list", "--network \"\" is not a network name" },
	{ "--bpffs bpf service list", "--bpffs \"bpf\" is not an absolute path" },
	{ "-o xml service list", "-o \"xml\" is not plain or json" },
	{ "--network a service list --network=b", "--network is given twice: \"a\" and \"b\"" },
	{ "--output plain -o json status", "-o is given twice: \"plain\" and \"json\"" },
	{ "service apply", "missing -f FILE" },
	{ "service apply -f - -f x -f -", "-f - is given twice: standard input can be read once" },
	{ "service apply -f x --keep --prune-all", "--keep and --prune-all exclude each other" },
	{ "service list -f x", "\"service list\" does not take -f" },
	{ "status --keep", "\"status\" does not take --keep" },
	{ "service list --dry-run", "\"service list\" does not take --dry-run" },
	/* The first error counts. */
	{ "-o xml --frce", "-o \"xml\" is not plain or json" },
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		nb_cleanup(free_line) struct line line;
		char message[256];

		read_line(refused[i].words, &line);
		snprintf(message, sizeof(message), "%s; see natbridgectl --help", refused[i].message);
		assert_int_equal(line.rc, -EINVAL);
		assert_string_equal(line.err.msg, message);
	}
}

static void test_form_after_error(void **state)
{
	nb_cleanup(free_line) struct line line;

	(void)state;
	read_line("--frce -o json", &line);
	assert_int_equal(line.rc, -EINVAL);
	assert_string_equal(line.cli.output, "json");
}

static void test_options_anywhere(void **state)
{
	nb_cleanup(free_line) struct line line;

	(void)state;
	read_line("--network net service -f a apply --bpffs=/b -fb --keep --network net -ojson", &line);
	assert_int_equal(line.rc, 0);
	assert_ptr_equal(line.cli.command, &nb_commands[NB_COMMAND_SERVICE_APPLY]);
	assert_string_equal(line.cli.network, "net");
	assert_string_equal(line.cli.bpffs, "/b");
	assert_string_equal(line.cli.output, "json");
	assert_int_equal(line.cli.files.n, 2);
	assert_string_equal(line.cli.files.items[0], "a");
	assert_string_equal(line.cli.files.items[1], "b");
	assert_true(line.cli.keep);
	assert_false(line.cli.prune_all || line.cli.dry_run || line.cli.help || line.cli.version);
	assert_null(line.cli.arguments[0]);
}

static void test_arguments(void **state)
{
	nb_cleanup(free_line) struct line line;

	(void)state;
	read_line("conntrack set max=2048 -- -o", &line);
	assert_int_equal(line.rc, 0);
	assert_ptr_equal(line.cli.command, &nb_commands[NB_COMMAND_CONNTRACK_SET]);
	assert_string_equal(line.cli.arguments[0], "max=2048");
	assert_string_equal(line.cli.arguments[1], "-o");
	assert_null(line.cli.arguments[2]);
}

/* Words, and whose help they ask for. */
static const struct {
	const char *words, *noun;
	const struct nb_command *command;
} helps[] = {
	{ "help", NULL, NULL },
	{ "--help", NULL, NULL },
	{ "help service", "service", NULL },
	{ "service -h", "service", NULL },
	{ "help service list", "service", &nb_commands[NB_COMMAND_SERVICE_LIST] },
	{ "service delete a b --help", "service", &nb_commands[NB_COMMAND_SERVICE_DELETE] },
	{ "help status", "status", &nb_commands[NB_COMMAND_STATUS] },
	{ "help help", "help", &nb_commands[NB_COMMAND_HELP] },
};

static void test_help(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(helps) / sizeof(*helps); i++) {
		nb_cleanup(free_line) struct line line;

		read_line(helps[i].words, &line);
		assert_int_equal(line.rc, 0);
		assert_true(line.cli.help);
		assert_ptr_equal(line.cli.command, helps[i].command);
		if (helps[i].noun)
			assert_string_equal(line.cli.noun, helps[i].noun);
		else
			assert_null(line.cli.noun);
	}
}

static void test_version(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		static const char *const words[] = { "version", "-V", "service --version" };
		nb_cleanup(free_line) struct line line;

		read_line(words[i], &line);
		assert_int_equal(line.rc, 0);
		assert_ptr_equal(line.cli.command, &nb_commands[NB_COMMAND_VERSION]);
	}
}

/* What the compiler does not see: names that are taken, and rows at odds with each other. */
static void test_commands(void **state)
{
	(void)state;
	for (size_t i = 0; i < NB_COMMANDS; i++) {
		const struct nb_command *command = &nb_commands[i];

		assert_true(*command->noun && *command->summary);
		assert_ptr_equal(nb_command_find(command->noun, command->verb), command);
		/* A noun that is a command by itself has no verbs. */
		if (!*command->verb)
			assert_int_equal(nb_commands_of_noun(command->noun), nb_command_bit(command));
		/* The verbs of a noun stand together. */
		unsigned int set = nb_commands_of_noun(command->noun);
		while (!(set & 1))
			set >>= 1;
		assert_int_equal(set & (set + 1), 0);
		assert_true(command->least <= command->most);
		assert_int_equal(command->most == 0, command->argument == NB_VALUE_NONE);
	}
}

static void test_options(void **state)
{
	(void)state;
	for (size_t i = 0; i < NB_OPTIONS; i++) {
		const struct nb_option *option = &nb_options[i];

		assert_true(*option->name && *option->help && option->commands);
		assert_int_equal(option->type == NB_TYPE_SWITCH, option->value == NB_VALUE_NONE);
		for (size_t k = 0; k < i; k++) {
			assert_string_not_equal(option->name, nb_options[k].name);
			assert_true(!option->letter || option->letter != nb_options[k].letter);
		}
	}
}

/* A value that may be left out: behind "=", the next word if it is one, or none. */
static void test_maybe(void **state)
{
	static const struct {
		const char *words, *value;
	} rows[] = {
		{ "status --watch", "" },
		{ "status --watch=5", "5" },
		{ "status --watch 7", "7" },
		{ "--watch status", "" },
		{ "--watch 9 status", "9" },
		{ "--watch -o json status", "" },
		{ "conntrack --watch 3 list", "3" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		nb_cleanup(free_line) struct line line;

		read_line(rows[i].words, &line);
		assert_int_equal(line.rc, 0);
		assert_string_equal(line.cli.watch, rows[i].value);
	}
}

static void test_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < NB_VALUES; i++) {
		const struct nb_value *value = &nb_values[i];
		bool has_words =
			value->completion == NB_COMPLETE_WORDS || value->completion == NB_COMPLETE_NAMES;
		const bool has_list = value->completion == NB_COMPLETE_LIST;

		assert_non_null(value->placeholder);
		assert_int_equal(*value->placeholder == '\0', i == NB_VALUE_NONE);
		assert_int_equal(has_words || has_list, value->word != NULL);
		/* Without a function, the words are what is accepted. */
		assert_true(value->accepts || !value->expected || has_words);
		for (size_t k = 0; has_words && value->word(k); k++)
			assert_true(nb_value_accepts(i, value->word(k)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_form_after_error),
		cmocka_unit_test(test_options_anywhere),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_maybe),
		cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
