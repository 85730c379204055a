// SPDX-License-Identifier: GPL-2.0-or-later
/* The command line of a program of scenarios, and what it reports. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static const char *const model_names[IL_MODELS] = {
	[IL_SC] = "sc",
	[IL_TSO] = "tso",
	[IL_PSO] = "pso",
	[IL_ARM] = "arm",
};

static struct {
	bool is_long, list, all, broken;
	int model;               /* negative: those of the scenario */
	struct il_limits limits; /* negative bounds: those of the scenario */
	char **names;            /* parts of the names of scenarios to run; NULL at the end */
} options = {
	.model = -1,
	.limits = { .states = 40000000, .depth = 10000, .preemptions = -1, .reorders = -1 },
};

static unsigned int n_tests, n_failed;

static void usage(FILE *to)
{
	fputs("Usage: PROGRAM [OPTION]... [PART OF A NAME]...\n"
	      "Walks through all interleavings of each scenario.\n"
	      "  --long             also the long ones\n"
	      "  --model MODEL      sc, tso, pso or arm, instead of those of the scenario\n"
	      "  --preemptions N    at most N switches away from an actor that could go on\n"
	      "  --reorders N       at most N stores that overtake older ones, and loads of old values\n"
	      "  --states N         fail beyond N states (40000000; 48 bytes each)\n"
	      "  --broken           succeed if a scenario finds a violation that it does not expect\n"
	      "  --all              traces: also accesses that no other actor notices\n"
	      "  --list             names of the scenarios\n",
	      to);
}

static int parse_model(const char *text)
{
	for (int i = 0; i < IL_MODELS; i++)
		if (!strcmp(text, model_names[i]))
			return i;
	fprintf(stderr, "unknown model \"%s\"\n", text);
	return -1;
}

static int parse_number(const char *text, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	if (!errno && end != text && !*end)
		return 0;
	fprintf(stderr, "\"%s\" is not a number\n", text);
	return -1;
}

static int parse_option(int option)
{
	uint64_t number;

	switch (option) {
	case 'l':
		options.is_long = true;
		return 0;
	case 'i':
		options.list = true;
		return 0;
	case 'b':
		options.broken = true;
		return 0;
	case 'a':
		options.all = true;
		return 0;
	case 'm':
		options.model = parse_model(optarg);
		return options.model < 0 ? -1 : 0;
	case 'p':
		if (parse_number(optarg, &number))
			return -1;
		options.limits.preemptions = (int)number;
		return 0;
	case 'r':
		if (parse_number(optarg, &number))
			return -1;
		options.limits.reorders = (int)number;
		return 0;
	case 's':
		return parse_number(optarg, &options.limits.states);
	default:
		return -1;
	}
}

