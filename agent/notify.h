/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_NOTIFY_H
#define NATBRIDGE_AGENT_NOTIFY_H

/*
 * The states that systemd waits for (sd_notify(3)): lines in one datagram. They are written here
 * and not by libsystemd, which would bring libraries for compression and ciphers into an image that
 * mostly runs without systemd.
 */

#include "lib/util/error.h"

struct nb_loop;
struct nb_notify;

enum nb_notify_state {
	NB_NOTIFY_READY, /* also the end of a reload */
	NB_NOTIFY_RELOADING,
	NB_NOTIFY_STOPPING,
	NB_NOTIFY_STATUS, /* only the text */
};

/*
 * Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of the environment, and leaves them there: the
 * agent starts itself anew to reload. Where systemd asks for it, sends WATCHDOG=1 in half that time
 * from then on, for as long as the loop runs. Without NOTIFY_SOCKET *notify gets NULL, with which the
 * functions below do nothing. The caller frees *notify.
 */
int nb_notify_open(struct nb_loop *loop, struct nb_notify **notify, struct nb_error *err);
void nb_notify_close(struct nb_notify **notify); /* for nb_cleanup() */

/* Sends the state, and STATUS=text unless text is NULL. A failure is logged only: nobody may be listening. */
void nb_notify(struct nb_notify *notify, enum nb_notify_state state, const char *text);

#endif
