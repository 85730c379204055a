// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Feeds mutated JSON to the readers of network configurations and results, with libFuzzer ("make
 * fuzz"). No crash, no leak, no undefined behaviour; each failure has a message; each result can be
 * printed in all versions.
 */
#include "lib/json/json.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "plugin/args.h"
#include "plugin/cni_version.h"
#include "plugin/conf.h"
#include "plugin/result.h"
#include "plugin/result_print.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_result(const char *text, size_t len)
{
	static const struct nb_json_limits limits = { .depth = 64, .values = 10000 };
	nb_cleanup(nb_json_free) struct cJSON *json = NULL;
	nb_cleanup(nb_result_free) struct nb_result result = { 0 };
	struct nb_error err = { 0 };

	if (nb_json_parse(text, len, &limits, &json, &err) || nb_result_from_json(json, &result, &err))
		return;
	for (size_t i = 0; NB_CNI_VERSIONS[i]; i++) {
		struct cJSON *printed = nb_result_to_json(&result, NB_CNI_VERSIONS[i], &err);

		if (!printed)
			abort();
		cJSON_Delete(printed);
	}
}

static void try_conf(const char *text, size_t len, enum nb_cni_command command)
{
	const struct nb_args args = { .command = command, .container_id = "", .netns = "", .path = "" };
	nb_cleanup(nb_conf_free) struct nb_conf conf = { 0 };
	struct nb_error err = { 0 };
	char *copy = malloc(len + 1);

	if (!copy)
		abort();
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (nb_conf_parse(copy, len, &args, &conf, &err) && (!*err.msg || !err.code))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	try_result(text, size);
	for (int command = NB_CNI_ADD; command < NB_CNI_VERSION; command++)
		try_conf(text, size, (enum nb_cni_command)command);
	return 0;
}
