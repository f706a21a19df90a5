/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_UTF8_H
#define KETTLE_UTF8_H

/* Is it UTF-8?
 *
 *     if (kt_utf8_check(text) < text.size)
 *         return kt_error_set(-EILSEQ, "not UTF-8 at byte %zu", kt_utf8_check(text));
 */

#include <kettle/base.h>

KT_BEGIN

/* How many bytes from the front are well-formed UTF-8: all (text.size), or where the first sequence begins that is
 * malformed, overlong, a surrogate, above U+10FFFF, or cut off by the end. Any thread; does not suspend. RFC
 * 3629, section 4. */
KT_API size_t kt_utf8_check(kt_slice text) KT_CHECKED;

KT_END

#endif
