/* SPDX-License-Identifier: MIT */
#ifndef TESTS_PARITY_PLAY_H
#define TESTS_PARITY_PLAY_H

/* The player of random programs: play.c has tasks, scopes and reading, play_objects.c the rest. */

#include "say.h"

enum { TASKS = 10, NUMBERS = 8, TIMEOUT = -ETIME };

typedef struct env env;

typedef struct node {
    int (*run)(const struct node *n, env *e);
    const char *word;
    int id, count, a[NUMBERS];
    struct node *body, *handler, *next;
} node;

/* What a list is played in. */
struct env {
    int who;
    kt_group *group; /* the innermost */
    kt_timeout *limit;
};

extern node *scripts[TASKS];
extern kt_task *tasks[TASKS];
extern bool in_group[TASKS];

/* "ok", "cancelled", ... */
const char *kind(int rc);

/* Plays a list, up to its first failure. */
int play(const node *n, env *e);

static inline int count(void)
{
    return kt_task_cancelling(kt_task_current());
}

/* Says everything that can be asked of all objects and tasks. */
void say_state(int who);

/* What a word does, NULL if play_objects.c does not know it. */
int (*object_operation(const char *name))(const node *n, env *e);

#endif
