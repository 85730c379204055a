/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_COLUMNS_H
#define NATBRIDGE_CLI_COLUMNS_H

/*
 * Rows of text in columns. Each column is as wide as its widest text, but for one that may be wrapped between
 * words or behind commas, so that the rows fit a terminal. Control characters, which texts of others may
 * hold, are printed as
 * "?".
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum nb_colour { NB_COLOUR_NONE, NB_COLOUR_RED, NB_COLOUR_YELLOW, NB_COLOUR_CYAN };

/* A text and its colour. */
struct nb_coloured {
	const char *text;
	enum nb_colour colour;
};

/* Where the output goes. Zeroed: no terminal. */
struct nb_terminal {
	unsigned int width;  /* in characters; 0: rows are not wrapped */
	unsigned int height; /* 0: not known */
	bool can_redraw;     /* knows control sequences that move the cursor */
	bool colours;
};

/* What the stream is. Without colours if the environment has NO_COLOR (no-color.org) or TERM is "dumb". */
struct nb_terminal nb_terminal_of(FILE *to);

/* The colour of a text among those that end with a NULL text. */
enum nb_colour nb_colour_find(const struct nb_coloured *colours, const char *text);

/* Prints a text in a colour, where the terminal has colours. */
void nb_colour_print(const struct nb_terminal *terminal, enum nb_colour colour, const char *text, FILE *to);

enum { NB_COLUMNS_MAX = 8 };

struct nb_table {
	size_t n; /* columns, up to NB_COLUMNS_MAX */
	const char *titles[NB_COLUMNS_MAX];
	const char *const *cells; /* row after row */
	size_t n_cells;
	size_t wrapped;                    /* the column that may be wrapped; n: none */
	size_t coloured;                   /* the column with colours; n: none */
	const struct nb_coloured *colours; /* of its texts, ended by a NULL text */
};

/* Prints titles and rows. A wrapped column has at least 20 characters, however narrow the terminal is. */
void nb_table_print(const struct nb_table *table, const struct nb_terminal *terminal, FILE *to);

#endif
