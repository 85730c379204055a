# SPDX-License-Identifier: GPL-2.0-or-later
#
# A FIN is noted without a look at what another CPU has noted.
# file: bpf/assist/flow.h
# run: flow both ends
s/	if (next.word == state.word || nb_flow_swap(ref, &state, next))/	if ((nb_flow_swap(ref, \&state, next), 1))/
