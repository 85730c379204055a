/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_TEST_PROVE_VECTORS_H
#define NATBRIDGE_TEST_PROVE_VECTORS_H

/*
 * A program that calls one of the proven functions with what userspace has put into "input", and
 * leaves in "output" what it returns. vectors.py has the kernel and the machine run it, and compares
 * all that it may write. Both are mapped into userspace.
 */

struct vector_input {
	__u32 function;
	__u32 pad;
	__u64 arg[4];
};

struct vector_input input SEC(".data.input");
__u64 output SEC(".data.output");

#endif
