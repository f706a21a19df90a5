#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes src/io/columns.h: the characters that take no column on a terminal, and those that take two.

usage: tools/columns.py >src/io/columns.h

By Python's Unicode tables: none for what is joined to the character before (Mn, Me, most of Cf, the vowels
and finals of conjoining Hangul), two for East Asian Wide and Fullwidth (UAX 11). Ranges are joined across
numbers that are not assigned.
"""

import sys
import unicodedata

SOFT_HYPHEN = 0xAD
ASIAN_PLANES = ((0x20000, 0x2FFFD), (0x30000, 0x3FFFD))  # wide also where not assigned so far


def columns(number):
    c = chr(number)
    category = unicodedata.category(c)
    if any(first <= number <= last for first, last in ASIAN_PLANES):
        return 2
    if category in ('Cn', 'Cc', 'Cs', 'Co'):
        return None
    if category in ('Mn', 'Me', 'Cf') and number != SOFT_HYPHEN or 0x1160 <= number <= 0x11FF:
        return 0
    return 2 if unicodedata.east_asian_width(c) in 'WF' else 1


def ranges(wanted):
    found = []
    inside = False
    for number in range(0xA0, 0x110000):
        width = columns(number)
        if width == wanted:
            if inside:
                found[-1][1] = number
            else:
                found.append([number, number])
            inside = True
        elif width is not None:
            inside = False
    return found


def table(name, found):
    print(f'static const kt__range {name}[] = {{')
    cells = [f'{{0x{first:x}, 0x{last:x}}},' for first, last in found]
    for i in range(0, len(cells), 4):
        print('    ' + ' '.join(cells[i:i + 4]))
    print('};')


def main():
    print(f'''/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_COLUMNS_H
#define KETTLE_IO_COLUMNS_H

/* Made by tools/columns.py from Unicode {unicodedata.unidata_version}. */

#include <stdint.h>

typedef struct kt__range {{
    uint32_t first, last;
}} kt__range;

/* Drawn over the character before. */''')
    table('no_columns', ranges(0))
    print('\n/* As wide as two. */')
    table('two_columns', ranges(2))
    print('\n#endif')
    return 0


if __name__ == '__main__':
    sys.exit(main())
