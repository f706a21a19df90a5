/* SPDX-License-Identifier: MIT */
#include <kettle/buffer.h>

#include <errno.h>
#include <kettle/error.h>
#include <kettle/memory.h>
#include <stdio.h>
#include <string.h>

#define SIZE_MAX_DEFAULT ((size_t)1 << 30)
#define CAPACITY_MIN 64

void kt_buffer_release(kt_buffer *b)
{
    kt_free(b->data);
    b->data = NULL;
    b->size = b->capacity = 0;
}

static int check_cap(const kt_buffer *b, size_t extra)
{
    size_t limit = b->size_max ? b->size_max : SIZE_MAX_DEFAULT;
    return b->size > limit || extra > limit - b->size ? KT_ELIMIT : 0;
}

static int grow(kt_buffer *b, size_t need)
{
    if (need <= b->capacity)
        return 0;
    size_t capacity = b->capacity ? b->capacity : CAPACITY_MIN;
    while (capacity < need)
        capacity += capacity / 2;
    char *data = kt_realloc(b->data, capacity);
    if (!data)
        return -ENOMEM;
    b->data = data;
    b->capacity = capacity;
    return 0;
}

int kt_buffer_reserve(kt_buffer *b, size_t extra)
{
    int rc = check_cap(b, extra);
    return rc < 0 ? rc : grow(b, b->size + extra);
}

int kt_buffer_append(kt_buffer *b, const void *bytes, size_t size)
{
    int rc = kt_buffer_reserve(b, size);
    if (rc < 0)
        return rc;
    if (size > 0)
        memcpy(b->data + b->size, bytes, size);
    b->size += size;
    return 0;
}

int kt_buffer_append_string(kt_buffer *b, const char *string)
{
    return kt_buffer_append(b, string, strlen(string));
}

int kt_buffer_vprintf(kt_buffer *b, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    size_t room = b->capacity - b->size;
    int length = vsnprintf(room ? b->data + b->size : NULL, room, format, args);
    int rc = length < 0 ? -EINVAL : check_cap(b, (size_t)length);
    if (rc == 0 && (size_t)length >= room) {
        rc = grow(b, b->size + (size_t)length + 1); /* vsnprintf wants its terminator */
        if (rc == 0)
            vsnprintf(b->data + b->size, (size_t)length + 1, format, again);
    }
    va_end(again);
    if (rc == 0)
        b->size += (size_t)length;
    return rc;
}

int kt_buffer_printf(kt_buffer *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int rc = kt_buffer_vprintf(b, format, args);
    va_end(args);
    return rc;
}

void kt_buffer_consume(kt_buffer *b, size_t size)
{
    if (size > b->size)
        size = b->size;
    b->size -= size;
    if (b->size > 0 && size > 0)
        memmove(b->data, b->data + size, b->size);
}

const char *kt_buffer_string(kt_buffer *b)
{
    if (grow(b, b->size + 1) < 0) /* the cap does not count the terminator */
        return NULL;
    b->data[b->size] = '\0';
    return b->data;
}
