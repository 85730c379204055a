// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * natbridgectl completion: scripts that complete the command line of natbridgectl in bash and zsh. Nouns,
 * verbs, options and their values are printed from the tables; the rest of each script is fixed text. Names
 * on the node are those that natbridgectl prints when the script asks for them.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/util/error.h"

#include "cli.h"
#include "commands.h"
#include "names.h"
#include "options.h"
#include "out.h"
#include "values.h"

static bool begins_noun(size_t i)
{
	return i == 0 || strcmp(nb_commands[i].noun, nb_commands[i - 1].noun) != 0;
}

/* Text inside single quotes of a shell; "\" is put before the characters of special. */
static void print_text(const char *text, const char *special)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\'", stdout);
		else if (strchr(special, *text))
			putchar('\\');
		putchar(*text);
	}
}

/* The patterns of "case" for the words of a command; with more, whatever stands behind them. */
static void print_patterns(const struct nb_command *command, bool more)
{
	const char *space = *command->verb ? " " : "";

	printf("'%s%s%s'", command->noun, space, command->verb);
	if (more)
		printf(" | '%s%s%s '*", command->noun, space, command->verb);
}

/* The words of a value, "=" behind those that are names. */
static void print_words(const struct nb_value *value)
{
	for (size_t i = 0; value->word(i); i++)
		printf("%s%s%s", i ? " " : "", value->word(i),
		       value->completion == NB_COMPLETE_NAMES ? "=" : "");
}

/* "--file | -f" */
static void print_option_names(const struct nb_option *option)
{
	printf("--%s", option->name);
	if (option->letter)
		printf(" | -%c", option->letter);
}

/* Whether the next word is its value, whatever that is. */
static bool has_value(const struct nb_option *option)
{
	return option->type != NB_TYPE_SWITCH && option->type != NB_TYPE_MAYBE;
}

/* Whether a command takes an option that not every command takes. */
static bool has_own(const struct nb_command *command, const struct nb_option *option)
{
	return option->commands != NB_EVERY_COMMAND && option->commands & nb_command_bit(command);
}

static bool has_own_options(const struct nb_command *command)
{
	for (size_t i = 0; i < NB_OPTIONS; i++) {
		if (has_own(command, &nb_options[i]))
			return true;
	}
	return false;
}

/* ---- bash ---- */

static void print_bash_commands(void)
{
	printf("# The nouns, or the verbs of a noun.\n"
	       "_natbridgectl_commands() {\n\tcase \"$*\" in\n\t'') offer=(-W '");
	for (size_t i = 0; i < NB_COMMANDS; i++) {
		if (begins_noun(i))
			printf("%s%s", i ? " " : "", nb_commands[i].noun);
	}
	for (size_t i = 0; i < NB_COMMANDS; i++) {
		if (!*nb_commands[i].verb)
			continue;
		if (begins_noun(i))
			printf("') ;;\n\t%s) offer=(-W '%s", nb_commands[i].noun, nb_commands[i].verb);
		else
			printf(" %s", nb_commands[i].verb);
	}
	printf("') ;;\n\t*) return 1 ;;\n\tesac\n}\n\n");
}

static void print_bash_offer(const struct nb_value *value)
{
	switch (value->completion) {
	case NB_COMPLETE_NOTHING:
		printf("offer=()");
		break;
	case NB_COMPLETE_WORDS:
	case NB_COMPLETE_NAMES:
		printf("offer=(-W '");
		print_words(value);
		printf("')");
		break;
	case NB_COMPLETE_COMMANDS:
		printf("shift && _natbridgectl_commands \"$@\"");
		break;
	case NB_COMPLETE_LIST:
		printf("offer=(-L %s)", value->word(0));
		break;
	case NB_COMPLETE_FILES:
		printf("offer=(-f)");
		break;
	case NB_COMPLETE_DIRS:
		printf("offer=(-d)");
		break;
	}
}

