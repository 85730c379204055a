// SPDX-License-Identifier: GPL-2.0-or-later
/* The objects of the skeletons, sized, shared, loaded and taken apart into descriptors. */
#include "load.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <natbridge/abi.h>
#include <natbridge/conn_account.h>
#include <natbridge/handover.h>

#include "lib/maps/conn_table.h"
#include "lib/maps/layout.h"
#include "lib/maps/prefix.h"
#include "lib/maps/settings.h"
#include "lib/maps/tick.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "assist.skel.h"
#include "handover.skel.h"
#include "kernel_probe.h"
#include "libbpf_quiet.h"
#include "natbridge.skel.h"
#include "node.skel.h"
#include "qdisc.skel.h"

enum { ENTRIES_MAX = 1 << 24 };

/* The eBPF object of each mode. */
static const struct object {
	const void *(*elf)(size_t *size);
	const char *build;
} objects[NB_MODES] = {
	[NB_MODE_EBPF] = { natbridge_bpf__elf_bytes, NATBRIDGE_BPF_BUILD },
	[NB_MODE_ASSIST] = { assist_bpf__elf_bytes, ASSIST_BPF_BUILD },
	[NB_MODE_NODE] = { node_bpf__elf_bytes, NODE_BPF_BUILD },
};

void nb_object_build(unsigned int object, char build[NB_BUILD_LEN])
{
	snprintf(build, NB_BUILD_LEN, "%s",
		 object == NB_OBJECT_WATCH ? QDISC_BPF_BUILD : objects[object].build);
}

static int on_libbpf_message(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, fmt, ap) : 0;
}

static __u32 limit_or(__u32 given, __u32 otherwise)
{
	return given ? given : otherwise;
}

int nb_limits_check(const struct nb_limits *limits, struct nb_error *err)
{
	if (limits->connections &&
	    (limits->connections < NB_CONNECTIONS_MIN || limits->connections > NB_CONNECTIONS_MAX))
		return nb_fail(err, NB_ERR_CONFIG, 0, "conntrack.max: %u is not in %u..%u",
			       limits->connections, NB_CONNECTIONS_MIN, NB_CONNECTIONS_MAX);
	if (limits->frontends > ENTRIES_MAX || limits->backends > ENTRIES_MAX)
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "limits: %u frontends and %u backends: the maximum is %u", limits->frontends,
			       limits->backends, ENTRIES_MAX);
	return 0;
}

/* NULL: the object does not have the map. */
static struct bpf_map *map_of(const struct bpf_object *obj, enum nb_map map)
{
	return bpf_object__find_map_by_name(obj, nb_map_rows[map].in_object);
}

/* How many elements a map shall have; 0: as the object says. */
static __u32 entries_of(enum nb_map map, const struct nb_limits *limits)
{
	__u32 flows = limit_or(limits->connections, NB_DEFAULT_FLOWS);

	switch (nb_map_rows[map].size) {
	case NB_SIZE_CONNECTIONS:
		return limit_or(limits->connections, NB_DEFAULT_CONNECTIONS);
	case NB_SIZE_ACCOUNTS: /* follows from another map: set_account_size() */
		break;
	case NB_SIZE_FRONTENDS:
		return limit_or(limits->frontends, NB_DEFAULT_FRONTENDS);
	case NB_SIZE_BACKENDS:
		return limit_or(limits->backends, NB_DEFAULT_BACKENDS);
	case NB_SIZE_FLOWS:
		return flows / NB_FLOW_WAYS + !!(flows % NB_FLOW_WAYS);
	case NB_SIZE_FIXED:
		break;
	}
	return 0;
}

/* Maps that *dp has are shared and keep their size. */
static int set_sizes(const struct nb_datapath *dp, struct bpf_object *obj, const struct nb_limits *limits)
{
	for (int i = 0; i < NB_MAPS; i++) {
		struct bpf_map *map = map_of(obj, i);
		__u32 entries = entries_of(i, limits);
		int rc = map && entries && dp->map_fd[i] < 0 ? bpf_map__set_max_entries(map, entries) : 0;

		if (rc)
			return rc;
	}
	return 0;
}

static int set_initial(struct bpf_object *obj, const char *section, const void *value, size_t size)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, section);

	return map ? bpf_map__set_initial_value(map, value, size) : -ENOENT;
}

/* How many elements a map has, also a shared one; 0: the object does not have it. */
static __u32 size_of(const struct bpf_object *obj, enum nb_map map)
{
	const struct bpf_map *found = map_of(obj, map);

	return found ? bpf_map__max_entries(found) : 0;
}

