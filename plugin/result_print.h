/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_RESULT_PRINT_H
#define NATBRIDGE_PLUGIN_RESULT_PRINT_H

/* A result as JSON, in the shape of each spec version (0.1.0 to 1.1.0). */

#include "lib/util/error.h"

#include "result.h"

struct cJSON;

/*
 * cni_version must be a supported one. The caller frees with cJSON_Delete(). NULL
 * and *err: out of memory.
 */
struct cJSON *nb_result_to_json(const struct nb_result *result, const char *cni_version,
				struct nb_error *err);

#endif
