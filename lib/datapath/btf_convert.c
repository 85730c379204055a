// SPDX-License-Identifier: GPL-2.0-or-later
#include "btf_convert.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "lib/util/error.h"
#include "lib/util/vec.h"

enum { DEPTH_MAX = 16 };

/* A type on one of the two sides, and where it stands in the value. */
struct place {
	const struct btf *btf;
	__u32 type;
	__u32 offset;
};

static int convert(struct nb_btf_conversion *plan, struct place from, struct place to, int depth,
		   struct nb_error *err);

/* Behind typedefs and qualifiers. *wire: a number in network byte order, which only these say. */
static const struct btf_type *resolve(const struct place *at, bool *wire)
{
	__u32 id = at->type;
	const struct btf_type *type = btf__type_by_id(at->btf, id);

	*wire = false;
	while (type && (btf_is_mod(type) || btf_is_typedef(type))) {
		const char *name = btf__name_by_offset(at->btf, type->name_off);

		if (btf_is_typedef(type) && name && !strncmp(name, "__be", 4))
			*wire = true;
		type = btf__type_by_id(at->btf, type->type);
	}
	return type;
}

static int add_step(struct nb_btf_conversion *plan, struct nb_btf_conversion_step step, struct nb_error *err)
{
	struct nb_btf_conversion_step *last = plan->n ? &plan->items[plan->n - 1] : NULL;

	if (last && step.from_len == step.to_len && last->from_len == last->to_len &&
	    last->from + last->from_len == step.from && last->to + last->to_len == step.to) {
		last->from_len += step.from_len;
		last->to_len += step.to_len;
		return 0;
	}
	return nb_vec_push(plan, step, err);
}

static const char *name_of(const struct place *at, __u32 offset)
{
	const char *name = btf__name_by_offset(at->btf, offset);

	return name ? name : "";
}

static int differs(const char *how, struct nb_error *err)
{
	return nb_fail(err, NB_ERR_DATAPATH, 0, "%s", how);
}

static int convert_number(struct nb_btf_conversion *plan, const struct place *from,
			  const struct btf_type *from_type, const struct place *to,
			  const struct btf_type *to_type, bool wire, struct nb_error *err)
{
	const struct nb_btf_conversion_step step = { from->offset, to->offset, from_type->size,
						     to_type->size };

	if (step.from_len != step.to_len && (wire || step.from_len > 8 || step.to_len > 8))
		return differs("is a number of another size", err);
	return add_step(plan, step, err);
}

static const struct btf_member *find_member(const struct place *at, const struct btf_type *type,
					    const char *name)
{
	const struct btf_member *members = btf_members(type);

	for (__u16 i = 0; i < btf_vlen(type); i++)
		if (!strcmp(name_of(at, members[i].name_off), name))
			return &members[i];
	return NULL;
}

static int convert_struct(struct nb_btf_conversion *plan, const struct place *from,
			  const struct btf_type *from_type, const struct place *to,
			  const struct btf_type *to_type, int depth, struct nb_error *err)
{
	const struct btf_member *members = btf_members(to_type);
	int rc = 0;

	for (__u16 i = 0; i < btf_vlen(to_type) && !rc; i++) {
		const char *name = name_of(to, members[i].name_off);
		const struct btf_member *old = find_member(from, from_type, name);

		if (!old)
			continue;
		if (btf_member_bitfield_size(to_type, i) || (old->offset | members[i].offset) % 8)
			return nb_fail(err, NB_ERR_DATAPATH, 0, "%s is a bit field", name);
		rc = convert(plan, (struct place){ from->btf, old->type, from->offset + old->offset / 8 },
			     (struct place){ to->btf, members[i].type, to->offset + members[i].offset / 8 },
			     depth, err);
		if (rc)
			return nb_wrap(err, "%s", *name ? name : "(a member without a name)");
	}
	return rc;
}

/* The views of a union are not told apart: it is carried as it is. */
static int convert_union(struct nb_btf_conversion *plan, const struct place *from,
			 const struct btf_type *from_type, const struct place *to,
			 const struct btf_type *to_type, struct nb_error *err)
{
	if (from_type->size != to_type->size)
		return differs("is a union of another size", err);
	return add_step(
		plan,
		(struct nb_btf_conversion_step){ from->offset, to->offset, from_type->size, to_type->size },
		err);
}

