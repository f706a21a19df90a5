/* SPDX-License-Identifier: MIT */

#include "charset.h"

#include <errno.h>
#include <iconv.h>
#include <kettle/utf8.h>
#include <string.h>
#include <strings.h>

static const char replacement[] = "\xef\xbf\xbd";

/* Labels of the Encoding standard, section 4.2, and what iconv calls them. A name that a stranger chose does not reach
 * iconv, which looks for modules by it. */
static const struct {
    const char *label, *iconv;
} labels[] = {
    {"utf-8", NULL},
    {"utf8", NULL},
    {"us-ascii", "WINDOWS-1252"},
    {"ascii", "WINDOWS-1252"},
    {"iso-8859-1", "WINDOWS-1252"},
    {"iso8859-1", "WINDOWS-1252"},
    {"latin1", "WINDOWS-1252"},
    {"windows-1252", "WINDOWS-1252"},
    {"cp1252", "WINDOWS-1252"},
    {"iso-8859-2", "ISO-8859-2"},
    {"latin2", "ISO-8859-2"},
    {"iso-8859-5", "ISO-8859-5"},
    {"iso-8859-7", "ISO-8859-7"},
    {"iso-8859-9", "WINDOWS-1254"},
    {"iso-8859-13", "ISO-8859-13"},
    {"iso-8859-15", "ISO-8859-15"},
    {"latin-9", "ISO-8859-15"},
    {"windows-1250", "WINDOWS-1250"},
    {"windows-1251", "WINDOWS-1251"},
    {"cp1251", "WINDOWS-1251"},
    {"windows-1253", "WINDOWS-1253"},
    {"windows-1254", "WINDOWS-1254"},
    {"windows-1255", "WINDOWS-1255"},
    {"windows-1256", "WINDOWS-1256"},
    {"windows-1257", "WINDOWS-1257"},
    {"windows-1258", "WINDOWS-1258"},
    {"koi8-r", "KOI8-R"},
    {"koi8-u", "KOI8-U"},
    {"macintosh", "MACINTOSH"},
    {"shift_jis", "CP932"},
    {"shift-jis", "CP932"},
    {"sjis", "CP932"},
    {"euc-jp", "EUC-JP"},
    {"gb2312", "GB18030"},
    {"gbk", "GB18030"},
    {"gb18030", "GB18030"},
    {"big5", "BIG5-HKSCS"},
    {"euc-kr", "CP949"},
    {"ks_c_5601-1987", "CP949"},
    {"utf-16", "UTF-16LE"},
    {"utf-16le", "UTF-16LE"},
    {"utf-16be", "UTF-16BE"},
};

static const char *iconv_name(kt_slice label)
{
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++)
        if (strlen(labels[i].label) == label.size && strncasecmp(labels[i].label, label.data, label.size) == 0)
            return labels[i].iconv;
    return NULL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* Where `name` begins in `text`, in any case; NULL if nowhere. */
static const char *find(kt_slice text, const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i + size <= text.size; i++)
        if (strncasecmp(text.data + i, name, size) == 0)
            return text.data + i;
    return NULL;
}

kt_slice charset_parameter(kt_slice text, const char *name)
{
    if (!text.data)
        return text; /* nothing may be added to NULL, not even 0 */
    const char *end = text.data + text.size, *at;
    size_t size = strlen(name);
    while ((at = find(text, name)) != NULL) {
        bool begins = at > text.data && (is_blank(at[-1]) || at[-1] == ';' || at[-1] == '"' || at[-1] == '\'');
        text = (kt_slice){at + size, (size_t)(end - at) - size};
        for (at += size; at < end && is_blank(*at); at++)
            ;
        if (!begins || at == end || *at++ != '=')
            continue;
        while (at < end && is_blank(*at))
            at++;
        char quote = at < end && (*at == '"' || *at == '\'') ? *at++ : '\0';
        const char *last = at;
        while (last < end && (quote ? *last != quote : !is_blank(*last) && !strchr(";\"'/>", *last)))
            last++;
        return (kt_slice){at, (size_t)(last - at)};
    }
    return (kt_slice){NULL, 0};
}

/* <meta charset=x>, or <meta http-equiv=content-type content="text/html; charset=x">: the first one that says so.
 * Comments are stepped over. HTML standard, section 13.2.3.2. */
