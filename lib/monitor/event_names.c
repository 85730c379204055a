// SPDX-License-Identifier: GPL-2.0-or-later
/* Names of kinds and of reasons. */
#include "event_names.h"

#include "lib/maps/counters.h"

#define END_NAME(id, name) [id] = (name),

const char *nb_event_kind_name(size_t kind)
{
	static const char *const names[NB_EVENT_KINDS] = {
		[NB_EVENT_DROP] = "drop",
		[NB_EVENT_BEGIN] = "begin",
		[NB_EVENT_END] = "end",
	};

	return kind < NB_EVENT_KINDS ? names[kind] : NULL;
}

const char *nb_end_name(size_t end)
{
	static const char *const names[NB_ENDS] = { NB_END_TABLE(END_NAME) };

	return end < NB_ENDS ? names[end] : NULL;
}

const char *nb_event_reason(const struct nb_event *event)
{
	const char *name = event->kind == NB_EVENT_DROP  ? nb_counter_name(event->reason)
			   : event->kind == NB_EVENT_END ? nb_end_name(event->reason)
							 : nb_event_kind_name(event->kind);

	return name ? name : "?";
}
