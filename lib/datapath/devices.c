// SPDX-License-Identifier: GPL-2.0-or-later
/* The map of devices, and their programs. */
#include "devices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/maps/seal.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "attach.h"

/* What a flag of a device stands for. */
static const struct {
	__u32 flag;
	enum nb_hook hook;
} hooks[] = {
	{ NB_DEVICE_IN, NB_HOOK_DEVICE_IN },
	{ NB_DEVICE_OUT, NB_HOOK_DEVICE_OUT },
	{ NB_DEVICE_NB0, NB_HOOK_NB0_OUT },
};

enum { HOOKS = sizeof(hooks) / sizeof(*hooks) };

void nb_devices_free(struct nb_devices *devices)
{
	nb_vec_free(&devices->all);
}

/* ---- the map ---- */

static int compare(const void *a, const void *b)
{
	const struct nb_device_at *x = a, *y = b;

	return x->ifindex < y->ifindex ? -1 : x->ifindex > y->ifindex;
}

struct reading {
	struct nb_devices *devices;
	struct nb_error *err;
};

static int add(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_device *devices = values;
	const __u32 *ifindexes = keys;
	struct reading *reading = arg;
	int rc = 0;

	for (__u32 i = 0; i < n && !rc; i++) {
		const struct nb_device_at at = { ifindexes[i], devices[i] };

		rc = nb_vec_push(&reading->devices->all, at, reading->err);
	}
	return rc;
}

int nb_devices_read(const struct nb_datapath *dp, struct nb_devices *devices, struct nb_error *err)
{
	struct reading reading = { devices, err };
	int rc = nb_map_walk(dp, NB_MAP_DEVICES, add, &reading, err);

	if (!rc && devices->all.n)
		qsort(devices->all.items, devices->all.n, sizeof(*devices->all.items), compare);
	return rc;
}

/* NULL: it is not among them. */
static const struct nb_device_at *find(const struct nb_devices *devices, __u32 ifindex)
{
	const struct nb_device_at key = { .ifindex = ifindex };

	return devices->all.n ? bsearch(&key, devices->all.items, devices->all.n, sizeof(*devices->all.items),
					compare)
			      : NULL;
}

static int write_device(const struct nb_datapath *dp, const struct nb_device_at *at,
			const struct nb_device_at *before, struct nb_error *err)
{
	struct nb_device device = at->device;

	nb_seal(NB_MAP_DEVICES, &at->ifindex, &device);
	if (before && !memcmp(&before->device, &device, sizeof(device)))
		return 0;
	return nb_map_write(dp, NB_MAP_DEVICES, &at->ifindex, &device, 1, NULL, err);
}

/* ---- programs ---- */

/* Attaches what the flags say, and detaches the rest. -ENODEV: the device is gone. */
static int attach(const struct nb_datapath *dp, __u32 ifindex, __u32 flags, __u32 flags_before,
		  struct nb_error *err)
{
	for (size_t i = 0; i < HOOKS; i++) {
		int rc = 0;

		if (flags & hooks[i].flag)
			rc = nb_datapath_attach_device(dp, hooks[i].hook, ifindex, err);
		else if (flags_before & hooks[i].flag)
			rc = nb_datapath_detach_device(hooks[i].hook, ifindex, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* Keeps the first error; a device that is gone is none. */
static void keep_first(int *first, int rc, const struct nb_error *why, struct nb_error *err)
{
	if (!rc || rc == -ENODEV || *first)
		return;
	*first = rc;
	if (err)
		*err = *why;
}

static int set_one(const struct nb_datapath *dp, const struct nb_device_at *at,
		   const struct nb_device_at *before, struct nb_error *err)
{
	int rc = write_device(dp, at, before, err);

	return rc ? rc : attach(dp, at->ifindex, at->device.flags, before ? before->device.flags : 0, err);
}

static int remove_one(const struct nb_datapath *dp, const struct nb_device_at *before, struct nb_error *err)
{
	int rc = attach(dp, before->ifindex, 0, before->device.flags, err);

	return rc && rc != -ENODEV ? rc : nb_map_remove(dp, NB_MAP_DEVICES, &before->ifindex, 1, NULL, err);
}

int nb_devices_set(const struct nb_datapath *dp, const struct nb_devices *wanted, struct nb_error *err)
{
	nb_cleanup(nb_devices_free) struct nb_devices before = { 0 };
	int first = nb_devices_read(dp, &before, err);

	if (first)
		return first;
	for (size_t i = 0; i < wanted->all.n; i++) {
		const struct nb_device_at *at = &wanted->all.items[i];
		struct nb_error why = { 0 };

		keep_first(&first, set_one(dp, at, find(&before, at->ifindex), &why), &why, err);
	}
	for (size_t i = 0; i < before.all.n; i++) {
		const struct nb_device_at *at = &before.all.items[i];
		struct nb_error why = { 0 };

		if (!find(wanted, at->ifindex))
			keep_first(&first, remove_one(dp, at, &why), &why, err);
	}
	return first;
}

int nb_devices_attach(const struct nb_datapath *dp, struct nb_ports *ports, struct nb_error *err)
{
	nb_cleanup(nb_devices_free) struct nb_devices all = { 0 };
	int first = nb_devices_read(dp, &all, err);

	*ports = (struct nb_ports){ 0 };
	for (size_t i = 0; i < all.all.n && !first; i++) {
		const struct nb_device_at *at = &all.all.items[i];
		struct nb_error why = { 0 };
		int rc = attach(dp, at->ifindex, at->device.flags, 0, &why);

		ports->attached += !rc;
		ports->gone += rc == -ENODEV;
		keep_first(&first, rc, &why, err);
	}
	return first;
}
