// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads "vlan" and "vlanTrunk". */
#include "conf_vlan.h"

#include "lib/json/json.h"
#include "lib/net/vlan.h"
#include "lib/util/error.h"

#include "conf.h"

int nb_conf_parse_vlan(const struct nb_json *at, struct nb_conf *conf, struct nb_error *err)
{
	int rc = nb_json_uint(at, 0, NB_VLAN_MAX, &conf->vlan, err);

	if (rc)
		return rc;
	conf->vlan_filtering |= conf->vlan != 0;
	return 0;
}

/* One entry of vlanTrunk: "id", or "minID" and "maxID", or both. */
static int parse_trunk_entry(const struct nb_json *entry, struct nb_vlans *trunk, struct nb_error *err)
{
	const struct nb_json at_id = nb_json_get(entry, "id"), at_min = nb_json_get(entry, "minID"),
			     at_max = nb_json_get(entry, "maxID");
	unsigned int id = 0, min = 0, max = 0;
	int rc = nb_json_is_object(entry, err);

	if (rc)
		return rc;
	rc = nb_json_uint(&at_id, 1, NB_VLAN_MAX, &id, err);
	if (rc)
		return rc;
	rc = nb_json_uint(&at_min, 1, NB_VLAN_MAX, &min, err);
	if (rc)
		return rc;
	rc = nb_json_uint(&at_max, 1, NB_VLAN_MAX, &max, err);
	if (rc)
		return rc;
	if (!min != !max)
		return nb_json_fail(entry, NB_ERR_CONFIG, err,
				    "\"%s\" is missing: \"minID\" and \"maxID\" go together",
				    min ? "maxID" : "minID");
	if (max < min)
		return nb_json_fail(&at_max, NB_ERR_CONFIG, err, "%u is less than \"minID\" %u", max, min);
	for (unsigned int i = min; i && i <= max; i++)
		nb_vlans_put(trunk, i);
	if (id)
		nb_vlans_put(trunk, id);
	return 0;
}

int nb_conf_parse_vlan_trunk(const struct nb_json *at, struct nb_conf *conf, struct nb_error *err)
{
	int rc = nb_json_is_array(at, err);

	if (rc)
		return rc;
	for (struct nb_json entry = nb_json_first(at); entry.node; entry = nb_json_next(&entry)) {
		rc = parse_trunk_entry(&entry, &conf->vlan_trunk, err);
		if (rc)
			return rc;
	}
	conf->vlan_filtering |= at->node != NULL;
	return 0;
}

void nb_conf_port_vlans(const struct nb_conf *conf, struct nb_port_vlans *vlans)
{
	*vlans = (struct nb_port_vlans){ .tagged = conf->vlan_trunk, .native = conf->vlan };
	/* A trunk alone has VLAN 1 as its native one, as in the reference plugin. */
	if (!vlans->native && !nb_vlans_empty(&vlans->tagged))
		vlans->native = 1;
	if (vlans->native)
		vlans->tagged.bits[vlans->native / 8] &= (unsigned char)~(1U << vlans->native % 8);
}
