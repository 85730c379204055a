/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_DATAPATH_H
#define NATBRIDGE_LIB_DATAPATH_DATAPATH_H

/*
 * The datapath of one network: eBPF programs and their maps (lib/maps/layout.h), pinned in
 * <bpffs>/natbridge/<network>/v<NB_ABI_VERSION>/. The first ADD loads and pins it (ensure.h), later callers
 * open the pins by path: nothing here loads or verifies a program.
 *
 * Each mode has programs of its own: ebpf two on every port, assist one on every port and one on the bridge;
 * and maps that only it needs. A network that has changed its mode has those of both.
 */

#include <stdbool.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"

/*
 * Whether nb_datapath_ensure() may go about it: 0 if the network has the programs of the mode or the kernel
 * has what they need; else NB_ERR_NOT_AVAILABLE, and *err says what it lacks and what to do. Writes nothing.
 */
int nb_datapath_possible(const char *bpffs, const char *network, enum nb_mode mode, struct nb_error *err);

/*
 * Opens an existing datapath. -ENOENT (and *err) if nothing is pinned, -ESTALE if only another map layout is.
 * With lock the lock is taken as above; else reading only: lock_fd stays -1.
 */
int nb_datapath_open(const char *bpffs, const char *network, bool lock, struct nb_datapath *dp,
		     struct nb_error *err);

/* Sets dp->dir, and takes the lock of the bpffs root with lock. For those who open a datapath. */
int nb_datapath_locate(const char *bpffs, const char *network, bool lock, struct nb_datapath *dp,
		       struct nb_error *err);

/* Calls fn for each network that has pins below bpffs, in no order, until fn returns not 0; returns that. */
int nb_datapath_each(const char *bpffs, int (*fn)(const char *network, void *arg), void *arg,
		     struct nb_error *err);

/* Takes the lock that nb_datapath_open() takes, without a datapath. No directory for it: *lock_fd stays. */
int nb_datapath_lock(const char *bpffs, int *lock_fd, struct nb_error *err);

/* Removes the pins that a killed nb_datapath_ensure() left unfinished. None there: 0. */
int nb_datapath_clear(const char *bpffs, const char *network, struct nb_error *err);

/*
 * Removes all pins of the network, of every version. Attached programs go on until their port is gone. No
 * pins: 0.
 */
int nb_datapath_unpin(const char *bpffs, const char *network, struct nb_error *err);

/* Removes <bpffs>/natbridge if it holds no network any more. *removed: it was there and empty. */
int nb_datapath_unpin_root(const char *bpffs, bool *removed, struct nb_error *err);

/* Whether nb_datapath_ensure() can work: the kernel lets us load programs and has what the mode needs, the
 * bpffs root is usable, and so are the pins that the network has. Writes nothing (STATUS). */
int nb_datapath_probe(const char *bpffs, const char *network, enum nb_mode mode, struct nb_error *err);

/*
 * Whether the network can have nothing of eBPF: this process may not use it, so no ADD of its kind could, and
 * no pins of the network are to be seen. Then there is nothing to remove either.
 */
bool nb_datapath_impossible(const char *bpffs, const char *network);

#endif
