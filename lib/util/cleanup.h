/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_UTIL_CLEANUP_H
#define NATBRIDGE_LIB_UTIL_CLEANUP_H

/*
 * Ownership by scope: a variable declared with one of these attributes is released when its scope
 * ends. Hand its value over with NB_TAKE_FD() or NB_TAKE_PTR(), which leave the variable empty.
 * File descriptors start at -1.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define nb_cleanup(fn) __attribute__((cleanup(fn)))
#define nb_autofree    nb_cleanup(nb_free_ptr)
#define nb_autoclose   nb_cleanup(nb_close_fd)
#define nb_autofclose  nb_cleanup(nb_close_file)

static inline void nb_free_ptr(void *ptr)
{
	free(*(void **)ptr);
}

static inline void nb_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void nb_close_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

#define NB_TAKE_FD(fd)                                                                                       \
	({                                                                                                   \
		int taken_ = (fd);                                                                           \
		(fd) = -1;                                                                                   \
		taken_;                                                                                      \
	})

#define NB_TAKE_PTR(ptr)                                                                                     \
	({                                                                                                   \
		__typeof__(ptr) taken_ = (ptr);                                                              \
		(ptr) = NULL;                                                                                \
		taken_;                                                                                      \
	})

#endif
