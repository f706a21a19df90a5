#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The commands of kettle-notes: what they print, what they leave in folders, and their exit statuses.

usage: test_cli.py KETTLE_NOTES [TEST]...
"""

import csv
import html.parser
import json
import os
import pty
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.dirname(HERE)]
import kit  # noqa: E402

PROGRAM = None
COMMANDS = ('add', 'edit', 'show', 'list', 'search', 'tags', 'rename', 'remove', 'export', 'import', 'pipeline',
            'watch', 'stats', 'serve')
TRICKY = [
    ('Commas, "quotes" & <b>', 'a,b\n"c"\n\nTags: not mine', ['x y', "it's"]),
    ('#hash', '', []),
    ('Emoji 🎉 Ünï', 'zwei\r\nZeilen\r\n', ['日本', 'b']),
    ('=1+1', '  blanks  \n\n\n', ['a']),
]


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='kettle-notes-')
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def run_it(self, *arguments, stdin='', environment=None, **more):
        """(status, standard output, standard error)"""
        env = {k: v for k, v in os.environ.items() if not k.startswith('KETTLE_NOTES')}
        done = subprocess.run([PROGRAM, *arguments], input=stdin.encode(), capture_output=True, timeout=120,
                              cwd=self.folder, env={**env, 'TZ': 'UTC', **(environment or {})}, **more)
        return done.returncode, done.stdout.decode(errors='replace'), done.stderr.decode(errors='replace')

    def ok(self, *arguments, **more):
        status, out, err = self.run_it(*arguments, **more)
        self.assertEqual((status, err), (0, ''), out)
        return out

    def write(self, name, data):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as f:
            f.write(data if isinstance(data, bytes) else data.encode())

    def read(self, name):
        with open(self.path(name), encoding='utf-8', newline='') as f:
            return f.read()

    def files(self, name=''):
        """Paths below a folder."""
        top = self.path(name)
        return sorted(os.path.relpath(os.path.join(folder, f), top)
                      for folder, _, names in os.walk(top) for f in names)

    def three(self):
        for title, body, tags in (('Python Basics', 'Variables and types.', 'python'),
                                  ('Async Intro', 'Coroutines and await.', 'python, async'),
                                  ('CLI Tools', 'Building with argparse.', 'python, cli')):
            self.write(f'notes/{title.lower().replace(" ", "-")}.md', f'# {title}\n\n{body}\n\nTags: {tags}\n')

    def many(self, count, folder='notes'):
        for i in range(count):
            self.write(f'{folder}/note-{i}.md', f'# Note {i}\n\nBody for note {i}\n\nTags: test\n')

    def tricky(self):
        for title, body, tags in TRICKY:
            self.ok('add', title, '--body', body, *[a for tag in tags for a in ('--tag', tag)])

    def all_json(self, *arguments):
        listed = json.loads(self.ok(*arguments, 'list', '--json'))
        shown = self.ok(*arguments, 'show', '--json', *[note['name'] for note in listed])
        return {note.pop('name'): note for note in map(json.loads, shown.splitlines())}


# ---- usage ---------------------------------------------------------------------------------------------------

class Usage(Case):
    def test_help_is_there_for_the_program_and_each_command(self):
        for arguments in (['--help'], *([c, '--help'] for c in COMMANDS)):
            out = self.ok(*arguments)
            self.assertIn('usage: kettle-notes', out)
            self.assertLessEqual(max(map(len, out.splitlines())), 100)

    def test_help_tells_of_the_commands_and_exit_statuses(self):
        out = self.ok('--help')
        for command in COMMANDS:
            self.assertRegex(out, rf'(?m)^  {command}\b')
        self.assertIn('Exit status', out)

    def test_version(self):
        self.assertRegex(self.ok('--version'), r'^kettle-notes \d+\.\d+\.\d+\n$')

    def test_wrong_usage_is_two_and_says_where_help_is(self):
        for arguments in (['nonsense'], ['--bogus'], [], ['add'], ['add', 'a', 'b'], ['show'], ['rename', 'a'],
                          ['remove'], ['search'], ['import'], ['pipeline', 'a'], ['export', '--format', 'pdf'],
                          ['export', 'a', 'b'], ['export', '--in-flight', '0'], ['list', '--since', 'yesterday'],
                          ['list', '--sort', 'x'], ['serve', 'x'], ['serve', '--listen', 'nowhere'], ['edit']):
            with self.subTest(arguments=arguments):
                status, out, err = self.run_it(*arguments)
                self.assertEqual((status, out), (2, ''), err)
                self.assertIn('--help', err)

    def test_a_folder_that_is_not_there_is_said(self):
        status, out, err = self.run_it('list')
        self.assertEqual((status, out, err), (1, '', "kettle-notes: there is no folder 'notes'\n"))

    def test_the_folder_comes_from_option_or_environment(self):
        self.write('a/x.md', '# In a\n')
        self.write('b/y.md', '# In b\n')
        self.assertIn('In a', self.ok('list', environment={'KETTLE_NOTES_NOTEBOOK': 'a'}))
        self.assertIn('In b', self.ok('-n', 'b', 'list', environment={'KETTLE_NOTES_NOTEBOOK': 'a'}))
        self.assertIn('In b', self.ok('list', '--notebook', 'b'))

    def test_manual_and_page_name_every_command_and_option(self):
        with open(os.path.join(kit.ROOT, 'docs/man/kettle-notes.1'), encoding='utf-8') as f:
            manual = f.read().replace('\\-', '-')
        with open(os.path.join(kit.ROOT, 'docs/kettle-notes.md'), encoding='utf-8') as f:
            page = f.read()
        for command in COMMANDS:
            self.assertIn(f'.SS "{command}', manual)
            self.assertIn(f'kettle-notes {command}', page)
            for option in re.findall(r'(?m)^  (?:-\w, |    )(--[a-z-]+)', self.ok(command, '--help')):
                self.assertIn(option, manual, command)


# ---- one note --------------------------------------------------------------------------------------------------

class Notes(Case):
    def test_add_writes_a_file_and_tells_its_name(self):
        self.assertEqual(self.ok('add', 'Green Tea', '-t', 'tea', '-b', 'At 80 degrees.'), 'Added green-tea\n')
        self.assertRegex(self.read('notes/green-tea.md'),
                         r'^# Green Tea\n\nAt 80 degrees\.\n\nTags: tea\nCreated: 20\d\d-\d\d-\d\dT\S+Z\n$')

    def test_body_from_standard_input(self):
        self.ok('add', 'A', '--body', '-', stdin='one\ntwo\n')
        self.assertTrue(self.read('notes/a.md').startswith('# A\n\none\ntwo\n\nTags:\n'))

    def test_names_do_not_collide(self):
        names = [self.ok('add', title).split()[1] for title in ('Tea', 'tea', 'TEA', '../tea', '', '/', '🎉', 'x' * 300)]
        self.assertEqual(names[:7], ['tea', 'tea-2', 'tea-3', 'tea-4', 'untitled', 'untitled-2', '🎉'])
        self.assertEqual(len(names[7]), 100)
        self.assertEqual(sorted(os.listdir(self.folder)), ['notes'])
        self.assertEqual(len(self.files('notes')), 8)

    def test_what_is_no_note_is_refused(self):
        for arguments in (['a\nb'], ['a', '--tag', 'x\ny'], ['a', '--body', b'\xff']):
            status, out, err = self.run_it('add', *arguments)
            self.assertEqual((status, out), (1, ''))
            self.assertRegex(err, '^kettle-notes: .*(line end|UTF-8)')
        self.assertEqual(self.files('notes'), [])

    def test_show_by_name_file_and_title(self):
        self.three()
        outs = {self.ok('show', which) for which in ('async-intro', 'async-intro.md', 'Async Intro')}
        self.assertEqual(len(outs), 1)
        self.assertIn('Coroutines and await.\n\nTags: python, async\n', outs.pop())
        status, out, err = self.run_it('show', 'nothing', 'cli-tools')
        self.assertEqual(status, 1)
        self.assertIn('argparse', out)
        self.assertEqual(err, "kettle-notes: there is no note 'nothing'\n")

    def test_show_makes_hostile_text_safe(self):
        self.write('notes/x.md', '# a\x1b[31mb\n\n\x07bell\x1b]0;title\x07\n')
        self.assertNotIn('\x1b', self.ok('show', 'x') + self.ok('list') + self.ok('search', 'bell'))

    def test_edit_by_options(self):
        self.three()
        self.ok('edit', 'cli-tools', '--append', 'More.', '-t', 'new', '-t', 'cli', '-u', 'python')
        self.assertTrue(self.read('notes/cli-tools.md').startswith(
            '# CLI Tools\n\nBuilding with argparse.\nMore.\n\nTags: cli, new\nCreated: '))
        self.ok('edit', 'cli-tools', '--body', '-', stdin='other\n')
        self.assertTrue(self.read('notes/cli-tools.md').startswith('# CLI Tools\n\nother\n\nTags: cli, new\n'))

    def test_edit_in_the_editor(self):
        self.three()
        self.write('editor', '#!/bin/sh\n[ "$1" = --wait ] && printf "# New\\n\\nby hand\\n" > "$2"\n')
        os.chmod(self.path('editor'), 0o755)
        editor = {'EDITOR': self.path('editor') + ' --wait', 'VISUAL': ''}
        self.assertEqual(self.ok('edit', 'cli-tools', environment=editor), 'Edited cli-tools\n')
        self.assertEqual(json.loads(self.ok('show', '--json', 'cli-tools'))['body'], 'by hand')
        status, _, err = self.run_it('edit', 'cli-tools', environment={'VISUAL': 'false'})
        self.assertEqual((status, err), (1, "kettle-notes: the editor 'false' ended with status 1\n"))

    def test_an_editor_that_breaks_a_note_is_told_of(self):
        self.three()
        status, _, err = self.run_it('edit', 'cli-tools', environment={'VISUAL': "printf '# x\\n\\377\\n' >"})
        self.assertEqual((status, err), (1, 'kettle-notes: notes/cli-tools.md: line 2, byte 1: not UTF-8\n'))

    def test_rename_and_remove(self):
        self.three()
        self.assertEqual(self.ok('rename', 'CLI Tools', 'Async Intro'), 'Renamed to async-intro-2\n')
        self.assertEqual(self.files('notes'), ['async-intro-2.md', 'async-intro.md', 'python-basics.md'])
        self.assertTrue(self.read('notes/async-intro-2.md').startswith('# Async Intro\n\nBuilding'))
        self.assertEqual(self.ok('remove', 'python-basics', 'async-intro-2'),
                         'Removed python-basics\nRemoved async-intro-2\n')
        self.assertEqual(self.files('notes'), ['async-intro.md'])
        status, _, err = self.run_it('remove', '../../etc/passwd', 'gone')
        self.assertEqual((status, err.count('there is no note')), (1, 2))

    def test_several_notes_of_one_title_must_be_told_apart(self):
        self.write('notes/a.md', '# Same\n')
        self.write('notes/b.md', '# Same\n')
        status, _, err = self.run_it('remove', 'Same')
        self.assertEqual(status, 1)
        self.assertIn("several notes have the title 'Same'", err)
        self.assertEqual(len(self.files('notes')), 2)


# ---- lists -----------------------------------------------------------------------------------------------------

class Lists(Case):
    def test_headings_of_a_folder(self):
        self.three()
        self.write('notes/readme.txt', '# No note\n')
        self.assertEqual(self.ok('list', '--headings'),
                         'async-intro.md: # Async Intro\ncli-tools.md: # CLI Tools\n'
                         'python-basics.md: # Python Basics\n')

    def test_filters(self):
        self.three()
        os.utime(self.path('notes/cli-tools.md'), (0, 1763692891))
        names = lambda *o: [n['name'] for n in json.loads(self.ok('list', '--json', *o))]  # noqa: E731
        self.assertEqual(names('-t', 'python', '-t', 'async'), ['async-intro'])
        self.assertEqual(names('--until', '2025-11-22'), ['cli-tools'])
        self.assertEqual(names('--since', '2025-11-22'), ['async-intro', 'python-basics'])
        self.assertEqual(names('--text', 'ARGPARSE'), ['cli-tools'])
        self.assertEqual(names('--sort', 'changed')[-1], 'cli-tools')
        self.assertEqual(names('--sort', 'title', '--reverse', '--limit', '1'), ['python-basics'])
        self.assertEqual(names('-t', 'nobody'), [])

    def test_list_shows_columns(self):
        self.three()
        os.utime(self.path('notes/cli-tools.md'), (0, 1763692891))
        self.assertIn('cli-tools      2025-11-21 02:41  CLI Tools  python, cli\n', self.ok('list'))

    def test_search_is_ranked(self):
        self.three()
        found = [line.split()[-1] for line in self.ok('search', 'python').splitlines() if not line.startswith('    ')]
        self.assertEqual(found[0], 'python-basics')
        self.assertEqual(len(found), 3)
        self.assertIn('    Building with argparse.', self.ok('search', 'argparse'))
        data = json.loads(self.ok('search', '--json', '--limit', '1', 'python', 'coroutines'))
        self.assertEqual((data['found'], [h['name'] for h in data['hits']]), (3, ['async-intro']))

    def test_tags_and_stats(self):
        self.three()
        self.assertEqual(self.ok('tags'), '     3  python\n     1  async\n     1  cli\n')
        stats = json.loads(self.ok('stats', '--json'))
        self.assertEqual((stats['notes'], stats['untagged'], len(stats['tags'])), (3, 0, 3))
        self.assertIn('Notes       3\n', self.ok('stats'))

    def test_a_note_that_is_not_utf8_is_named_and_the_rest_is_listed(self):
        self.three()
        self.write('notes/bad.md', b'# Bad\n\nok \xff\n')
        for command in ('list', 'stats'):
            status, out, err = self.run_it(command)
            self.assertEqual((status, err), (1, 'kettle-notes: bad.md: line 3, byte 4: not UTF-8\n'))
            self.assertIn('3' if command == 'stats' else 'CLI Tools', out)


    def test_a_file_whose_name_is_not_utf8_is_told_of(self):
        self.three()
        with open(os.path.join(self.path('notes').encode(), b'caf\xe9.md'), 'wb') as f:
            f.write(b'text without a title\n')
        for command in (['list'], ['export'], ['show', b'caf\xe9']):
            status, _, err = self.run_it(*command)
            self.assertEqual(status, 1, command)
            self.assertRegex(err, r"^kettle-notes: (caf\?\.md: the file's name is not UTF-8|"
                                  r"there is no note 'caf\?')\n$")
        failures = json.loads(self.run_it('export', '--json')[1])['failures']
        self.assertEqual(failures, [{'path': 'notes/caf?.md', 'error': "caf?.md: the file's name is not UTF-8"}])


# ---- many files --------------------------------------------------------------------------------------------------

class Export(Case):
    def test_three_notes_are_nine_files(self):
        self.three()
        self.assertRegex(self.ok('export'), r'^Exported 9 files in \d\.\d\ds\n$')
        self.assertEqual(self.files('export_output'), sorted(
            f'{f}/{name}.{f}' for f in ('csv', 'json', 'md') for name in ('async-intro', 'cli-tools', 'python-basics')))
        self.assertEqual(self.read('export_output/md/python-basics.md'),
                         '# Python Basics\n\nVariables and types.\n\nTags: python\n')

    def test_a_note_that_was_added_looks_the_same(self):
        self.ok('add', 'Python Basics', '--body', 'Variables and types.', '--tag', 'python')
        self.ok('export', '--format', 'md')
        self.assertEqual(self.read('export_output/md/python-basics.md'),
                         '# Python Basics\n\nVariables and types.\n\nTags: python\n')

    def test_any_subset_of_formats(self):
        self.three()
        self.assertIn('Exported 3 files', self.ok('export', 'a', '--format', 'md'))
        self.assertIn('Exported 6 files', self.ok('export', 'b', '-f', 'csv,html'))
        self.assertIn('Exported 12 files', self.ok('export', 'c', '-f', 'all'))
        self.assertEqual(os.listdir(self.path('a')), ['md'])

    def test_nothing_is_made_of_nothing(self):
        os.mkdir(self.path('notes'))
        self.assertIn('Exported 0 files', self.ok('export'))
        self.assertFalse(os.path.exists(self.path('export_output')))

    def test_twenty_notes_are_sixty_files_and_a_ratio_is_told(self):
        self.many(20)
        self.assertRegex(self.ok('export'), r'^Exported 60 files in 0\.\d\ds\n$')
        out = self.ok('export', '--compare')
        self.assertRegex(out, r'Exported 60 files in \d\.\d\ds, one after the other\nExported 60 files in \d\.\d\ds\n'
                              r'One after the other takes \d+\.\d times as long')

    def test_a_thousand_notes_with_sixty_four_descriptors(self):
        self.many(1000)
        limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))  # noqa: E731
        for driver in ('epoll', 'uring'):
            out = self.ok('export', driver, '--format', 'all', preexec_fn=limit, environment={'KETTLE_DRIVER': driver})
            self.assertRegex(out, '^Exported 4000 files')
            self.assertEqual(len(self.files(driver)), 4000)
            self.assertIn('Imported 1000 notes', self.ok('-n', 'n' + driver, 'import', driver, preexec_fn=limit))

    def test_csv_json_and_html_are_read_by_other_programs(self):
        self.tricky()
        self.ok('export', '--format', 'all')
        wanted = {title: (body, tags) for title, body, tags in TRICKY}
        found = {'csv': {}, 'json': {}, 'html': {}}
        for name in self.files('export_output/csv'):
            with open(self.path('export_output/csv', name), encoding='utf-8', newline='') as f:
                rows = list(csv.DictReader(f, strict=True))
            self.assertEqual(len(rows), 1)
            self.assertEqual(list(rows[0]), ['title', 'body', 'tags', 'created', 'changed'])
            found['csv'][rows[0]['title']] = (rows[0]['body'], rows[0]['tags'].split(',') if rows[0]['tags'] else [])
        for name in self.files('export_output/json'):
            note = json.loads(self.read('export_output/json/' + name))
            found['json'][note['title']] = (note['body'], note['tags'])
        for name in self.files('export_output/html'):
            page = Page(self.read('export_output/html/' + name))
            self.assertEqual(page.title, page.h1)
            found['html'][page.h1] = (page.body, page.tags)
        for name, notes in found.items():
            self.assertEqual(notes, wanted, name)

    def test_what_fails_is_named_and_the_rest_goes_on(self):
        self.three()
        self.write('notes/bad.md', b'\xff')
        os.makedirs(self.path('export_output/md/cli-tools.md'))
        status, out, err = self.run_it('export')
        self.assertEqual(status, 1)
        self.assertRegex(out, r'^Exported 8 files in \d\.\d\ds, 2 failed\n$')
        self.assertEqual(sorted(err.splitlines()), [
            'kettle-notes: bad.md: line 1, byte 1: not UTF-8',
            'kettle-notes: export_output/md/cli-tools.md: open: Is a directory'])
        self.assertEqual(len(self.files('export_output')), 8)

    def test_a_folder_that_cannot_be_made_is_said(self):
        self.three()
        self.write('taken', 'a file')
        status, _, err = self.run_it('export', 'taken')
        self.assertEqual(status, 1)
        self.assertRegex(err, r'^kettle-notes: .*taken.*\n$')

    def test_json_summary(self):
        self.three()
        self.write('notes/bad.md', b'\xff')
        status, out, err = self.run_it('export', '--json')
        data = json.loads(out)
        self.assertEqual((status, err), (1, ''))
        self.assertEqual({k: data[k] for k in ('notes', 'files', 'failed', 'unchanged')},
                         {'notes': 3, 'files': 9, 'failed': 1, 'unchanged': 0})
        self.assertEqual([f['error'] for f in data['failures']], ['bad.md: line 1, byte 1: not UTF-8'])
        self.assertGreater(data['bytes'], 0)

    def test_ctrl_c_leaves_no_half_written_file(self):
        body = 'x' * 20000 + '\n'
        for i in range(1500):
            self.write(f'notes/{i}.md', f'# Note {i}\n\n{body}\nTags: end\n')
        out_folder = self.path('export_output/md')
        process = subprocess.Popen([PROGRAM, 'export', '--format', 'md', '--in-flight', '4'], cwd=self.folder,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        until(lambda: os.path.isdir(out_folder) and len(os.listdir(out_folder)) > 20)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out, err), (130, b'', b''))
        names = self.files('export_output')
        self.assertTrue(20 < len(names) < 1500, len(names))
        for name in names:
            self.assertTrue(name.endswith('.md') and os.path.basename(name)[0] != '.', name)
            self.assertTrue(self.read('export_output/' + name).endswith('\nTags: end\n'), name)

    def test_progress_is_shown_on_a_terminal_only(self):
        self.many(50)
        leader, follower = pty.openpty()
        done = subprocess.run([PROGRAM, 'export'], cwd=self.folder, stdin=follower, stdout=subprocess.PIPE,
                              stderr=follower, env={**os.environ, 'TERM': 'xterm', 'COLUMNS': '80'}, timeout=60)
        os.close(follower)
        shown = b''
        try:
            while chunk := os.read(leader, 65536):
                shown += chunk
        except OSError:
            pass  # the other end is closed
        os.close(leader)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(shown.decode(), r'export.*150/150')
        self.assertNotIn(b'export ', done.stdout)


class Page(html.parser.HTMLParser):
    """The parts of an exported page as a browser sees them."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.parts, self.open, self.tags = {}, None, []
        self.feed(text)

    title = property(lambda self: self.parts.get('title', ''))
    h1 = property(lambda self: self.parts.get('h1', ''))
    body = property(lambda self: self.parts.get('div', ''))

    def handle_starttag(self, tag, attrs):
        assert tag != 'script'
        self.open = tag
        if tag == 'li':
            self.tags.append('')

    def handle_endtag(self, tag):
        self.open = None

    def handle_data(self, data):
        if self.open == 'li':
            self.tags[-1] += data
        elif self.open:
            self.parts[self.open] = self.parts.get(self.open, '') + data


