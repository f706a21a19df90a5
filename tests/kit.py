# SPDX-License-Identifier: MIT
"""For tests written in Python: unittest, ended by the line `N passed, N failed, N skipped`."""

import os
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))


def main():
    program = unittest.main(module='__main__', exit=False, verbosity=1)
    result = program.result
    skipped = len(result.skipped)
    # One test counts once, however many of its subTests fail.
    bad = [case for case, _ in result.failures + result.errors] + result.unexpectedSuccesses
    failed = len({getattr(case, 'test_case', case).id() for case in bad})
    passed = result.testsRun - failed - skipped
    for case, reason in result.skipped:
        print(f'skipped {case.id()}: {reason}')
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    sys.exit(1 if failed else 77 if skipped and not passed else 0)
