#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tools/check-output passes the same text only, from a program that succeeds."""

import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..'))
import kit  # noqa: E402


def status(expected, script):
    with tempfile.NamedTemporaryFile('w', suffix='.expected') as f:
        f.write(expected)
        f.flush()
        return subprocess.run([os.path.join(kit.ROOT, 'tools/check-output'), f.name,
                               'sh', '-c', script], capture_output=True).returncode


class CheckOutput(unittest.TestCase):
    def test_the_same_text_passes(self):
        self.assertEqual(status('tea\ncoffee\n', 'echo tea; echo coffee'), 0)

    def test_another_text_fails(self):
        self.assertEqual(status('tea\ncoffee\n', 'echo coffee; echo tea'), 1)
        self.assertEqual(status('tea\n', 'printf tea'), 1)
        self.assertEqual(status('tea\n', 'echo tea; echo'), 1)

    def test_a_failing_program_fails_whatever_it_printed(self):
        self.assertEqual(status('tea\n', 'echo tea; exit 3'), 1)

    def test_a_skipping_program_is_skipped(self):
        self.assertEqual(status('tea\n', 'exit 77'), 77)


if __name__ == '__main__':
    kit.main()