class Import(Case):
    def test_notes_come_back_identical_from_every_format(self):
        self.tricky()
        notes = self.all_json()
        self.assertEqual({n['title']: (n['body'], n['tags']) for n in notes.values()},
                         {t: (b, g) for t, b, g in TRICKY})
        self.ok('export', '--format', 'all')
        for f in ('md', 'json', 'csv', 'html'):
            self.assertRegex(self.ok('-n', 'from-' + f, 'import', '--format', f, 'export_output'),
                             r'^Imported 4 notes in \d\.\d\ds\n$')
            self.assertEqual(self.all_json('-n', 'from-' + f), notes, f)
            for name in self.files('notes'):
                self.assertEqual(self.read(f'from-{f}/{name}'), self.read('notes/' + name))

    def test_importing_again_adds_nothing(self):
        self.three()
        self.ok('export')
        self.assertRegex(self.ok('import', 'export_output'), '^Imported 0 notes in .*, 3 were there already\n$')
        self.assertEqual(len(self.files('notes')), 3)

    def test_files_that_python_wrote(self):
        with open(self.path('table.csv'), 'w', encoding='utf-8', newline='') as f:
            writer = csv.writer(f)
            writer.writerow(['title', 'tags', 'body'])
            for title, body, tags in TRICKY:
                writer.writerow([title, ','.join(tags), body])
        with open(self.path('list.json'), 'w', encoding='utf-8') as f:
            json.dump([{'title': t, 'body': b, 'tags': g} for t, b, g in TRICKY], f)
        self.assertIn('Imported 4 notes', self.ok('import', 'table.csv'))
        self.assertIn('Imported 0 notes', self.ok('import', 'list.json'))
        self.assertEqual({n['title']: (n['body'], n['tags']) for n in self.all_json().values()},
                         {t: (b, g) for t, b, g in TRICKY})

    def test_what_cannot_be_read_is_named_and_the_rest_goes_on(self):
        self.write('in/a.json', '{"title": "A"}')
        self.write('in/b.json', '{"title": ')
        self.write('in/c.csv', 'title\n"x')
        status, out, err = self.run_it('import', 'in', 'nowhere')
        self.assertEqual(status, 1)
        self.assertRegex(out, '^Imported 1 notes in .*, 2 failed\n$')
        self.assertRegex(err, r'in/b\.json: line 1, column \d+: not valid JSON')
        self.assertIn('in/c.csv: line 2: a quoted field that does not end\n', err)
        self.assertIn("there is no file or folder 'nowhere'", err)

    def test_front_matter_is_read_and_the_documents_form_written(self):
        self.write('in/x.md', '---\ntitle: From "outside"\ntags: [a, b]\n---\n\nText\n')
        self.ok('import', 'in')
        self.assertTrue(self.read('notes/from-outside.md').startswith('# From "outside"\n\nText\n\nTags: a, b\n'))


