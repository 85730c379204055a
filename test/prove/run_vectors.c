// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs the program of vectors.h by the kernel (root). Usage: run_vectors OBJECT. Lines of stdin:
 *
 *   set SECTION HEX   fills a section of global data; one that is read-only before the first run
 *   get SECTION       prints it
 *   run FLAGS HEX     runs the program on a packet with flags of BPF_PROG_TEST_RUN, and prints the packet
 *
 * An answer is a line of hexadecimal digits, or "error ERRNO".
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES = 65536, FEW = 16 };

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

/* Bytes from text; -1: it is none. */
static int parse(const char *hex, unsigned char *bytes)
{
	int n = 0;

	for (; hex[0] && hex[1] && n < BYTES; hex += 2) {
		char digits[3] = { hex[0], hex[1], '\0' };
		char *end;

		bytes[n++] = strtoul(digits, &end, 16);
		if (*end)
			return -1;
	}
	return *hex ? -1 : n;
}

static void print(const unsigned char *bytes, __u32 len)
{
	for (__u32 i = 0; i < len; i++)
		printf("%02x", bytes[i]);
	printf("\n");
}

static int answer_error(int error)
{
	printf("error %d\n", error);
	return 0;
}

/* Loads the one program; no map holds much. */
static int load(struct bpf_object *obj)
{
	struct bpf_program *prog;
	struct bpf_map *map;

	for (prog = bpf_object__next_program(obj, NULL); prog; prog = bpf_object__next_program(obj, prog))
		bpf_program__set_autoload(prog, !strcmp(bpf_program__name(prog), "vector"));
	for (map = bpf_object__next_map(obj, NULL); map; map = bpf_object__next_map(obj, map))
		if (!bpf_map__is_internal(map) && bpf_map__max_entries(map) > FEW)
			bpf_map__set_max_entries(map, FEW);
	return bpf_object__load(obj);
}

static int set(struct bpf_object *obj, const char *section, const char *hex)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, section);
	static unsigned char bytes[BYTES];
	int len = parse(hex, bytes), fd = map ? bpf_map__fd(map) : -1;
	__u32 zero = 0;

	if (!map || len < 0 || (__u32)len != bpf_map__value_size(map))
		return answer_error(EINVAL);
	if (fd >= 0 ? bpf_map_update_elem(fd, &zero, bytes, BPF_ANY)
		    : bpf_map__set_initial_value(map, bytes, len))
		return answer_error(errno);
	printf("\n");
	return 0;
}

static int get(struct bpf_object *obj, const char *section)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, section);
	static unsigned char bytes[BYTES];
	__u32 zero = 0;

	if (!map || bpf_map__value_size(map) > BYTES || bpf_map_lookup_elem(bpf_map__fd(map), &zero, bytes))
		return answer_error(map ? errno : EINVAL);
	print(bytes, bpf_map__value_size(map));
	return 0;
}

static int run(struct bpf_object *obj, const char *flags, const char *hex)
{
	static unsigned char in[BYTES], out[BYTES];
	struct bpf_program *prog = bpf_object__find_program_by_name(obj, "vector");
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_out = out, .data_size_out = sizeof(out),
		    .repeat = 1, .flags = strtoul(flags, NULL, 0));
	int len = parse(hex, in);

	if (!prog || len < 0)
		return answer_error(EINVAL);
	if (bpf_program__fd(prog) < 0 && load(obj))
		return answer_error(errno);
	opts.data_size_in = len;
	if (bpf_prog_test_run_opts(bpf_program__fd(prog), &opts))
		return answer_error(errno);
	print(out, opts.data_size_out);
	return 0;
}

static int answer(struct bpf_object *obj, char *line)
{
	const char *verb = strtok(line, " \n"), *first = strtok(NULL, " \n"), *second = strtok(NULL, " \n");

	if (!verb || !first)
		return answer_error(EINVAL);
	if (!strcmp(verb, "get"))
		return get(obj, first);
	if (second && !strcmp(verb, "set"))
		return set(obj, first, second);
	return second && !strcmp(verb, "run") ? run(obj, first, second) : answer_error(EINVAL);
}

int main(int argc, char **argv)
{
	static char line[2 * BYTES + 64];
	struct bpf_object *obj;

	if (argc != 2) {
		fprintf(stderr, "usage: run_vectors OBJECT\n");
		return 2;
	}
	libbpf_set_print(quiet);
	obj = bpf_object__open_file(argv[1], NULL);
	if (!obj) {
		fprintf(stderr, "run_vectors: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	while (fgets(line, sizeof(line), stdin)) {
		answer(obj, line);
		fflush(stdout);
	}
	bpf_object__close(obj);
	return 0;
}
