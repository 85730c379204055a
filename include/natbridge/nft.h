/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_NFT_H
#define NATBRIDGE_NFT_H

/*
 * nftables through libnftables, which is loaded when it is first needed (it more than doubles the time that
 * a process takes to start), and in a child process: the library calls exit() when it runs out of memory or
 * cannot open its socket (libnftables 1.0.6, src/netlink.c, netlink_init_error()), and an error of ours has
 * to be reported all the same.
 */

#include <natbridge/error.h>

/*
 * Runs commands in nft's own syntax as one transaction, in the caller's network namespace. What the commands
 * print, as JSON, goes to *output if output is not NULL (the caller frees it). -ENOENT if something that they
 * name does not exist; -ENOSYS if libnftables is not installed. Whoever builds the commands sees to it that
 * no part of them comes from outside unchecked.
 */
int nb_nft_run(const char *commands, char **output, struct nb_error *err);

#endif
