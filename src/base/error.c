/* SPDX-License-Identifier: MIT */
#include <kettle/error.h>

#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct {
    int rc;
    const char *name, *text;
} ours[] = {
#define X(name, number, text) {name, #name, text},
    KT_ERROR_TABLE(X)
#undef X
};

const char *kt_strerror(int rc)
{
    if (rc >= 0)
        return "success";
    for (size_t i = 0; i < COUNT(ours); i++)
        if (ours[i].rc == rc)
            return ours[i].text;
    return rc > -KT__ERROR_BASE ? strerror(-rc) : "unknown error";
}

const char *kt_error_name(int rc)
{
    if (rc >= 0)
        return "success";
    for (size_t i = 0; i < COUNT(ours); i++)
        if (ours[i].rc == rc)
            return ours[i].name;
    const char *name = rc > -KT__ERROR_BASE ? strerrorname_np(-rc) : NULL;
    return name ? name : "?";
}

/* One write, so that messages of several threads do not mix; only async-signal-safe calls. */
void kt__log_to_stderr(const char *message)
{
    char line[2048];
    size_t size = strnlen(message, sizeof line - 1);
    memcpy(line, message, size);
    line[size++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, size);
    (void)written; /* nobody is left to tell */
}

static kt_log_hook hook = kt__log_to_stderr;

void kt_log_hook_set(kt_log_hook h)
{
    hook = h ? h : kt__log_to_stderr;
}

void kt__log(const char *message)
{
    hook(message);
}
