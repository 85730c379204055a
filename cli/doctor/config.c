// SPDX-License-Identifier: GPL-2.0-or-later
/* The configuration of networks: what it asks for, and what is there. */
#include <stdlib.h>
#include <string.h>

#include "lib/maps/settings.h"
#include "lib/util/cleanup.h"
#include "lib/util/process.h"

#include "checks.h"

#define PLUGINS "/opt/cni/bin"

int nb_check_config(struct nb_doctor *doctor, const struct nb_doctor_network *network, struct nb_error *err)
{
	(void)network;
	(void)err;
	for (size_t i = 0; i < doctor->bad_files.n; i++)
		nb_found(doctor, doctor->cni_dir, doctor->bad_files.items[i],
			 "correct the file: natbridge.conflist(5) has the keys");
	return 0;
}

int nb_check_no_network(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			struct nb_error *err)
{
	(void)network;
	(void)err;
	if (!doctor->networks.n && !doctor->bad_files.n)
		nb_found(doctor, doctor->cni_dir,
			 doctor->cli->network
				 ? nb_doctor_text(doctor, "there is no network \"%s\"", doctor->cli->network)
				 : "no network of natbridge is configured here, and none has pods",
			 "put a network configuration there, or name another directory by --cni-conf-dir");
	return 0;
}

int nb_check_no_config(struct nb_doctor *doctor, const struct nb_doctor_network *network,
		       struct nb_error *err)
{
	(void)err;
	/* A file that cannot be read may be its configuration. */
	if (network->file || network->is_node || doctor->bad_files.n)
		return 0;
	if (network->n_links || network->n_ports)
		nb_found(doctor, network->name,
			 nb_doctor_text(doctor, "the network has pods, and no configuration in \"%s\"",
					doctor->cni_dir),
			 "put it back, or once the pods are gone: natbridgectl uninstall");
	return 0;
}

static bool is_found(const char *type)
{
	const char *env = getenv("CNI_PATH");
	nb_autofree char *path = NULL;

	return !nb_process_find(type, env && *env ? env : PLUGINS, &path, NULL);
}

static void check_type(struct nb_doctor *doctor, const struct nb_doctor_network *network, const char *type)
{
	const char *env = getenv("CNI_PATH");
	const char *path = env && *env ? env : PLUGINS;

	if (!is_found(type))
		nb_found(doctor, network->name,
			 nb_doctor_text(doctor, "%s names the plugin \"%s\", which is not in \"%s\"",
					network->file->path, type, path),
			 "install it there, or set CNI_PATH to the runtime's directories of plugins");
}

int nb_check_plugin(struct nb_doctor *doctor, const struct nb_doctor_network *network, struct nb_error *err)
{
	(void)err;
	if (!network->file)
		return 0;
	for (size_t i = 0; i < network->file->types.n; i++)
		check_type(doctor, network, network->file->types.items[i]);
	check_type(doctor, network, network->file->ipam);
	return 0;
}

int nb_check_mode(struct nb_doctor *doctor, const struct nb_doctor_network *network, struct nb_error *err)
{
	(void)err;
	if (!network->file || !network->n_ports || network->file->proxy.mode == network->mode)
		return 0;
	nb_found(doctor, network->name,
		 nb_doctor_text(doctor, "its pods are in mode %s, and %s says %s",
				nb_mode_name(network->mode), network->file->path,
				nb_mode_name(network->file->proxy.mode)),
		 "start a pod in the network, or put the mode back");
	return 0;
}

int nb_check_bridge_name(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			 struct nb_error *err)
{
	(void)err;
	if (!network->file || !network->bridge || !network->n_ports ||
	    !strcmp(network->file->bridge, network->bridge->name))
		return 0;
	nb_found(doctor, network->name,
		 nb_doctor_text(doctor, "its pods are on the bridge \"%s\", and %s says \"%s\"",
				network->bridge->name, network->file->path, network->file->bridge),
		 "put the name back, or recreate the pods");
	return 0;
}

int nb_check_table_size(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			struct nb_error *err)
{
	struct nb_error why = { 0 };

	(void)err;
	if (!network->file || network->mode != NB_MODE_EBPF || !network->file->proxy.limits.connections ||
	    !nb_settings_check_max(&network->dp, network->file->proxy.limits.connections, &why))
		return 0;
	nb_found(doctor, network->name, nb_doctor_text(doctor, "%s: %s", network->file->path, why.msg),
		 "reboot the node, or recreate the network: natbridgectl uninstall, and a new pod");
	return 0;
}
