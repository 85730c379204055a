// SPDX-License-Identifier: GPL-2.0-or-later
/* Standard output: rows as aligned columns, as lines or as JSON. */
#include "out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "columns.h"

struct nb_out {
	bool json, keep_rows, as_text, is_frame;
	FILE *to;   /* stdout; memory for JSON and for a frame */
	char *text; /* of the memory */
	size_t size;
	size_t n_rows;
	const struct nb_column *columns;
	size_t wrapped, coloured; /* columns; NB_COLUMNS_MAX: none */
	const struct nb_coloured *colours;
	NB_VEC(char *) cells; /* of plain rows, one row after the other */
};

static struct nb_out *new_out(bool json, bool is_frame)
{
	struct nb_out *out = calloc(1, sizeof(*out));

	if (!out)
		return NULL;
	out->json = json;
	out->is_frame = is_frame;
	out->wrapped = out->coloured = NB_COLUMNS_MAX;
	out->to = json || is_frame ? open_memstream(&out->text, &out->size) : stdout;
	if (!out->to) {
		free(out);
		return NULL;
	}
	return out;
}

struct nb_out *nb_out_new(bool json)
{
	return new_out(json, false);
}

struct nb_out *nb_out_new_frame(bool json)
{
	return new_out(json, true);
}

const char *nb_out_text(const struct nb_out *out)
{
	return out->text ? out->text : "";
}

void nb_out_free(struct nb_out **out)
{
	if (!*out)
		return;
	if ((*out)->to != stdout)
		fclose((*out)->to);
	for (size_t i = 0; i < (*out)->cells.n; i++)
		free((*out)->cells.items[i]);
	nb_vec_free(&(*out)->cells);
	free((*out)->text);
	free(*out);
	*out = NULL;
}

bool nb_out_is_json(const struct nb_out *out)
{
	return out->json;
}

void nb_out_as_text(struct nb_out *out)
{
	out->as_text = true;
}

void nb_out_keep_rows(struct nb_out *out)
{
	out->keep_rows = true;
}

void nb_out_columns(struct nb_out *out, const struct nb_column *columns)
{
	out->columns = columns;
}

static size_t column_of(const struct nb_out *out, const char *key)
{
	size_t i = 0;

	while (i < NB_COLUMNS_MAX && out->columns[i].title && strcmp(out->columns[i].key, key) != 0)
		i++;
	return i;
}

void nb_out_wrap(struct nb_out *out, const char *key)
{
	out->wrapped = column_of(out, key);
}

void nb_out_colour(struct nb_out *out, const char *key, const struct nb_coloured *colours)
{
	out->coloured = column_of(out, key);
	out->colours = colours;
}

/*
 * A cell's text, which the caller frees: the items of a list joined by commas, "-" for no value. NULL: out of
 * memory.
 */
static char *cell_text(const struct cJSON *value)
{
	const struct cJSON *item;
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return NULL;
	if (cJSON_IsString(value))
		fputs(*value->valuestring ? value->valuestring : "-", to);
	else if (cJSON_IsNumber(value))
		fprintf(to, "%.0f", value->valuedouble);
	else if (cJSON_IsArray(value) && value->child)
		cJSON_ArrayForEach(item, value) {
			fprintf(to, "%s%s", item == value->child ? "" : ",",
				cJSON_IsString(item) ? item->valuestring : "?");
		}
	else
		fputs("-", to);
	if (fclose(to)) {
		free(text);
		return NULL;
	}
	return text;
}

static int add_cells(struct nb_out *out, const struct cJSON *row, struct nb_error *err)
{
	for (const struct nb_column *column = out->columns; column->title; column++) {
		nb_autofree char *text = cell_text(cJSON_GetObjectItemCaseSensitive(row, column->key));

		if (!text)
			return nb_fail_nomem(err);
		/* Taken only if there is memory for it. */
		int rc = nb_vec_push(&out->cells, NB_TAKE_PTR(text), err);
		if (rc)
			return rc;
	}
	return 0;
}

static int add_json(struct nb_out *out, const struct cJSON *row, struct nb_error *err)
{
	char *text = cJSON_PrintUnformatted(row);

	if (!text)
		return nb_fail_nomem(err);
	fprintf(out->to, "%s%s", !out->n_rows ? "[" : out->is_frame ? "," : ",\n ", text);
	free(text);
	return 0;
}

int nb_out_row(struct nb_out *out, struct cJSON *row, void (*print)(const struct cJSON *row, FILE *to),
	       struct nb_error *err)
{
	int rc = 0;

	if (!row)
		return nb_fail_nomem(err);
	if (out->json)
		rc = add_json(out, row, err);
	else if (print)
		print(row, out->to);
	else
		rc = add_cells(out, row, err);
	cJSON_Delete(row);
	out->n_rows += !rc;
	return rc;
}

static void print_columns(struct nb_out *out)
{
	const struct nb_terminal terminal = nb_terminal_of(stdout);
	struct nb_table table = {
		.cells = (const char *const *)out->cells.items,
		.n_cells = out->cells.n,
		.colours = out->colours,
	};

	for (; table.n < NB_COLUMNS_MAX && out->columns[table.n].title; table.n++)
		table.titles[table.n] = out->columns[table.n].title;
	table.wrapped = out->wrapped < table.n ? out->wrapped : table.n;
	table.coloured = out->coloured < table.n ? out->coloured : table.n;
	nb_table_print(&table, &terminal, out->to);
}

int nb_out_end(struct nb_out *out, struct nb_error *err)
{
	if (out->json && !out->as_text)
		fputs(out->n_rows ? "]\n" : "[]\n", out->to);
	else if (out->columns)
		print_columns(out);
	if (out->to != stdout && fflush(out->to))
		return nb_fail_nomem(err);
	if (out->is_frame)
		return 0;
	if (out->json && !out->as_text)
		fwrite(out->text, 1, out->size, stdout);
	if (fflush(stdout) || ferror(stdout))
		return nb_fail(err, NB_ERR_IO, errno, "cannot write to standard output");
	return 0;
}

/* The rows that were held back; NULL: they are not kept, or out of memory. */
static struct cJSON *kept_rows(struct nb_out *out)
{
	if (!out->keep_rows)
		return NULL;
	fputs(out->n_rows ? "]" : "[]", out->to);
	return fflush(out->to) ? NULL : cJSON_ParseWithLength(out->text, out->size);
}

void nb_out_error(struct nb_out *out, const char *text)
{
	struct cJSON *object, *rows;
	char *json;

	fflush(stdout);
	fprintf(stderr, "natbridgectl: %s\n", text);
	if (!out || !out->json)
		return;
	object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "error", text);
	rows = kept_rows(out);
	if (rows)
		cJSON_AddItemToObject(object, "results", rows);
	json = cJSON_PrintUnformatted(object);
	if (json)
		printf("%s\n", json);
	free(json);
	cJSON_Delete(object);
	fflush(stdout);
}

void nb_out_note(const char *fmt, ...)
{
	va_list ap;

	fputs("natbridgectl: note: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

const char *nb_row_text(const struct cJSON *row, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, key));

	return text ? text : "";
}

unsigned int nb_row_number(const struct cJSON *row, const char *key)
{
	const struct cJSON *value = cJSON_GetObjectItemCaseSensitive(row, key);

	return cJSON_IsNumber(value) ? (unsigned int)value->valuedouble : 0;
}

bool nb_row_is(const struct cJSON *row, const char *key)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, key));
}
