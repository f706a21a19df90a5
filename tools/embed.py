#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns files into one C source, so that a program carries its page with it.

usage: tools/embed.py PREFIX OUTPUT.c FILE...

OUTPUT.c defines, in the order of the files given, an array of `struct <PREFIX>_file` that ends
with an entry whose path is NULL, as declared by `<PREFIX>.h`:

    struct PREFIX_file {
        const char *path;          // "/style.css"; "/" for index.html
        const char *content_type;  // "text/css; charset=utf-8"
        const char *etag;          // quoted, from the content
        const unsigned char *data;
        size_t size;
    };
    extern const struct PREFIX_file PREFIX_files[];

With OUTPUT.h in place of OUTPUT.c that header is written.
"""

import hashlib
import os
import sys

TYPES = {
    '.html': 'text/html; charset=utf-8',
    '.css': 'text/css; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8',
    '.svg': 'image/svg+xml',
    '.png': 'image/png',
    '.json': 'application/json',
    '.txt': 'text/plain; charset=utf-8',
}


def header(prefix):
    guard = f'KETTLE_{prefix.upper()}_H'
    return f'''/* SPDX-License-Identifier: MIT */
/* Made by tools/embed.py. */
#ifndef {guard}
#define {guard}

#include <stddef.h>

/* One embedded file; static, never freed. */
struct {prefix}_file {{
    const char *path; /* as requested: "/style.css"; "/" for index.html */
    const char *content_type;
    const char *etag; /* quoted, changes with the content */
    const unsigned char *data;
    size_t size;
}};

/* Ends with an entry whose path is NULL. */
extern const struct {prefix}_file {prefix}_files[];

#endif
'''


def source(prefix, paths):
    arrays, entries = [], []
    for number, path in enumerate(paths):
        with open(path, 'rb') as f:
            data = f.read()
        name = os.path.basename(path)
        served = '/' if name == 'index.html' else '/' + name
        rows = [', '.join(f'0x{b:02x}' for b in data[i:i + 16]) for i in range(0, len(data), 16)]
        body = ',\n    '.join(rows) or '0'
        arrays.append(f'static const unsigned char file_{number}[] = {{\n    {body}}};\n')
        etag = hashlib.sha256(data).hexdigest()[:16]
        entries.append(f'    {{"{served}", "{TYPES[os.path.splitext(name)[1]]}", "\\"{etag}\\"", '
                       f'file_{number}, {len(data)}}},\n')
    return (f'/* SPDX-License-Identifier: MIT */\n/* Made by tools/embed.py. */\n'
            f'#include "{prefix}.h"\n\n' + '\n'.join(arrays) +
            f'\nconst struct {prefix}_file {prefix}_files[] = {{\n' + ''.join(entries) +
            '    {NULL, NULL, NULL, NULL, 0},\n};\n')


def main():
    prefix, output, paths = sys.argv[1], sys.argv[2], sys.argv[3:]
    text = header(prefix) if output.endswith('.h') else source(prefix, paths)
    with open(output, 'w', encoding='ascii') as f:
        f.write(text)


if __name__ == '__main__':
    main()
