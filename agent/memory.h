/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_MEMORY_H
#define NATBRIDGE_AGENT_MEMORY_H

/*
 * Gives memory back that the start and the first sync took and that the agent rarely needs again: freed heap,
 * and the code and constants of the program and its libraries. The latter stay in the page cache, from where
 * what is used next comes back; but the kernel may free them at once if memory is short, which it does not do
 * with pages that are mapped.
 */
void nb_memory_give_back(void);

#endif
