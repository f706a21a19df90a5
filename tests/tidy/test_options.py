#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The manual page of each program names just the options that --help prints, of the program and of each of its
commands; its page in docs/ names no other.

usage: test_options.py ROOT PROGRAM..."""
import re
import subprocess
import sys
import unittest
from pathlib import Path

ROOT, PROGRAMS = None, []

OPTION = re.compile(r'(?<![\w-])--[a-z][a-z0-9-]*[a-z0-9]')


def options(text):
    return set(OPTION.findall(text))


def help_text(program, *command):
    done = subprocess.run([program, *command, '--help'], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def commands(text):
    """What stands below "Commands:", at the beginning of a line indented by two."""
    below = re.search(r'^Commands:\n((?:  .*\n)+)', text, re.MULTILINE)
    return re.findall(r'^  (\w+)', below.group(1), re.MULTILINE) if below else []


def defined(text):
    """The options that a help text explains: at the beginning of their line, behind the letter if they have one."""
    return set(re.findall(r'^ +(?:-\w, )?(--[a-z][a-z0-9-]*)', text, re.MULTILINE))


def printed(program):
    text = help_text(program)
    return defined(text).union(*(defined(help_text(program, c)) for c in commands(text)))


def roff(text):
    return re.sub(r'\\f[BIRP]', '', text).replace('\\-', '-')


class Reading(unittest.TestCase):
    def test_commands_are_found(self):
        self.assertEqual(commands('Commands:\n  add   write\n        more --x\n  list  list\n\nOptions:\n  -h\n'),
                         ['add', 'list'])

    def test_explained_options_are_told_from_mentioned_ones(self):
        self.assertEqual(defined('  -l, --limit N   as --rate\n      --rate N/s  so often\n'), {'--limit', '--rate'})

    def test_roff_is_read(self):
        page = '.BI "\\-i, \\-\\-input " FILE\n\\fB\\-\\-per\\-host\\fR'
        self.assertEqual(options(roff(page)), {'--input', '--per-host'})


class Options(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.known = {Path(program).name: printed(program) for program in PROGRAMS}

    def other(self, read, compare):
        """By program: the options that differ."""
        found = {name: sorted(compare(read(name), known)) for name, known in self.known.items()}
        return {name: differing for name, differing in found.items() if differing}

    def manual(self, name):
        return options(roff((ROOT / 'docs/man' / (name + '.1')).read_text()))

    def guide(self, name):
        """Without the lines that show how to call another program."""
        lines = (ROOT / 'docs' / (name + '.md')).read_text().splitlines()
        return options('\n'.join(line for line in lines if not re.search(r'pkg-config|tests/\S+\.py', line)))

    def test_help_has_them(self):
        self.assertGreater(len(self.known), 0)
        for known in self.known.values():
            self.assertLess({'--help', '--version'}, known)

    def test_manual_names_no_other(self):
        self.assertEqual(self.other(self.manual, set.difference), {})

    def test_manual_names_all(self):
        self.assertEqual(self.other(self.manual, lambda named, known: known - named), {})

    def test_guide_names_no_other(self):
        self.assertEqual(self.other(self.guide, set.difference), {})


if __name__ == '__main__':
    ROOT = Path(sys.argv[1])
    PROGRAMS = sys.argv[2:]
    unittest.main(argv=sys.argv[:1])
