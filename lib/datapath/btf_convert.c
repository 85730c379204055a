// SPDX-License-Identifier: GPL-2.0-or-later
/* Walks two types side by side and notes a step for each part that both have. */
#include "btf_convert.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "lib/util/error.h"
#include "lib/util/vec.h"

enum { DEPTH_MAX = 16 };

/* A part of a value on one of the two sides. */
struct part {
	const struct btf *btf;
	__u32 type;
	__u32 offset; /* in the value, in bytes */
};

static int convert(struct nb_btf_conversion *plan, struct part from, struct part to, int depth,
		   struct nb_error *err);

/* The type behind typedefs and qualifiers. *is_be: one of them says that it is in network byte order. */
static const struct btf_type *resolve(const struct part *at, bool *is_be)
{
	__u32 id = at->type;
	const struct btf_type *type = btf__type_by_id(at->btf, id);

	*is_be = false;
	while (type && (btf_is_mod(type) || btf_is_typedef(type))) {
		const char *name = btf__name_by_offset(at->btf, type->name_off);

		if (btf_is_typedef(type) && name && !strncmp(name, "__be", 4))
			*is_be = true;
		type = btf__type_by_id(at->btf, type->type);
	}
	return type;
}

/* Adjacent copies become one step. */
static int add_step(struct nb_btf_conversion *plan, struct nb_btf_conversion_step step, struct nb_error *err)
{
	struct nb_btf_conversion_step *last = plan->steps.n ? &plan->steps.items[plan->steps.n - 1] : NULL;

	if (last && step.from_len == step.to_len && last->from_len == last->to_len &&
	    last->from + last->from_len == step.from && last->to + last->to_len == step.to) {
		last->from_len += step.from_len;
		last->to_len += step.to_len;
		return 0;
	}
	return nb_vec_push(&plan->steps, step, err);
}

static const char *name_of(const struct part *at, __u32 offset)
{
	const char *name = btf__name_by_offset(at->btf, offset);

	return name ? name : "";
}

static int refuse(const char *how, struct nb_error *err)
{
	return nb_fail(err, NB_ERR_DATAPATH, 0, "%s", how);
}

static int convert_number(struct nb_btf_conversion *plan, const struct part *from,
			  const struct btf_type *from_type, const struct part *to,
			  const struct btf_type *to_type, bool is_be, struct nb_error *err)
{
	const struct nb_btf_conversion_step step = { from->offset, to->offset, from_type->size,
						     to_type->size };

	if (step.from_len != step.to_len && (is_be || step.from_len > 8 || step.to_len > 8))
		return refuse("a number in network byte order has another size", err);
	return add_step(plan, step, err);
}

static const struct btf_member *find_member(const struct part *at, const struct btf_type *type,
					    const char *name)
{
	const struct btf_member *members = btf_members(type);

	for (__u16 i = 0; i < btf_vlen(type); i++)
		if (!strcmp(name_of(at, members[i].name_off), name))
			return &members[i];
	return NULL;
}

static int convert_struct(struct nb_btf_conversion *plan, const struct part *from,
			  const struct btf_type *from_type, const struct part *to,
			  const struct btf_type *to_type, int depth, struct nb_error *err)
{
	const struct btf_member *members = btf_members(to_type);

	for (__u16 i = 0; i < btf_vlen(to_type); i++) {
		const char *name = name_of(to, members[i].name_off);
		const struct btf_member *old = find_member(from, from_type, name);
		int rc;

		if (!old)
			continue;
		if (btf_member_bitfield_size(to_type, i) || (old->offset | members[i].offset) % 8)
			return nb_fail(err, NB_ERR_DATAPATH, 0, "%s: bit fields cannot be converted", name);
		rc = convert(plan, (struct part){ from->btf, old->type, from->offset + old->offset / 8 },
			     (struct part){ to->btf, members[i].type, to->offset + members[i].offset / 8 },
			     depth, err);
		if (rc)
			return nb_wrap(err, "%s", *name ? name : "(a member without a name)");
	}
	return 0;
}

/* Nothing says which member of a union is valid: it is copied as it is. */
static int convert_union(struct nb_btf_conversion *plan, const struct part *from,
			 const struct btf_type *from_type, const struct part *to,
			 const struct btf_type *to_type, struct nb_error *err)
{
	if (from_type->size != to_type->size)
		return refuse("the union has another size", err);
	return add_step(
		plan,
		(struct nb_btf_conversion_step){ from->offset, to->offset, from_type->size, to_type->size },
		err);
}

