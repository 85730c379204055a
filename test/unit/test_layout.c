// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tables of maps, programs and counters, held against each other, against the eBPF objects that were
 * built and against doc/COUNTERS.md. No root: the objects are opened, not loaded.
 */
#include "lib/maps/counters.h"
#include "lib/maps/layout.h"
#include "lib/util/cleanup.h"

#include <bpf/libbpf.h>
#include <libgen.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof(*(array)))

static bool begins_with(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

/* ---- names ---- */

static void expect_pin_name(const char *name)
{
	assert_non_null(name);
	assert_true(*name);
	/* bpffs refuses dots; pins.c has these names for itself. */
	assert_null(strchr(name, '.'));
	assert_string_not_equal(name, "new");
	assert_string_not_equal(name, "nb_qdisc_made");
	assert_null(strstr(name, "_build"));
}

static void test_names(void **state)
{
	const char *names[NB_MAPS + NB_PROGS];
	size_t n = 0;

	(void)state;
	for (int i = 0; i < NB_MAPS; i++)
		names[n++] = nb_map_name(i);
	for (int i = 0; i < NB_PROGS; i++) {
		names[n++] = nb_prog_name(i);
		/* Programs are found again by what the kernel keeps of their names. */
		assert_in_range(strlen(nb_prog_name(i)), 1, BPF_OBJ_NAME_LEN - 1);
	}
	for (size_t i = 0; i < n; i++) {
		expect_pin_name(names[i]);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(names[i], names[k]);
	}
	for (int i = 0; i < NB_MAPS; i++)
		for (int k = 0; k < i; k++)
			assert_string_not_equal(nb_map_rows[i].in_object, nb_map_rows[k].in_object);
}

/* ---- modes ---- */

static void test_hooks(void **state)
{
	static const struct {
		enum nb_mode mode;
		bool has[NB_HOOKS];
	} rows[] = {
		{ NB_MODE_OFF, { false } },
		{ NB_MODE_EBPF, { [NB_HOOK_PORT_IN] = true, [NB_HOOK_PORT_OUT] = true } },
		{ NB_MODE_ASSIST, { [NB_HOOK_PORT_IN] = true, [NB_HOOK_BRIDGE_OUT] = true } },
		{ NB_MODE_NODE,
		  { [NB_HOOK_NB0_OUT] = true, [NB_HOOK_DEVICE_IN] = true, [NB_HOOK_DEVICE_OUT] = true } },
	};

	(void)state;
	assert_int_equal(ARRAY_SIZE(rows), NB_MODES);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (enum nb_hook hook = NB_HOOK_NONE + 1; hook < NB_HOOKS; hook++) {
			unsigned int n = 0;

			for (int prog = 0; prog < NB_PROGS; prog++)
				n += nb_prog_rows[prog].mode == rows[i].mode &&
				     nb_prog_rows[prog].hook == hook;
			assert_int_equal(n, rows[i].has[hook]);
			assert_int_equal(nb_prog_at(rows[i].mode, hook) < NB_PROGS, rows[i].has[hook]);
		}
}

static void test_rows(void **state)
{
	(void)state;
	for (int i = 0; i < NB_MAPS; i++) {
		const struct nb_map_row *row = &nb_map_rows[i];

		assert_false(nb_mode_has_map(NB_MODE_OFF, i));
		/* A map that no mode has is there to be migrated, or not at all. */
		if (row->modes == NB_IN_NONE)
			assert_int_not_equal(row->migration, NB_MIGRATE_NOT);
	}
	for (int i = 0; i < NB_PROGS; i++)
		assert_in_range(nb_prog_rows[i].mode, NB_MODE_OFF + 1, NB_MODES - 1);
}

/* ---- the objects that were built ---- */

static void close_object(struct bpf_object **obj)
{
	bpf_object__close(*obj);
}

/* Of this test's own build: build/test/unit/test_layout -> build/NAME. */
static struct bpf_object *open_object(const char *name)
{
	char self[PATH_MAX] = { 0 }, path[PATH_MAX + 64];
	struct bpf_object *obj;

	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	snprintf(path, sizeof(path), "%s/../../%s", dirname(self), name);
	obj = bpf_object__open_file(path, NULL);
	if (!obj)
		fail_msg("cannot open %s", path);
	return obj;
}

/* NB_MAPS: no row has this map. */
static int row_of_map(const char *in_object)
{
	int i = 0;

	while (i < NB_MAPS && strcmp(nb_map_rows[i].in_object, in_object) != 0)
		i++;
	return i;
}

static int row_of_prog(const char *name)
{
	int i = 0;

	while (i < NB_PROGS && strcmp(nb_prog_name(i), name) != 0)
		i++;
	return i;
}

/* Not pinned: read-only data, and memory of one program run, or of one CPU for a tick. */
static bool is_private(const char *in_object)
{
	static const char *const private[] = {
		"scratch", "looked_up", "quotes", "related", "recent", "event"
	};

	for (size_t i = 0; i < ARRAY_SIZE(private); i++)
		if (!strcmp(in_object, private[i]))
			return true;
	return strstr(in_object, ".rodata");
}

static void expect_maps(const struct bpf_object *obj, enum nb_mode mode)
{
	const struct bpf_map *map;

	bpf_object__for_each_map(map, obj)
	{
		const char *name = bpf_map__name(map);
		int row = row_of_map(name);

		if (row == NB_MAPS && is_private(name))
			continue;
		if (row == NB_MAPS || !nb_mode_has_map(mode, row))
			fail_msg("map %s is in the object of mode %s, but not in its rows", name,
				 nb_mode_name(mode));
	}
	for (int i = 0; i < NB_MAPS; i++)
		if (nb_mode_has_map(mode, i) && !bpf_object__find_map_by_name(obj, nb_map_rows[i].in_object))
			fail_msg("the object of mode %s has no map %s", nb_mode_name(mode), nb_map_name(i));
}

static void expect_progs(struct bpf_object *obj, enum nb_mode mode)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, obj)
	{
		int row = row_of_prog(bpf_program__name(prog));

		if (row == NB_PROGS || !nb_mode_has_prog(mode, row))
			fail_msg("program %s is in the object of mode %s, but not in its rows",
				 bpf_program__name(prog), nb_mode_name(mode));
	}
	for (int i = 0; i < NB_PROGS; i++)
		if (nb_mode_has_prog(mode, i) && !bpf_object__find_program_by_name(obj, nb_prog_name(i)))
			fail_msg("the object of mode %s has no program %s", nb_mode_name(mode),
				 nb_prog_name(i));
}

