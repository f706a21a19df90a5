#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tools/check-exports finds a difference in either direction."""

import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..'))
import kit  # noqa: E402

HEADER = '''#define KT_API __attribute__((visibility("default")))
/* KT_API int kt_in_a_comment(void); */
KT_API int kt_one(void);
KT_API void *kt_two(int count,
                    void (*call)(void *arg)) __attribute__((malloc(kt_one, 1)));
KT_API extern const int kt_three[];
static inline int kt_four(void)
{
    return kt_one();
}
'''
SOURCE = '''#include <kettle/task.h>
int kt_one(void) { return 1; }
void *kt_two(int count, void (*call)(void *arg)) { (void)count; (void)call; return 0; }
const int kt_three[] = {3};
int hidden(void);
int hidden(void) { return 2; }
'''


def check(header, source):
    """(status, output) of the tool over a library made from a header and a source."""
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(root + '/include/kettle')
        with open(root + '/include/kettle/task.h', 'w', encoding='utf-8') as f:
            f.write(header.replace(' __attribute__((malloc(kt_one, 1)))', ''))
        with open(root + '/a.c', 'w', encoding='utf-8') as f:
            f.write(source)
        library = root + '/libkettle.so.0.1.0'
        subprocess.run(['gcc', '-shared', '-fPIC', '-fvisibility=hidden', f'-I{root}/include',
                        root + '/a.c', '-o', library], check=True)
        with open(root + '/include/kettle/task.h', 'w', encoding='utf-8') as f:
            f.write(header)
        result = subprocess.run([os.path.join(kit.ROOT, 'tools/check-exports'),
                                 root + '/include', library], capture_output=True, text=True)
        return result.returncode, result.stdout


class Exports(unittest.TestCase):
    def test_what_agrees_passes(self):
        self.assertEqual(check(HEADER, SOURCE), (0, '1 passed, 0 failed\n'))

    def test_an_undeclared_export_is_found(self):
        status, output = check(HEADER, SOURCE + 'KT_API int extra(void);\nint extra(void) { return 5; }\n')
        self.assertEqual(status, 1)
        self.assertIn('libkettle: extra: exported, but no header declares it', output)

    def test_a_visible_symbol_of_assembly_is_found(self):
        status, output = check(HEADER, SOURCE + 'asm(".globl leak\\nleak: ret");\n')
        self.assertEqual(status, 1)
        self.assertIn('libkettle: leak: exported', output)

    def test_a_declaration_without_an_export_is_found(self):
        status, output = check(HEADER + 'KT_API int kt_missing(void);\n', SOURCE)
        self.assertEqual(status, 1)
        self.assertIn('libkettle: kt_missing: declared KT_API, but not exported', output)


if __name__ == '__main__':
    kit.main()
