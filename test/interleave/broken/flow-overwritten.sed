# SPDX-License-Identifier: GPL-2.0-or-later
#
# A flow that another CPU has inserted meanwhile is overwritten.
# file: bpf/assist/flow.h
# run: flow one substitute
s/	if (row \&\& nb_flow_is_other(set, way, key, now, gone.gen, \&is))/	if (0)/