static int set_defaults(const struct nb_datapath *dp, struct bpf_object *obj, const char *network,
			const struct nb_limits *limits)
{
	const struct nb_constants constants = {
		.tick_shift = nb_tick_shift(),
		.second = nb_ticks_from_seconds(1),
		.minute = nb_ticks_from_seconds(60),
		.network = nb_network_hash(network),
		.flow_sets = size_of(obj, NB_MAP_FLOWS),
		.conn_sets = size_of(obj, NB_MAP_CONN_INDEX),
		.account_half = size_of(obj, NB_MAP_ACCOUNTS) / 2,
		.peer_sets_host = nb_kernel_peer_sets_host(),
		.fib_sets_src = nb_kernel_fib_sets_src(),
	};
	struct nb_settings settings = {
		.flags = NB_SETTINGS_FAST_PATH,
		.max = limit_or(limits->connections, NB_DEFAULT_CONNECTIONS),
		/* No VIP yet. */
		.vips = { nb_prefix_none(), nb_prefix_none() },
	};
	int rc = set_initial(obj, ".rodata.constants", &constants, sizeof(constants));

	if (rc)
		return rc;
	for (unsigned int i = 0; i < NB_TIMEOUTS; i++)
		settings.timeouts[i] = nb_ticks_from_seconds(nb_timeout_default(i));
	rc = nb_conn_table_seed(&settings);
	if (rc)
		return rc;
	if (dp->map_fd[NB_MAP_SETTINGS] >= 0)
		return 0;
	return set_initial(obj, ".data.settings", &settings, sizeof(settings));
}

/* Maps that *dp has, of another mode or of older programs, are used instead of new ones. */
static int share_maps(const struct nb_datapath *dp, struct bpf_object *obj)
{
	for (int i = 0; i < NB_MAPS; i++) {
		struct bpf_map *map = map_of(obj, i);
		int rc = map && dp->map_fd[i] >= 0 ? bpf_map__reuse_fd(map, dp->map_fd[i]) : 0;

		if (rc)
			return rc;
	}
	return 0;
}

/* Two elements for each of connections[], whose size may be that of an older one that is shared. */
static int set_account_size(const struct nb_datapath *dp, struct bpf_object *obj)
{
	struct bpf_map *map = map_of(obj, NB_MAP_ACCOUNTS);

	if (!map || dp->map_fd[NB_MAP_ACCOUNTS] >= 0)
		return 0;
	return bpf_map__set_max_entries(map, 2 * nb_account_half(size_of(obj, NB_MAP_CONNECTIONS)));
}

static int keep_fd(int from, int *to, const char *name, struct nb_error *err)
{
	if (*to >= 0)
		return 0;
	*to = fcntl(from, F_DUPFD_CLOEXEC, 0);
	if (*to < 0)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot keep \"%s\" open", name);
	return 0;
}

/* modes: enum nb_map_modes. */
static int keep_map_fds(struct bpf_object *obj, int modes, struct nb_datapath *dp, struct nb_error *err)
{
	for (int i = 0; i < NB_MAPS; i++) {
		int rc = nb_map_rows[i].modes & modes
				 ? keep_fd(bpf_map__fd(map_of(obj, i)), &dp->map_fd[i], nb_map_name(i), err)
				 : 0;

		if (rc)
			return rc;
	}
	return 0;
}

static int keep_fds(struct bpf_object *obj, enum nb_mode mode, struct nb_datapath *dp, struct nb_error *err)
{
	int rc = keep_map_fds(obj, 1 << mode, dp, err);

	if (rc)
		return rc;
	for (int i = 0; i < NB_PROGS; i++) {
		const struct bpf_program *prog;

		if (!nb_mode_has_prog(mode, i))
			continue;
		prog = bpf_object__find_program_by_name(obj, nb_prog_name(i));
		rc = keep_fd(bpf_program__fd(prog), &dp->prog_fd[i], nb_prog_name(i), err);
		if (rc)
			return rc;
	}
	return 0;
}

static void close_object(struct bpf_object **obj)
{
	bpf_object__close(*obj);
}

/* What the kernel lacks, if that is why it refused the programs. */
static int refused(const struct nb_datapath_config *config, int rc, struct nb_error *err)
{
	struct nb_error why = { 0 };

	if (rc == -EPERM)
		return nb_fail(err, NB_ERR_PRIVILEGE, -rc, "the kernel refused the eBPF programs");
	if (nb_kernel_check(config->mode, &why)) {
		if (err)
			*err = why;
		return -EOPNOTSUPP;
	}
	return nb_fail(err, NB_ERR_DATAPATH, -rc,
		       "the kernel refused the eBPF programs of mode \"%s\" (mode \"off\" needs none)",
		       nb_mode_name(config->mode));
}

