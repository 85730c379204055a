// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads the process's effective capabilities by capget(2). */
#include "privilege.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

/* The kernel takes CAP_SYS_ADMIN for CAP_BPF and CAP_PERFMON: bpf_capable(), perfmon_capable(). */
static const struct {
	unsigned int sets;
	unsigned int number, or_number;
	const char *name;
} NEEDED[] = {
	{ NB_TO_WIRE | NB_TO_LOAD, CAP_NET_ADMIN, CAP_NET_ADMIN, "CAP_NET_ADMIN" },
	{ NB_TO_WIRE, CAP_SYS_ADMIN, CAP_SYS_ADMIN, "CAP_SYS_ADMIN" },
	{ NB_TO_LOAD, CAP_BPF, CAP_SYS_ADMIN, "CAP_BPF" },
	{ NB_TO_LOAD, CAP_PERFMON, CAP_SYS_ADMIN, "CAP_PERFMON" },
};

static int has(const struct __user_cap_data_struct *data, unsigned int number)
{
	return data[CAP_TO_INDEX(number)].effective & CAP_TO_MASK(number);
}

int nb_privilege_check(enum nb_privilege set, struct nb_error *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read the capabilities of this process");
	for (size_t i = 0; i < sizeof(NEEDED) / sizeof(*NEEDED); i++)
		if (NEEDED[i].sets & set && !has(data, NEEDED[i].number) && !has(data, NEEDED[i].or_number))
			return nb_fail(err, NB_ERR_PRIVILEGE, EPERM, "root is needed: %s is missing",
				       NEEDED[i].name);
	return 0;
}
