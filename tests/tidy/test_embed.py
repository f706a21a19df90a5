#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What tools/embed.py writes compiles, and holds every byte of the files."""

import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..'))
import kit  # noqa: E402

PROGRAM = '''#include "page.h"
#include <stdio.h>
int main(void)
{
    for (const struct page_file *f = page_files; f->path != NULL; f++) {
        printf("%s %s %s %zu ", f->path, f->content_type, f->etag, f->size);
        for (size_t i = 0; i < f->size; i++)
            printf("%02x", f->data[i]);
        printf("\\n");
    }
    return 0;
}
'''


def embedded(files):
    """One line a file: path, type, etag, size, bytes in hex; as a compiled program sees them."""
    with tempfile.TemporaryDirectory() as root:
        for name, data in files.items():
            with open(os.path.join(root, name), 'wb') as f:
                f.write(data)
        for output in ('page.c', 'page.h'):
            subprocess.run([os.path.join(kit.ROOT, 'tools/embed.py'), 'page',
                            os.path.join(root, output),
                            *(os.path.join(root, name) for name in files)], check=True)
        with open(os.path.join(root, 'main.c'), 'w', encoding='utf-8') as f:
            f.write(PROGRAM)
        subprocess.run(['gcc', '-Wall', '-Wextra', '-Werror', 'main.c', 'page.c', '-o', 'main'],
                       cwd=root, check=True)
        return subprocess.run([os.path.join(root, 'main')], check=True, capture_output=True,
                              text=True).stdout.splitlines()


class Embed(unittest.TestCase):
    def test_every_byte_arrives_in_the_order_given(self):
        every = bytes(range(256))
        lines = embedded({'index.html': every, 'a.css': b'', 'b.js': b'"\\\n'})
        fields = [line.split(' ') for line in lines]
        self.assertEqual([f[0] for f in fields], ['/', '/a.css', '/b.js'])
        self.assertIn('text/html; charset=utf-8 ', lines[0])
        self.assertEqual(bytes.fromhex(fields[0][-1]), every)
        self.assertEqual(fields[1][-2:], ['0', ''])
        self.assertEqual(bytes.fromhex(fields[2][-1]), b'"\\\n')

    def test_the_tag_changes_with_the_content_only(self):
        def tag(data):
            return embedded({'a.svg': data})[0].split(' ')[2]
        self.assertEqual(tag(b'one'), tag(b'one'))
        self.assertNotEqual(tag(b'one'), tag(b'two'))
        self.assertRegex(tag(b'one'), '^"[0-9a-f]{16}"$')


if __name__ == '__main__':
    kit.main()
