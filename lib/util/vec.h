/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_UTIL_VEC_H
#define NATBRIDGE_LIB_UTIL_VEC_H

/* Arrays that grow: NB_VEC(type) declares one, zeroed is empty, nb_vec_push() adds at the end. */

#include <stddef.h>
#include <stdlib.h>

#include "error.h"

#define NB_VEC(type)                                                                                         \
	struct {                                                                                             \
		type *items;                                                                                 \
		size_t n, room;                                                                              \
	}

/* Room for n items of that size at least; *items may move. */
static inline int nb_vec_reserve_(void **items, size_t *room, size_t n, size_t size, struct nb_error *err)
{
	size_t more = *room ? *room : 16;
	void *grown;

	if (*items && n <= *room)
		return 0;
	while (more < n)
		more *= 2;
	grown = reallocarray(*items, more, size);
	if (!grown)
		return nb_fail_nomem(err);
	*items = grown;
	*room = more;
	return 0;
}

#define nb_vec_reserve(vec, count, err)                                                                      \
	nb_vec_reserve_((void **)&(vec)->items, &(vec)->room, (count), sizeof(*(vec)->items), (err))

/* 0, or -ENOMEM and *err. */
#define nb_vec_push(vec, item, err)                                                                          \
	({                                                                                                   \
		int rc_ = nb_vec_reserve((vec), (vec)->n + 1, (err));                                        \
		if (!rc_)                                                                                    \
			(vec)->items[(vec)->n++] = (item);                                                   \
		rc_;                                                                                         \
	})

#define nb_vec_free(vec) free((vec)->items)

#endif
