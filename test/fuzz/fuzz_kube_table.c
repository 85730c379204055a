// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Feeds objects to a table as an API server would send them, with libFuzzer ("make fuzz"): one a line, a
 * letter before each says what becomes of it. After each step the table's batches agree with its whole
 * listing, and with a set of the same objects nothing changes.
 */
#include "lib/json/json.h"
#include "lib/kube/table.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hear(const char *text, void *arg)
{
	(void)arg;
	if (!*text)
		abort();
}

static void check(int rc, const struct nb_error *err)
{
	if (rc && (!*err->msg || !err->code))
		abort();
}

/* "S{...}" puts a Service, "s{...}" removes one; "E" and "e" the same for slices; "[", "]", "!" begin, end
 * and abort sets. */
static void step(struct nb_kube_table *table, const char *line, size_t len)
{
	static const struct nb_json_limits limits = { .depth = 32, .values = 4096 };
	const enum nb_kube_kind kind = *line == 'E' || *line == 'e' ? NB_KUBE_SLICE : NB_KUBE_SERVICE;
	nb_cleanup(nb_json_free) struct cJSON *json = NULL;
	struct nb_error err = { 0 };
	struct nb_json root;

	if (*line == '[' || *line == '!' || *line == ']') {
		const enum nb_kube_kind set = len > 1 && line[1] == 'E' ? NB_KUBE_SLICE : NB_KUBE_SERVICE;

		if (*line == '[')
			nb_kube_table_begin(table, set);
		else if (*line == '!')
			nb_kube_table_abort(table, set);
		else
			check(nb_kube_table_end(table, set, &err), &err);
		return;
	}
	if (nb_json_parse(line + 1, len - 1, &limits, &json, NULL))
		return;
	root = nb_json_root(json);
	check(*line == 'S' || *line == 'E' ? nb_kube_table_put(table, kind, &root, &err)
					   : nb_kube_table_remove(table, kind, &root, &err),
	      &err);
}

static void drain(struct nb_kube_table *table)
{
	struct nb_error err = { 0 };

	while (nb_kube_table_n_dirty(table)) {
		nb_cleanup(nb_kube_batch_free) struct nb_kube_batch batch = { 0 };

		if (nb_kube_table_take(table, 2, &batch, &err))
			abort();
		if (!batch.names.n)
			abort();
	}
}

/* All frontends, which no two Services share: nb_services_normalize() refuses that. */
static void list(struct nb_kube_table *table)
{
	nb_cleanup(nb_kube_batch_free) struct nb_kube_batch batch = { 0 };
	struct nb_error err = { 0 };

	if (nb_kube_table_list(table, "", SIZE_MAX / 2, &batch, &err))
		abort();
	for (size_t i = 0; i < batch.services.n; i++)
		if (!batch.services.items[i].name[0] || !batch.services.items[i].key.port)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct nb_kube_note note = { .fn = hear };
	nb_cleanup(nb_kube_table_free) struct nb_kube_table *table = nb_kube_table_new(&note, "here", NULL);
	const char *at = (const char *)data, *end = at + size;

	if (!table)
		abort();
	while (at < end) {
		const char *stop = memchr(at, '\n', end - at);
		size_t len = stop ? (size_t)(stop - at) : (size_t)(end - at);

		if (len)
			step(table, at, len);
		if (len && at[0] != 'S' && at[0] != 'E')
			drain(table);
		at += len + 1;
	}
	drain(table);
	list(table);
	return 0;
}
