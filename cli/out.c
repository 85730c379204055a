// SPDX-License-Identifier: GPL-2.0-or-later
#include "out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/error.h"

enum { COLUMNS_MAX = 8 };

struct nb_out {
	bool json, keep_rows;
	FILE *to;   /* stdout, or memory for JSON */
	char *text; /* of the memory */
	size_t size;
	size_t rows;
	const struct nb_column *columns;
	char **cells; /* of plain rows, one row after the other */
	size_t n_cells, room;
};

struct nb_out *nb_out_new(bool json)
{
	struct nb_out *out = calloc(1, sizeof(*out));

	if (!out)
		return NULL;
	out->json = json;
	out->to = json ? open_memstream(&out->text, &out->size) : stdout;
	if (!out->to) {
		free(out);
		return NULL;
	}
	return out;
}

void nb_out_free(struct nb_out **out)
{
	if (!*out)
		return;
	if ((*out)->json && (*out)->to)
		fclose((*out)->to);
	for (size_t i = 0; i < (*out)->n_cells; i++)
		free((*out)->cells[i]);
	free((*out)->cells);
	free((*out)->text);
	free(*out);
	*out = NULL;
}

bool nb_out_is_json(const struct nb_out *out)
{
	return out->json;
}

void nb_out_keep_rows(struct nb_out *out)
{
	out->keep_rows = true;
}

void nb_out_columns(struct nb_out *out, const struct nb_column *columns)
{
	out->columns = columns;
}

/* A cell's text, allocated; a list's items are joined by commas, what is not there is "-". */
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
		char *text = cell_text(cJSON_GetObjectItemCaseSensitive(row, column->key));

		if (text && out->n_cells == out->room) {
			size_t room = out->room ? 2 * out->room : 64;
			char **cells = reallocarray(out->cells, room, sizeof(*cells));

			if (!cells) {
				free(text);
				return nb_fail_nomem(err);
			}
			out->cells = cells;
			out->room = room;
		}
		if (!text)
			return nb_fail_nomem(err);
		out->cells[out->n_cells++] = text;
	}
	return 0;
}

static int add_json(struct nb_out *out, const struct cJSON *row, struct nb_error *err)
{
	char *text = cJSON_PrintUnformatted(row);

	if (!text)
		return nb_fail_nomem(err);
	fprintf(out->to, "%s%s", out->rows ? ",\n " : "[", text);
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
	out->rows += !rc;
	return rc;
}

static void print_columns(struct nb_out *out)
{
	size_t width[COLUMNS_MAX] = { 0 }, n = 0;

	for (; out->columns[n].title && n < COLUMNS_MAX; n++)
		width[n] = strlen(out->columns[n].title);
	for (size_t i = 0; n && i < out->n_cells; i++) {
		size_t len = strlen(out->cells[i]);

		if (len > width[i % n])
			width[i % n] = len;
	}
	for (size_t i = 0; n && i < n + out->n_cells; i++) {
		const char *cell = i < n ? out->columns[i].title : out->cells[i - n];

		if (i % n + 1 < n)
			fprintf(out->to, "%-*s  ", (int)width[i % n], cell);
		else
			fprintf(out->to, "%s\n", cell);
	}
}

int nb_out_end(struct nb_out *out, struct nb_error *err)
{
	if (out->json) {
		fputs(out->rows ? "]\n" : "[]\n", out->to);
		if (fflush(out->to))
			return nb_fail_nomem(err);
		fwrite(out->text, 1, out->size, stdout);
	} else if (out->columns) {
		print_columns(out);
	}
	if (fflush(stdout) || ferror(stdout))
		return nb_fail(err, NB_ERR_IO, errno, "cannot write to standard output");
	return 0;
}

/* The rows as they were held back; NULL: none are wanted, or there is no memory for them. */
static struct cJSON *kept_rows(struct nb_out *out)
{
	if (!out->keep_rows)
		return NULL;
	fputs(out->rows ? "]" : "[]", out->to);
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
