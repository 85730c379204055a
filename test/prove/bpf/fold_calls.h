/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_TEST_PROVE_FOLD_CALLS_H
#define NATBRIDGE_TEST_PROVE_FOLD_CALLS_H

/*
 * With FOLD_CALLS each use of nb_csum_fold() and nb_csum_fold_small() is a call of a function that is
 * not there. So a theorem sees every argument.
 */
#ifdef FOLD_CALLS
#include <linux/bpf.h>

#include "bpf/lib/csum.h"

extern __u16 prove_fold_called(__u64 sum) __ksym;
extern __u16 prove_fold_small_called(__u64 sum) __ksym;
#define nb_csum_fold(sum)       prove_fold_called(sum)
#define nb_csum_fold_small(sum) prove_fold_small_called(sum)
#endif

#endif
