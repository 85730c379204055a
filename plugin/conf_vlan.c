// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/json/json.h"
#include "lib/net/vlan.h"
#include "lib/util/error.h"

#include "conf.h"

/* One entry of vlanTrunk: "id", or "minID" and "maxID", or both. */
static int parse_trunk(const struct nb_json *entry, struct nb_vlans *trunk, struct nb_error *err)
{
	const struct nb_json at_id = nb_json_get(entry, "id"), at_min = nb_json_get(entry, "minID"),
			     at_max = nb_json_get(entry, "maxID");
	unsigned int id = 0, min = 0, max = 0;
	int ret = nb_json_is_object(entry, err);

	if (!ret)
		ret = nb_json_uint(&at_id, 1, NB_VLAN_MAX, &id, err);
	if (!ret)
		ret = nb_json_uint(&at_min, 1, NB_VLAN_MAX, &min, err);
	if (!ret)
		ret = nb_json_uint(&at_max, 1, NB_VLAN_MAX, &max, err);
	if (ret)
		return ret;
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

int nb_conf_parse_vlans(const struct nb_json *root, struct nb_conf *conf, struct nb_error *err)
{
	const struct nb_json at_vlan = nb_json_get(root, "vlan"), trunk = nb_json_get(root, "vlanTrunk");
	struct nb_json entry;
	int ret = nb_json_uint(&at_vlan, 0, NB_VLAN_MAX, &conf->vlan, err);

	if (!ret)
		ret = nb_json_is_array(&trunk, err);
	for (entry = nb_json_first(&trunk); entry.node && !ret; entry = nb_json_next(&entry))
		ret = parse_trunk(&entry, &conf->vlan_trunk, err);
	conf->vlan_filtering = conf->vlan || trunk.node;
	return ret;
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