static int convert_array(struct nb_btf_conversion *plan, const struct part *from,
			 const struct btf_type *from_type, const struct part *to,
			 const struct btf_type *to_type, int depth, struct nb_error *err)
{
	const struct btf_array *old = btf_array(from_type), *new = btf_array(to_type);
	__s64 from_size = btf__resolve_size(from->btf, old->type);
	__s64 to_size = btf__resolve_size(to->btf, new->type);
	__u32 both = old->nelems < new->nelems ? old->nelems : new->nelems;

	if (from_size < 0 || to_size < 0)
		return refuse("the elements of the array have no size", err);
	for (__u32 i = 0; i < both; i++) {
		const struct part one = { from->btf, old->type, from->offset + i * (__u32)from_size };
		const struct part other = { to->btf, new->type, to->offset + i *(__u32)to_size };
		int rc = convert(plan, one, other, depth, err);

		if (rc)
			return rc;
	}
	if (old->nelems > both) {
		const struct nb_btf_conversion_step dropped = {
			.from = from->offset + both * (__u32)from_size,
			.to = to->offset,
			.from_len = (old->nelems - both) * (__u32)from_size,
		};

		return nb_vec_push(&plan->steps, dropped, err);
	}
	return 0;
}

/* A section of variables: the value of a map that holds one. */
static int convert_section(struct nb_btf_conversion *plan, const struct part *from,
			   const struct btf_type *from_type, const struct part *to,
			   const struct btf_type *to_type, int depth, struct nb_error *err)
{
	const struct btf_var_secinfo *old = btf_var_secinfos(from_type), *new = btf_var_secinfos(to_type);

	if (btf_vlen(from_type) != 1 || btf_vlen(to_type) != 1)
		return refuse("the section does not hold exactly one variable", err);
	return convert(
		plan, (struct part){ from->btf, btf__type_by_id(from->btf, old->type)->type, old->offset },
		(struct part){ to->btf, btf__type_by_id(to->btf, new->type)->type, new->offset }, depth, err);
}

static bool is_number(const struct btf_type *type)
{
	return btf_is_int(type) || btf_is_any_enum(type);
}

static int convert(struct nb_btf_conversion *plan, struct part from, struct part to, int depth,
		   struct nb_error *err)
{
	bool from_is_be, to_is_be;
	const struct btf_type *old = resolve(&from, &from_is_be), *new = resolve(&to, &to_is_be);

	if (!old || !new || depth == DEPTH_MAX)
		return refuse("has no type", err);
	if (is_number(old) && is_number(new) && from_is_be == to_is_be)
		return convert_number(plan, &from, old, &to, new, to_is_be, err);
	if (btf_kind(old) != btf_kind(new) || is_number(old))
		return refuse("has another type", err);
	if (btf_is_struct(new))
		return convert_struct(plan, &from, old, &to, new, depth + 1, err);
	if (btf_is_union(new))
		return convert_union(plan, &from, old, &to, new, err);
	if (btf_is_array(new))
		return convert_array(plan, &from, old, &to, new, depth + 1, err);
	if (btf_is_datasec(new))
		return convert_section(plan, &from, old, &to, new, depth + 1, err);
	return refuse("values of its kind cannot be converted", err);
}

int nb_btf_conversion_make(struct nb_btf_conversion *plan, const struct btf *from, __u32 from_type,
			   const struct btf *to, __u32 to_type, struct nb_error *err)
{
	return convert(plan, (struct part){ from, from_type, 0 }, (struct part){ to, to_type, 0 }, 0, err);
}

void nb_btf_conversion_free(struct nb_btf_conversion *plan)
{
	nb_vec_free(&plan->steps);
}

static bool is_zero(const unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

/* Copies the low bytes of a number. False: those that do not fit are not zero. */
static bool copy_number(const struct nb_btf_conversion_step *step, const unsigned char *from,
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

	for (size_t i = 0; i < plan->steps.n; i++) {
		const struct nb_btf_conversion_step *step = &plan->steps.items[i];

		if (step->from_len == step->to_len)
			memcpy((char *)to + step->to, (const char *)from + step->from, step->to_len);
		else
			whole &= copy_number(step, (const unsigned char *)from + step->from,
					     (unsigned char *)to + step->to);
	}
	return whole;
}

void nb_map_types_free(struct nb_map_types *types)
{
	btf__free(types->btf);
}

int nb_map_types_read(struct nb_map_types *types, int fd, struct nb_error *err)
{
	__u32 len = sizeof(types->info);

	if (bpf_obj_get_info_by_fd(fd, &types->info, &len))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read the properties of the map");
	if (!types->info.btf_id)
		return nb_fail(err, NB_ERR_DATAPATH, 0, "the map has no BTF");
	types->btf = btf__load_from_kernel_by_id(types->info.btf_id);
	if (!types->btf)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read the BTF of the map");
	return 0;
}
