#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tools/run-tests counts right: nothing that failed, hung or ran no test is ever green."""

import importlib.machinery
import importlib.util
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..'))
import kit  # noqa: E402

sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader('run_tests', os.path.join(kit.ROOT, 'tools/run-tests'))
run_tests = importlib.util.module_from_spec(importlib.util.spec_from_loader('run_tests', loader))
sys.modules['run_tests'] = run_tests
loader.exec_module(run_tests)


def counted(result, stdout=''):
    tally = run_tests.count_one({'result': result, 'stdout': stdout}, 'x')
    return str(tally), bool(tally.failures)


class Counting(unittest.TestCase):
    def test_the_counts_of_a_binary_are_taken(self):
        self.assertEqual(counted('OK', 'ok a\n5 passed, 0 failed, 2 skipped\n'),
                         ('5 passed, 0 failed, 2 skipped', False))
        self.assertEqual(counted('FAIL', '5 passed, 1 failed, 0 skipped\n'),
                         ('5 passed, 1 failed', True))
        self.assertEqual(counted('SKIP', '0 passed, 0 failed, 3 skipped\n'),
                         ('0 passed, 0 failed, 3 skipped', False))

    def test_a_test_without_counts_is_one(self):
        self.assertEqual(counted('OK', 'fine\n'), ('1 passed, 0 failed', False))
        self.assertEqual(counted('SKIP'), ('0 passed, 0 failed, 1 skipped', False))
        for result in ('FAIL', 'TIMEOUT', 'ERROR', 'INTERRUPT', 'EXPECTEDFAIL', 'UNEXPECTEDPASS'):
            self.assertEqual(counted(result), ('0 passed, 1 failed', True))

    def test_a_crash_after_the_last_test_is_a_failure(self):
        self.assertEqual(counted('FAIL', '5 passed, 0 failed, 0 skipped\n'),
                         ('5 passed, 1 failed', True))
        self.assertEqual(counted('TIMEOUT', '5 passed, 0 failed, 0 skipped\n'),
                         ('5 passed, 1 failed', True))

    def test_a_binary_that_ran_nothing_is_a_failure(self):
        self.assertEqual(counted('OK', '0 passed, 0 failed, 0 skipped\n'),
                         ('0 passed, 1 failed', True))

    def test_counts_are_only_looked_for_at_the_end(self):
        self.assertEqual(counted('OK', '7 passed, 0 failed\n' + 'more\n' * 9),
                         ('1 passed, 0 failed', False))

    def test_the_sum_names_skips_only_when_there_are_some(self):
        total = run_tests.Tally()
        total.passed = 3
        self.assertEqual(str(total), '3 passed, 0 failed')
        total.skipped = 1
        self.assertEqual(str(total), '3 passed, 0 failed, 1 skipped')


if __name__ == '__main__':
    kit.main()
