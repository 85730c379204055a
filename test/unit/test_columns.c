// SPDX-License-Identifier: GPL-2.0-or-later
/* Rows of natbridgectl in columns: widths, wrapping, colours, texts of others. */
#include "cli/columns.h"

#include "cli/texts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_CELLS 6

static void test_print(void **state)
{
	static const struct nb_coloured colours[] = { { "bad", NB_COLOUR_RED }, { 0 } };
	static const struct {
		const char *cells[MAX_CELLS];
		size_t wrapped;
		struct nb_terminal terminal;
		const char *text;
	} rows[] = {
		/* As wide as the widest text; no blanks at the end of a line. */
		{ { "bad", "one two" }, 1, { 0 }, "A    B\nbad  one two\n" },
		{ { "x", "", "longer", "y" }, 2, { 0 }, "A       B\nx\nlonger  y\n" },
		/* Wrapped between words, to 25 - 5 characters. */
		{ { "bad", "twelve chars and more of it" },
		  1,
		  { .width = 25 },
		  "A    B\nbad  twelve chars and\n     more of it\n" },
		/* Behind a comma as well. */
		{ { "bad", "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80" },
		  1,
		  { .width = 35 },
		  "A    B\nbad  10.0.0.1:80,10.0.0.2:80,\n     10.0.0.3:80\n" },
		/* It fits exactly. */
		{ { "bad", "exactly twenty chars" },
		  1,
		  { .width = 25 },
		  "A    B\nbad  exactly twenty chars\n" },
		/* A word that does not fit is cut; a terminal that is too narrow is not obeyed. */
		{ { "bad", "0123456789012345678901234 x" },
		  1,
		  { .width = 10 },
		  "A    B\nbad  01234567890123456789\n     01234 x\n" },
		/* The first column may be the wrapped one. */
		{ { "a b c d e f g h i j k l", "z" },
		  0,
		  { .width = 23 },
		  "A                     B\na b c d e f g h i j   z\nk l\n" },
		{ { "bad", "x", "good", "y" },
		  1,
		  { .width = 80, .colours = true },
		  "A     B\n\033[31mbad\033[0m   x\ngood  y\n" },
		/* Nothing of others' texts reaches a terminal as a command. */
		{ { "a\033[2J", "x\ny\177" },
		  1,
		  { .width = 80, .colours = true },
		  "A      B\na?[2J  x?y?\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nb_table table = { .n = 2,
					  .titles = { "A", "B" },
					  .cells = rows[i].cells,
					  .wrapped = rows[i].wrapped,
					  .coloured = 0,
					  .colours = colours };
		char *text = NULL;
		size_t size;
		FILE *to = open_memstream(&text, &size);

		while (table.n_cells < MAX_CELLS && rows[i].cells[table.n_cells])
			table.n_cells++;
		nb_table_print(&table, &rows[i].terminal, to);
		fclose(to);
		assert_string_equal(text, rows[i].text);
		free(text);
	}
}

static void test_durations(void **state)
{
	static const struct {
		unsigned int seconds;
		const char *text;
	} rows[] = {
		{ 0, "0s" },
		{ 59, "59s" },
		{ 60, "1m" },
		{ 3599, "59m59s" },
		{ 3600, "1h" },
		{ 3900, "1h5m" },
		{ 3605, "1h" },
		{ 86400, "1d" },
		{ 432000, "5d" },
		{ 431999, "4d23h" },
		{ 4294967295U, "49710d6h" },
	};
	char text[NB_DURATION_STRLEN];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_string_equal(nb_duration_format(rows[i].seconds, text), rows[i].text);
}

/* A pipe is no terminal, whatever the environment says. */
static void test_no_terminal(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	FILE *to = fdopen(fds[1], "w");
	const struct nb_terminal terminal = nb_terminal_of(to);
	assert_int_equal(terminal.width, 0);
	assert_false(terminal.colours);
	fclose(to);
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_no_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
