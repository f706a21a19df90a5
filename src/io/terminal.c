/* SPDX-License-Identifier: MIT */

/* Terminals: what they are, and what text takes on their lines. */

#include <errno.h>
#include <kettle/terminal.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "io/columns.h"
#include "io/progress.h"

#define COLUMNS_UNKNOWN 80 /* what the first ones had */
#define LINES_UNKNOWN 24

/* ---- Facts ---------------------------------------------------------------------------------- */

bool kt_terminal_is(int fd)
{
    return isatty(fd) == 1;
}

static unsigned variable(const char *name)
{
    const char *text = getenv(name);
    char *end = NULL;
    if (!text || *text < '0' || *text > '9')
        return 0;
    unsigned long number = strtoul(text, &end, 10);
    return *end || number > USHRT_MAX ? 0 : (unsigned)number;
}

static unsigned first_known(unsigned a, unsigned b, unsigned c)
{
    return a ? a : b ? b : c;
}

int kt_terminal_size(int fd, unsigned *ret_columns, unsigned *ret_lines)
{
    struct winsize size = {0};
    if (!kt_terminal_is(fd))
        return errno == EBADF ? -EBADF : -ENOTTY;
    if (ioctl(fd, TIOCGWINSZ, &size) < 0)
        size = (struct winsize){0};
    if (ret_columns)
        *ret_columns = first_known(variable("COLUMNS"), size.ws_col, COLUMNS_UNKNOWN);
    if (ret_lines)
        *ret_lines = first_known(variable("LINES"), size.ws_row, LINES_UNKNOWN);
    return 0;
}

bool kt_terminal_colours(int fd)
{
    const char *no = getenv("NO_COLOR"), *force = getenv("CLICOLOR_FORCE");
    const char *term = getenv("TERM"), *ask = getenv("CLICOLOR");
    if (no && *no)
        return false;
    if (force && *force && strcmp(force, "0") != 0)
        return true;
    return kt_terminal_is(fd) && term && strcmp(term, "dumb") != 0 && !(ask && strcmp(ask, "0") == 0);
}

/* ---- Text ----------------------------------------------------------------------------------- */

/* The character at the front of text, which is not empty: its bytes. By RFC 3629: neither overlong, nor a
 * surrogate, nor beyond Unicode. 0: no character. */
static size_t decode(kt_slice text, uint32_t *ret_character)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *b = (const unsigned char *)text.data;
    size_t size = b[0] < 0x80 ? 1 : b[0] < 0xc0 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : b[0] < 0xf8 ? 4 : 0;
    if (size == 0 || size > text.size)
        return 0;
    uint32_t c = size == 1 ? b[0] : b[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((b[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (b[i] & 0x3fu);
    }
    if (c < least[size] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *ret_character = c;
    return size;
}

static bool is_in(const kt__range *ranges, size_t count, uint32_t c)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c > ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && c >= ranges[low].first;
}

/* Bytes and columns of the character at the front of text, which is not empty. False: it is to be replaced; a
 * control character, or a byte that belongs to none. */
static bool character(kt_slice text, size_t *ret_size, size_t *ret_columns)
{
    uint32_t c = 0;
    size_t size = decode(text, &c);
    *ret_size = size ? size : 1;
    *ret_columns = 1;
    if (size == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0))
        return false;
    if (c >= 0xa0 && is_in(no_columns, sizeof no_columns / sizeof *no_columns, c))
        *ret_columns = 0;
    else if (c >= 0xa0 && is_in(two_columns, sizeof two_columns / sizeof *two_columns, c))
        *ret_columns = 2;
    return true;
}

static kt_slice after(kt_slice text, size_t size)
{
    return (kt_slice){text.data + size, text.size - size};
}

size_t kt_terminal_columns(kt_slice text)
{
    size_t sum = 0;
    while (text.size > 0) {
        size_t size, columns;
        (void)character(text, &size, &columns);
        sum += columns;
        text = after(text, size);
    }
    return sum;
}

size_t kt_terminal_fit(kt_slice text, size_t columns)
{
    size_t used = 0;
    while (used < text.size) {
        size_t size, own;
        (void)character(after(text, used), &size, &own);
        if (own > columns)
            break;
        columns -= own;
        used += size;
    }
    return used;
}

size_t kt__terminal_safe(kt_slice text, char *to, size_t room)
{
    size_t used = 0;
    while (text.size > 0) {
        size_t size, columns;
        bool safe = character(text, &size, &columns);
        if ((safe ? size : 1) > room - used)
            break;
        memcpy(to + used, safe ? text.data : "?", safe ? size : 1);
        used += safe ? size : 1;
        text = after(text, size);
    }
    return used;
}

int kt_terminal_safe(kt_buffer *out, kt_slice text)
{
    int rc = kt_buffer_reserve(out, text.size); /* no replacement is longer */
    if (rc == 0 && text.size > 0)
        out->size += kt__terminal_safe(text, out->data + out->size, text.size);
    return rc;
}
