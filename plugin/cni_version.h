/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_CNI_VERSION_H
#define NATBRIDGE_PLUGIN_CNI_VERSION_H

/* The versions of the CNI specification that natbridge speaks. */

#define NB_CNI_NEWEST        "1.1.0"
#define NB_CNI_VERSIONS_TEXT "0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, " NB_CNI_NEWEST

/* Oldest first, ended by NULL. */
extern const char *const NB_CNI_VERSIONS[];

/* The version's index in NB_CNI_VERSIONS, so that a later version has a greater rank; -1: not supported. */
int nb_cni_version_rank(const char *version);

#endif
