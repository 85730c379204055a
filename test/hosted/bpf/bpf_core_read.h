/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef __BPF_CORE_READ_H__
#define __BPF_CORE_READ_H__

/*
 * In place of libbpf's header, for programs that run in a process: see test/hosted/hosted.h. A
 * kernel's struct is what the program says that it is.
 */

#define preserve_access_index

#define BPF_CORE_READ_BITFIELD(s, field) ((s)->field)

#endif
