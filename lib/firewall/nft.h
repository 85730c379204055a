/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_FIREWALL_NFT_H
#define NATBRIDGE_LIB_FIREWALL_NFT_H

/*
 * nftables, through libnftables. The library is loaded only when it is needed: it more than doubles
 * the time that a process takes to start. It runs in a child process: it calls exit() when memory
 * runs out or it cannot open its socket (libnftables 1.0.6, netlink_init_error() of src/netlink.c),
 * and natbridge must report that error, too.
 */

#include "lib/util/error.h"
#include "lib/util/strbuf.h"

/*
 * Runs commands in nft's syntax as one transaction, in the caller's network namespace. If output is
 * not NULL, *output gets what the commands print, as JSON; the caller frees it. -ENOENT: an object
 * that the commands name does not exist. -ENOSYS: libnftables is not installed. The caller checks
 * all outside input in the commands.
 */
int nb_nft_run(const char *commands, char **output, struct nb_error *err);

/* nb_nft_run() without output. -ENOMEM: the commands are incomplete. */
int nb_nft_apply(const struct nb_strbuf *commands, struct nb_error *err);

#endif
