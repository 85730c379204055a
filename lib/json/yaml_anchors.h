/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_JSON_YAML_ANCHORS_H
#define NATBRIDGE_LIB_JSON_YAML_ANCHORS_H

/*
 * Anchors of a YAML document, and copies of what they name. All copies of one parse share a budget, so that a
 * few lines of aliases of aliases cannot take more memory or time than that.
 */

#include <cjson/cJSON.h>
#include <stddef.h>

enum {
	NB_YAML_COPIES_MAX = 16 << 20, /* bytes of memory */
	NB_YAML_MERGE_MAX = 64 << 20,  /* comparisons of keys */
};

struct nb_yaml_anchors {
	void *root;      /* of a tree (tsearch(3)) */
	size_t copied;   /* bytes, of NB_YAML_COPIES_MAX */
	size_t compared; /* keys, of NB_YAML_MERGE_MAX */
	size_t *values;  /* counts the values of copies as well */
	size_t values_max;
};

/* Names a node, which must live until nb_yaml_anchors_clear(). A name that is taken moves. -ENOMEM. */
int nb_yaml_anchors_set(struct nb_yaml_anchors *anchors, const char *name, struct cJSON *node);

/* NULL: there is none of that name. */
struct cJSON *nb_yaml_anchors_get(const struct nb_yaml_anchors *anchors, const char *name);

/* Forgets all names: they end with their document. The budget stays used up. */
void nb_yaml_anchors_clear(struct nb_yaml_anchors *anchors);

/*
 * A copy of a node without its key, at most depth levels deep. NULL: *wrong says why, or is NULL if there is
 * no memory.
 */
struct cJSON *nb_yaml_copy(struct nb_yaml_anchors *anchors, const struct cJSON *node, size_t depth,
			   const char **wrong);

/*
 * Adds copies of the members of a mapping, or of a list of mappings, to an object that does not have their
 * keys; of two that have one key the first counts (https://yaml.org/type/merge.html). -EINVAL: *wrong says
 * why; -ENOMEM.
 */
int nb_yaml_merge(struct nb_yaml_anchors *anchors, struct cJSON *into, const struct cJSON *source,
		  size_t depth, const char **wrong);

#endif
