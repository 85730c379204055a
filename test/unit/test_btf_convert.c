// SPDX-License-Identifier: GPL-2.0-or-later
/* From one layout of a value to another, by the names in their BTF (lib/datapath/migrate.h). */
#include "lib/datapath/btf_convert.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* after those */
#include <cmocka.h>

/* A layout under construction, with the types that the values of maps are made of. */
struct layout {
	struct btf *btf;
	int u8, u16, u32, u64, be16;
};

static struct layout layout_new(void)
{
	struct layout new = { .btf = btf__new_empty() };
	int u16;

	assert_non_null(new.btf);
	new.u8 = btf__add_int(new.btf, "unsigned char", 1, 0);
	u16 = btf__add_int(new.btf, "unsigned short", 2, 0);
	new.u16 = btf__add_typedef(new.btf, "__u16", u16);
	new.be16 = btf__add_typedef(new.btf, "__be16", u16);
	new.u32 = btf__add_int(new.btf, "unsigned int", 4, 0);
	new.u64 = btf__add_int(new.btf, "unsigned long long", 8, 0);
	return new;
}

static int array_of(struct layout *in, int type, __u32 n)
{
	return btf__add_array(in->btf, in->u32, type, n);
}

/* struct_new(in, size) and field() after it, by bytes. */
static int struct_new(struct layout *in, __u32 size)
{
	return btf__add_struct(in->btf, "value", size);
}

static void field(struct layout *in, const char *name, int type, __u32 offset)
{
	assert_int_equal(btf__add_field(in->btf, name, type, offset * 8, 0), 0);
}

/* Converts one value; both layouts are given up. NULL: it worked; else why not. */
static const char *convert(struct layout *from, int from_type, struct layout *to, int to_type, const void *in,
			   void *out)
{
	static struct nb_error err;
	struct nb_btf_conversion how nb_cleanup(nb_btf_conversion_free) = { 0 };
	const char *why = NULL;

	err = (struct nb_error){ 0 };
	if (nb_btf_conversion_make(&how, from->btf, from_type, to->btf, to_type, &err))
		why = err.msg;
	else if (!nb_btf_conversion_run(&how, in, out))
		why = "no room";
	btf__free(from->btf);
	btf__free(to->btf);
	return why;
}

static void test_fields_move_by_name(void **state)
{
	struct layout from = layout_new(), to = layout_new();
	struct {
		uint32_t gone;
		uint16_t port;
		uint16_t flags;
		uint64_t owner;
	} in = { 1, 2, 3, 4 };
	struct {
		uint64_t owner;
		uint64_t inserted;
		uint32_t flags;
		uint16_t port;
		uint16_t pad;
	} out = { 0 };
	int old = struct_new(&from, sizeof(in)), new;

	(void)state;
	field(&from, "gone", from.u32, 0);
	field(&from, "port", from.be16, 4);
	field(&from, "flags", from.u16, 6);
	field(&from, "owner", from.u64, 8);
	new = struct_new(&to, sizeof(out));
	field(&to, "owner", to.u64, 0);
	field(&to, "inserted", to.u64, 8);
	field(&to, "flags", to.u32, 16);
	field(&to, "port", to.be16, 20);
	field(&to, "pad", to.u16, 22);
	assert_null(convert(&from, old, &to, new, &in, &out));
	assert_int_equal(out.owner, 4);
	assert_int_equal(out.inserted, 0);
	assert_int_equal(out.flags, 3);
	assert_int_equal(out.port, 2);
}

/* One field of each side, by its types. */
static const char *convert_one(int (*type)(struct layout *in), int (*to_type)(struct layout *in),
			       const void *in, void *out)
{
	struct layout from = layout_new(), to = layout_new();
	int inner = type(&from), old = struct_new(&from, 64), new;

	field(&from, "it", inner, 0);
	inner = to_type(&to);
	new = struct_new(&to, 64);
	field(&to, "it", inner, 0);
	return convert(&from, old, &to, new, in, out);
}

static int type_u8(struct layout *in)
{
	return in->u8;
}

static int type_u32(struct layout *in)
{
	return in->u32;
}

