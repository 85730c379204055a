// SPDX-License-Identifier: GPL-2.0-or-later
/* Columns, wrapped between words, with colours. */
#include "columns.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { GAP = 2, WRAPPED_LEAST = 20 };

/* Control sequences of ECMA-48, "select graphic rendition". */
static const char *const colour_codes[] = {
	[NB_COLOUR_NONE] = "",
	[NB_COLOUR_RED] = "\033[31m",
	[NB_COLOUR_YELLOW] = "\033[33m",
	[NB_COLOUR_CYAN] = "\033[36m",
};
#define COLOUR_END "\033[0m"

struct nb_terminal nb_terminal_of(FILE *to)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	struct nb_terminal terminal = { 0 };
	const int fd = fileno(to);
	struct winsize size = { 0 };

	if (fd < 0 || !isatty(fd))
		return terminal;
	if (!ioctl(fd, TIOCGWINSZ, &size)) {
		terminal.width = size.ws_col;
		terminal.height = size.ws_row;
	}
	terminal.can_redraw = !(term && !strcmp(term, "dumb"));
	terminal.colours = terminal.can_redraw && !(no_color && *no_color);
	return terminal;
}

/* A piece of a cell: what is left of its text, and how much of that the line takes. */
struct piece {
	const char *text;
	size_t len;
};

/* The length of the piece of text that fits, up to a blank or behind a comma if there is one. */
static size_t fit(const char *text, size_t width)
{
	size_t len = strlen(text), end;

	if (len <= width)
		return len;
	for (end = width; end && text[end] != ' ' && text[end - 1] != ','; end--)
		;
	return end ? end : width;
}

static void put_text(const struct piece *piece, FILE *to)
{
	for (size_t i = 0; i < piece->len; i++) {
		const unsigned char c = piece->text[i];

		fputc(c < ' ' || c == 0x7f ? '?' : c, to);
	}
}

enum nb_colour nb_colour_find(const struct nb_coloured *colours, const char *text)
{
	for (; colours->text; colours++)
		if (!strcmp(colours->text, text))
			return colours->colour;
	return NB_COLOUR_NONE;
}

static enum nb_colour colour_of(const struct nb_table *table, size_t column, const char *text)
{
	return column == table->coloured ? nb_colour_find(table->colours, text) : NB_COLOUR_NONE;
}

/* Prints a line of a row, and moves pieces on to the next. False: there is none. */
static bool print_line(const struct nb_table *table, const size_t *widths, bool colours, struct piece *pieces,
		       FILE *to)
{
	size_t pad = 0;
	bool more = false;

	for (size_t i = 0; i < table->n; i++) {
		struct piece *piece = &pieces[i];
		const enum nb_colour colour = colours ? colour_of(table, i, piece->text) : NB_COLOUR_NONE;

		piece->len = i == table->wrapped ? fit(piece->text, widths[i]) : strlen(piece->text);
		if (piece->len) {
			fprintf(to, "%*s%s", (int)pad, "", colour_codes[colour]);
			put_text(piece, to);
			fputs(colour ? COLOUR_END : "", to);
			pad = 0;
		}
		pad += widths[i] + GAP - piece->len;
		piece->text += piece->len;
		piece->text += strspn(piece->text, " ");
		more |= *piece->text;
	}
	fputc('\n', to);
	return more;
}

static void print_row(const struct nb_table *table, const size_t *widths, bool colours,
		      const char *const *cells, FILE *to)
{
	struct piece pieces[NB_COLUMNS_MAX];

	for (size_t i = 0; i < table->n; i++)
		pieces[i] = (struct piece){ .text = cells[i] };
	while (print_line(table, widths, colours, pieces, to))
		;
}

/* The widths of the columns, the wrapped one made to fit the terminal. */
static void measure(const struct nb_table *table, const struct nb_terminal *terminal, size_t *widths)
{
	size_t others = 0, room;

	for (size_t i = 0; i < table->n; i++)
		widths[i] = strlen(table->titles[i]);
	for (size_t i = 0; i < table->n_cells; i++) {
		const size_t len = strlen(table->cells[i]);

		if (len > widths[i % table->n])
			widths[i % table->n] = len;
	}
	if (table->wrapped >= table->n || !terminal->width)
		return;
	for (size_t i = 0; i < table->n; i++)
		others += i == table->wrapped ? 0 : widths[i] + GAP;
	room = terminal->width > others + WRAPPED_LEAST ? terminal->width - others : WRAPPED_LEAST;
	if (widths[table->wrapped] > room)
		widths[table->wrapped] = room;
}

void nb_colour_print(const struct nb_terminal *terminal, enum nb_colour colour, const char *text, FILE *to)
{
	const bool colours = terminal->colours && colour != NB_COLOUR_NONE;

	fprintf(to, "%s%s%s", colours ? colour_codes[colour] : "", text, colours ? COLOUR_END : "");
}

void nb_table_print(const struct nb_table *table, const struct nb_terminal *terminal, FILE *to)
{
	size_t widths[NB_COLUMNS_MAX];

	if (!table->n)
		return;
	measure(table, terminal, widths);
	print_row(table, widths, false, table->titles, to);
	for (size_t i = 0; i + table->n <= table->n_cells; i += table->n)
		print_row(table, widths, terminal->colours, table->cells + i, to);
}
