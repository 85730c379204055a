// SPDX-License-Identifier: GPL-2.0-or-later
#include <natbridge/bpffs.h>
#include <natbridge/cleanup.h>
#include <natbridge/conntrack.h>
#include <natbridge/datapath.h>
#include <natbridge/lock.h>
#include <natbridge/prefix.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "natbridge.skel.h"

enum {
	ENTRIES_MAX = 1 << 24,
};

static const char *const map_names[NB_MAPS] = {
	[NB_MAP_CONNTRACK] = "conntrack",
	[NB_MAP_RING] = "ring",
	[NB_MAP_FRONTENDS] = "frontends",
	[NB_MAP_BACKENDS] = "backends",
	[NB_MAP_SERVICE_IDS] = "service_ids",
	[NB_MAP_AFFINITIES] = "affinities",
	[NB_MAP_FRAGMENTS] = "fragments",
	[NB_MAP_SERVICES] = "services",
	[NB_MAP_ENDPOINTS] = "endpoints",
	[NB_MAP_PORTS] = "ports",
	[NB_MAP_LINKS] = "links",
	[NB_MAP_COUNTERS] = "counters",
	[NB_MAP_SETTINGS] = "settings",
	[NB_MAP_RUNTIME] = "runtime",
};

static const char *const prog_names[NB_PROGS] = {
	[NB_PROG_FROM_POD] = "nb_from_pod",
	[NB_PROG_TO_POD] = "nb_to_pod",
	[NB_PROG_CLOCK] = "nb_clock",
};

const char *nb_map_name(enum nb_map map)
{
	return map_names[map];
}

const char *nb_prog_name(enum nb_prog prog)
{
	return prog_names[prog];
}

void nb_datapath_close(struct nb_datapath *dp)
{
	for (int i = 0; i < NB_MAPS; i++)
		nb_close_fd(&dp->map_fd[i]);
	for (int i = 0; i < NB_PROGS; i++)
		nb_close_fd(&dp->prog_fd[i]);
	nb_close_fd(&dp->lock_fd);
	*dp = (struct nb_datapath)NB_DATAPATH_INIT;
}

static int open_pin(const char *dir, const char *name, int *fd, struct nb_error *err)
{
	char path[sizeof(((struct nb_datapath *)0)->dir) + 32];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	*fd = bpf_obj_get(path);
	if (*fd < 0)
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot open \"%s\"", path);
	return 0;
}

static int open_pins(struct nb_datapath *dp, struct nb_error *err)
{
	int rc = 0;

	for (int i = 0; i < NB_MAPS && !rc; i++)
		rc = open_pin(dp->dir, map_names[i], &dp->map_fd[i], err);
	for (int i = 0; i < NB_PROGS && !rc; i++)
		rc = open_pin(dp->dir, prog_names[i], &dp->prog_fd[i], err);
	return rc;
}

/* Sets dp->dir, and takes the lock of the root if asked to. */
static int locate(const char *bpffs, const char *network, bool lock, struct nb_datapath *dp,
		  struct nb_error *err)
{
	char version[16], root[sizeof(dp->dir)];
	int rc;

	snprintf(version, sizeof(version), "v%d", NB_ABI_VERSION);
	rc = nb_pin_path(dp->dir, sizeof(dp->dir), bpffs, network, version, err);
	if (!rc && lock)
		rc = nb_pin_path(root, sizeof(root), bpffs, NULL, NULL, err);
	if (!rc && lock)
		rc = nb_lock_dir(root, &dp->lock_fd, err);
	return rc;
}

int nb_datapath_open(const char *bpffs, const char *network, bool lock, struct nb_datapath *dp,
		     struct nb_error *err)
{
	struct nb_datapath found nb_cleanup(nb_datapath_close) = NB_DATAPATH_INIT;
	char root[sizeof(found.dir)];
	int rc = nb_pin_path(root, sizeof(root), bpffs, NULL, NULL, err);

	if (rc)
		return rc;
	if (access(root, F_OK))
		return nb_fail(err, NB_ERR_DATAPATH, errno, "network \"%s\" has no datapath: \"%s\"", network,
			       root);
	rc = locate(bpffs, network, lock, &found, err);
	if (rc)
		return rc;
	if (access(found.dir, F_OK))
		return nb_fail(err, NB_ERR_DATAPATH, errno, "network \"%s\" has no datapath: \"%s\"", network,
			       found.dir);
	rc = open_pins(&found, err);
	if (rc)
		return rc;
	*dp = found;
	found = (struct nb_datapath)NB_DATAPATH_INIT;
	return 0;
}

static int on_libbpf_message(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, fmt, ap) : 0;
}

static __u32 limit_or(__u32 given, __u32 otherwise)
{
	return given ? given : otherwise;
}

