// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads the process's effective capabilities by capget(2). */
#include "privilege.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#include "lib/util/error.h"

static const struct {
	unsigned int number;
	const char *name;
} NEEDED[] = {
	{ CAP_NET_ADMIN, "CAP_NET_ADMIN" },
	{ CAP_SYS_ADMIN, "CAP_SYS_ADMIN" },
};

int nb_privilege_check(struct nb_error *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read the capabilities of this process");
	for (size_t i = 0; i < sizeof(NEEDED) / sizeof(*NEEDED); i++)
		if (!(data[CAP_TO_INDEX(NEEDED[i].number)].effective & CAP_TO_MASK(NEEDED[i].number)))
			return nb_fail(err, NB_ERR_PRIVILEGE, EPERM, "root is needed: %s is missing",
				       NEEDED[i].name);
	return 0;
}
