/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_UTIL_VEC_H
#define NATBRIDGE_LIB_UTIL_VEC_H

/*
 * Arrays that grow. NB_VEC(type) declares one; zeroed, it is empty. nb_vec_push() appends an item,
 * nb_vec_free() frees the array.
 */

#include <stddef.h>
#include <stdlib.h>

#include "error.h"

#define NB_VEC(type)                                                                                         \
	struct {                                                                                             \
		type *items;                                                                                 \
		size_t n, capacity;                                                                          \
	}

static inline int nb_vec_reserve_(void **items, size_t *capacity, size_t n, size_t size, struct nb_error *err)
{
	size_t more = *capacity ? *capacity : 16;
	void *grown;

	if (*items && n <= *capacity)
		return 0;
	while (more < n)
		more *= 2;
	grown = reallocarray(*items, more, size);
	if (!grown)
		return nb_fail_nomem(err);
	*items = grown;
	*capacity = more;
	return 0;
}

/* Makes the capacity at least count items; the items may move. 0, or -ENOMEM and *err. */
#define nb_vec_reserve(vec, count, err)                                                                      \
	nb_vec_reserve_((void **)&(vec)->items, &(vec)->capacity, (count), sizeof(*(vec)->items), (err))

/* Appends item. 0, or -ENOMEM and *err. */
#define nb_vec_push(vec, item, err)                                                                          \
	({                                                                                                   \
		int rc_ = nb_vec_reserve((vec), (vec)->n + 1, (err));                                        \
		if (!rc_)                                                                                    \
			(vec)->items[(vec)->n++] = (item);                                                   \
		rc_;                                                                                         \
	})

/* Gives back memory that no item uses. */
#define nb_vec_trim(vec)                                                                                     \
	({                                                                                                   \
		void *less_ = (vec)->n ? reallocarray((vec)->items, (vec)->n, sizeof(*(vec)->items)) : NULL; \
		if (less_) {                                                                                 \
			(vec)->items = less_;                                                                \
			(vec)->capacity = (vec)->n;                                                          \
		}                                                                                            \
	})

#define nb_vec_free(vec) free((vec)->items)

#endif
