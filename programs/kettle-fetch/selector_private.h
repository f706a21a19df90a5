/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_FETCH_SELECTOR_PRIVATE_H
#define KETTLE_FETCH_SELECTOR_PRIVATE_H

#include "selector.h"

enum simple_kind {
    SIMPLE_ANY,
    SIMPLE_TYPE,
    SIMPLE_ATTRIBUTE, /* .class and #id as well */
    SIMPLE_NTH,
    SIMPLE_NTH_LAST,
    SIMPLE_NTH_TYPE,
    SIMPLE_NTH_LAST_TYPE,
    SIMPLE_ONLY,
    SIMPLE_EMPTY,
    SIMPLE_ROOT,
    SIMPLE_NOT,
};

/* In the order of the signs = ~ | ^ $ * */
enum attribute_op { OP_THERE, OP_EQUAL, OP_WORD, OP_DASH, OP_BEGIN, OP_END, OP_PART };

typedef struct simple {
    enum simple_kind kind;
    int next;          /* of the same compound; -1: the last */
    const char *name, *value;
    enum attribute_op op;
    bool any_case;
    int a, b;          /* of nth-child(an+b) */
    int first, count;  /* of :not(): compounds */
} simple;

/* What stands to the left of a compound. */
enum left { LEFT_NOTHING, LEFT_ANCESTOR, LEFT_PARENT, LEFT_BEFORE, LEFT_BEFORE_ANY };

typedef struct compound {
    int simple; /* the first */
    enum left left;
    int left_of;
} compound;

struct selector {
    simple simples[SELECTOR_SIMPLE_MAX];
    compound compounds[SELECTOR_SIMPLE_MAX];
    int tops[SELECTOR_SIMPLE_MAX]; /* the last compound of each selector of the list */
    int simples_count, compounds_count, tops_count;
    size_t words_size;
    char words[];
};

#endif