/* 0; 1: only help was asked for; -1. */
static int parse(int argc, char **argv)
{
	static const struct option known[] = {
		{ "long", no_argument, NULL, 'l' },           { "list", no_argument, NULL, 'i' },
		{ "broken", no_argument, NULL, 'b' },         { "all", no_argument, NULL, 'a' },
		{ "model", required_argument, NULL, 'm' },    { "preemptions", required_argument, NULL, 'p' },
		{ "reorders", required_argument, NULL, 'r' }, { "states", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },           { 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (option == 'h') {
			usage(stdout);
			return 1;
		}
		if (parse_option(option)) {
			usage(stderr);
			return -1;
		}
	}
	options.names = argv + optind;
	return 0;
}

static bool is_wanted(const struct il_scenario *scenario)
{
	bool named = !options.names[0];

	for (char **name = options.names; *name; name++)
		named |= strstr(scenario->name, *name) != NULL;
	return named && (!scenario->is_long || options.is_long);
}

static bool has_model(const struct il_scenario *scenario, int model)
{
	if (options.model >= 0)
		return model == options.model;
	return (scenario->models ? scenario->models : 1U << IL_SC) >> model & 1;
}

/* ---- one search ---- */

/*
 * Looks for the violation with fewer switches and old values, which makes a trace that is easier to
 * read.
 */
static void find_shorter(const struct il_scenario *scenario, enum il_model model,
			 const struct il_limits *limits)
{
	enum { STATES = 1000000, PREEMPTIONS = 4, REORDERS = 2 };
	struct il_limits fewer = *limits;
	struct il_result result;

	fewer.states = STATES;
	for (fewer.reorders = 0; fewer.reorders <= REORDERS; fewer.reorders++)
		for (fewer.preemptions = 0; fewer.preemptions <= PREEMPTIONS; fewer.preemptions++) {
			il_search(scenario, model, &fewer, &result);
			if (result.violated)
				return;
			if (result.limited)
				break;
		}
	il_search(scenario, model, limits, &result);
}

/* NULL: none. */
static const char *expected_violation(const struct il_scenario *scenario, enum il_model model)
{
	return !scenario->violated_in || scenario->violated_in >> model & 1 ? scenario->violation : NULL;
}

/* NULL: as it should be; else what is wrong. */
static const char *judge(const struct il_scenario *scenario, enum il_model model,
			 const struct il_result *result)
{
	const char *expected = expected_violation(scenario, model);
	static char text[400];

	if (result->violated && (!expected || !strstr(result->violation, expected)))
		return result->violation;
	if (result->limited)
		return "not complete: too many states";
	if (expected && !result->violated) {
		snprintf(text, sizeof(text), "not found: %s", expected);
		return text;
	}
	if (scenario->interleavings != 0 && result->interleavings != scenario->interleavings) {
		snprintf(text, sizeof(text), "%.0f interleavings, not %.0f", result->interleavings,
			 scenario->interleavings);
		return text;
	}
	if (scenario->ends && !result->violated && result->ends != scenario->ends) {
		snprintf(text, sizeof(text), "%llu ends, not %llu", (unsigned long long)result->ends,
			 (unsigned long long)scenario->ends);
		return text;
	}
	return NULL;
}

/* As judge(): searches again without merging states, then without waiting with late stores. */
static const char *cross_check(const struct il_scenario *scenario, enum il_model model,
			       const struct il_limits *limits, const struct il_result *first)
{
	struct il_limits unmerged = *limits, eager = *limits;
	static char text[200];
	struct il_result a, b;

	unmerged.unmerged = true;
	eager.eager = true;
	il_search(scenario, model, &unmerged, &a);
	il_search(scenario, model, &eager, &b);
	if (a.interleavings == first->interleavings && a.ends == first->ends && b.ends == first->ends &&
	    !a.limited && !b.limited)
		return NULL;
	snprintf(text, sizeof(text), "unmerged: %.6g interleavings, %llu ends; eager: %llu ends",
		 a.interleavings, (unsigned long long)a.ends, (unsigned long long)b.ends);
	return text;
}

static void print_figures(const struct il_result *result)
{
	printf("%llu states, %llu steps, up to %u deep, %u points", (unsigned long long)result->states,
	       (unsigned long long)result->transitions, result->depth, result->points);
	if (!result->violated && !result->limited)
		printf(", %.6g interleavings, %llu ends", result->interleavings,
		       (unsigned long long)result->ends);
	printf(", %.2f s of CPU\n", result->seconds);
}

static struct il_limits limits_of(const struct il_scenario *scenario, enum il_model model)
{
	struct il_limits limits = options.limits;

	if (limits.preemptions < 0 && scenario->preemptions)
		limits.preemptions = (int)scenario->preemptions;
	if (limits.reorders < 0 && scenario->reorders && model == IL_ARM)
		limits.reorders = (int)scenario->reorders;
	return limits;
}

static void print_outcome(const struct il_scenario *scenario, enum il_model model,
			  const struct il_limits *limits, const struct il_result *result, bool right)
{
	printf("%sok %u - %s, %s", right ? "" : "not ", ++n_tests, scenario->name, model_names[model]);
	if (limits->preemptions >= 0)
		printf(", %d preemptions", limits->preemptions);
	if (limits->reorders >= 0)
		printf(", %d reorders", limits->reorders);
	printf(": ");
	if (result->violated && right)
		printf("found \"%s\", ", result->violation);
	print_figures(result);
}

static void run(const struct il_scenario *scenario, enum il_model model)
{
	struct il_limits limits = limits_of(scenario, model);
	struct il_result result;
	const char *wrong;

	il_search(scenario, model, &limits, &result);
	wrong = judge(scenario, model, &result);
	if (!wrong && !result.violated && scenario->cross_check)
		wrong = cross_check(scenario, model, &limits, &result);
	print_outcome(scenario, model, &limits, &result, !wrong);
	if (wrong) {
		n_failed++;
		printf("# %s\n", wrong);
	}
	if (wrong && result.violated) {
		find_shorter(scenario, model, &limits);
		il_trace(scenario, model, options.all);
		printf("# %s\n", il_violation);
	}
	fflush(stdout);
}

/* A protocol that is broken on purpose: one of the scenarios has to find it. */
static int run_broken(const struct il_scenario *scenarios, size_t n)
{
	struct il_result result;
	const char *wrong;

	printf("1..1\n");
	for (size_t i = 0; i < n; i++)
		for (int model = 0; model < IL_MODELS; model++) {
			struct il_limits limits = limits_of(&scenarios[i], model);

			if (!is_wanted(&scenarios[i]) || !has_model(&scenarios[i], model))
				continue;
			il_search(&scenarios[i], model, &limits, &result);
			wrong = judge(&scenarios[i], model, &result);
			if (!wrong || !result.violated)
				continue;
			printf("ok 1 - found by \"%s\", %s: %s\n", scenarios[i].name, model_names[model],
			       wrong);
			return 0;
		}
	printf("not ok 1 - no scenario finds what is broken\n");
	return 1;
}

int il_main(int argc, char **argv, const struct il_scenario *scenarios, size_t n)
{
	unsigned int planned = 0;
	int rc = parse(argc, argv);

	if (rc)
		return rc < 0 ? 2 : 0;
	for (size_t i = 0; i < n; i++)
		for (int model = 0; model < IL_MODELS; model++)
			planned += is_wanted(&scenarios[i]) && has_model(&scenarios[i], model);
	for (size_t i = 0; options.list && i < n; i++)
		printf("%s%s\n", scenarios[i].name, scenarios[i].is_long ? " (long)" : "");
	if (options.list)
		return 0;
	if (options.broken)
		return run_broken(scenarios, n);
	printf("1..%u\n", planned);
	for (size_t i = 0; i < n; i++)
		for (int model = 0; model < IL_MODELS; model++)
			if (is_wanted(&scenarios[i]) && has_model(&scenarios[i], model))
				run(&scenarios[i], model);
	return n_failed || !n_tests;
}
