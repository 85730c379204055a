/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_WATCH_EVENT_H
#define NATBRIDGE_AGENT_WATCH_EVENT_H

/* What the pieces of a list or a watch say. */

#include <stdbool.h>

#include "lib/json/json.h"
#include "lib/util/error.h"

#include "status.h"

struct nb_json_piece;

enum { NB_RESOURCE_VERSION_MAX = 128 };

enum nb_event_type {
	NB_EVENT_BAD,     /* error says why */
	NB_EVENT_UNKNOWN, /* of a type that is to be ignored */
	NB_EVENT_PUT,     /* ADDED, MODIFIED, or an item of a list */
	NB_EVENT_DELETE,
	NB_EVENT_BOOKMARK,
	NB_EVENT_ERROR, /* status says which */
};

/* Stays in place: object's path refers to root. */
struct nb_event {
	enum nb_event_type type;
	struct cJSON *json; /* owned */
	struct nb_json root, object;
	char namespace[64], name[254];                  /* of the object; empty: unknown, or no namespace */
	char resource_version[NB_RESOURCE_VERSION_MAX]; /* empty: unknown */
	bool ends_list;                                 /* BOOKMARK: all events of the list have come */
	struct nb_status status;
	struct nb_error error;
};

/*
 * Reads an event, or an item of a list, of objects of a kind. Whatever is wrong with it makes it
 * NB_EVENT_BAD, with as much of its name as can be found. -ENOMEM: nothing was read.
 */
int nb_event_read(const struct nb_json_piece *piece, const char *kind, bool item, struct nb_event *event,
		  struct nb_error *err);

void nb_event_free(struct nb_event *event); /* for nb_cleanup() */

/* What stands around the items of a list. */
struct nb_list_frame {
	char resource_version[NB_RESOURCE_VERSION_MAX];
	char *next_page; /* owned, NULL: it was the last page */
};

/* Checks and reads it. NB_ERR_DECODE, NB_ERR_CONFIG: it is no list of that kind. */
int nb_list_frame_read(const char *text, size_t len, const char *kind, struct nb_list_frame *frame,
		       struct nb_error *err);

#endif
