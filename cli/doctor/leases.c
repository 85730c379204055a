// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Leases of the IPAM plugin host-local: a file for each address, with the container's id and its interface, a
 * line each (plugins/ipam/host-local/backend/disk of containernetworking/plugins). An ADD writes a lease
 * before the pod is in the maps, and a DEL removes it after that.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/net/host_veth.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/cni_id.h"

#include "checks.h"

#define DEFAULT_DIR "/var/lib/cni/networks"

enum { LEASE_MAX = 512, YOUNG_S = 30 /* an ADD or DEL may be under way */ };

enum lease_state { LEASE_OK, LEASE_TORN };

struct lease {
	struct nb_addr addr;
	char container_id[256], ifname[IFNAMSIZ];
	enum lease_state state;
	bool young;
};

struct leases {
	char dir[PATH_MAX];
	NB_VEC(struct lease) all;
};

static void leases_free(struct leases *leases)
{
	nb_vec_free(&leases->all);
}

/* The first line, and the second one. False: it is no lease. */
static bool parse(char *text, struct lease *lease)
{
	char *id = strsep(&text, "\r\n"), *ifname;

	text = text ? text + strspn(text, "\r\n") : text;
	ifname = strsep(&text, "\r\n");
	if (!id || !nb_cni_name_valid(id) || (ifname && *ifname && !nb_ifname_valid(ifname)))
		return false;
	snprintf(lease->container_id, sizeof(lease->container_id), "%s", id);
	snprintf(lease->ifname, sizeof(lease->ifname), "%s", ifname ? ifname : "");
	return true;
}

/* Files of other names are the plugin's own. */
static bool read_lease(int dir, const char *name, struct lease *lease)
{
	nb_autoclose int fd = -1;
	char text[LEASE_MAX + 1];
	struct stat status;
	struct timespec now;
	ssize_t len;

	if (!nb_addr_parse(name, &lease->addr))
		return false;
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &status))
		return false;
	len = S_ISREG(status.st_mode) ? read(fd, text, LEASE_MAX) : -1;
	text[len > 0 ? len : 0] = '\0';
	lease->state = parse(text, lease) ? LEASE_OK : LEASE_TORN;
	clock_gettime(CLOCK_REALTIME, &now);
	lease->young = now.tv_sec - status.st_mtime < YOUNG_S && status.st_mtime <= now.tv_sec;
	return true;
}

static void close_listing(DIR **listing)
{
	if (*listing)
		closedir(*listing);
}

/* *used: whether the network's pods get addresses of host-local here. */
static int read_leases(const struct nb_doctor_network *network, struct leases *leases, bool *used,
		       struct nb_error *err)
{
	const struct nb_network_file *file = network->file;
	nb_cleanup(close_listing) DIR *listing = NULL;
	const struct dirent *entry;
	int rc = 0;

	*used = false;
	if (!file || strcmp(file->ipam, "host-local"))
		return 0;
	snprintf(leases->dir, sizeof(leases->dir), "%s/%s", file->data_dir ? file->data_dir : DEFAULT_DIR,
		 network->name);
	listing = opendir(leases->dir);
	if (!listing && errno == ENOENT) {
		*used = network->n_ports;
		return 0;
	}
	if (!listing)
		return nb_fail(err, NB_ERR_IO, errno, "cannot read \"%s\"", leases->dir);
	*used = true;
	while (!rc && (entry = readdir(listing))) {
		struct lease lease = { 0 };

		if (read_lease(dirfd(listing), entry->d_name, &lease))
			rc = nb_vec_push(&leases->all, lease, err);
	}
	return rc;
}

/* Whether a port of the node is that attachment's, or if the lease names no interface, that container's. */
static bool has_port(const struct nb_doctor *doctor, const struct nb_doctor_network *network,
		     const struct lease *lease)
{
	const struct nb_cni_id id = { network->name, lease->container_id,
				      *lease->ifname ? lease->ifname : "eth0" };

	for (unsigned int i = 0; i < doctor->n_links; i++) {
		const struct nb_link *link = &doctor->links[i];

		if (*lease->ifname ? nb_host_veth_is_of(link, &id) : nb_host_veth_is_of_container(link, &id))
			return true;
	}
	return false;
}

/* Whether the maps have a pod with the address: a port that is gone is another check's. */
static bool has_endpoint(const struct nb_doctor_network *network, const struct nb_addr *addr)
{
	for (size_t i = 0; i < network->endpoints.n; i++)
		if (nb_addr_equal(&network->endpoints.items[i].addr, addr))
			return true;
	return false;
}

static const char *address_of(struct nb_doctor *doctor, const struct nb_addr *addr)
{
	char text[NB_ADDR_STRLEN];

	return nb_doctor_text(doctor, "%s", nb_addr_format(addr, text));
}

static const char *path_of(struct nb_doctor *doctor, const struct leases *leases, const struct nb_addr *addr)
{
	char text[NB_ADDR_STRLEN];

	return nb_doctor_text(doctor, "%s/%s", leases->dir, nb_addr_format(addr, text));
}

int nb_check_lease_left(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			struct nb_error *err)
{
	nb_cleanup(leases_free) struct leases leases = { 0 };
	bool used;
	int rc = read_leases(network, &leases, &used, err);

	for (size_t i = 0; i < leases.all.n && !rc; i++) {
		const struct lease *lease = &leases.all.items[i];
		const char *path;

		if (lease->state != LEASE_OK || lease->young || has_port(doctor, network, lease) ||
		    has_endpoint(network, &lease->addr))
			continue;
		path = path_of(doctor, &leases, &lease->addr);
		nb_found(doctor, address_of(doctor, &lease->addr),
			 nb_doctor_text(doctor, "the lease %s is of \"%s\", which has no port here", path,
					lease->container_id),
			 nb_doctor_text(doctor,
					"let the runtime run a GC; or, if no such container is there, rm %s",
					path));
	}
	return rc;
}

int nb_check_lease_torn(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			struct nb_error *err)
{
	nb_cleanup(leases_free) struct leases leases = { 0 };
	bool used;
	int rc = read_leases(network, &leases, &used, err);

	for (size_t i = 0; i < leases.all.n && !rc; i++) {
		const struct lease *lease = &leases.all.items[i];

		if (lease->state != LEASE_TORN || lease->young)
			continue;
		nb_found(doctor, address_of(doctor, &lease->addr),
			 nb_doctor_text(doctor, "the lease %s does not name a container",
					path_of(doctor, &leases, &lease->addr)),
			 has_endpoint(network, &lease->addr)
				 ? "recreate the pod with this address, then remove the file"
				 : nb_doctor_text(doctor, "rm %s", path_of(doctor, &leases, &lease->addr)));
	}
	return rc;
}

int nb_check_lease_lost(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			struct nb_error *err)
{
	nb_cleanup(leases_free) struct leases leases = { 0 };
	bool used;
	int rc = read_leases(network, &leases, &used, err);

	for (size_t i = 0; i < network->endpoints.n && used && !rc; i++) {
		const struct nb_endpoint_info *info = &network->endpoints.items[i];
		bool found = false;

		for (size_t k = 0; k < leases.all.n && !found; k++)
			found = nb_addr_equal(&leases.all.items[k].addr, &info->addr);
		if (!found)
			nb_found(doctor, address_of(doctor, &info->addr),
				 nb_doctor_text(doctor,
						"a pod has an address without a lease: there is no %s",
						path_of(doctor, &leases, &info->addr)),
				 "recreate the pod");
	}
	return rc;
}