class Pipeline(Case):
    def test_five_notes(self):
        self.many(5)
        self.assertEqual(self.ok('pipeline', 'notes', 'out'), 'Pipeline complete: 5 notes processed\n')
        self.assertEqual(self.files('out'), self.files('notes'))
        self.assertEqual(self.read('out/note-3.md'), self.read('notes/note-3.md'))

    def test_a_tag_lets_some_through(self):
        self.three()
        self.assertEqual(self.ok('pipeline', 'notes', 'out', '--tag', 'cli'), 'Pipeline complete: 1 notes processed\n')
        self.assertEqual(self.files('out'), ['cli-tools.md'])

    def test_one_folder_is_not_two(self):
        self.three()
        status, _, err = self.run_it('pipeline', 'notes', './notes')
        self.assertEqual((status, err), (1, "kettle-notes: 'notes' and './notes' are one folder\n"))


class Watch(Case):
    def setUp(self):
        super().setUp()
        self.three()
        self.process = subprocess.Popen([PROGRAM, 'watch', '--format', 'md,json'], cwd=self.folder,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.end)
        self.assertRegex(self.process.stdout.readline(), '^Exported 6 files')

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def has(self, *names):
        """Waits until the export has just these notes, in both formats."""
        wanted = sorted(f'{f}/{name}.{f}' for f in ('json', 'md') for name in names)
        until(lambda: self.files('export_output') == wanted)

    def test_what_changes_is_exported_again(self):
        self.ok('add', 'Tea', '--body', 'green')
        self.has('async-intro', 'cli-tools', 'python-basics', 'tea')
        self.ok('edit', 'tea', '--body', 'black')
        until(lambda: 'black' in self.read('export_output/json/tea.json'))
        self.ok('rename', 'tea', 'Coffee')
        self.has('async-intro', 'cli-tools', 'coffee', 'python-basics')
        self.ok('remove', 'coffee', 'cli-tools')
        self.has('async-intro', 'python-basics')

    def test_other_editors_and_moves_are_seen(self):
        self.write('notes/new.md', '# By hand\n')
        self.has('async-intro', 'by-hand', 'cli-tools', 'python-basics')
        os.rename(self.path('notes/new.md'), self.path('notes/moved.md'))
        self.write('elsewhere.md', '# From elsewhere\n')
        os.rename(self.path('elsewhere.md'), self.path('notes/cli-tools.md'))
        self.has('async-intro', 'by-hand', 'from-elsewhere', 'python-basics')
        self.write('notes/.hidden.md', '# Hidden\n')
        self.write('notes/readme.txt', 'no note')
        os.rename(self.path('notes/moved.md'), self.path('gone.md'))
        self.has('async-intro', 'from-elsewhere', 'python-basics')

    def test_a_note_that_breaks_is_told_of_and_its_last_export_stays(self):
        self.write('notes/cli-tools.md', b'# CLI\n\xff\n')
        self.assertRegex(self.process.stdout.readline(), '^Exported 0 files in .*, 1 failed\n$')
        self.has('async-intro', 'cli-tools', 'python-basics')
        self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=30)
        self.assertEqual((self.process.returncode, err),
                         (0, 'kettle-notes: notes/cli-tools.md: line 2, byte 1: not UTF-8\n'))

    def test_a_folder_that_goes_ends_it(self):
        shutil.rmtree(self.path('notes'))
        _, err = self.process.communicate(timeout=30)
        self.assertEqual((self.process.returncode, err), (1, "kettle-notes: the folder 'notes' is gone\n"))


@unittest.skipIf(os.environ.get('KETTLE_SLOW'), 'sanitizers keep memory')
class Memory(Case):
    def test_it_does_not_grow_with_the_notebook(self):
        body = 'kettle ' * 10000
        for i in range(1200):  # 84 MB
            self.write(f'notes/{i}.md', f'# Note {i}\n\n{body}\n\nTags: t\n')
        for arguments in (['export', '--format', 'md'], ['-n', 'copy', 'import', 'export_output'], ['list'], ['stats'],
                          ['search', 'kettle'], ['pipeline', 'notes', 'other']):
            before = subprocess.Popen([PROGRAM, *arguments], cwd=self.folder, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(before.pid, 0)
            before.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(before.returncode, 0)
            self.assertLess(usage.ru_maxrss, 48 * 1024, arguments)


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'not in time'
        time.sleep(0.005)


if __name__ == '__main__':
    PROGRAM = os.path.realpath(sys.argv.pop(1))
    kit.main()
