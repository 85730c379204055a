// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel_probe.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
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
static const char *const oldest[NB_MODES] = { [NB_MODE_EBPF] = "5.17", [NB_MODE_ASSIST] = "5.18" };

static void free_btf(struct btf **btf)
{
	btf__free(*btf);
}

static bool has_function(const struct btf *btf, const char *name)
{
	return btf && btf__find_by_name_kind(btf, name, BTF_KIND_FUNC) > 0;
}

static const char *this_kernel(struct utsname *name)
{
	return uname(name) ? "unknown" : name->release;
}

/* No program is loaded: ENOENT. CONFIG_BPF_SYSCALL is off: ENOSYS. */
int nb_ebpf_usable(struct nb_error *err)
{
	__u32 id;

	if (!bpf_prog_get_next_id(0, &id) || (errno != EPERM && errno != EACCES && errno != ENOSYS))
		return 0;
	return nb_fail(err, NB_ERR_PRIVILEGE, errno,
		       "this process may not use eBPF, which mode \"off\" does without");
}

int nb_kernel_probe(enum nb_mode mode, struct nb_error *err)
{
	NB_LIBBPF_QUIET;
	struct btf *kernel nb_cleanup(free_btf) = NULL, *module nb_cleanup(free_btf) = NULL;
	struct utsname name;
	int rc = mode == NB_MODE_OFF ? 0 : nb_ebpf_usable(err);

	if (rc || mode == NB_MODE_OFF)
		return rc;
	/* Only a definite no counts: where we may not ask, loading tells why. */
	if (libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_loop, NULL) == 0)
		return nb_fail(
			err, NB_ERR_NOT_AVAILABLE, 0,
			"mode \"%s\" needs Linux %s or newer, and this one (%s) has no bpf_loop(): use "
			"a newer kernel, or " WAY_OUT,
			nb_mode_name(mode), oldest[mode], this_kernel(&name));
	if (mode != NB_MODE_ASSIST && !access(KERNEL_BTF, R_OK)) /* to read it takes 15 ms */
		return 0;
	kernel = btf__load_vmlinux_btf();
	if (!kernel)
		return nb_fail(err, NB_ERR_NOT_AVAILABLE, 0,
			       "mode \"%s\" needs the kernel's BTF (CONFIG_DEBUG_INFO_BTF, " KERNEL_BTF
			       "), and this one (%s) does not show it: use one that "
			       "does, or " WAY_OUT,
			       nb_mode_name(mode), this_kernel(&name));
	if (mode != NB_MODE_ASSIST)
		return 0;
	module = btf__load_module_btf("nf_conntrack", kernel);
	if (has_function(kernel, LOOKUP_FUNCTION) || has_function(module, LOOKUP_FUNCTION))
		return 0;
	return nb_fail(err, NB_ERR_NOT_AVAILABLE, 0,
		       "mode \"assist\" needs " LOOKUP_FUNCTION
		       "() of the kernel (Linux 5.18, nf_conntrack loaded), "
		       "which this one has not: use mode \"ebpf\", or " WAY_OUT);
}