static int check_limits(const struct nb_limits *limits, struct nb_error *err)
{
	if (limits->connections &&
	    (limits->connections < NB_CONNECTIONS_MIN || limits->connections > NB_CONNECTIONS_MAX))
		return nb_fail(err, NB_ERR_CONFIG, 0, "conntrack.max %u is not in %u .. %u",
			       limits->connections, NB_CONNECTIONS_MIN, NB_CONNECTIONS_MAX);
	if (limits->frontends > ENTRIES_MAX || limits->backends > ENTRIES_MAX)
		return nb_fail(err, NB_ERR_CONFIG, 0, "limits of %u frontends and %u backends are above %u",
			       limits->frontends, limits->backends, ENTRIES_MAX);
	return 0;
}

/* FNV-1a: the same for a network on every node and after every reload. */
static __u32 name_hash(const char *name)
{
	__u32 hash = 0x811c9dc5U;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x01000193U;
	return hash;
}

/* bpf_redirect_peer() sets the packet type itself since Linux 6.15 (commit c4327229948). */
static bool peer_sets_host(void)
{
	unsigned int major, minor;
	struct utsname name;

	/* NOLINTNEXTLINE(cert-err34-c): the kernel's version is a number of this size */
	return !uname(&name) && sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 15));
}

static int set_sizes(struct natbridge_bpf *skel, const struct nb_limits *limits)
{
	__u32 connections = limit_or(limits->connections, NB_DEFAULT_CONNECTIONS);
	__u32 frontends = limit_or(limits->frontends, NB_DEFAULT_FRONTENDS);
	__u32 backends = limit_or(limits->backends, NB_DEFAULT_BACKENDS);
	/* Entries made and given up again in a race exist for a moment beside those that have a place. */
	int rc = bpf_map__set_max_entries(skel->maps.conntrack, 2 * connections + connections / 16);

	rc = rc ?: bpf_map__set_max_entries(skel->maps.ring, connections);
	rc = rc ?: bpf_map__set_max_entries(skel->maps.frontends, frontends);
	rc = rc ?: bpf_map__set_max_entries(skel->maps.services, frontends);
	rc = rc ?: bpf_map__set_max_entries(skel->maps.backends, backends);
	skel->data_settings->nb_settings.max = connections;
	return rc;
}

static void set_defaults(struct natbridge_bpf *skel, const char *network)
{
	struct nb_settings *settings = &skel->data_settings->nb_settings;

	skel->rodata->nb_tick_shift = nb_tick_shift();
	skel->rodata->nb_second = nb_ticks_from_seconds(1);
	skel->rodata->nb_hash_seed = name_hash(network);
	skel->rodata->nb_peer_sets_host = peer_sets_host();
	for (unsigned int i = 0; i < NB_TIMEOUTS; i++)
		settings->timeouts[i] = nb_ticks_from_seconds(nb_timeout_default(i));
	settings->flags = NB_SETTINGS_FAST_PATH;
	/* No VIP as yet: no packet has an unspecified destination. */
	settings->vips[0] = settings->vips[1] = nb_prefix_none();
}

static struct bpf_map *map_of(struct natbridge_bpf *skel, enum nb_map map)
{
	switch (map) {
	case NB_MAP_SETTINGS:
		return skel->maps.data_settings;
	case NB_MAP_RUNTIME:
		return skel->maps.data_runtime;
	default:
		return bpf_object__find_map_by_name(skel->obj, map_names[map]);
	}
}

static int pin_all(struct natbridge_bpf *skel, const char *dir, struct nb_error *err)
{
	char path[sizeof(((struct nb_datapath *)0)->dir) + 32];

	for (int i = 0; i < NB_MAPS; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, map_names[i]);
		if (bpf_obj_pin(bpf_map__fd(map_of(skel, i)), path))
			return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot pin \"%s\"", path);
	}
	for (int i = 0; i < NB_PROGS; i++) {
		struct bpf_program *prog = bpf_object__find_program_by_name(skel->obj, prog_names[i]);

		snprintf(path, sizeof(path), "%s/%s", dir, prog_names[i]);
		if (bpf_obj_pin(bpf_program__fd(prog), path))
			return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot pin \"%s\"", path);
	}
	return 0;
}

/* Removes a directory of pins; it holds no directories. */
static int remove_pins(const char *dir, struct nb_error *err)
{
	DIR *listing = opendir(dir);
	struct dirent *entry;

	if (!listing)
		return errno == ENOENT ? 0 : nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read \"%s\"", dir);
	while ((entry = readdir(listing)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(listing), entry->d_name, 0);
	closedir(listing);
	if (rmdir(dir))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot remove \"%s\"", dir);
	return 0;
}

/*
 * Pins go to a directory of their own first and get their name all at once: whoever is killed on the way
 * leaves nothing that looks like a datapath, and the next one clears it away.
 */
