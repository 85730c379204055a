# SPDX-License-Identifier: GPL-2.0-or-later
#
# The state does not say that a CPU writes the flow.
# file: bpf/assist/flow.h
# run: flow gives way while
s/	old.gen |= 1;/	old.gen = (old.gen | 1) + 1;/;s/	state.gen = old.gen + 1;/	state.gen = old.gen;/
