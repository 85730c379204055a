/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_CMD_H
#define NATBRIDGE_PLUGIN_CMD_H

/*
 * The commands of the specification. Each is in cmd_NAME.c; they share this header since they are
 * one table with one signature (main.c).
 */

#include "lib/util/error.h"

#include "args.h"
#include "conf.h"

/* Only ADD and VERSION print anything on success. */
int nb_cni_add(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err);
int nb_cni_del(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err);
int nb_cni_check(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err);
int nb_cni_gc(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err);
int nb_cni_status(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err);
int nb_cni_version(struct nb_error *err);

#endif
