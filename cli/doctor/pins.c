// SPDX-License-Identifier: GPL-2.0-or-later
/* The bpffs, the pins of each network, and whose version they are. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/datapath/attach.h"
#include "lib/datapath/bpffs.h"
#include "lib/datapath/pins.h"
#include "lib/datapath/renew.h"
#include "lib/maps/layout.h"
#include "lib/net/host_veth.h"
#include "lib/util/strbuf.h"

#include "checks.h"

static bool wants_pins(const struct nb_doctor_network *network)
{
	return network->is_node || network->has_pins ||
	       (network->file && network->file->proxy.mode != NB_MODE_OFF);
}

/* Said once for each bpffs. */
static bool is_first_with(const struct nb_doctor *doctor, const struct nb_doctor_network *network)
{
	for (size_t i = 0; i < doctor->networks.n; i++) {
		const struct nb_doctor_network *other = doctor->networks.items[i];

		if (wants_pins(other) && !strcmp(other->root.bpffs, network->root.bpffs))
			return other == network;
	}
	return true;
}

int nb_check_bpffs(struct nb_doctor *doctor, const struct nb_doctor_network *network, struct nb_error *err)
{
	struct nb_error why = { 0 };

	(void)err;
	/* Where nothing is mounted yet, the first ADD does it. */
	if (wants_pins(network) && is_first_with(doctor, network) &&
	    nb_bpffs_probe(network->root.bpffs, &why))
		nb_found(doctor, network->name, nb_doctor_text(doctor, "%s", why.msg),
			 "name an empty directory or a bpffs: \"serviceProxy\": {\"bpffs\": ...}");
	return 0;
}

static bool has_programs(const struct nb_doctor *doctor, const struct nb_doctor_network *network)
{
	for (unsigned int i = 0; i < doctor->n_links; i++)
		if (nb_host_veth_is_of_network(&doctor->links[i], network->name) &&
		    nb_datapath_detached(doctor->links[i].index, NULL))
			return true;
	return false;
}

int nb_check_pins(struct nb_doctor *doctor, const struct nb_doctor_network *network, struct nb_error *err)
{
	char dir[NB_PIN_PATH_MAX];
	unsigned int layout = 0;

	(void)err;
	if (network->has_pins && network->open_error.code) {
		nb_found(doctor, network->name, nb_doctor_text(doctor, "%s", network->open_error.msg),
			 "natbridgectl uninstall, and recreate the pods");
		return 0;
	}
	/* Where no bpffs can be, or only pins of another layout are, other checks say so. */
	if (network->has_pins || !network->n_links || nb_bpffs_check(network->root.bpffs, NULL) ||
	    nb_pins_other_layout(&network->root, network->name, &layout, dir, NULL) || layout ||
	    !has_programs(doctor, network))
		return 0;
	if (!network->has_bpffs)
		nb_found(doctor, network->name,
			 nb_doctor_text(doctor, "its pods have programs, and no bpffs is mounted at \"%s\"",
					network->root.bpffs),
			 nb_doctor_text(doctor,
					"if the maps are pinned elsewhere, give --bpffs; else mount -t bpf "
					"bpf %s, and recreate the pods",
					network->root.bpffs));
	else
		nb_found(doctor, network->name,
			 nb_doctor_text(doctor, "its pods have programs, and nothing is pinned in \"%s\"",
					network->dp.dir),
			 "recreate the pods; if the maps are pinned elsewhere, give --bpffs");
	return 0;
}

/* Whether any program or map of a mode is there, but not all. */
static bool is_part_of(const struct nb_datapath *dp, enum nb_mode mode)
{
	return nb_datapath_has_progs(dp, mode) && !nb_datapath_has(dp, mode);
}

