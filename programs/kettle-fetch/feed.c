/* SPDX-License-Identifier: MIT */

#include "feed.h"

#include <errno.h>
#include <kettle/error.h>
#include <libxml/xmlreader.h>
#include <limits.h>
#include <string.h>
#include <zlib.h>

enum { URL_BYTES_MAX = 64 * 1024 };

/* ---- gzip ------------------------------------------------------------------------------------- */

static bool is_gzip(kt_slice bytes)
{
    return bytes.size > 2 && bytes.data[0] == '\x1f' && bytes.data[1] == '\x8b';
}

static int gunzip(kt_slice bytes, kt_buffer *out)
{
    z_stream z = {.next_in = (unsigned char *)bytes.data, .avail_in = (unsigned)bytes.size};
    unsigned char piece[16 * 1024];
    int rc = 0, state = Z_OK;
    if (bytes.size > FEED_BYTES_MAX)
        return kt_error_set(KT_ELIMIT, "more than %zu MiB", FEED_BYTES_MAX >> 20);
    if (inflateInit2(&z, 15 + 16) != Z_OK)
        return -ENOMEM;
    while (rc == 0 && state == Z_OK) {
        z.next_out = piece;
        z.avail_out = sizeof piece;
        state = inflate(&z, Z_NO_FLUSH);
        rc = kt_buffer_append(out, piece, sizeof piece - z.avail_out);
    }
    inflateEnd(&z);
    if (rc == KT_ELIMIT)
        return kt_error_set(rc, "more than %zu MiB after gunzip", FEED_BYTES_MAX >> 20);
    if (rc == 0 && state != Z_STREAM_END)
        return state == Z_MEM_ERROR ? -ENOMEM : kt_error_set(-EINVAL, "broken gzip");
    return rc;
}

/* ---- XML -------------------------------------------------------------------------------------- */

typedef struct reading {
    xmlTextReaderPtr xml;
    int (*found)(enum feed_kind kind, kt_slice url, void *arg);
    void *arg;
    enum { UNKNOWN, INDEX, URLSET, RSS, ATOM } kind;
    bool in_item;       /* within what item_name says */
    bool item_gave;     /* a URL */
    int item_depth;
    kt_buffer *into;    /* where text goes: to one of these, within a <loc> or <link>, or a <guid>; NULL: nowhere */
    kt_buffer text, guid;
    int count;
} reading;

static bool is(const char *name, const char *other)
{
    return strcmp(name, other) == 0;
}

static int give(reading *r, kt_slice url)
{
    while (url.size > 0 && (unsigned char)url.data[0] <= ' ')
        url = (kt_slice){url.data + 1, url.size - 1};
    while (url.size > 0 && (unsigned char)url.data[url.size - 1] <= ' ')
        url.size--;
    if (url.size == 0)
        return 0;
    if (r->count++ == FEED_URLS_MAX)
        return kt_error_set(KT_ELIMIT, "more than %d URLs", FEED_URLS_MAX);
    r->item_gave = true;
    return r->found(r->kind == INDEX ? FEED_SITEMAP : FEED_PAGE, url, r->arg);
}

/* What tells of one page. */
static const char *item_name(const reading *r)
{
    return r->kind == INDEX ? "sitemap" : r->kind == URLSET ? "url" : r->kind == RSS ? "item" : "entry";
}

/* <link href="..." rel="alternate">: the entry's page. Others are its comments, its own address, ... */
static int atom_link(reading *r)
{
    xmlChar *rel = xmlTextReaderGetAttribute(r->xml, (const xmlChar *)"rel");
    xmlChar *href = xmlTextReaderGetAttribute(r->xml, (const xmlChar *)"href");
    int rc = 0;
    if (href && (!rel || is((const char *)rel, "alternate")))
        rc = give(r, kt_slice_from((const char *)href));
    xmlFree(rel);
    xmlFree(href);
    return rc;
}

/* The guid of RSS 2.0 is the item's address, unless it says that it is not. */
static bool is_address(reading *r)
{
    xmlChar *value = xmlTextReaderGetAttribute(r->xml, (const xmlChar *)"isPermaLink");
    bool is_one = !value || !is((const char *)value, "false");
    xmlFree(value);
    return is_one;
}

/* Where the text of this element of an item goes. */
static kt_buffer *place_of(reading *r, const char *name)
{
    if (xmlTextReaderConstPrefix(r->xml) || xmlTextReaderIsEmptyElement(r->xml))
        return NULL; /* <image:loc> is not the page */
    if (r->kind == RSS && is(name, "guid"))
        return is_address(r) ? &r->guid : NULL;
    return is(name, r->kind == RSS ? "link" : "loc") ? &r->text : NULL;
}

