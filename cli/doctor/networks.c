// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads what the checks look at: configurations, links, and the maps of each network. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/datapath/bpffs.h"
#include "lib/datapath/datapath.h"
#include "lib/datapath/owner.h"
#include "lib/datapath/pins.h"
#include "lib/maps/counters.h"
#include "lib/maps/settings.h"
#include "lib/net/host_veth.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/cni_id.h"
#include "lib/util/strbuf.h"

#include "doctor.h"

/* ---- one network ---- */

static void network_free(struct nb_doctor_network *network)
{
	nb_datapath_close(&network->dp);
	free(network->ports);
	nb_vec_free(&network->endpoints);
	free(network->name);
	free(network);
}

static int add_endpoint(const struct nb_endpoint_info *info, void *arg)
{
	struct nb_doctor_network *network = arg;

	return nb_vec_push(&network->endpoints, *info, NULL);
}

/* Where pods reach the host: the bridge itself, a VLAN device on it, or the end of a pair with a port of it.
 */
static const struct nb_link *find_bridge(const struct nb_doctor *doctor, const struct nb_link *host)
{
	const struct nb_link *bridge = host, *port;

	if (!strcmp(host->kind, "vlan"))
		bridge = nb_doctor_link(doctor, host->peer);
	if (!strcmp(host->kind, "veth")) {
		port = nb_doctor_link(doctor, host->peer);
		bridge = port ? nb_doctor_link(doctor, port->master) : NULL;
	}
	return bridge && !strcmp(bridge->kind, "bridge") ? bridge : NULL;
}

/* An error is that of the first thing that cannot be read. */
static int read_maps(const struct nb_doctor *doctor, struct nb_doctor_network *network, struct nb_error *err)
{
	int rc = nb_datapath_mode(&network->dp, &network->mode, err);

	rc = rc ? rc : nb_settings_read(&network->dp, &network->settings, err);
	rc = rc ? rc : nb_counters_read(&network->dp, network->counters, err);
	rc = rc ? rc : nb_endpoint_ports(&network->dp, &network->ports, &network->n_ports, err);
	rc = rc ? rc : nb_endpoint_each(&network->dp, add_endpoint, network, err);
	if (rc || network->is_node)
		return rc;
	network->host = nb_doctor_link(doctor, network->settings.bridge_ifindex);
	network->bridge = network->host ? find_bridge(doctor, network->host) : NULL;
	return 0;
}

static void read_pins(const struct nb_doctor *doctor, struct nb_doctor_network *network)
{
	struct nb_error *err = &network->open_error;

	network->has_bpffs = nb_is_bpffs(network->root.bpffs);
	if (nb_datapath_locate(&network->root, network->name, false, &network->dp, err) ||
	    access(network->dp.dir, F_OK))
		return;
	network->has_pins = true;
	if (nb_pins_open(&network->dp, err))
		return;
	for (enum nb_mode mode = NB_MODE_EBPF; mode < NB_MODES; mode++)
		network->usable |= nb_datapath_has(&network->dp, mode);
	network->usable = network->usable && !read_maps(doctor, network, err);
}

static void count_links(const struct nb_doctor *doctor, struct nb_doctor_network *network)
{
	for (unsigned int i = 0; i < doctor->n_links; i++)
		network->n_links += nb_host_veth_is_of_network(&doctor->links[i], network->name);
}

/* Adds a network once. root NULL: that of the command line. */
static int add_network(struct nb_doctor *doctor, const char *name, const struct nb_network_file *file,
		       const struct nb_pin_root *root, struct nb_error *err)
{
	struct nb_doctor_network *network;

	if (doctor->cli->network && strcmp(name, doctor->cli->network) != 0)
		return 0;
	for (size_t i = 0; i < doctor->networks.n; i++)
		if (!strcmp(doctor->networks.items[i]->name, name))
			return 0;
	network = calloc(1, sizeof(*network));
	if (!network)
		return nb_fail_nomem(err);
	network->dp = (struct nb_datapath)NB_DATAPATH_INIT;
	network->is_node = !strcmp(name, NB_NODE_NETWORK);
	network->file = file;
	network->root = *root;
	network->mode = file ? file->proxy.mode : NB_MODE_OFF;
	int rc = nb_strdup(name, &network->name, err);
	rc = rc ? rc : nb_vec_push(&doctor->networks, network, err);
	if (rc) {
		network_free(network);
		return rc;
	}
	count_links(doctor, network);
	read_pins(doctor, network);
	/* That there is no owner is said where it matters. */
	nb_owner_find(&network->root, network->name, &network->owner, NULL);
	return 0;
}

