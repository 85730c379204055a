/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_KUBE_KIND_H
#define NATBRIDGE_LIB_KUBE_KIND_H

/* The kinds of Kubernetes objects that natbridge reads. */

#include "lib/json/json.h"
#include "lib/util/error.h"

enum nb_kube_kind {
	NB_KUBE_SERVICE,
	NB_KUBE_SLICE,
	NB_KUBE_NODE,
	NB_KUBE_LIST,
	NB_KUBE_SERVICE_LIST,
	NB_KUBE_SLICE_LIST,
	NB_KUBE_NODE_LIST,
	NB_KUBE_KINDS, /* the kinds above have a row in nb_kube_kinds[]; those below are ignored */
	NB_KUBE_ENDPOINTS,
	NB_KUBE_OTHER_KIND,
};

struct nb_kube_kind_row {
	const char *name, *group, *version;
	const char *item; /* of a list: the kind of items without one, as the API server sends them */
};

extern const struct nb_kube_kind_row nb_kube_kinds[NB_KUBE_KINDS];

/*
 * Reads the kind of an object. otherwise: the kind of a list's item that does not name it; NULL:
 * the object must name kind and version. Text that is not an object, an unsupported version and an
 * answer of the API server make the whole input useless: no error has the code NB_ERR_CONFIG, which
 * could be skipped.
 */
int nb_kube_kind_read(const struct nb_json *object, const char *otherwise, enum nb_kube_kind *kind,
		      struct nb_error *err);

#endif
