/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the C library asks for where it does not know the machine, as with eBPF: nothing. */
