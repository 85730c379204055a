# SPDX-License-Identifier: GPL-2.0-or-later
#
# The loads of a lookup are not ordered.
# file: bpf/assist/flow.h
# run: flow gives way while
s/	nb_read_barrier();/	barrier();/