static void print_bash_arguments(void)
{
	printf("# The arguments of a command.\n"
	       "_natbridgectl_arguments() {\n\tcase \"$*\" in\n");
	for (size_t i = 0; i < NB_COMMANDS; i++) {
		const struct nb_value *value = &nb_values[nb_commands[i].argument];

		if (value->completion == NB_COMPLETE_NOTHING)
			continue;
		printf("\t");
		print_patterns(&nb_commands[i], nb_commands[i].most > 1);
		printf(") ");
		print_bash_offer(value);
		printf(" ;;\n");
	}
	printf("\tesac\n}\n\n");
}

static void print_bash_options(void)
{
	printf("# The options of a command.\n"
	       "_natbridgectl_options() {\n\toffer=(-W '");
	for (size_t i = 0; i < NB_OPTIONS; i++) {
		if (nb_options[i].commands == NB_EVERY_COMMAND)
			printf("--%s ", nb_options[i].name);
	}
	printf("')\n\tcase \"$*\" in\n");
	for (size_t i = 0; i < NB_COMMANDS; i++) {
		if (!has_own_options(&nb_commands[i]))
			continue;
		printf("\t");
		print_patterns(&nb_commands[i], true);
		printf(") offer[1]+='");
		for (size_t k = 0; k < NB_OPTIONS; k++) {
			if (has_own(&nb_commands[i], &nb_options[k]))
				printf("--%s ", nb_options[k].name);
		}
		printf("' ;;\n");
	}
	printf("\tesac\n}\n\n");
}

static void print_bash_values(void)
{
	printf("# The values of an option; fails if it takes none.\n"
	       "_natbridgectl_values() {\n\tcase $1 in\n");
	for (size_t i = 0; i < NB_OPTIONS; i++) {
		if (!has_value(&nb_options[i]))
			continue;
		printf("\t");
		print_option_names(&nb_options[i]);
		printf(") ");
		print_bash_offer(&nb_values[nb_options[i].value]);
		printf(" ;;\n");
	}
	printf("\t*) return 1 ;;\n\tesac\n}\n\n");
}

static void print_bash(void)
{
	printf("# shellcheck shell=bash\n"
	       "# Completion of natbridgectl in bash, printed by \"natbridgectl completion bash\".\n"
	       "# Each function sets offer to the arguments of compgen, or to -L and a list of names.\n\n"
	       "# The names of a list. bash begins a new word at a colon: IPv6 addresses are left out.\n"
	       "_natbridgectl_list() {\n"
	       "	command natbridgectl completion \"$1\" 2>/dev/null | grep -v :\n"
	       "}\n\n");
	print_bash_commands();
	print_bash_arguments();
	print_bash_options();
	print_bash_values();
	fputs("_natbridgectl() {\n"
	      "	local cur=${COMP_WORDS[COMP_CWORD]} words=() offer=() in_value='' i\n"
	      "	COMPREPLY=()\n"
	      "	for ((i = 1; i < COMP_CWORD; i++)); do\n"
	      "		if _natbridgectl_values \"${COMP_WORDS[i]}\"; then\n"
	      "			# bash makes three words of --output=json.\n"
	      "			[[ ${COMP_WORDS[++i]} != = ]] || ((++i))\n"
	      "			((i < COMP_CWORD)) || in_value=yes\n"
	      "		elif [[ ${COMP_WORDS[i]} != -* ]]; then\n"
	      "			words+=(\"${COMP_WORDS[i]}\")\n"
	      "		fi\n"
	      "	done\n"
	      "	if [[ $in_value ]]; then\n"
	      "		[[ $cur != = ]] || cur=''\n"
	      "	elif [[ $cur == -* ]]; then\n"
	      "		_natbridgectl_options \"${words[@]}\"\n"
	      "	else\n"
	      "		offer=()\n"
	      "		_natbridgectl_commands \"${words[@]}\" || _natbridgectl_arguments \"${words[@]}\"\n"
	      "	fi\n"
	      "	[[ ${#offer[@]} -gt 0 ]] || return 0\n"
	      "	[[ ${offer[0]} != -L ]] || offer=(-W \"$(_natbridgectl_list \"${offer[1]}\")\")\n"
	      "	mapfile -t COMPREPLY < <(compgen \"${offer[@]}\" -- \"$cur\")\n"
	      "	[[ ${offer[0]} != -[df] ]] || compopt -o filenames\n"
	      "	[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace\n"
	      "}\n\n"
	      "complete -F _natbridgectl natbridgectl\n",
	      stdout);
}