int nb_check_pin_missing(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			 struct nb_error *err)
{
	const struct nb_datapath *dp = &network->dp;
	bool any = false;

	(void)err;
	if (!network->has_pins || network->open_error.code)
		return 0;
	for (enum nb_mode mode = NB_MODE_EBPF; mode < NB_MODES; mode++) {
		any |= nb_datapath_has_progs(dp, mode);
		for (int i = 0; i < NB_MAPS && is_part_of(dp, mode); i++)
			if (nb_mode_has_map(mode, i) && dp->map_fd[i] < 0)
				nb_found(doctor, network->name,
					 nb_doctor_text(doctor, "the map \"%s/%s\" is missing", dp->dir,
							nb_map_name(i)),
					 "natbridgectl uninstall, and recreate the pods");
		for (int i = 0; i < NB_PROGS && is_part_of(dp, mode); i++)
			if (nb_mode_has_prog(mode, i) && dp->prog_fd[i] < 0)
				nb_found(doctor, network->name,
					 nb_doctor_text(doctor, "the program \"%s/%s\" is missing", dp->dir,
							nb_prog_name(i)),
					 "natbridgectl uninstall, and recreate the pods");
	}
	if (!any)
		nb_found(doctor, network->name, nb_doctor_text(doctor, "\"%s\" holds no programs", dp->dir),
			 "natbridgectl uninstall, and recreate the pods");
	return 0;
}

static void check_rights(struct nb_doctor *doctor, const struct nb_doctor_network *network, const char *path)
{
	struct stat status;

	if (stat(path, &status) || (!status.st_uid && !(status.st_mode & 022)))
		return;
	nb_found(doctor, network->name,
		 nb_doctor_text(doctor, "\"%s\" has mode %03o and belongs to user %u", path,
				status.st_mode & 0777, (unsigned int)status.st_uid),
		 nb_doctor_text(doctor, "chown 0:0 %s; chmod 700 %s", path, path));
}

int nb_check_pin_rights(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			struct nb_error *err)
{
	char path[NB_PIN_PATH_MAX];

	(void)err;
	if (!network->has_pins)
		return 0;
	check_rights(doctor, network, network->dp.dir);
	if (!nb_pin_path(&network->root, network->name, NULL, path, NULL))
		check_rights(doctor, network, path);
	if (is_first_with(doctor, network))
		check_rights(doctor, network, network->root.path);
	return 0;
}

int nb_check_layout(struct nb_doctor *doctor, const struct nb_doctor_network *network, struct nb_error *err)
{
	char dir[NB_PIN_PATH_MAX];
	unsigned int layout = 0;

	if (!network->has_bpffs)
		return 0;
	int rc = nb_pins_other_layout(&network->root, network->name, &layout, dir, err);
	if (rc || !layout)
		return rc == -ENOENT ? 0 : rc;
	if (network->has_pins)
		nb_found(doctor, network->name,
			 nb_doctor_text(doctor, "\"%s\" of map layout %u is left beside that of layout %d",
					dir, layout, NB_ABI_VERSION),
			 "natbridgectl upgrade");
	else
		nb_found_other(doctor,
			       &(struct nb_finding){
				       .severity = NB_WARNING,
				       .subject = network->name,
				       .what = nb_doctor_text(doctor,
							      "the network has map layout %u, and this "
							      "natbridge %d",
							      layout, NB_ABI_VERSION),
				       .why = "this natbridgectl cannot read or change its tables",
				       .fix = "natbridgectl upgrade" });
	return 0;
}

int nb_check_version(struct nb_doctor *doctor, const struct nb_doctor_network *network, struct nb_error *err)
{
	(void)err;
	if (nb_renew_is_due(&network->dp) || network->settings.flags & NB_SETTINGS_BEHIND)
		nb_found(doctor, network->name, "its programs are those of another version of natbridge",
			 "natbridgectl upgrade");
	return 0;
}

int nb_check_unfinished(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			struct nb_error *err)
{
	char path[NB_PIN_PATH_MAX];

	(void)err;
	if (!nb_pin_path(&network->root, network->name, NB_PINS_UNFINISHED, path, NULL) &&
	    !access(path, F_OK))
		nb_found(doctor, network->name,
			 nb_doctor_text(doctor, "\"%s\" holds pins of a command that did not finish", path),
			 nb_doctor_text(doctor, "rm -r %s", path));
	return 0;
}