static int pin(struct natbridge_bpf *skel, const struct nb_datapath_config *config, const char *dir,
	       struct nb_error *err)
{
	char network[sizeof(((struct nb_datapath *)0)->dir)], unfinished[sizeof(network)];
	int rc = nb_pin_path(network, sizeof(network), config->bpffs, config->network, NULL, err);

	rc = rc
		     ?: nb_pin_path(unfinished, sizeof(unfinished), config->bpffs, config->network,
				    "unfinished", err);
	if (rc)
		return rc;
	if (mkdir(network, 0700) && errno != EEXIST)
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot make \"%s\"", network);
	rc = remove_pins(unfinished, err);
	if (rc)
		return rc;
	if (mkdir(unfinished, 0700))
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot make \"%s\"", unfinished);
	rc = pin_all(skel, unfinished, err);
	if (!rc && rename(unfinished, dir))
		rc = nb_fail(err, NB_ERR_DATAPATH, errno, "cannot rename \"%s\"", unfinished);
	if (rc) {
		remove_pins(unfinished, NULL);
		rmdir(network);
	}
	return rc;
}

static void destroy_skeleton(struct natbridge_bpf **skel)
{
	natbridge_bpf__destroy(*skel);
}

static int load_and_pin(const struct nb_datapath_config *config, const char *dir, struct nb_error *err)
{
	struct natbridge_bpf *skel nb_cleanup(destroy_skeleton) = NULL;
	int rc;

	libbpf_set_print(on_libbpf_message);
	skel = natbridge_bpf__open();
	if (!skel)
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot open the eBPF programs");
	rc = set_sizes(skel, &config->limits);
	if (rc)
		return nb_fail(err, NB_ERR_DATAPATH, -rc, "cannot size the eBPF maps");
	set_defaults(skel, config->network);
	rc = natbridge_bpf__load(skel);
	if (rc)
		return nb_fail(err, rc == -EPERM ? NB_ERR_PRIVILEGE : NB_ERR_DATAPATH, -rc,
			       "the kernel refused the eBPF programs");
	return pin(skel, config, dir, err);
}

int nb_datapath_ensure(const struct nb_datapath_config *config, struct nb_datapath *dp, struct nb_error *err)
{
	struct nb_datapath made nb_cleanup(nb_datapath_close) = NB_DATAPATH_INIT;
	char root[sizeof(made.dir)];
	int rc = check_limits(&config->limits, err);

	rc = rc ?: nb_bpffs_ensure(nb_bpffs_root(config->bpffs), err);
	rc = rc ?: nb_pin_path(root, sizeof(root), config->bpffs, NULL, NULL, err);
	if (rc)
		return rc;
	if (mkdir(root, 0700) && errno != EEXIST)
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot make \"%s\"", root);
	rc = locate(config->bpffs, config->network, true, &made, err);
	if (!rc && access(made.dir, F_OK))
		rc = load_and_pin(config, made.dir, err);
	rc = rc ?: open_pins(&made, err);
	if (rc)
		return rc;
	*dp = made;
	made = (struct nb_datapath)NB_DATAPATH_INIT;
	return 0;
}

int nb_datapath_each(const char *bpffs, int (*fn)(const char *network, void *arg), void *arg,
		     struct nb_error *err)
{
	char root[sizeof(((struct nb_datapath *)0)->dir)], network[NAME_MAX + 1];
	int rc = nb_pin_path(root, sizeof(root), bpffs, NULL, NULL, err);
	struct dirent *entry;
	DIR *listing;

	if (rc)
		return rc;
	listing = opendir(root);
	if (!listing)
		return errno == ENOENT ? 0 : nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read \"%s\"", root);
	while (!rc && (entry = readdir(listing))) {
		if (entry->d_name[0] == '.')
			continue;
		nb_pin_name_decode(entry->d_name, network, sizeof(network));
		rc = fn(network, arg);
	}
	closedir(listing);
	return rc;
}

int nb_datapath_unpin(const char *bpffs, const char *network, struct nb_error *err)
{
	struct nb_datapath dp nb_cleanup(nb_datapath_close) = NB_DATAPATH_INIT;
	char dir[sizeof(dp.dir)];
	int rc = nb_pin_path(dir, sizeof(dir), bpffs, network, NULL, err);

	if (rc || access(dir, F_OK))
		return rc;
	rc = locate(bpffs, network, true, &dp, err);
	rc = rc ?: remove_pins(dp.dir, err);
	if (!rc && rmdir(dir) && errno != ENOENT)
		rc = nb_fail(err, NB_ERR_SYSTEM, errno, "cannot remove \"%s\"", dir);
	return rc;
}

int nb_datapath_probe(const char *bpffs, struct nb_error *err)
{
	const char *root = nb_bpffs_root(bpffs);
	__u32 id;

	if (bpf_prog_get_next_id(0, &id) && errno != ENOENT)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "the kernel does not let us use eBPF");
	if (access(root, W_OK))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "the bpffs root \"%s\" cannot be written", root);
	return 0;
}
