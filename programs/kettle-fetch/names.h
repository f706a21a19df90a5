/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_FETCH_NAMES_H
#define KETTLE_FETCH_NAMES_H

/* File names from URLs. */

#include <kettle/base.h>

enum { NAME_BYTES = 160, NAME_HASH_BYTES = 20 };

/* A name for what a URL has given: letters, digits, '-', '_' and '.' of host and path, for people; a hash of the whole
 * URL, so that no two get the same; and an ending, by the path or else the type:
 * "example.org_tea-0123456789abcdef0123.html".
 * It never begins with a dot, has no '/', and fits into NAME_BYTES. `kind` stands in the place of the ending if it is
 * not NULL. Returns its size. */
size_t name_of_url(kt_slice url, kt_slice content_type, const char *kind, char ret_name[NAME_BYTES]);

/* The hash in such a name; data NULL if it is none. */
kt_slice name_hash(kt_slice name);

/* The hash of a URL. */
void name_hash_of(kt_slice url, char ret_hash[NAME_HASH_BYTES + 1]);

#endif