/* ---- zsh ---- */

/* A noun with verbs is described by these. */
static void print_zsh_noun(size_t i)
{
	printf("\t\t'%s:", nb_commands[i].noun);
	if (!*nb_commands[i].verb)
		print_text(nb_commands[i].summary, ":");
	for (size_t k = i; k < NB_COMMANDS && (k == i || !begins_noun(k)); k++)
		printf("%s%s", k == i ? "" : ", ", nb_commands[k].verb);
	printf("'\n");
}

static void print_zsh_commands(void)
{
	printf("# The nouns, or the verbs of a noun.\n"
	       "_natbridgectl_commands() {\n\tlocal -a found\n\tcase \"$*\" in\n\t('') found=(\n");
	for (size_t i = 0; i < NB_COMMANDS; i++) {
		if (begins_noun(i))
			print_zsh_noun(i);
	}
	for (size_t i = 0; i < NB_COMMANDS; i++) {
		if (!*nb_commands[i].verb)
			continue;
		if (begins_noun(i))
			printf("\t) ;;\n\t(%s) found=(\n", nb_commands[i].noun);
		printf("\t\t'%s:", nb_commands[i].verb);
		print_text(nb_commands[i].summary, ":");
		printf("'\n");
	}
	printf("\t) ;;\n\t(*) return 1 ;;\n\tesac\n\t_describe -t commands command found\n}\n\n");
}

/* What completes an argument. */
static void print_zsh_command(const struct nb_value *value)
{
	switch (value->completion) {
	case NB_COMPLETE_NOTHING:
		break;
	case NB_COMPLETE_WORDS:
		printf("compadd -- ");
		print_words(value);
		break;
	case NB_COMPLETE_NAMES:
		printf("compadd -S '' -- ");
		print_words(value);
		break;
	case NB_COMPLETE_COMMANDS:
		printf("shift && _natbridgectl_commands \"$@\"");
		break;
	case NB_COMPLETE_LIST:
		printf("_natbridgectl_list %s", value->word(0));
		break;
	case NB_COMPLETE_FILES:
		printf("_files");
		break;
	case NB_COMPLETE_DIRS:
		printf("_files -/");
		break;
	}
}

static void print_zsh_arguments(void)
{
	printf("# The arguments of a command.\n"
	       "_natbridgectl_arguments() {\n\tcase \"$*\" in\n");
	for (size_t i = 0; i < NB_COMMANDS; i++) {
		const struct nb_value *value = &nb_values[nb_commands[i].argument];

		if (value->completion == NB_COMPLETE_NOTHING)
			continue;
		printf("\t(");
		print_patterns(&nb_commands[i], nb_commands[i].most > 1);
		printf(") ");
		print_zsh_command(value);
		printf(" ;;\n");
	}
	printf("\tesac\n}\n\n"
	       "_natbridgectl_word() {\n"
	       "\t_natbridgectl_commands $given || _natbridgectl_arguments $given\n}\n\n");
}

/* Behind an option's name, for _arguments: "[help]:placeholder:what completes its value". */
static void print_zsh_option_rest(const struct nb_option *option)
{
	const struct nb_value *value = &nb_values[option->value];

	printf("[");
	print_text(option->help, "[]\\");
	printf("]");
	if (!has_value(option))
		return;
	printf(":");
	print_text(value->placeholder, ":\\");
	printf(":");
	if (value->completion == NB_COMPLETE_WORDS) {
		printf("(");
		print_words(value);
		printf(")");
	} else if (value->completion == NB_COMPLETE_NOTHING) {
		printf(" ");
	} else {
		print_zsh_command(value);
	}
}