static int prepare(const struct nb_datapath_config *config, const struct nb_datapath *dp,
		   struct bpf_object *obj)
{
	int rc = set_sizes(dp, obj, &config->limits);

	if (rc)
		return rc;
	rc = share_maps(dp, obj);
	if (rc)
		return rc;
	rc = set_account_size(dp, obj);
	if (rc)
		return rc;
	return set_defaults(dp, obj, config->network, &config->limits);
}

int nb_datapath_load(const struct nb_datapath_config *config, struct nb_datapath *dp, struct nb_error *err)
{
	nb_cleanup(close_object) struct bpf_object *obj = NULL;
	const void *elf;
	size_t size;
	int rc;

	libbpf_set_print(on_libbpf_message);
	elf = objects[config->mode].elf(&size);
	obj = bpf_object__open_mem(elf, size, NULL);
	if (!obj)
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot open the eBPF programs");
	rc = prepare(config, dp, obj);
	if (rc)
		return nb_fail(err, NB_ERR_DATAPATH, -rc, "cannot prepare the eBPF maps");
	rc = bpf_object__load(obj);
	if (rc)
		return refused(config, rc, err);
	return keep_fds(obj, config->mode, dp, err);
}

/* ---- the handover ---- */

void nb_handover_progs_close(struct nb_handover_progs *progs)
{
	nb_close_fd(&progs->from_pod);
	nb_close_fd(&progs->to_pod);
}

static int keep_prog_fd(const struct bpf_object *obj, enum nb_prog prog, int *fd, struct nb_error *err)
{
	const struct bpf_program *found = bpf_object__find_program_by_name(obj, nb_prog_name(prog));

	return keep_fd(bpf_program__fd(found), fd, nb_prog_name(prog), err);
}

int nb_handover_load(const char *network, struct nb_datapath *dp, struct nb_handover_progs *progs,
		     struct nb_error *err)
{
	NB_LIBBPF_QUIET;
	nb_cleanup(close_object) struct bpf_object *obj = NULL;
	const struct nb_datapath_config config = { .network = network, .mode = NB_MODE_EBPF };
	size_t size;
	const void *elf = handover_bpf__elf_bytes(&size);
	int rc;

	obj = bpf_object__open_mem(elf, size, NULL);
	if (!obj)
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot open the eBPF programs of the handover");
	rc = prepare(&config, dp, obj);
	if (rc)
		return nb_fail(err, NB_ERR_DATAPATH, -rc, "cannot prepare the eBPF maps of the handover");
	if (bpf_object__load(obj))
		return nb_fail(err, NB_ERR_DATAPATH, EOPNOTSUPP,
			       "the kernel refused the eBPF programs of the handover");
	rc = keep_map_fds(obj, NB_IN_HANDOVER, dp, err);
	if (rc)
		return rc;
	rc = keep_prog_fd(obj, NB_PROG_FROM_POD, &progs->from_pod, err);
	if (rc)
		return rc;
	return keep_prog_fd(obj, NB_PROG_TO_POD, &progs->to_pod, err);
}

/* ---- the watch ---- */

static void destroy_link(struct bpf_link **link)
{
	if (*link)
		bpf_link__destroy(*link);
}

/* NULL: it does not work. */
static struct bpf_object *load_watch(const struct nb_datapath *dp)
{
	nb_cleanup(close_object) struct bpf_object *obj = NULL;
	struct stat netns;
	__u32 inode;
	size_t size;
	const void *elf = qdisc_bpf__elf_bytes(&size);

	if (stat("/proc/thread-self/ns/net", &netns))
		return NULL;
	inode = (__u32)netns.st_ino;
	obj = bpf_object__open_mem(elf, size, NULL);
	if (!obj || share_maps(dp, obj) || set_initial(obj, ".rodata.netns", &inode, sizeof(inode)) ||
	    bpf_object__load(obj))
		return NULL;
	return NB_TAKE_PTR(obj);
}

int nb_datapath_watch(const struct nb_datapath *dp)
{
	NB_LIBBPF_QUIET;
	nb_cleanup(close_object) struct bpf_object *obj = load_watch(dp);
	struct bpf_program *prog = obj ? bpf_object__find_program_by_name(obj, "nb_qdisc_made") : NULL;
	nb_cleanup(destroy_link) struct bpf_link *link = prog ? bpf_program__attach(prog) : NULL;

	return link ? fcntl(bpf_link__fd(link), F_DUPFD_CLOEXEC, 0) : -1;
}