static int end_item(reading *r)
{
    int rc = r->item_gave ? 0 : give(r, kt_buffer_slice(&r->guid));
    r->in_item = false;
    return rc == 0 && !r->item_gave ? r->found(FEED_NOTHING, (kt_slice){NULL, 0}, r->arg) : rc;
}

static int begin_item(reading *r, int depth)
{
    r->in_item = true;
    r->item_gave = false;
    r->item_depth = depth;
    kt_buffer_clear(&r->guid);
    return xmlTextReaderIsEmptyElement(r->xml) ? end_item(r) : 0;
}

static int begin_root(reading *r, const char *name)
{
    r->kind = is(name, "sitemapindex")               ? INDEX
              : is(name, "urlset")                   ? URLSET
              : is(name, "rss") || is(name, "RDF")   ? RSS
              : is(name, "feed") || is(name, "entry") ? ATOM
                                                     : UNKNOWN;
    if (r->kind == UNKNOWN)
        return kt_error_set(-EINVAL, "XML, but neither a sitemap nor a feed: <%.40s>", name);
    return is(name, "entry") ? begin_item(r, 0) : 0;
}

static int begin(reading *r, const char *name)
{
    int depth = xmlTextReaderDepth(r->xml);
    r->into = NULL;
    if (depth == 0)
        return begin_root(r, name);
    if (is(name, item_name(r)) && (!r->in_item || depth <= r->item_depth))
        return begin_item(r, depth);
    if (!r->in_item || depth != r->item_depth + 1) /* deeper: of an entry's <source>, say */
        return 0;
    if (r->kind == ATOM)
        return is(name, "link") ? atom_link(r) : 0;
    r->into = place_of(r, name);
    if (r->into)
        kt_buffer_clear(r->into);
    return 0;
}

static int end(reading *r)
{
    int rc = r->into == &r->text ? give(r, kt_buffer_slice(&r->text)) : 0;
    r->into = NULL;
    if (rc == 0 && r->in_item && xmlTextReaderDepth(r->xml) <= r->item_depth)
        rc = end_item(r);
    return rc;
}

static int take_node(reading *r)
{
    const char *name = (const char *)xmlTextReaderConstLocalName(r->xml);
    switch (xmlTextReaderNodeType(r->xml)) {
    case XML_READER_TYPE_ELEMENT:
        return begin(r, name);
    case XML_READER_TYPE_END_ELEMENT:
        return end(r);
    case XML_READER_TYPE_TEXT:
    case XML_READER_TYPE_CDATA:
        if (r->into)
            return kt_buffer_append_string(r->into, (const char *)xmlTextReaderConstValue(r->xml));
        return 0;
    default:
        return 0;
    }
}

static void drop_error(void *arg, xmlErrorPtr error)
{
    (void)arg;
    (void)error;
}

static void drop_text(void *arg, const char *format, ...)
{
    (void)arg;
    (void)format;
}

/* libxml2 says mistakes of an encoding on standard error, in two ways and whatever the options are, where nobody else
 * wants them. The handlers are the thread's; NULL puts back what is usual. */
static void be_quiet(bool quiet)
{
    xmlSetStructuredErrorFunc(NULL, quiet ? drop_error : NULL);
    xmlSetGenericErrorFunc(NULL, quiet ? drop_text : NULL);
}

static int read_xml(kt_slice bytes, reading *r)
{
    if (bytes.size > FEED_BYTES_MAX)
        return kt_error_set(KT_ELIMIT, "more than %zu MiB", FEED_BYTES_MAX >> 20);
    be_quiet(true);
    r->xml = xmlReaderForMemory(bytes.data ? bytes.data : "", (int)bytes.size, NULL, NULL,
                                XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    int rc = r->xml ? 0 : -ENOMEM, more = 1;
    while (rc == 0 && (more = xmlTextReaderRead(r->xml)) == 1)
        rc = take_node(r);
    if (rc == 0 && more < 0)
        rc = kt_error_set(-EINVAL, "not well-formed XML, line %d", xmlTextReaderGetParserLineNumber(r->xml));
    if (r->xml)
        xmlFreeTextReader(r->xml);
    be_quiet(false);
    return rc;
}

int feed_read(kt_slice bytes, int (*found)(enum feed_kind kind, kt_slice url, void *arg), void *arg)
{
    kt_auto(kt_buffer) plain = KT_BUFFER_INIT_MAX(FEED_BYTES_MAX);
    reading r = {.found = found, .arg = arg, .text = KT_BUFFER_INIT_MAX(URL_BYTES_MAX),
                 .guid = KT_BUFFER_INIT_MAX(URL_BYTES_MAX)};
    int rc = 0;
    if (is_gzip(bytes)) {
        rc = gunzip(bytes, &plain);
        bytes = kt_buffer_slice(&plain);
    }
    if (rc == 0)
        rc = read_xml(bytes, &r);
    kt_buffer_release(&r.text);
    kt_buffer_release(&r.guid);
    return rc;
}
