// SPDX-License-Identifier: GPL-2.0-or-later
/* Feeds mutated files to the reader of kubeconfigs, with libFuzzer ("make fuzz"). An error has a message. */
#include "agent/kubeconfig.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	nb_cleanup(nb_kubeconfig_free) struct nb_kubeconfig conf = { 0 };
	nb_autoclose int fd = memfd_create("kubeconfig", MFD_CLOEXEC);
	struct nb_error err = { 0 };
	char path[64];

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (nb_kubeconfig_read(path, &conf, &err) && (!*err.msg || !err.code))
		abort();
	return 0;
}
