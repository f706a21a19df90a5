/* SPDX-License-Identifier: MIT */

/* Values on the command line. */

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "program.h"

#define SERVER_DEFAULT "http://127.0.0.1:8000"
#define TIME_LIMIT_DEFAULT KT_S(10)
#define YEAR_SECONDS (366.0 * 86400)

static client_options before_command;

client_options client_options_start(void)
{
    client_options o = before_command;
    const char *from_environment = getenv("KETTLE_JOBS_SERVER");
    if (!o.server)
        o.server = from_environment && *from_environment ? from_environment : SERVER_DEFAULT;
    if (!o.time_limit)
        o.time_limit = TIME_LIMIT_DEFAULT;
    return o;
}

void client_options_keep(const client_options *o)
{
    before_command = *o;
}

int client_option(client_options *o, int option, const char *value)
{
    switch (option) {
    case OPTION_SERVER:
        o->server = value;
        return 1;
    case OPTION_JSON:
        o->json = true;
        return 1;
    case OPTION_TIME_LIMIT:
        if (parse_seconds(value, &o->time_limit) && o->time_limit > 0)
            return 1;
        fprintf(stderr, "kettle-jobs: --time-limit must be a number of seconds above 0\n");
        return -1;
    default:
        return 0;
    }
}

int usage_error(const char *command, const char *format, ...)
{
    if (format) {
        va_list args;
        fprintf(stderr, "%s: ", command);
        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
        fputc('\n', stderr);
    }
    fprintf(stderr, "Try '%s --help'.\n", command);
    return EXIT_USAGE;
}

bool parse_integer(const char *text, int64_t min, int64_t max, int64_t *ret_n)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno || end == text || *end || n < min || n > max)
        return false;
    *ret_n = n;
    return true;
}

bool parse_number(const char *text, double min, double max, double *ret_n)
{
    char *end;
    double n = strtod(text, &end);
    if (end == text || *end || !(n >= min && n <= max)) /* NaN fails here, too */
        return false;
    *ret_n = n;
    return true;
}

bool parse_seconds(const char *text, kt_time *ret_span)
{
    double seconds;
    if (!parse_number(text, 0, YEAR_SECONDS, &seconds))
        return false;
    *ret_span = (kt_time)(seconds * 1e9);
    return true;
}

bool parse_address(const char *text, char *ret_host, size_t host_size, uint16_t *ret_port)
{
    const char *colon = strrchr(text, ':');
    const char *start = text, *end = colon ? colon : text;
    int64_t port;
    if (!parse_integer(colon ? colon + 1 : text, 0, UINT16_MAX, &port))
        return false;
    if (*text == '[') {
        if (!colon || end[-1] != ']')
            return false;
        start++;
        end--;
    } else if (memchr(text, ':', (size_t)(end - text))) {
        return false; /* an IPv6 address without brackets */
    }
    size_t size = (size_t)(end - start);
    if ((colon && size == 0) || size >= host_size)
        return false;
    snprintf(ret_host, host_size, "%.*s", (int)size, start);
    if (!colon)
        snprintf(ret_host, host_size, "127.0.0.1");
    *ret_port = (uint16_t)port;
    return true;
}