/* "(-o --output)": what an option excludes, itself among it; "*" for one that may be given again. */
static void print_zsh_exclusions(const struct nb_option *option)
{
	if (option->type == NB_TYPE_LIST) {
		printf("*");
		return;
	}
	printf("(--%s", option->name);
	if (option->letter)
		printf(" -%c", option->letter);
	for (size_t i = 0; i < NB_OPTIONS && option->rule == NB_EITHER; i++) {
		const struct nb_option *other = &nb_options[i];

		if (other != option && other->rule == NB_EITHER && other->commands & option->commands)
			printf(" --%s", other->name);
	}
	printf(")");
}

static void print_zsh_option(const struct nb_option *option)
{
	const bool takes = has_value(option);

	printf("\t\t'");
	print_zsh_exclusions(option);
	printf("--%s%s", option->name, takes ? "=" : "");
	print_zsh_option_rest(option);
	printf("'\n");
	if (!option->letter)
		return;
	printf("\t\t'");
	print_zsh_exclusions(option);
	printf("-%c%s", option->letter, takes ? "+" : "");
	print_zsh_option_rest(option);
	printf("'\n");
}

static void print_zsh_options(void)
{
	printf("\toptions=(\n");
	for (size_t i = 0; i < NB_OPTIONS; i++) {
		if (nb_options[i].commands == NB_EVERY_COMMAND)
			print_zsh_option(&nb_options[i]);
	}
	printf("\t)\n\tcase \"$given\" in\n");
	for (size_t i = 0; i < NB_COMMANDS; i++) {
		if (!has_own_options(&nb_commands[i]))
			continue;
		printf("\t(");
		print_patterns(&nb_commands[i], true);
		printf(") options+=(\n");
		for (size_t k = 0; k < NB_OPTIONS; k++) {
			if (has_own(&nb_commands[i], &nb_options[k]))
				print_zsh_option(&nb_options[k]);
		}
		printf("\t) ;;\n");
	}
	printf("\tesac\n");
}

static void print_zsh(void)
{
	const char *bar = "";

	printf("#compdef natbridgectl\n"
	       "# Completion of natbridgectl in zsh, printed by \"natbridgectl completion zsh\".\n\n"
	       "# Names on this node: of the list that is the last argument.\n"
	       "_natbridgectl_list() {\n"
	       "	compadd \"${@[1,-2]}\" -- ${(f)\"$(command natbridgectl completion ${@[-1]} "
	       "2>/dev/null)\"}\n"
	       "}\n\n");
	print_zsh_commands();
	print_zsh_arguments();
	printf("_natbridgectl() {\n"
	       "\tlocal -a given options\n"
	       "\tlocal i\n"
	       "\tfor ((i = 2; i < CURRENT; i++)); do\n"
	       "\t\tcase $words[i] in\n\t\t(");
	for (size_t i = 0; i < NB_OPTIONS; i++) {
		if (!has_value(&nb_options[i]))
			continue;
		printf("%s", bar);
		print_option_names(&nb_options[i]);
		bar = " | ";
	}
	printf(") ((i++)) ;;\n"
	       "\t\t(-*) ;;\n"
	       "\t\t(*) given+=(\"$words[i]\") ;;\n"
	       "\t\tesac\n"
	       "\tdone\n");
	print_zsh_options();
	printf("\t_arguments -s $options '*:command:_natbridgectl_word'\n"
	       "}\n\n"
	       "# Called as a function of fpath, or read by source.\n"
	       "if [[ $funcstack[1] = _natbridgectl ]]; then\n"
	       "\t_natbridgectl \"$@\"\n"
	       "else\n"
	       "\tcompdef _natbridgectl natbridgectl\n"
	       "fi\n");
}

int nb_cmd_completion(const struct nb_cli *cli, struct nb_error *err)
{
	(void)err;
	nb_out_as_text(cli->out);
	if (nb_names_print(cli, cli->arguments[0]))
		return 0;
	if (!strcmp(cli->arguments[0], "bash"))
		print_bash();
	else
		print_zsh();
	return 0;
}