static int type_u64(struct layout *in)
{
	return in->u64;
}

static int type_be16(struct layout *in)
{
	return in->be16;
}

static int type_be32(struct layout *in)
{
	return btf__add_typedef(in->btf, "__be32", in->u32);
}

static int type_u16(struct layout *in)
{
	return in->u16;
}

static int type_pointer(struct layout *in)
{
	return btf__add_ptr(in->btf, in->u8);
}

static int type_array_2(struct layout *in)
{
	return array_of(in, in->u16, 2);
}

static int type_array_4(struct layout *in)
{
	return array_of(in, in->u16, 4);
}

static int type_array_of_wider(struct layout *in)
{
	return array_of(in, in->u32, 2);
}

static int type_union_4(struct layout *in)
{
	int made = btf__add_union(in->btf, NULL, 4);

	field(in, "a", in->u32, 0);
	field(in, "b", in->u8, 0);
	return made;
}

static int type_union_8(struct layout *in)
{
	int made = btf__add_union(in->btf, NULL, 8);

	field(in, "a", in->u64, 0);
	return made;
}

static int type_itself(struct layout *in)
{
	int made = btf__add_struct(in->btf, "endless", 4);

	/* what no compiler writes, but who knows whose pin it is */
	field(in, "it", made, 0);
	return made;
}

static void test_numbers_change_their_width(void **state)
{
	uint64_t in = 200, out[8] = { 0 };

	(void)state;
	assert_null(convert_one(type_u64, type_u8, &in, out));
	assert_int_equal(out[0], 200);
	in = 0x1ff;
	out[0] = 0;
	assert_string_equal(convert_one(type_u64, type_u8, &in, out), "no room");
	out[0] = 0;
	assert_null(convert_one(type_u16, type_u32, &in, out));
	assert_int_equal(out[0], 0x1ff);
}

static void test_numbers_of_the_wire_do_not(void **state)
{
	uint64_t in = 200, out[8] = { 0 };

	(void)state;
	assert_null(convert_one(type_be16, type_be16, &in, out));
	assert_string_equal(convert_one(type_be16, type_be32, &in, out), "it: is a number of another size");
	assert_string_equal(convert_one(type_be16, type_u16, &in, out), "it: is something else");
	assert_string_equal(convert_one(type_u16, type_be16, &in, out), "it: is something else");
}

static void test_arrays_grow_and_shrink(void **state)
{
	uint16_t in[32] = { 1, 2, 3, 4 }, out[32] = { 0 };
	uint32_t wide[16] = { 0 };

	(void)state;
	assert_null(convert_one(type_array_2, type_array_4, in, out));
	assert_memory_equal(out, ((uint16_t[]){ 1, 2, 0, 0 }), 8);
	assert_string_equal(convert_one(type_array_4, type_array_2, in, out), "no room");
	in[2] = in[3] = 0;
	memset(out, 0, sizeof(out));
	assert_null(convert_one(type_array_4, type_array_2, in, out));
	assert_memory_equal(out, in, 8);
	assert_null(convert_one(type_array_2, type_array_of_wider, in, wide));
	assert_memory_equal(wide, ((uint32_t[]){ 1, 2 }), 8);
}

static void test_kinds_that_are_refused(void **state)
{
	uint64_t in[8] = { 7 }, out[8] = { 0 };

	(void)state;
	assert_null(convert_one(type_union_4, type_union_4, in, out));
	assert_int_equal(out[0], 7);
	assert_string_equal(convert_one(type_union_4, type_union_8, in, out),
			    "it: is a union of another size");
	assert_string_equal(convert_one(type_u32, type_array_2, in, out), "it: is something else");
	assert_string_equal(convert_one(type_pointer, type_pointer, in, out),
			    "it: is of a kind that is not carried");
	assert_non_null(convert_one(type_itself, type_itself, in, out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields_move_by_name),
		cmocka_unit_test(test_numbers_change_their_width),
		cmocka_unit_test(test_numbers_of_the_wire_do_not),
		cmocka_unit_test(test_arrays_grow_and_shrink),
		cmocka_unit_test(test_kinds_that_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
