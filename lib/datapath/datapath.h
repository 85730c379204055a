/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_DATAPATH_H
#define NATBRIDGE_LIB_DATAPATH_DATAPATH_H

/*
 * The datapath of one network: its eBPF programs and maps (lib/maps/layout.h), pinned below a pin root
 * (pin_path.h). The first ADD loads and pins it (ensure.h). The functions here open, find and remove pins;
 * none loads a program.
 *
 * Each mode has its own programs: ebpf two at every port, assist one at every port and one at the bridge. A
 * network whose mode was changed has pins of both.
 */

#include <stdbool.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"

#include "pin_path.h"

/*
 * Opens a network's datapath. With lock it takes the lock of the pin root, which lock_fd holds until
 * nb_datapath_close(); without, *dp is for reading only. -ENOENT: nothing is pinned; -ESTALE: only another
 * map layout is.
 */
int nb_datapath_open(const struct nb_pin_root *root, const char *network, bool lock, struct nb_datapath *dp,
		     struct nb_error *err);

/* The first step of opening one: sets dp->dir and, with lock, takes the lock. */
int nb_datapath_locate(const struct nb_pin_root *root, const char *network, bool lock, struct nb_datapath *dp,
		       struct nb_error *err);

/* Takes the lock of the pin root without a datapath. The root does not exist: 0, *lock_fd is untouched. */
int nb_datapath_lock(const struct nb_pin_root *root, int *lock_fd, struct nb_error *err);

/* Calls fn for each network that has pins, in no order, until fn returns not 0, and returns that. */
int nb_datapath_each(const struct nb_pin_root *root, int (*fn)(const char *network, void *arg), void *arg,
		     struct nb_error *err);

/* ---- whether nb_datapath_ensure() can work; these write nothing ---- */

/* 0: the network has the programs of the mode, or the kernel can load them; else NB_ERR_NOT_AVAILABLE, and
 * *err says what the kernel lacks and what to do. */
int nb_datapath_possible(const struct nb_pin_root *root, const char *network, enum nb_mode mode,
			 struct nb_error *err);

/* The same for STATUS: also checks privileges, the bpffs, and the pins that the network has. */
int nb_datapath_probe(const struct nb_pin_root *root, const char *network, enum nb_mode mode,
		      struct nb_error *err);

/* Whether this process may not use eBPF and sees no pins of the network: then there is nothing to remove. */
bool nb_datapath_impossible(const struct nb_pin_root *root, const char *network);

/* ---- removal ---- */

/* Removes all pins of the network, of every layout; there are none: 0. Attached programs run on. */
int nb_datapath_unpin(const struct nb_pin_root *root, const char *network, struct nb_error *err);

/* Removes what a killed nb_datapath_ensure() left unfinished; there is nothing: 0. */
int nb_datapath_clear(const struct nb_pin_root *root, const char *network, struct nb_error *err);

/* Removes the pin root if no network is in it. *removed: it existed and was empty. */
int nb_datapath_unpin_root(const struct nb_pin_root *root, bool *removed, struct nb_error *err);

#endif
