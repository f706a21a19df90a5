/* SPDX-License-Identifier: MIT */
/* Names in other scripts, by libidn2: this is the only file that uses it. */
#include "http/url_private.h"

#include <errno.h>
#include <idn2.h>
#include <kettle/memory.h>
#include <kettle/utf8.h>

int kt__idna_to_ascii(kt_slice name, kt_buffer *out, const char **ret_why)
{
    *ret_why = "the host is not UTF-8";
    if (memchr(name.data, '\0', name.size) || kt_utf8_check(name) < name.size)
        return -EINVAL;
    char *copy = kt_strndup(name.data, name.size);
    if (!copy)
        return -ENOMEM;
    uint8_t *ascii = NULL;
    /* NFC first, since the library refuses what is not; UTS #46 then maps case and width. */
    int rc = idn2_lookup_u8((const uint8_t *)copy, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    kt_free(copy);
    if (rc == IDN2_MALLOC)
        return -ENOMEM;
    if (rc != IDN2_OK) {
        *ret_why = "the host is no internationalised domain name";
        return -EINVAL;
    }
    rc = kt_buffer_append_string(out, (const char *)ascii);
    idn2_free(ascii);
    return rc;
}
