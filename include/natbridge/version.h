/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_VERSION_H
#define NATBRIDGE_VERSION_H

/* The version of natbridge: the programs print it, the package bears it. */

#define NB_VERSION "0.1.0"

#endif
