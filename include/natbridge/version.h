/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_VERSION_H
#define NATBRIDGE_VERSION_H

#define NB_VERSION "0.1.0"

#endif
