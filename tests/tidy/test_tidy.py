#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every rule of tools/tidy can fail: each case is a small tree and the findings it must give."""

import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..'))
import kit  # noqa: E402

SPDX = '/* SPDX-License-Identifier: MIT */\n'
MESON = '# SPDX-License-Identifier: MIT\n'


def source(body, path='src/core/a.c'):
    """A tree of one listed source."""
    folder, name = os.path.split(path)
    return {path: SPDX + body, folder + '/meson.build': MESON + f"x = files('{name}')\n"}


def header(body, name='task.h'):
    return {'include/kettle/' + name: SPDX + body}


def tidy(files, *options):
    """(findings as 'path:line: rule', whole output) of tools/tidy over a tree."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), 'w', encoding='utf-8') as f:
                f.write(text)
        result = subprocess.run([os.path.join(kit.ROOT, 'tools/tidy'), '--root', root, *options],
                                capture_output=True, text=True)
    found = [': '.join(line.split(': ')[:2]) for line in result.stdout.splitlines()[:-1]]
    if (result.returncode == 0) != (not found):
        raise AssertionError(f'status {result.returncode} with {result.stdout}{result.stderr}')
    return found, result.stdout


class Tidy(unittest.TestCase):
    def expect(self, files, *wanted, rules=()):
        options = [part for rule in rules for part in ('--rule', rule)]
        found, output = tidy(files, *options)
        self.assertEqual(found, list(wanted), output)

    def test_a_clean_tree_passes(self):
        files = source('#include "b.h"\n#include <kettle/base.h>\n\nint f(int x)\n{\n'
                       '    return x;\n}\n')
        files['src/core/b.h'] = SPDX
        files.update(header('#define KT_API __attribute__((visibility("default")))\n'
                            '/* Says what it does. */\nKT_API int f(int x);\n'))
        files['README.md'] = '# K\n\n```c\nint main(void)\n{\n    return 0;\n}\n```\n'
        self.expect(files)

    def test_a_layer_may_not_look_up(self):
        files = source('#include "http/parser.h"\n')
        files['src/http/parser.h'] = SPDX
        self.expect(files, 'src/core/a.c:2: layers')

    def test_a_layer_may_not_look_up_by_a_relative_path(self):
        files = source('#include "../io/stream.h"\n')
        files['src/io/stream.h'] = SPDX
        self.expect(files, 'src/core/a.c:2: layers')

    def test_a_public_header_may_not_look_up(self):
        self.expect(header('#include <kettle/task.h>\n', 'base.h') | header('', 'task.h'),
                    'include/kettle/base.h:2: layers', rules=['layers'])

    def test_the_library_may_not_use_the_test_kit(self):
        self.expect(source('#include <kettle/test.h>\n'), 'src/core/a.c:2: layers')

    def test_an_example_may_not_include_private_headers(self):
        files = source('#include "core/b.h"\n', 'examples/tea.c')
        files['src/core/b.h'] = SPDX
        self.expect(files, 'examples/tea.c:2: layers')

    def test_a_public_header_needs_a_layer(self):
        self.expect(header('', 'surprise.h'), 'include/kettle/surprise.h:1: layers')

    def test_a_source_folder_needs_a_layer(self):
        self.expect(source('int x;\n', 'src/misc/a.c'), 'src/misc/a.c:1: layers')

    def test_a_long_file_is_found(self):
        self.expect(source('int x;\n' * 599))
        self.expect(source('int x;\n' * 600), 'src/core/a.c:601: file-length')

    def test_a_long_function_is_found(self):
        for head in ('int f(void)\n{\n', 'TEST(f) {\n', 'KT_FN(f, a, struct { int n; })\n{\n'):
            self.expect(source(head + '    g();\n' * 69 + '}\n'))
            line = 2 + (head.count('\n') == 2)
            self.expect(source(head + '    g();\n' * 70 + '}\n'),
                        f'src/core/a.c:{line}: function-length')

    def test_two_functions_are_not_taken_for_one(self):
        self.expect(source(('int f(void)\n{\n' + '    g();\n' * 40 + '}\n') * 2))

    def test_columns_and_blanks_are_found(self):
        self.expect(source('int x; /* ' + 'a' * 108 + ' */\n'), 'src/core/a.c:2: columns')
        self.expect(source('int x; \n\tint y;\n'),
                    'src/core/a.c:2: columns', 'src/core/a.c:3: columns')

    def test_an_export_without_a_comment_is_found(self):
        found = 'include/kettle/task.h:4: documented'
        self.expect(header('/* Far away. */\n\nKT_API int f(void);\n'), found, rules=['documented'])

    def test_a_comment_serves_a_run_of_exports_up_to_a_blank_line(self):
        body = '/* Both. */\nKT_API int f(void);\nKT_API int g(int a,\n             int b);\n'
        self.expect(header(body), rules=['documented'])
        self.expect(header(body + '\nKT_API int h(void);\n'), 'include/kettle/task.h:7: documented',
                    rules=['documented'])

    def test_banned_calls_are_found(self):
        for call in ('strcpy(a, b)', 'sprintf(a, b)', 'atoi(a)', 'system(a)', 'setjmp(a)'):
            self.expect(source(f'int f(void)\n{{\n    {call};\n}}\n'), 'src/core/a.c:4: banned')
            self.expect(source(f'int f(void)\n{{\n    {call};\n}}\n', 'tests/core/test_a.c'),
                        'tests/core/test_a.c:4: banned')

    def test_the_library_may_not_print_exit_or_allocate_past_kt_alloc(self):
        for call in ('printf("x")', 'exit(1)', 'malloc(3)', 'free(a)', 'strdup(a)'):
            self.expect(source(f'int f(void)\n{{\n    {call};\n}}\n'), 'src/core/a.c:4: banned')
            self.expect(source(f'int f(void)\n{{\n    {call};\n}}\n', 'tests/core/test_a.c'))

    def test_words_in_comments_strings_members_and_longer_names_are_not_calls(self):
        self.expect(source('/* strcpy(a) */\nint f(void)\n{\n    g("atoi(x)");\n    o->free(a);\n'
                           '    o.exit(a);\n    kt_free(a);\n    kt__strcpy(a);\n}\n'))

    def test_a_banned_call_may_be_excused_by_name_and_reason(self):
        call = 'int f(void)\n{{\n    free(a); /* tidy: {} */\n}}\n'
        self.expect(source(call.format("free: jansson's")))
        self.expect(source(call.format('malloc: another')), 'src/core/a.c:4: banned')

    def test_a_missing_licence_line_is_found(self):
        for path in ('tools/a.py', 'src/core/b.h', 'programs/p/page/a.js', 'programs/p/page/a.css'):
            self.expect({path: 'x\n'}, f'{path}:1: spdx', rules=['spdx'])
        self.expect({'tools/run': '#!/bin/sh\nx\n'}, 'tools/run:1: spdx')
        self.expect({'tools/data': 'x\n'})


    def test_unfinished_work_is_found(self):
        for word in ('TO' + 'DO', 'FIX' + 'ME'):
            self.expect(source(f'int x; /* {word}: more */\n'), 'src/core/a.c:2: unfinished')
            self.expect({'README.md': f'{word}\n'}, 'README.md:1: unfinished')

    def test_a_source_outside_the_build_is_found(self):
        files = source('int x;\n')
        files['src/core/b.c'] = SPDX
        self.expect(files, 'src/core/b.c:1: listed')

    def test_a_test_is_listed_by_its_module(self):
        tree = {'tests/core/test_a.c': SPDX, 'tests/core/meson.build': MESON + "t = ['a']\n"}
        self.expect(tree)
        tree['tests/core/test_ba.c'] = SPDX
        self.expect(tree, 'tests/core/test_ba.c:1: listed')

    def test_a_sample_that_does_not_compile_is_found(self):
        readme = '# K\n\n```c\nint main(void)\n{\n    return x;\n}\n```\n'
        found, output = tidy({'docs/a.md': readme})
        self.assertIn('docs/a.md:6: samples-compile', found, output)

    def test_a_sample_that_warns_is_found(self):
        readme = '# K\n\n```c\nint main(void)\n{\n    int unused;\n    return 0;\n}\n```\n'
        found, output = tidy({'docs/a.md': readme})
        self.assertIn('docs/a.md:6: samples-compile', found, output)

    def test_a_fragment_is_not_compiled(self):
        self.expect({'docs/a.md': '```c\nreturn x;\n```\n'})

    def test_an_excerpt_must_stand_in_its_file(self):
        for block, found in (('one\ntwo\n', []), ('two\nthree\n', []), ('one\nthree\n', [1]),
                             ('ne\ntwo\n', [1]), ('', [1])):
            files = {'docs/a.md': f'```text examples/a.expected\n{block}```\n',
                     'examples/a.expected': 'one\ntwo\nthree\n'}
            self.expect(files, *(f'docs/a.md:{line}: excerpts' for line in found), rules=['excerpts'])

    def test_an_excerpt_names_a_file_that_exists(self):
        self.expect({'docs/a.md': '\n```c examples/a.c\nint a;\n```\n'}, 'docs/a.md:2: excerpts')

    def test_code_in_the_tutorial_is_an_excerpt(self):
        block = '```c\nint a;\n```\n```sh\nls\n```\n'
        self.expect({'docs/a.md': block})
        self.expect({'docs/tutorial.md': block}, 'docs/tutorial.md:1: excerpts')

    def test_a_header_that_does_not_stand_alone_is_found(self):
        found, output = tidy(header('size_t f;\n'))
        self.assertIn('include/kettle/task.h:2: headers-compile', found, output)

    def test_a_header_that_is_no_cpp_is_found(self):
        found, output = tidy(header('typedef int class;\n'))
        self.assertEqual(set(found), {'include/kettle/task.h:2: headers-compile'}, output)

    def test_headers_that_do_not_go_together_are_found(self):
        files = {**header('struct k { int a; };\n', 'a.h'), **header('struct k { int b; };\n', 'b.h')}
        found, output = tidy(files, '--rule', 'headers-compile')
        self.assertEqual(set(found), {f'include/kettle/{name}.h:2: headers-compile' for name in 'ab'}, output)

    def test_headers_go_together_in_either_order(self):
        first = '#ifndef A_H\n#define A_H\nenum { K };\n#endif\n'
        second = '#ifndef A_H\nstruct k { int a; };\n#else\n#error b.h first\n#endif\n'
        for names in ('a.h', 'b.h'), ('b.h', 'a.h'):
            files = {**header(first, names[0]), **header(second, names[1])}
            found, output = tidy(files, '--rule', 'headers-compile')
            self.assertIn(f'include/kettle/{names[1]}:5: headers-compile', found, output)


if __name__ == '__main__':
    kit.main()
