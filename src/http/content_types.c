/* SPDX-License-Identifier: MIT */
/* What a name's extension says about its content. */
#include "http/files.h"
#include "http/parser_internal.h"

const char *kt_http_content_type(kt_slice name)
{
    static const struct {
        const char *extension, *type;
    } table[] = {
        {"html", "text/html; charset=utf-8"},
        {"htm", "text/html; charset=utf-8"},
        {"css", "text/css; charset=utf-8"},
        {"js", "text/javascript; charset=utf-8"}, /* RFC 9239 */
        {"mjs", "text/javascript; charset=utf-8"},
        {"json", "application/json"},
        {"map", "application/json"},
        {"webmanifest", "application/manifest+json"},
        {"txt", "text/plain; charset=utf-8"},
        {"md", "text/markdown; charset=utf-8"},
        {"csv", "text/csv; charset=utf-8"},
        {"ics", "text/calendar; charset=utf-8"},
        {"xml", "application/xml"},
        {"xhtml", "application/xhtml+xml"},
        {"rss", "application/rss+xml"},
        {"atom", "application/atom+xml"},
        {"svg", "image/svg+xml"},
        {"png", "image/png"},
        {"jpg", "image/jpeg"},
        {"jpeg", "image/jpeg"},
        {"gif", "image/gif"},
        {"webp", "image/webp"},
        {"avif", "image/avif"},
        {"bmp", "image/bmp"},
        {"ico", "image/vnd.microsoft.icon"},
        {"tiff", "image/tiff"},
        {"woff", "font/woff"},
        {"woff2", "font/woff2"},
        {"ttf", "font/ttf"},
        {"otf", "font/otf"},
        {"mp3", "audio/mpeg"},
        {"m4a", "audio/mp4"},
        {"oga", "audio/ogg"},
        {"ogg", "audio/ogg"},
        {"opus", "audio/ogg"},
        {"flac", "audio/flac"},
        {"wav", "audio/wav"},
        {"weba", "audio/webm"},
        {"mp4", "video/mp4"},
        {"m4v", "video/mp4"},
        {"mpeg", "video/mpeg"},
        {"ogv", "video/ogg"},
        {"webm", "video/webm"},
        {"mov", "video/quicktime"},
        {"pdf", "application/pdf"},
        {"wasm", "application/wasm"},
        {"zip", "application/zip"},
        {"gz", "application/gzip"},
        {"tgz", "application/gzip"},
        {"bz2", "application/x-bzip2"},
        {"xz", "application/x-xz"},
        {"zst", "application/zstd"},
        {"tar", "application/x-tar"},
        {"7z", "application/x-7z-compressed"},
        {"epub", "application/epub+zip"},
    };
    size_t dot = name.size;
    while (dot > 0 && name.data[dot - 1] != '.' && name.data[dot - 1] != '/')
        dot--;
    if (dot < 2 || name.data[dot - 1] != '.' || name.data[dot - 2] == '/')
        return NULL; /* ".png" has no extension */
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (kt__http_same(name.data + dot, name.size - dot, table[i].extension))
            return table[i].type;
    return NULL;
}