/* ---- all of them ---- */

struct naming {
	struct nb_doctor *doctor;
	const struct nb_pin_root *root;
	struct nb_error *err;
};

/* For nb_datapath_each(). A name that no network can have is somebody else's directory. */
static int add_pinned(const char *name, void *arg)
{
	const struct naming *naming = arg;

	if (strcmp(name, NB_NODE_NETWORK) != 0 && !nb_cni_name_valid(name))
		return 0;
	return add_network(naming->doctor, name, NULL, naming->root, naming->err);
}

/* --bpffs and the environment win over the configuration, as they do for other commands. */
static const struct nb_pin_root *root_of(const struct nb_doctor *doctor, const struct nb_network_file *file)
{
	return doctor->cli->bpffs ? &doctor->cli->pin_root : &file->proxy.pin_root;
}

static int add_configured(struct nb_doctor *doctor, struct nb_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < doctor->files.all.n && !rc; i++) {
		const struct nb_network_file *file = &doctor->files.all.items[i];

		rc = add_network(doctor, file->name, file, root_of(doctor, file), err);
	}
	return rc;
}

/* Networks that have ports, and neither a configuration nor pins. */
static int add_named_by_links(struct nb_doctor *doctor, struct nb_error *err)
{
	char name[NB_LINK_ALIAS_MAX];
	int rc = 0;

	for (unsigned int i = 0; i < doctor->n_links && !rc; i++)
		if (!strcmp(doctor->links[i].kind, "veth") &&
		    nb_host_veth_alias_network(doctor->links[i].alias, name) && nb_cni_name_valid(name))
			rc = add_network(doctor, name, NULL, &doctor->cli->pin_root, err);
	return rc;
}

static int compare_networks(const void *a, const void *b)
{
	const struct nb_doctor_network *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static void note_bad_file(const char *why, void *arg)
{
	struct nb_doctor *doctor = arg;
	const char *text = nb_doctor_text(doctor, "%s", why);

	doctor->nomem |= nb_vec_push(&doctor->bad_files, text, NULL) != 0;
}

int nb_doctor_read(struct nb_doctor *doctor, struct nb_error *err)
{
	struct naming naming = { doctor, &doctor->cli->pin_root, err };
	struct nb_error why = { 0 };
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	doctor->started_ms = now.tv_sec * 1000LL + now.tv_nsec / 1000000;
	if (nb_network_files_read(doctor->cni_dir, note_bad_file, doctor, &doctor->files, &why))
		note_bad_file(why.msg, doctor);
	int rc = nb_netlink_open(&doctor->nl, err);
	rc = rc ? rc : nb_link_list(&doctor->nl, NULL, 0, &doctor->links, &doctor->n_links, err);
	rc = rc ? rc : add_configured(doctor, err);
	/* A directory that cannot be read is found by the checks of the bpffs. */
	rc = rc                                                                    ? rc
	     : nb_datapath_each(naming.root, add_pinned, &naming, &why) == -ENOMEM ? nb_fail_nomem(err)
										   : 0;
	rc = rc ? rc : add_named_by_links(doctor, err);
	if (!rc && doctor->networks.n)
		qsort(doctor->networks.items, doctor->networks.n, sizeof(*doctor->networks.items),
		      compare_networks);
	return rc ? rc : doctor->nomem ? nb_fail_nomem(err) : 0;
}

void nb_doctor_free(struct nb_doctor *doctor)
{
	for (size_t i = 0; i < doctor->networks.n; i++)
		network_free(doctor->networks.items[i]);
	nb_vec_free(&doctor->networks);
	for (size_t i = 0; i < doctor->texts.n; i++)
		free(doctor->texts.items[i]);
	nb_vec_free(&doctor->texts);
	nb_vec_free(&doctor->bad_files);
	nb_vec_free(&doctor->findings);
	nb_chains_free(&doctor->chains);
	nb_agent_state_free(&doctor->agent);
	nb_network_files_free(&doctor->files);
	free(doctor->links);
	nb_netlink_close(&doctor->nl);
}
