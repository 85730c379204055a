/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MONITOR_EVENT_NAMES_H
#define NATBRIDGE_LIB_MONITOR_EVENT_NAMES_H

/* The words for what is in an event. */

#include <stddef.h>

#include <natbridge/event.h>

/* Of an enum nb_event_kind: "drop", "begin", "end". NULL: there is none of this number. */
const char *nb_event_kind_name(size_t kind);

/* Of an enum nb_end: "end_closed". NULL: there is none of this number. */
const char *nb_end_name(size_t end);

/* Why it happened: a drop's counter or an end's name; "begin"; "?": of another build. */
const char *nb_event_reason(const struct nb_event *event);

#endif
