/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_CONF_GC_H
#define NATBRIDGE_PLUGIN_CONF_GC_H

/* The list of attachments that GC keeps. Until July 2024 SPEC.md had the older key; libcni sends both. */

#include "lib/json/json.h"
#include "lib/util/error.h"

#include "conf.h"

#define NB_CONF_VALID     "cni.dev/valid-attachments"
#define NB_CONF_VALID_OLD "cni.dev/attachments"

/*
 * Reads one of the two keys into conf->attachments and conf->valid. Call it for the older
 * key first: the newer one replaces it, unless it is absent or null. A value that is no
 * list of attachments is an error for either key, so that GC then removes nothing. An
 * attachment may be listed twice.
 */
int nb_conf_parse_attachments(const struct nb_json *at, struct nb_conf *conf, struct nb_error *err);

/*
 * The configuration for a delegate's GC: both keys hold the list that counts. conf->valid must not
 * be NULL. The caller frees *text.
 */
int nb_conf_text_for_gc(const struct nb_conf *conf, char **text, struct nb_error *err);

#endif
