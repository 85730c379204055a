// SPDX-License-Identifier: GPL-2.0-or-later
/* malloc_trim(), and the same for what the dynamic linker has mapped. */
#include "memory.h"

#include <link.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SEGMENTS_MAX = 8 }; /* of an object; there are 4 or 5 */

/* Segments that can be written hold changes, such as relocations: only the others are those of the file. */
static int give_back_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	struct iovec segments[SEGMENTS_MAX];
	size_t n = 0;

	(void)size;
	(void)arg;
	for (size_t i = 0; i < info->dlpi_phnum && n < SEGMENTS_MAX; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		const uintptr_t start = info->dlpi_addr + segment->p_vaddr, aligned = start & ~(page - 1);

		if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W))
			segments[n++] = (struct iovec){ (void *)aligned, start - aligned + segment->p_memsz };
	}
	/* The headers are in one of them. */
	for (size_t i = 0; i < n; i++)
		madvise(segments[i].iov_base, segments[i].iov_len, MADV_DONTNEED);
	return 0;
}

void nb_memory_give_back(void)
{
	malloc_trim(0);
	dl_iterate_phdr(give_back_object, NULL);
}
