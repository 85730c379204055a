/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_JSON_POOL_H
#define NATBRIDGE_LIB_JSON_POOL_H

/*
 * Makes the nodes and strings of trees in one block of memory, one after the other, instead of by malloc().
 * For a program of one thread that reads many objects and frees each before the next: the block is free again
 * when nothing in it is in use. What does not fit comes from malloc().
 *
 * Call it before the first tree is made. What cJSON has allocated is freed by cJSON_Delete() or cJSON_free()
 * alone, never by free().
 */
void nb_json_use_pool(void);

#endif
