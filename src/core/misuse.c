/* SPDX-License-Identifier: MIT */

/* The end of a program that broke a rule, and the words for errors. */

#include <kettle/memory.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "core/core.h"

#define DETAIL_SIZE 256

void kt__misuse(const char *format, ...)
{
    char rule[384], text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(rule, sizeof rule, format, args);
    va_end(args);
    const kt_task *t = kt_task_current();
    snprintf(text, sizeof text, "kettle: misuse in %s%s%s: %s", t ? "task '" : "no task",
             t ? kt_task_name(t) : "", t ? "'" : "", rule);
    kt__log(text);
    abort();
}

/* Outside tasks, the thread's own. */
static __thread char thread_detail[DETAIL_SIZE];

void kt__error_forget(void)
{
    thread_detail[0] = '\0';
}

const char *kt_error_detail(void)
{
    const kt_task *t = kt_task_current();
    if (!t)
        return thread_detail;
    return t->detail ? t->detail : "";
}

int kt_error_set(int rc, const char *format, ...)
{
    char text[DETAIL_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    kt_task *t = kt_task_current();
    if (!t) {
        memcpy(thread_detail, text, sizeof text);
    } else {
        char *detail = kt_strndup(text, strlen(text)); /* first: the old one may be among the args */
        kt_free(t->detail);
        t->detail = detail;
    }
    return rc;
}
