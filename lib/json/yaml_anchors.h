/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_JSON_YAML_ANCHORS_H
#define NATBRIDGE_LIB_JSON_YAML_ANCHORS_H

/*
 * The anchors of a YAML document, and copies of the nodes that they name. All copies of one parse
 * share a budget of memory and time, which a few lines with aliases of aliases would otherwise
 * exhaust.
 */

#include <cjson/cJSON.h>
#include <stddef.h>

enum {
	NB_YAML_COPIES_MAX = 16 << 20, /* bytes of memory */
	NB_YAML_MERGE_MAX = 64 << 20,  /* comparisons of keys */
};

struct nb_yaml_anchors {
	void *root;      /* of the tree of anchors; NULL: empty */
	size_t copied;   /* bytes, at most NB_YAML_COPIES_MAX */
	size_t compared; /* pairs of keys, at most NB_YAML_MERGE_MAX */
	size_t *values;  /* of the whole parse: copies add theirs */
	size_t values_max;
};

/*
 * Gives a node a name, which it takes over from another node. The node must live until
 * nb_yaml_anchors_clear(). 0 or -ENOMEM.
 */
int nb_yaml_anchors_set(struct nb_yaml_anchors *anchors, const char *name, struct cJSON *node);

/* The node of that name; NULL: there is none. */
struct cJSON *nb_yaml_anchors_get(const struct nb_yaml_anchors *anchors, const char *name);

/* Forgets all names, at the end of their document. The used part of the budget stays used. */
void nb_yaml_anchors_clear(struct nb_yaml_anchors *anchors);

/*
 * Copies a node without its key. Its containers may be nested depth levels deep. NULL: *wrong says
 * why; it is NULL if memory ran out.
 */
struct cJSON *nb_yaml_copy(struct nb_yaml_anchors *anchors, const struct cJSON *node, size_t depth,
			   const char **wrong);

/*
 * Merges a mapping, or a list of mappings, into an object: adds copies of the members whose keys
 * the object does not have. The first mapping of a list takes precedence
 * (https://yaml.org/type/merge.html). -EINVAL: *wrong says why; -ENOMEM.
 */
int nb_yaml_merge(struct nb_yaml_anchors *anchors, struct cJSON *into, const struct cJSON *source,
		  size_t depth, const char **wrong);

#endif
