// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include <natbridge/version.h>

#include "cli.h"

const struct nb_noun *const nb_nouns[] = { &nb_noun_service,
					   &nb_noun_conntrack,
					   &nb_noun_endpoint,
					   &nb_noun_status,
					   &nb_noun_upgrade,
					   &nb_noun_uninstall,
					   NULL };

const struct nb_noun *nb_noun_find(const char *name)
{
	for (size_t i = 0; nb_nouns[i]; i++) {
		if (!strcmp(nb_nouns[i]->name, name))
			return nb_nouns[i];
	}
	return NULL;
}

const struct nb_verb *nb_verb_find(const struct nb_noun *noun, const char *name)
{
	for (const struct nb_verb *verb = noun->verbs; verb->name; verb++) {
		if (!strcmp(verb->name, name))
			return verb;
	}
	return NULL;
}

static void print_synopsis(const struct nb_noun *noun, const struct nb_verb *verb)
{
	printf("%s%s%s%s%s%s", noun->name, *verb->name ? " " : "", verb->name, verb->argument ? " " : "",
	       verb->argument ? verb->argument : "", verb->options & NB_ARGUMENTS ? "..." : "");
	if (verb->options & NB_OPTION_FILE)
		printf(" -f FILE|- [-f FILE]...");
	if (verb->options & NB_OPTION_KEEP)
		printf(" [--keep | --prune-all]");
	if (verb->options & NB_OPTION_DRY_RUN)
		printf(" [--dry-run]");
}

static void print_verbs(const struct nb_noun *noun)
{
	for (const struct nb_verb *verb = noun->verbs; verb->name; verb++) {
		printf("  ");
		print_synopsis(noun, verb);
		printf("\n      %s\n", verb->summary);
	}
}

static void print_options(void)
{
	printf("\nOPTIONS\n"
	       "  --network N       only this network; without it, every network of the node\n"
	       "  --bpffs D         where the maps are pinned: default $NATBRIDGE_BPFFS, else /sys/fs/bpf\n"
	       "  -o plain|json     form of the output; an error of -o json is {\"error\": \"...\"} as well, "
	       "with\n"
	       "                    what was done before it under \"results\"\n"
	       "  -h, --help        this text; also behind a noun and a verb\n"
	       "\nEXIT STATUS\n"
	       "  0 if all went well, 1 after an error (one sentence on stderr), 2 for a wrong command line\n"
	       "  (an option given twice with different values is one; only -f may be given several times),\n"
	       "  3 if the network, or any that could be meant, is still to be set up by the ADD of its "
	       "first\n"
	       "  pod: what feeds Services may start before that, and tries again\n");
}

static void help_program(void)
{
	printf("natbridgectl - services, connections and pods of natbridge networks (version %s)\n"
	       "\nSYNOPSIS\n"
	       "  natbridgectl [--bpffs D] [--network N] [-o plain|json] NOUN VERB ...\n"
	       "\nCOMMANDS\n",
	       NB_VERSION);
	for (size_t i = 0; nb_nouns[i]; i++)
		print_verbs(nb_nouns[i]);
	printf("  help [NOUN [VERB]]\n      manual of the program, a noun or a verb\n"
	       "  version\n      version of the program and of the maps that it reads\n");
	print_options();
}

static void help_noun(const struct nb_noun *noun)
{
	printf("natbridgectl %s - %s\n\nCOMMANDS\n", noun->name, noun->summary);
	print_verbs(noun);
	print_options();
}

static void help_verb(const struct nb_noun *noun, const struct nb_verb *verb)
{
	printf("natbridgectl %s%s%s - %s\n\nSYNOPSIS\n  natbridgectl [OPTIONS] ", noun->name,
	       *verb->name ? " " : "", verb->name, verb->summary);
	print_synopsis(noun, verb);
	printf("\n\n%s", verb->help);
	print_options();
}

void nb_help(const struct nb_noun *noun, const struct nb_verb *verb)
{
	if (!noun)
		help_program();
	else if (!verb && *noun->verbs->name)
		help_noun(noun);
	else
		help_verb(noun, verb ? verb : noun->verbs);
}