static int convert_array(struct nb_btf_conversion *plan, const struct place *from,
			 const struct btf_type *from_type, const struct place *to,
			 const struct btf_type *to_type, int depth, struct nb_error *err)
{
	const struct btf_array *old = btf_array(from_type), *new = btf_array(to_type);
	__s64 from_size = btf__resolve_size(from->btf, old->type),
	      to_size = btf__resolve_size(to->btf, new->type);
	__u32 both = old->nelems < new->nelems ? old->nelems : new->nelems;
	int rc = 0;

	if (from_size < 0 || to_size < 0)
		return differs("is an array of what has no size", err);
	for (__u32 i = 0; i < both && !rc; i++)
		rc = convert(
			plan, (struct place){ from->btf, old->type, from->offset + i * (__u32)from_size },
			(struct place){ to->btf, new->type, to->offset + i *(__u32)to_size }, depth, err);
	if (!rc && old->nelems > both)
		rc = nb_vec_push(
			plan,
			((struct nb_btf_conversion_step){ from->offset + both * (__u32)from_size, to->offset,
							  (old->nelems - both) * (__u32)from_size, 0 }),
			err);
	return rc;
}

/* A section of variables, as the value of a map made of one. */
static int convert_section(struct nb_btf_conversion *plan, const struct place *from,
			   const struct btf_type *from_type, const struct place *to,
			   const struct btf_type *to_type, int depth, struct nb_error *err)
{
	const struct btf_var_secinfo *old = btf_var_secinfos(from_type), *new = btf_var_secinfos(to_type);

	if (btf_vlen(from_type) != 1 || btf_vlen(to_type) != 1)
		return differs("does not hold one variable", err);
	return convert(plan,
		       (struct place){ from->btf, btf__type_by_id(from->btf, old->type)->type, old->offset },
		       (struct place){ to->btf, btf__type_by_id(to->btf, new->type)->type, new->offset },
		       depth, err);
}

static bool is_number(const struct btf_type *type)
{
	return btf_is_int(type) || btf_is_any_enum(type);
}

static int convert(struct nb_btf_conversion *plan, struct place from, struct place to, int depth,
		   struct nb_error *err)
{
	bool from_wire, to_wire;
	const struct btf_type *old = resolve(&from, &from_wire), *new = resolve(&to, &to_wire);

	if (!old || !new || depth == DEPTH_MAX)
		return differs("has no type", err);
	if (is_number(old) && is_number(new) && from_wire == to_wire)
		return convert_number(plan, &from, old, &to, new, to_wire, err);
	if (btf_kind(old) != btf_kind(new) || is_number(old))
		return differs("is something else", err);
	if (btf_is_struct(new))
		return convert_struct(plan, &from, old, &to, new, depth + 1, err);
	if (btf_is_union(new))
		return convert_union(plan, &from, old, &to, new, err);
	if (btf_is_array(new))
		return convert_array(plan, &from, old, &to, new, depth + 1, err);
	if (btf_is_datasec(new))
		return convert_section(plan, &from, old, &to, new, depth + 1, err);
	return differs("is of a kind that is not carried", err);
}

int nb_btf_conversion_make(struct nb_btf_conversion *plan, const struct btf *from, __u32 from_type,
			   const struct btf *to, __u32 to_type, struct nb_error *err)
{
	return convert(plan, (struct place){ from, from_type, 0 }, (struct place){ to, to_type, 0 }, 0, err);
}

void nb_btf_conversion_free(struct nb_btf_conversion *plan)
{
	nb_vec_free(plan);
}

static bool is_zero(const unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

/* The low bytes of a number, which is as long as it was or is to be. */
static bool carry_number(const struct nb_btf_conversion_step *step, const unsigned char *from,
			 unsigned char *to)
{
	__u32 len = step->from_len < step->to_len ? step->from_len : step->to_len;

	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) {
		memcpy(to + step->to_len - len, from + step->from_len - len, len);
		return is_zero(from, step->from_len - len);
	}
	memcpy(to, from, len);
	return is_zero(from + len, step->from_len - len);
}

bool nb_btf_conversion_run(const struct nb_btf_conversion *plan, const void *from, void *to)
{
	bool whole = true;

	for (size_t i = 0; i < plan->n; i++) {
		const struct nb_btf_conversion_step *step = &plan->items[i];

		if (step->from_len == step->to_len)
			memcpy((char *)to + step->to, (const char *)from + step->from, step->to_len);
		else
			whole &= carry_number(step, (const unsigned char *)from + step->from,
					      (unsigned char *)to + step->to);
	}
	return whole;
}

void nb_map_types_free(struct nb_map_types *side)
{
	btf__free(side->btf);
}

int nb_map_types_read(struct nb_map_types *side, int fd, struct nb_error *err)
{
	__u32 len = sizeof(side->info);

	if (bpf_obj_get_info_by_fd(fd, &side->info, &len))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read about it");
	if (!side->info.btf_id)
		return nb_fail(err, NB_ERR_DATAPATH, 0, "does not say what its values are (BTF)");
	side->btf = btf__load_from_kernel_by_id(side->info.btf_id);
	return side->btf ? 0 : nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read its types (BTF)");
}
