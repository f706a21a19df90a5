/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_BASE_JSON_DEPTH_H
#define KETTLE_BASE_JSON_DEPTH_H

/* What has to be known of JSON from strangers before it is parsed: jansson recurses once a level, in and out, and at
 * its own limit of 2048 that is 169 KB of stack. */

#include <kettle/base.h>

#define KT__JSON_DEPTH_MAX 64

/* How deep brackets nest, at most; strings are skipped. What is no JSON at all is jansson's concern. */
static inline int kt__json_depth(kt_slice text)
{
    int depth = 0, deepest = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '['))
            depth++;
        else if (!in_string && (c == '}' || c == ']'))
            depth--;
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

#endif
