/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_ONCE_H
#define NATBRIDGE_BPF_LIB_ONCE_H

/*
 * Access to words in maps that other CPUs or userspace change at the same time: one load or one
 * store, not repeated, split or left out by the compiler. They order nothing.
 */

#define READ_ONCE(word)         (*(const volatile typeof(word) *)&(word))
#define WRITE_ONCE(word, value) (*(volatile typeof(word) *)&(word) = (value))

#endif
