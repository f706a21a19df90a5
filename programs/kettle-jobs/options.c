/* SPDX-License-Identifier: MIT */

/* What commands share of their settings, and values that settings leave to them. */

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "program.h"

const kt_setting client_table[] = {
    {KT_SETTING_TEXT(client_options, server), "server", .standard = "http://127.0.0.1:8000",
     .meta = "URL", .help = "the server", .group = "At a server"},
    {KT_SETTING_DURATION(client_options, time_limit, 1, KT_S(366 * 86400)), "time-limit",
     .standard = "10", .flags = KT_SETTING_NO_ENVIRONMENT, .meta = "SECONDS",
     .help = "how long one request may take"},
    {KT_SETTING_BOOL(client_options, json), "json", .flags = KT_SETTING_NO_ENVIRONMENT,
     .help = "print the server's answer as JSON"},
    {.name = NULL},
};

int settings_read(const kt_settings_spec *spec, void *values, kt_settings *parent, int argc,
                  char **argv, kt_settings **ret_settings)
{
    int rc = kt_settings_new(spec, values, parent, ret_settings);
    if (rc == 0)
        rc = kt_settings_load(*ret_settings, argc, argv);
    if (rc == 0)
        return GO_ON;
    fputs(kt_settings_text(*ret_settings), rc < 0 ? stderr : stdout);
    return rc < 0 ? EXIT_USAGE : EXIT_DONE;
}

bool settings_given(const kt_settings *s, const char *name)
{
    const char *source = kt_settings_source(s, name);
    return source && strcmp(source, "default") != 0;
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
