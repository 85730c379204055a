// SPDX-License-Identifier: GPL-2.0-or-later
/* A tree of anchors by name (tsearch(3)), and the budget for copies; see yaml_anchors.h. */
#include "yaml_anchors.h"

#include <errno.h>
#include <search.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char too_many[] = "aliases expand to too many values";

struct anchor {
	const char *name; /* owned */
	struct cJSON *node;
};

static int compare_anchors(const void *a, const void *b)
{
	return strcmp(((const struct anchor *)a)->name, ((const struct anchor *)b)->name);
}

static void free_anchor(void *freed)
{
	struct anchor *anchor = freed;

	free((char *)anchor->name);
	free(anchor);
}

int nb_yaml_anchors_set(struct nb_yaml_anchors *anchors, const char *name, struct cJSON *node)
{
	const struct anchor wanted = { .name = name };
	struct anchor **found = tfind(&wanted, &anchors->root, compare_anchors), *made;

	if (found) {
		(*found)->node = node;
		return 0;
	}
	made = calloc(1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	made->name = strdup(name);
	made->node = node;
	if (made->name && tsearch(made, &anchors->root, compare_anchors))
		return 0;
	free_anchor(made);
	return -ENOMEM;
}

struct cJSON *nb_yaml_anchors_get(const struct nb_yaml_anchors *anchors, const char *name)
{
	const struct anchor wanted = { .name = name };
	struct anchor **found = tfind(&wanted, &anchors->root, compare_anchors);

	return found ? (*found)->node : NULL;
}

void nb_yaml_anchors_clear(struct nb_yaml_anchors *anchors)
{
	tdestroy(anchors->root, free_anchor);
	anchors->root = NULL;
}

/* Bytes that a string takes, with the allocator's bookkeeping. */
static size_t string_cost(const char *text)
{
	return text ? strlen(text) + 1 + 2 * sizeof(size_t) : 0;
}

/*
 * Charges a copy to the budget before it is made. Recurses at most depth levels. NULL, or what is
 * wrong.
 */
static const char *charge(struct nb_yaml_anchors *anchors, const struct cJSON *node, size_t depth)
{
	const struct cJSON *item;

	anchors->copied += sizeof(*node) + 2 * sizeof(size_t) + string_cost(node->string) +
			   string_cost(node->valuestring);
	if (anchors->copied > NB_YAML_COPIES_MAX || ++*anchors->values > anchors->values_max)
		return too_many;
	if (!depth && (cJSON_IsArray(node) || cJSON_IsObject(node)))
		return "nested too deeply";
	cJSON_ArrayForEach(item, node) {
		const char *wrong = charge(anchors, item, depth - 1);

		if (wrong)
			return wrong;
	}
	return NULL;
}

struct cJSON *nb_yaml_copy(struct nb_yaml_anchors *anchors, const struct cJSON *node, size_t depth,
			   const char **wrong)
{
	struct cJSON *copy;

	*wrong = charge(anchors, node, depth);
	if (*wrong)
		return NULL;
	copy = cJSON_Duplicate(node, true);
	if (copy) {
		cJSON_free(copy->string);
		copy->string = NULL;
	}
	return copy;
}

/* Adds copies of the members of source whose keys into does not have. */
static int merge_one(struct nb_yaml_anchors *anchors, struct cJSON *into, const struct cJSON *source,
		     size_t depth, const char **wrong)
{
	const struct cJSON *member;

	cJSON_ArrayForEach(member, source) {
		const struct cJSON *there;
		struct cJSON *copy;

		cJSON_ArrayForEach(there, into) {
			anchors->compared++;
			if (!strcmp(there->string, member->string))
				break;
		}
		if (anchors->compared > NB_YAML_MERGE_MAX) {
			*wrong = too_many;
			return -EINVAL;
		}
		if (there)
			continue;
		copy = nb_yaml_copy(anchors, member, depth, wrong);
		if (!copy)
			return *wrong ? -EINVAL : -ENOMEM;
		if (!cJSON_AddItemToObject(into, member->string, copy)) {
			cJSON_Delete(copy);
			return -ENOMEM;
		}
	}
	return 0;
}

static bool is_list_of_mappings(const struct cJSON *node)
{
	const struct cJSON *item;

	cJSON_ArrayForEach(item, node) {
		if (!cJSON_IsObject(item))
			return false;
	}
	return cJSON_IsArray(node);
}

int nb_yaml_merge(struct nb_yaml_anchors *anchors, struct cJSON *into, const struct cJSON *source,
		  size_t depth, const char **wrong)
{
	const struct cJSON *item;

	if (cJSON_IsObject(source))
		return merge_one(anchors, into, source, depth, wrong);
	if (!is_list_of_mappings(source)) {
		*wrong = "<< requires a mapping or a list of mappings";
		return -EINVAL;
	}
	cJSON_ArrayForEach(item, source) {
		int rc = merge_one(anchors, into, item, depth, wrong);

		if (rc)
			return rc;
	}
	return 0;
}