/* The programs of a handover use maps of mode ebpf, and their own. */
static void test_handover(void **state)
{
	nb_cleanup(close_object) struct bpf_object *obj = open_object("handover.bpf.o");
	const struct bpf_map *map;

	(void)state;
	bpf_object__for_each_map(map, obj)
	{
		const char *name = bpf_map__name(map);
		int row = row_of_map(name);

		if (row == NB_MAPS ? !is_private(name)
				   : !(nb_map_rows[row].modes & (NB_IN_EBPF | NB_IN_HANDOVER)))
			fail_msg("map %s is not one of a handover", name);
	}
	for (int i = 0; i < NB_MAPS; i++)
		if (nb_map_rows[i].modes & NB_IN_HANDOVER)
			assert_non_null(bpf_object__find_map_by_name(obj, nb_map_rows[i].in_object));
	for (int i = 0; i < NB_PROGS; i++)
		assert_int_equal(!!bpf_object__find_program_by_name(obj, nb_prog_name(i)),
				 nb_mode_has_prog(NB_MODE_EBPF, i) && nb_prog_rows[i].hook != NB_HOOK_NONE);
}

static void test_objects(void **state)
{
	static const struct {
		enum nb_mode mode;
		const char *file;
	} rows[] = {
		{ NB_MODE_EBPF, "natbridge.bpf.o" },
		{ NB_MODE_ASSIST, "assist.bpf.o" },
		{ NB_MODE_NODE, "node.bpf.o" },
	};

	(void)state;
	assert_int_equal(ARRAY_SIZE(rows), NB_MODES - 1); /* mode off has none */
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		nb_cleanup(close_object) struct bpf_object *obj = open_object(rows[i].file);
		const struct bpf_map *counters;

		expect_maps(obj, rows[i].mode);
		expect_progs(obj, rows[i].mode);
		counters = bpf_object__find_map_by_name(obj, nb_map_rows[NB_MAP_COUNTERS].in_object);
		assert_int_equal(bpf_map__max_entries(counters), NB_COUNTERS);
	}
}

/* ---- counters ---- */

static const struct counter {
	const char *id;
	unsigned int number;
	const char *name;
} counters[] = {
#define COUNTER_ROW(id, number, name) { #id, number, name },
	NB_COUNTER_TABLE(COUNTER_ROW)
#undef COUNTER_ROW
};

static void test_counters(void **state)
{
	size_t named = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
		const struct counter *row = &counters[i];
		bool is_drop = begins_with(row->id, "NB_DROP_");

		if (is_drop)
			assert_in_range(row->number, NB_DROP_BASE, NB_COUNTERS - 1);
		else
			assert_in_range(row->number, NB_COUNT_NONE + 1, NB_DROP_BASE - 1);
		assert_int_equal(begins_with(row->name, "drop"), is_drop);
		assert_string_equal(nb_counter_name(row->number), row->name);
		for (size_t k = 0; k < i; k++) {
			assert_int_not_equal(row->number, counters[k].number);
			assert_string_not_equal(row->name, counters[k].name);
		}
	}
	for (unsigned int i = 0; i <= NB_COUNTERS; i++)
		named += nb_counter_name(i) != NULL;
	assert_int_equal(named, ARRAY_SIZE(counters));
}

/* Rows of the tables in doc/COUNTERS.md begin with "| `NAME` |". */
static bool documented_name(const char *line, char name[64])
{
	return sscanf(line, "| `%63[a-z_]` |", name) == 1;
}

static void test_counters_are_documented(void **state)
{
	unsigned int rows[ARRAY_SIZE(counters)] = { 0 };
	nb_autofclose FILE *doc = fopen("doc/COUNTERS.md", "re");
	nb_autofree char *line = NULL;
	char name[64];
	size_t len = 0;

	(void)state;
	if (!doc)
		fail_msg("doc/COUNTERS.md cannot be read: run this test in the root of the sources");
	while (getline(&line, &len, doc) > 0) {
		bool known = false;

		if (!documented_name(line, name))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
			bool same = !strcmp(name, counters[i].name);

			rows[i] += same;
			known |= same;
		}
		if (begins_with(name, "drop") && !known)
			fail_msg("doc/COUNTERS.md explains %s, which is no counter", name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		if (rows[i] != 1)
			fail_msg("doc/COUNTERS.md has %u rows for %s", rows[i], counters[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_hooks),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_handover),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_counters_are_documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
