/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_CMD_ADD_DATAPATH_H
#define NATBRIDGE_PLUGIN_CMD_ADD_DATAPATH_H

/*
 * The steps of ADD that concern the datapath, in their order. For a network without one, only the
 * last does anything: it removes what an earlier mode left.
 *
 * From nb_add_open_datapath() to nb_add_attach() the datapath is locked: ADDs take turns for what
 * touches the maps. No step makes a netlink request meanwhile, since it could wait long for the
 * kernel's rtnl lock, which an attach elsewhere holds.
 */

#include "lib/util/error.h"

#include "cmd_add.h"

/* Takes the config's Services, without those on an address of the host, which are logged. */
int nb_add_choose_services(struct nb_add *add, struct nb_error *err);

/*
 * With enabledad, refuses an IPv6 address that another pod of the network has. The kernel
 * would find that only once the pod is up, and by then the maps would have taken the
 * address from the other pod.
 */
int nb_add_refuse_duplicates(struct nb_add *add, struct nb_error *err);

int nb_add_open_datapath(struct nb_add *add, struct nb_error *err);

/* Settings and Services belong to the network: what this ADD changes stays changed if it fails later. */
int nb_add_write_settings(struct nb_add *add, struct nb_error *err);
int nb_add_apply_services(struct nb_add *add, struct nb_error *err);

int nb_add_add_endpoint(struct nb_add *add, struct nb_error *err);
int nb_add_remove_endpoint(struct nb_add *add, struct nb_error *err); /* its undo */

/*
 * Gives back the lock before it attaches: the kernel waits for two RCU grace periods
 * (tcx_entry_sync() in include/net/tcx.h), in which others may write maps.
 */
int nb_add_attach(struct nb_add *add, struct nb_error *err);

/*
 * Brings the network's other pods to a changed mode or VLAN. One that cannot be brought there does
 * not make this ADD fail: the next one tries again.
 */
int nb_add_change_mode(struct nb_add *add, struct nb_error *err);

#endif
