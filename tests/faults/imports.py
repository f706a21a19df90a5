#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every function that the libraries import is one that tests/faults lets fail, or is named in exempt.txt with the
reason why not; and no line there is without cause.

usage: imports.py MESON-BUILD LIBRARY.a...

exempt.txt: a line `# reason`, and below it the functions, or `prefix*`, to which it applies.
"""

import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
# What a compiler, a sanitizer or a fortified header makes of a call or adds to it.
ADDED = re.compile(r'^(_GLOBAL_OFFSET_TABLE_|_?_(asan|ubsan|lsan|tsan|sanitizer|gcov|llvm|cov)\w*|__sanitizer\w*|'
                   r'__start_\w+|__stop_\w+|__tls_get_addr|_Unwind_\w+)$')
FORTIFIED = re.compile(r'^__(\w+)_chk$')


def imported(libraries):
    """The symbols that no library among them defines."""
    def nm(*options):
        out = subprocess.run(['nm', '-P', *options, *libraries], check=True, capture_output=True, text=True).stdout
        return {line.split()[0] for line in out.splitlines() if len(line.split()) > 1}
    names = nm('--undefined-only') - nm('--defined-only', '--extern-only')
    names = {name for name in names if not ADDED.match(name)}
    return {FORTIFIED.sub(r'\1', name) for name in names}


def wrapped(meson_build):
    """The calls behind --wrap."""
    with open(meson_build, encoding='utf-8') as f:
        listed = re.search(r'foreach call : \[(.*?)\]', f.read(), re.S)
    return set(re.findall(r"'(\w+)'", listed.group(1)))


def exempt():
    """The names and prefixes of exempt.txt; each stands below its reason."""
    names, reason = [], None
    with open(os.path.join(HERE, 'exempt.txt'), encoding='utf-8') as f:
        for line in f:
            if line.startswith('# SPDX'):
                continue
            if line.startswith('#'):
                reason = line[1:].strip()
            elif line.split() and not reason:
                sys.exit(f'exempt.txt: {line.strip()}: above it must stand a line "# reason"')
            else:
                names += line.split()
    return names


def main():
    calls, names = wrapped(sys.argv[1]), imported(sys.argv[2:])
    exceptions = exempt()
    prefixes = tuple(e[:-1] for e in exceptions if e.endswith('*'))
    unlisted = sorted(n for n in names - calls - set(exceptions) if not (prefixes and n.startswith(prefixes)))
    both = sorted(calls & set(exceptions))
    for name in unlisted:
        print(f'{name}: imported by a library, and tests/faults does not let it fail.\n'
              '    Give it its errors in tests/faults/calls_*.c and its name in tests/faults/meson.build; or, if it '
              'cannot fail,\n    a line in tests/faults/exempt.txt, below its reason.')
    for name in both:
        print(f'{name}: both wrapped and exempt; take it out of tests/faults/exempt.txt')
    print(f'{len(names) - len(unlisted)} passed, {len(unlisted) + len(both)} failed, 0 skipped')
    return 1 if unlisted or both else 0


if __name__ == '__main__':
    sys.exit(main())
