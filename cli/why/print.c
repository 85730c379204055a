// SPDX-License-Identifier: GPL-2.0-or-later
/* A row as text. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/columns.h"
#include "cli/out.h"

#include "why.h"

enum { COLUMNS = 5 };

/* The step behind which the backends stand. */
static const char backends_step[] = "backends";

static void put_backend(const cJSON *backend, char *endpoint, size_t size, const char **cells)
{
	const char *addr = nb_row_text(backend, "address"), *lost = nb_row_text(backend, "lost");

	snprintf(endpoint, size, strchr(addr, ':') ? "[%s]:%u" : "%s:%u", addr,
		 nb_row_number(backend, "port"));
	cells[0] = "";
	cells[1] = endpoint;
	cells[2] = nb_row_is(backend, "newConnections") ? "yes" : "no";
	cells[3] = nb_row_text(backend, "device");
	cells[4] = *lost ? lost : nb_row_text(backend, "why");
}

static void print_backends(const cJSON *backends, FILE *to)
{
	enum { ENDPOINT = 64 };
	const size_t n = (size_t)cJSON_GetArraySize(backends);
	const char **cells = calloc(n * COLUMNS + 1, sizeof(*cells));
	char *endpoints = calloc(n + 1, ENDPOINT);
	const struct nb_terminal terminal = nb_terminal_of(to);
	const struct nb_table table = { .n = COLUMNS,
					.titles = { "            ", "BACKEND", "NEW", "PORT", "WHY" },
					.cells = cells,
					.n_cells = n * COLUMNS,
					.wrapped = COLUMNS - 1,
					.coloured = COLUMNS };
	const cJSON *backend;
	size_t i = 0;

	cJSON_ArrayForEach(backend, backends) {
		if (cells && endpoints)
			put_backend(backend, endpoints + i * ENDPOINT, ENDPOINT, cells + i * COLUMNS);
		i++;
	}
	if (cells && endpoints && n)
		nb_table_print(&table, &terminal, to);
	free(cells);
	free(endpoints);
}

void nb_why_print(const cJSON *row, FILE *to)
{
	const char *fix = nb_row_text(row, "fix");
	const cJSON *item;

	fprintf(to, "%s to %s/%s\n\n", nb_row_text(row, "from"), nb_row_text(row, "to"),
		nb_row_text(row, "protocol"));
	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(row, "steps")) {
		const char *name = nb_row_text(item, "step");

		fprintf(to, "%-13s %s\n", name, nb_row_text(item, "text"));
		if (!strcmp(name, backends_step))
			print_backends(cJSON_GetObjectItemCaseSensitive(row, "backends"), to);
	}
	fprintf(to, "\n%s\n", nb_row_text(row, "summary"));
	if (*fix)
		fprintf(to, "What to do: %s\n", fix);
}
