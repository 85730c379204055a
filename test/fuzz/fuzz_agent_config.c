// SPDX-License-Identifier: GPL-2.0-or-later
/* Feeds mutated files to the reader of the agent's configuration, with libFuzzer ("make fuzz"). An error has
 * a message. */
#include "agent/config.h"
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
	nb_cleanup(nb_agent_config_free) struct nb_agent_config config = { 0 };
	nb_autoclose int fd = memfd_create("agent.yaml", MFD_CLOEXEC);
	struct nb_error err = { 0 };
	char name[] = "natbridge-agent", config_flag[] = "--config", node_flag[] = "--hostname-override",
	     node[] = "here";
	char path[64], *argv[] = { name, config_flag, path, node_flag, node, NULL };

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (nb_agent_config_read(5, argv, &config, &err) && (!*err.msg || !err.code))
		abort();
	return 0;
}
