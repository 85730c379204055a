/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_TEST_UNIT_OWN_BPFFS_H
#define NATBRIDGE_TEST_UNIT_OWN_BPFFS_H

/* A bpffs and a network namespace of a test's own, for what needs pins. */

#include "lib/datapath/pin_path.h"

struct own_bpffs {
	char dir[64]; /* "": none could be made */
	struct nb_pin_root root;
};

/* Leaves the namespaces of before for good. Where that is not permitted, it prints why. */
void own_bpffs_make(struct own_bpffs *own);
void own_bpffs_remove(struct own_bpffs *own);

/* Skips the test if there is none. */
void own_bpffs_require(const struct own_bpffs *own);

#endif
