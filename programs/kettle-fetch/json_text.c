/* SPDX-License-Identifier: MIT */
#include "json_text.h"

#include <errno.h>
#include <kettle/error.h>

int json_text_append(json_t *value, size_t flags, kt_buffer *out)
{
    flags |= JSON_ENCODE_ANY;
    size_t size = json_dumpb(value, NULL, 0, flags);
    int rc = size > 0 ? kt_buffer_reserve(out, size) : -ENOMEM;
    if (rc == 0 && json_dumpb(value, out->data + out->size, size, flags) != size)
        rc = -ENOMEM;
    if (rc == 0)
        out->size += size;
    return rc;
}

int json_text_parse(kt_slice text, size_t flags, int depth_max, json_t **ret_value)
{
    json_error_t error;
    if (kt__json_depth(text) > depth_max)
        return kt_error_set(KT_EVALIDATION, "nested deeper than %d levels", depth_max);
    json_t *value = json_loadb(text.data ? text.data : "", text.size, flags, &error);
    if (!value && (!*error.text || json_error_code(&error) == json_error_out_of_memory))
        return -ENOMEM; /* it has no words where not even the first allocation succeeds */
    if (!value)
        return kt_error_set(KT_EVALIDATION, "line %d: %s", error.line, error.text);
    *ret_value = value;
    return 0;
}
