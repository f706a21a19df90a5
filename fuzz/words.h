/* SPDX-License-Identifier: MIT */
#ifndef FUZZ_WORDS_H
#define FUZZ_WORDS_H

/* For targets that the scripts build without the runtime, which keeps the words of a failure with its task. Where it
 * is linked, its own function is taken. */
#include <kettle/error.h>

#include <stdarg.h>
#include <stdio.h>

__attribute__((weak)) int kt_error_set(int rc, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return n < 0 ? n : rc;
}

#endif
