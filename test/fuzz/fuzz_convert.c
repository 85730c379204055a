// SPDX-License-Identifier: GPL-2.0-or-later
/* Feeds mutated files to --convert, with libFuzzer ("make fuzz"): each line that it prints is a key, an item
 * or a comment, so that no value makes a line of its own; or an error has a message. */
#include "agent/convert.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const char *line)
{
	const char *text = line + strspn(line, " ");

	if (*text == '#' || !strncmp(text, "- \"", 3))
		return;
	while (isalpha((unsigned char)*text))
		text++;
	if (text == line || *text != ':')
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	nb_autoclose int fd = memfd_create("kube-proxy.yaml", MFD_CLOEXEC);
	struct nb_error err = { 0 };
	char path[64], *out = NULL, *save = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&out, &len);

	if (fd < 0 || !to || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (nb_agent_convert(path, to, &err) && (!*err.msg || !err.code))
		abort();
	fclose(to);
	for (char *line = strtok_r(out, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		check_line(line);
	free(out);
	return 0;
}
