# SPDX-License-Identifier: GPL-2.0-or-later
#
# A packet does not look at the state of its flow again, behind the key.
# file: bpf/assist/flow.h
# run: flow gives way while
s/if (after.gen != before.gen)/if (0)/
