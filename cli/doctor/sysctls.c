// SPDX-License-Identifier: GPL-2.0-or-later
/* Settings of the kernel that pods need. Strict rp_filter and bridge-nf-call-iptables do natbridge no harm.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "lib/net/sysctl.h"

#include "checks.h"

/* *is: whether the parameter has that value; one that does not exist has none. */
static int has_value(const char *name, const char *value, bool *is, struct nb_error *err)
{
	char text[64];
	int rc = nb_sysctl_read(name, text, sizeof(text), err);

	if (rc && rc != -ENOENT)
		return rc;
	*is = !rc && !strcmp(text, value);
	return 0;
}

/* One parameter that is to be 1; *found: it is not, and was reported. */
static int want_one(struct nb_doctor *doctor, const char *name, bool *found, struct nb_error *err)
{
	bool is_off = false;
	int rc = has_value(name, "0", &is_off, err);

	*found = !rc && is_off;
	if (*found)
		nb_found(doctor, name, nb_doctor_text(doctor, "%s is 0", name),
			 nb_doctor_text(doctor, "sysctl -w %s=1", name));
	return rc;
}

/* The setting of the whole host, and if that is on, of the link where pods reach the host. */
static int check_family(struct nb_doctor *doctor, const struct nb_doctor_network *network, const char *all,
			const char *family, struct nb_error *err)
{
	bool found = false;
	int rc = want_one(doctor, all, &found, err);

	if (rc || found)
		return rc;
	return want_one(doctor,
			nb_doctor_text(doctor, "net/%s/conf/%s/forwarding", family, network->host->name),
			&found, err);
}

int nb_check_forwarding(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			struct nb_error *err)
{
	int rc = 0;

	if (!network->host)
		return 0;
	if (nb_doctor_has_gateway(network, AF_INET))
		rc = check_family(doctor, network, "net/ipv4/ip_forward", "ipv4", err);
	if (!rc && nb_doctor_has_gateway(network, AF_INET6))
		rc = check_family(doctor, network, "net/ipv6/conf/all/forwarding", "ipv6", err);
	return rc;
}

int nb_check_ipv6_off(struct nb_doctor *doctor, const struct nb_doctor_network *network, struct nb_error *err)
{
	const char *name;
	bool is_off = false;

	if (!network->host || !nb_doctor_has_gateway(network, AF_INET6))
		return 0;
	name = nb_doctor_text(doctor, "net/ipv6/conf/%s/disable_ipv6", network->host->name);
	int rc = has_value(name, "1", &is_off, err);
	if (!rc && is_off)
		nb_found(doctor, network->name, nb_doctor_text(doctor, "%s is 1", name),
			 nb_doctor_text(doctor,
					"sysctl -w %s=0, and start a pod, which gives the bridge its "
					"addresses again",
					name));
	return rc;
}

int nb_check_bridge_nf(struct nb_doctor *doctor, const struct nb_doctor_network *network,
		       struct nb_error *err)
{
	const char *const name = "net/bridge/bridge-nf-call-iptables";
	bool is_on = false;

	if (network->file->proxy.mode != NB_MODE_OFF)
		return 0;
	int rc = has_value(name, "1", &is_on, err);
	if (!rc && !is_on)
		nb_found(doctor, network->name,
			 nb_doctor_text(doctor, "its mode is off, and %s is not 1", name),
			 nb_doctor_text(doctor,
					"modprobe br_netfilter; sysctl -w %s=1; or use mode ebpf or assist",
					name));
	return rc;
}
