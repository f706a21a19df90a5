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


def status(expected, script, patterns=None, options=()):
    with tempfile.TemporaryDirectory() as folder:
        def file(name, text):
            path = os.path.join(folder, name)
            with open(path, 'w', encoding='utf-8') as f:
                f.write(text)
            return path
        if patterns is not None:
            options = [*options, '--stderr', file('patterns', patterns)]
        return subprocess.run([os.path.join(kit.ROOT, 'tools/check-output'), *options,
                               file('expected', expected), 'sh', '-c', script],
                              capture_output=True).returncode


class CheckOutput(unittest.TestCase):
    def test_the_same_text_passes(self):
        self.assertEqual(status('tea\ncoffee\n', 'echo tea; echo coffee'), 0)

    def test_another_text_fails(self):
        self.assertEqual(status('tea\ncoffee\n', 'echo coffee; echo tea'), 1)
        self.assertEqual(status('tea\n', 'printf tea'), 1)
        self.assertEqual(status('tea\n', 'echo tea; echo'), 1)

    def test_a_failing_program_fails_whatever_it_printed(self):
        self.assertEqual(status('tea\n', 'echo tea; exit 3'), 1)

    def test_another_status_is_passed_when_it_is_asked_for(self):
        self.assertEqual(status('tea\n', 'echo tea; exit 3', options=['--status', '3']), 0)
        self.assertEqual(status('tea\n', 'echo tea; kill -ABRT $$', options=['--status', '134']), 0)
        self.assertEqual(status('tea\n', 'echo tea', options=['--status', '3']), 1)

    def test_standard_error_must_stay_empty(self):
        self.assertEqual(status('tea\n', 'echo tea; echo hot >&2'), 1)

    def test_standard_error_must_match_the_patterns_in_their_order(self):
        script = 'echo one 1 >&2; echo two >&2; echo three 3 >&2'
        self.assertEqual(status('', script, '^one [0-9]+$\n^three\n'), 0)
        self.assertEqual(status('', script, '^three\n^one\n'), 1)
        self.assertEqual(status('', script, '^one\n^one\n'), 1)
        self.assertEqual(status('', script, '^four\n'), 1)
        self.assertEqual(status('', 'true', '^one\n'), 1)

    def test_a_skipping_program_is_skipped(self):
        self.assertEqual(status('tea\n', 'exit 77'), 77)


if __name__ == '__main__':
    kit.main()
