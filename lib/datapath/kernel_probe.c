// SPDX-License-Identifier: GPL-2.0-or-later
/* One check a requirement, each with a message that names kernel, requirement and way out. */
#include "kernel_probe.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/maps/layout.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "libbpf_quiet.h"

#define LOOKUP_FUNCTION "bpf_skb_ct_lookup"
#define KERNEL_BTF      "/sys/kernel/btf/vmlinux"
#define WAY_OUT         "mode \"off\" and bridge-nf-call-iptables=1"

/* The oldest kernel whose eBPF has all that the programs of a mode call. */
static const char *const oldest[NB_MODES] = {
	[NB_MODE_EBPF] = "5.17", [NB_MODE_ASSIST] = "5.18", [NB_MODE_NODE] = "5.17"
};

static void free_btf(struct btf **btf)
{
	btf__free(*btf);
}

static const char *release(struct utsname *name)
{
	return uname(name) ? "unknown" : name->release;
}

int nb_kernel_allows_ebpf(struct nb_error *err)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	/* A kind that the kernel makes for CAP_BPF alone, whatever kernel.unprivileged_bpf_disabled says. */
	nb_autoclose int fd = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "nb_probe", sizeof(__u64), 1, 1, &opts);

	/* ENOSYS: CONFIG_BPF_SYSCALL is off. */
	if (fd >= 0 || (errno != EPERM && errno != EACCES && errno != ENOSYS))
		return 0;
	return nb_fail(err, NB_ERR_PRIVILEGE, errno,
		       "this process may not use eBPF; mode \"off\" works without it");
}

static int check_helpers(enum nb_mode mode, struct nb_error *err)
{
	struct utsname name;

	if (libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_loop, NULL) != 0)
		return 0;
	return nb_fail(err, NB_ERR_NOT_AVAILABLE, 0,
		       "mode \"%s\" needs Linux %s or newer, and kernel %s has no bpf_loop(): use a newer "
		       "kernel, or " WAY_OUT,
		       nb_mode_name(mode), oldest[mode], release(&name));
}

/* *kernel is NULL where nobody needs it: reading it takes 15 ms. */
static int check_btf(enum nb_mode mode, struct btf **kernel, struct nb_error *err)
{
	struct utsname name;

	if (mode != NB_MODE_ASSIST && !access(KERNEL_BTF, R_OK))
		return 0;
	*kernel = btf__load_vmlinux_btf();
	if (*kernel)
		return 0;
	return nb_fail(err, NB_ERR_NOT_AVAILABLE, 0,
		       "mode \"%s\" needs the kernel's BTF (CONFIG_DEBUG_INFO_BTF, " KERNEL_BTF
		       "), and kernel %s has none: use one that has it, or " WAY_OUT,
		       nb_mode_name(mode), release(&name));
}

static bool has_function(const struct btf *btf, const char *name)
{
	return btf && btf__find_by_name_kind(btf, name, BTF_KIND_FUNC) > 0;
}

static int check_ct_lookup(struct btf *kernel, struct nb_error *err)
{
	nb_cleanup(free_btf) struct btf *module = btf__load_module_btf("nf_conntrack", kernel);
	struct utsname name;

	if (has_function(kernel, LOOKUP_FUNCTION) || has_function(module, LOOKUP_FUNCTION))
		return 0;
	return nb_fail(err, NB_ERR_NOT_AVAILABLE, 0,
		       "mode \"assist\" needs " LOOKUP_FUNCTION
		       "() (Linux 5.18, nf_conntrack loaded), and kernel "
		       "%s does not have it: use mode \"ebpf\", or " WAY_OUT,
		       release(&name));
}

int nb_kernel_check(enum nb_mode mode, struct nb_error *err)
{
	NB_LIBBPF_QUIET;
	nb_cleanup(free_btf) struct btf *kernel = NULL;
	int rc;

	if (mode == NB_MODE_OFF)
		return 0;
	rc = nb_kernel_allows_ebpf(err);
	if (rc)
		return rc;
	rc = check_helpers(mode, err);
	if (rc)
		return rc;
	rc = check_btf(mode, &kernel, err);
	if (rc || mode != NB_MODE_ASSIST)
		return rc;
	return check_ct_lookup(kernel, err);
}

/* Whether this is Linux 6.least or newer. */
static bool is_at_least_6(unsigned int least)
{
	unsigned int major, minor;
	struct utsname name;

	/* NOLINTNEXTLINE(cert-err34-c): the kernel's version is a number of this size */
	return !uname(&name) && sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= least));
}

bool nb_kernel_peer_sets_host(void)
{
	return is_at_least_6(15);
}

bool nb_kernel_fib_sets_src(void)
{
	return is_at_least_6(7);
}
