#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every function that the libraries export has an entry in the sweeps, and no entry is without one.

usage: entries.py LIBRARY.so... -- SWEEP-PROGRAM...

The name of an entry is that of its function; more entries for the same one end in __VARIANT.

waiting.txt beside this file names functions whose entry has yet to be written. They count as skipped; one
that has an entry, or is gone, must be taken out of it.
"""

import importlib.machinery
import importlib.util
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
ADVICE = """
{symbol}: exported, and in none of the sweeps.
    Add to tests/sweep/test_<subject>.c (see tests/sweep/sweep.h for the flags):
        SWEEP({symbol}, PLAIN)          neither suspends nor allocates
        SWEEP({symbol}, SUSPENDS)       the comment in its header says "Suspends"
        SWEEP({symbol}, ALLOCATES)      it needs memory; | SUSPENDS where it does both
    with a scenario that calls SWEPT({symbol}, (...)). A new file goes into tests/sweep/meson.build."""


def check_exports():
    """The tool with that name, as a module."""
    sys.path.insert(0, os.path.join(ROOT, 'tools'))
    path = os.path.join(ROOT, 'tools/check-exports')
    loader = importlib.machinery.SourceFileLoader('check_exports', path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader('check_exports', loader))
    loader.exec_module(module)
    return module


def entries(program):
    """The functions that have an entry in a program."""
    lines = subprocess.run([program, '--list'], check=True, capture_output=True, text=True).stdout
    return {line.split('__')[0] for line in lines.split()}


def main():
    behind = sys.argv.index('--')
    libraries, programs = sys.argv[1:behind], sys.argv[behind + 1:]
    # What is not ours by name (gcov's, a sanitizer's) is the business of tools/check-exports.
    symbols = check_exports().exported
    exported = {s for l in libraries for s in symbols(l) if s.startswith('kt_') and not s.startswith('kt__')}
    entered = set().union(*[entries(program) for program in programs])
    with open(os.path.join(HERE, 'waiting.txt'), encoding='utf-8') as f:
        waiting = set(f.read().split())
    for symbol in sorted(exported - entered - waiting):
        print(ADVICE.format(symbol=symbol))
    for symbol in sorted(waiting - (exported - entered)):
        print(f'{symbol}: waits for its entry no longer; take it out of tests/sweep/waiting.txt')
    for symbol in sorted(entered - exported):
        print(f'{symbol}: has an entry in the sweeps, but no library exports it; remove the entry')
    failed = len((exported ^ entered) ^ waiting)
    print(f'{len(exported & entered)} passed, {failed} failed, {len(waiting)} skipped')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