static kt_slice charset_of_meta(kt_slice html)
{
    if (!html.data)
        return html;
    const char *at = html.data, *end = at + (html.size < 1024 ? html.size : 1024);
    while (at && at < end && (at = memchr(at, '<', (size_t)(end - at))) != NULL) {
        kt_slice rest = {at, (size_t)(end - at)};
        if (rest.size > 4 && memcmp(at, "<!--", 4) == 0) {
            at = memmem(at + 2, rest.size - 2, "-->", 3);
        } else if (rest.size > 6 && strncasecmp(at, "<meta", 5) == 0 && (is_blank(at[5]) || at[5] == '/')) {
            const char *close = memchr(at, '>', rest.size);
            kt_slice tag = {at, close ? (size_t)(close - at) : rest.size};
            kt_slice found = charset_parameter(tag, "charset");
            if (found.data)
                return found;
            at += tag.size;
        } else {
            at++;
        }
    }
    return (kt_slice){NULL, 0};
}

static int replace_bad(kt_slice text, kt_buffer *out, size_t *replaced)
{
    int rc = 0;
    while (rc == 0 && text.size > 0) {
        size_t good = kt_utf8_check(text);
        rc = kt_buffer_append(out, text.data, good);
        text = (kt_slice){text.data + good, text.size - good};
        if (text.size == 0 || rc < 0)
            break;
        /* One mark for each maximal part of a sequence: at least the first byte, and what could have followed it. */
        size_t bad = 1, rest = (unsigned char)text.data[0] >= 0xf0 ? 3 : (unsigned char)text.data[0] >= 0xe0 ? 2 : 1;
        if ((unsigned char)text.data[0] >= 0xc2 && (unsigned char)text.data[0] < 0xf5)
            while (bad <= rest && bad < text.size && ((unsigned char)text.data[bad] & 0xc0) == 0x80)
                bad++;
        rc = kt_buffer_append(out, replacement, 3);
        (*replaced)++;
        text = (kt_slice){text.data + bad, text.size - bad};
    }
    return rc;
}

static int convert(const char *from, kt_slice bytes, kt_buffer *out, size_t *replaced)
{
    iconv_t cd = iconv_open("UTF-8", from);
    if (cd == (iconv_t)-1)
        return errno == ENOMEM ? -ENOMEM : replace_bad(bytes, out, replaced);
    char *in = (char *)bytes.data;
    size_t left = bytes.size;
    size_t unit = strncmp(from, "UTF-16", 6) == 0 ? 2 : 1;
    int rc = 0;
    for (bool over = false; rc == 0 && !over;) {
        char piece[4096], *to = piece;
        size_t room = sizeof piece;
        over = left == 0; /* what iconv has kept back of the last character comes last */
        size_t n = over ? iconv(cd, NULL, NULL, &to, &room) : iconv(cd, &in, &left, &to, &room);
        int error = n == (size_t)-1 ? errno : 0;
        rc = kt_buffer_append(out, piece, sizeof piece - room);
        if (rc == 0 && left > 0 && (error == EILSEQ || error == EINVAL)) {
            rc = kt_buffer_append(out, replacement, 3);
            (*replaced)++;
            size_t skipped = left < unit ? left : unit;
            in += skipped;
            left -= skipped;
        }
    }
    iconv_close(cd);
    return rc;
}

int charset_decode(kt_slice bytes, kt_slice content_type, bool is_html, kt_buffer *out, size_t *ret_replaced)
{
    const char *from = NULL;
    size_t replaced = 0;
    if (bytes.size >= 3 && memcmp(bytes.data, "\xef\xbb\xbf", 3) == 0) {
        bytes = (kt_slice){bytes.data + 3, bytes.size - 3};
    } else if (bytes.size >= 2 && (memcmp(bytes.data, "\xff\xfe", 2) == 0 || memcmp(bytes.data, "\xfe\xff", 2) == 0)) {
        from = bytes.data[0] == '\xff' ? "UTF-16LE" : "UTF-16BE";
        bytes = (kt_slice){bytes.data + 2, bytes.size - 2};
    } else {
        kt_slice label = charset_parameter(content_type, "charset");
        bool meta = !label.data && is_html;
        if (meta)
            label = charset_of_meta(bytes);
        from = iconv_name(label);
        if (meta && from && strncmp(from, "UTF-16", 6) == 0)
            from = NULL; /* a page that could be read so far is none */
    }
    int rc = from ? convert(from, bytes, out, &replaced) : replace_bad(bytes, out, &replaced);
    if (rc == 0)
        *ret_replaced = replaced;
    return rc;
}
