// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A violation, step by step: the scenario runs once more with the choices that led there. Prints a
 * line for each access that another actor may notice.
 */
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

enum { LINES_MAX = 20000 };

struct line {
	unsigned int actor;
	bool arrives; /* a store reaches memory */
	bool is_old;  /* a load of what memory does not hold any more */
	struct il_trap trap;
	uint64_t value;
	char code[160]; /* function, file and line */
};

static struct line *lines;
static size_t n_lines;
static bool with_all;

static void on_access(unsigned int actor, const struct il_trap *trap, uint64_t value, bool point)
{
	bool seen =
		point || il_use_meets(actor, trap->at, trap->size, trap->op != IL_WRITE, trap->op != IL_READ);

	if ((!seen && !with_all) || n_lines == LINES_MAX)
		return;
	lines[n_lines++] = (struct line){ .actor = actor, .trap = *trap, .value = value };
	if (trap->op == IL_READ || trap->op == IL_CAS)
		lines[n_lines - 1].is_old =
			!il_actors[actor].buffer.n && memcmp(trap->at, &value, trap->size) != 0;
}

static void on_flush(unsigned int actor, const struct il_store *store)
{
	if (n_lines < LINES_MAX)
		lines[n_lines++] = (struct line){ .actor = actor,
						  .arrives = true,
						  .trap = { .at = store->at, .size = store->size },
						  .value = store->value };
}

/* ---- where in the code ---- */

static int first_object(struct dl_phdr_info *info, size_t size, void *base)
{
	(void)size;
	*(uintptr_t *)base = info->dlpi_addr;
	return 1;
}

/* What addr2line prints of an address: the function in one line, file and line in the next. */
static void read_code(FILE *from, struct line *line)
{
	char function[96] = "", place[512] = "", *base;

	if (!fgets(function, sizeof(function), from) || !fgets(place, sizeof(place), from))
		return;
	function[strcspn(function, "\n")] = 0;
	place[strcspn(place, " \n")] = 0;
	base = strrchr(place, '/');
	snprintf(line->code, sizeof(line->code), "%s %.60s", function, base ? base + 1 : place);
}

/* Asks addr2line of binutils, if it is there, in portions that fit a command line. */
static void find_code(void)
{
	enum { PORTION = 500 };
	static char command[128 + 20 * PORTION];
	uintptr_t base = 0;

	dl_iterate_phdr(first_object, &base);
	for (size_t done = 0; done < n_lines; done += PORTION) {
		size_t end = done + PORTION < n_lines ? done + PORTION : n_lines;
		int len = snprintf(command, sizeof(command), "addr2line -fe /proc/%d/exe 2>/dev/null",
				   getpid());
		FILE *pipe;

		for (size_t i = done; i < end; i++)
			len += snprintf(command + len, sizeof(command) - len, " %" PRIxPTR,
					lines[i].trap.from ? lines[i].trap.from - base - 1 : 0);
		pipe = popen(command, "r"); /* NOLINT(cert-env33-c) */
		for (size_t i = done; pipe && i < end; i++)
			read_code(pipe, &lines[i]);
		if (pipe)
			pclose(pipe);
	}
}

/* ---- lines ---- */

static const char *op_name(const struct il_trap *trap)
{
	static const char *const names[] = {
		[IL_READ] = "read", [IL_WRITE] = "write", [IL_CAS] = "cas",
		[IL_XCHG] = "xchg", [IL_ADD] = "add",     [IL_SUB] = "sub",
		[IL_AND] = "and",   [IL_OR] = "or",       [IL_XOR] = "xor",
	};

	if (trap->op == IL_RANGE_READ)
		return "lookup";
	return trap->op == IL_RANGE_WRITE ? "update" : names[trap->op];
}

static const char *actor_name(const struct il_scenario *scenario, unsigned int actor)
{
	static const char *const letters[IL_ACTORS] = { "A", "B", "C", "D" };

	return scenario->actor_names[actor] ? scenario->actor_names[actor] : letters[actor];
}

static void print_value(const struct line *line, char *to, size_t size)
{
	const struct il_trap *trap = &line->trap;

	if (trap->op == IL_CAS && line->value == trap->arg[0])
		snprintf(to, size, "%#" PRIx64 " -> %#" PRIx64, line->value, trap->arg[1]);
	else if (trap->op == IL_CAS)
		snprintf(to, size, "%#" PRIx64 "%s, not %#" PRIx64 ": fails", line->value,
			 line->is_old ? ", an old value" : "", trap->arg[0]);
	else if (trap->op > IL_CAS && trap->op <= IL_XOR)
		snprintf(to, size, "%#" PRIx64 ", with %#" PRIx64, line->value, trap->arg[0]);
	else if (trap->op <= IL_WRITE)
		snprintf(to, size, "%#" PRIx64 "%s", line->value, line->is_old ? ", an old value" : "");
	else
		to[0] = 0;
}

static bool is_plain(const struct line *line)
{
	return !line->is_old && (line->arrives || line->trap.op == IL_READ || line->trap.op == IL_WRITE);
}

static bool same_function(const char *a, const char *b)
{
	size_t len = strcspn(a, " ");

	return !strncmp(a, b, len + 1);
}

static bool is_alike(const struct line *a, const struct line *b)
{
	return is_plain(a) && is_plain(b) && a->actor == b->actor && a->arrives == b->arrives &&
	       a->trap.op == b->trap.op && same_function(a->code, b->code);
}

/* The lines from "first" on that one line stands for: one function goes through memory. */
static size_t alike(size_t first)
{
	size_t end = first + 1;

	while (end < n_lines && is_alike(&lines[first], &lines[end]))
		end++;
	return end - first > 2 && !with_all ? end - first : 1;
}

static void print_lines(const struct il_scenario *scenario, size_t first, size_t n)
{
	const struct line *line = &lines[first];
	char name[96], value[96];

	il_memory_name(scenario, line->trap.at, name, sizeof(name));
	print_value(line, value, sizeof(value));
	printf("# %4zu  %-8s %-7s %-26s %-36s %s", first + 1, actor_name(scenario, line->actor),
	       line->arrives ? "arrives" : op_name(&line->trap), name, value,
	       line->arrives ? "in memory" : line->code);
	if (n > 1) {
		il_memory_name(scenario, line[n - 1].trap.at, name, sizeof(name));
		printf(", %zu times, to %s", n, name);
	}
	printf("\n");
}

void il_trace(const struct il_scenario *scenario, enum il_model model, bool all)
{
	with_all = all;
	n_lines = 0;
	lines = calloc(LINES_MAX, sizeof(*lines));
	if (!lines)
		return;
	il_on_access = on_access;
	il_on_flush = on_flush;
	il_begin(scenario, model);
	for (uint32_t i = 0; i < il_path_len && !il_violated; i++) {
		il_choose(il_path[i]);
		il_run_always();
	}
	il_on_access = NULL;
	il_on_flush = NULL;
	find_code();
	for (size_t i = 0, n; i < n_lines; i += n) {
		n = alike(i);
		print_lines(scenario, i, n);
	}
	free(lines);
}
