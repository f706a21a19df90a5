/* SPDX-License-Identifier: MIT */

/* Errors that nobody can receive any more. */

#include <stdio.h>

#include "base/log.h"
#include "core/eyes.h"

/* The default: for people, and in debug mode only, since a library does not print unasked. */
static void say(const kt_loop *l, const kt_unhandled *u)
{
    char text[1024];
    if (!l->debug)
        return;
    snprintf(text, sizeof text, "kettle: %s%s%s%s: %s%s%s", u->message, u->task ? " (task '" : "",
             u->task ? kt_task_name(u->task) : "", u->task ? "')" : "", kt_error_name(u->rc),
             *u->detail ? ": " : "", u->detail);
    kt__log(text);
}

/* The words are copied: a handler that fails itself replaces those that they were. */
void kt__unhandled(kt_loop *l, const char *message, int rc, const char *detail, kt_task *t)
{
    char words[256];
    snprintf(words, sizeof words, "%s", detail ? detail : "");
    const kt_unhandled u = {.message = message, .rc = rc, .detail = words, .task = t};
    if (l->on_unhandled)
        l->on_unhandled(&u, l->on_unhandled_arg);
    else
        say(l, &u);
}

void kt_error_handler_set(void (*fn)(const kt_unhandled *u, void *arg), void *arg)
{
    if (!kt__loop)
        kt__misuse("kt_error_handler_set outside a loop");
    kt__loop->on_unhandled = fn;
    kt__loop->on_unhandled_arg = arg;
}

void kt_error_unhandled(int rc, const char *message)
{
    if (!kt__loop)
        kt__misuse("kt_error_unhandled outside a loop");
    kt__unhandled(kt__loop, message, rc, kt_error_detail(), kt__loop->current);
}
