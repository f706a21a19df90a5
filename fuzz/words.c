/* SPDX-License-Identifier: MIT */
/* For targets that are built without the runtime, which keeps the words of a failure with its task. */
#include <kettle/error.h>

#include <stdarg.h>
#include <stdio.h>

int kt_error_set(int rc, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return n < 0 ? n : rc;
}
