#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The page of 'kettle-notes serve' in a browser: what a reader sees and can do, and what hostile notes cannot.

usage: test_page.py KETTLE_NOTES [TEST]...
"""

import os
import sys
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE), os.path.join(os.path.dirname(HERE), 'jobs')]
import kit  # noqa: E402
import webdriver  # noqa: E402
from notes_server import Server, until  # noqa: E402

PROGRAM = None
HOSTILE = '<img src=x onerror="document.title=\'broken\'"><script>document.title="broken"</script>\u202etxt'


def setUpModule():
    if webdriver.missing():
        raise unittest.SkipTest(webdriver.missing())
    global driver, browser
    driver = webdriver.Driver()
    unittest.addModuleCleanup(driver.close)
    browser = webdriver.Browser(driver)
    unittest.addModuleCleanup(browser.close)


class Page(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(Server(PROGRAM))
        browser.get('about:blank')
        browser.faults()
        browser.size(1200, 800)
        browser.scheme('light')

    def tearDown(self):
        self.assertEqual([f for f in browser.faults() if '409' not in f and '404' not in f], [])

    def open(self, fragment=''):
        browser.get('about:blank')
        browser.get(f'{self.server.url}/{fragment}')

    def shows(self, selector, text):
        return until(lambda: text in (browser.text(selector) or ''), f'{selector} shows {text!r}')

    def titles(self):
        return browser.run("return [...document.querySelectorAll('#list strong')].map((e) => e.textContent)")

    def lists(self, *titles):
        until(lambda: self.titles() == list(titles), f'the list is {titles}')

    def test_an_empty_notebook_says_so_and_the_first_note_is_written(self):
        self.open()
        self.shows('#list-empty', 'No notes yet.')
        browser.click('header .main')
        browser.wait('the form', "return !document.getElementById('form').hidden")
        browser.type('#f-title', 'Green Tea')
        browser.type('#f-body', 'At 80 degrees.\nThree minutes.')
        browser.type('#f-tags', 'tea, hot,tea')
        browser.click('#form-save')
        self.shows('#note-title', 'Green Tea')
        self.shows('#note-body', 'At 80 degrees.\nThree minutes.')
        self.lists('Green Tea')
        self.assertTrue(self.server.read('green-tea.md').startswith(
            '# Green Tea\n\nAt 80 degrees.\nThree minutes.\n\nTags: tea, hot\n'))
        self.assertEqual(browser.run('return document.title'), 'Green Tea – Kettle notes')

    def test_a_note_is_edited_and_another_title_is_another_address(self):
        self.server.add('Old', 'text', ['a'])
        self.open('#note/old')
        self.shows('#note-title', 'Old')
        browser.click('#note-edit')
        browser.wait('the form', "return document.getElementById('f-title').value === 'Old'")
        browser.type('#f-title', 'New')
        browser.click('#form-save')
        self.shows('#note-title', 'New')
        self.assertEqual(browser.run('return location.hash'), '#note/new')
        self.assertEqual(self.server.files(), ['new.md'])
        self.assertTrue(self.server.read('new.md').startswith('# New\n\ntext\n\nTags: a\n'))

    def test_a_change_by_another_editor_is_not_lost(self):
        self.server.add('Tea', 'one')
        self.open('#edit/tea')
        browser.wait('the form', "return document.getElementById('f-body').value === 'one'")
        self.server.write('tea.md', '# Tea\n\nby another editor\n')
        browser.type('#f-body', 'mine')
        browser.click('#form-save')
        self.shows('#form-wrong', 'changed elsewhere')
        self.assertIn('by another editor', self.server.read('tea.md'))
        browser.click('#form-overwrite')
        self.shows('#note-body', 'mine')
        self.assertIn('mine', self.server.read('tea.md'))

    def test_windows_lines_stay_where_the_text_is_not_touched(self):
        self.server.write('w.md', '# W\r\n\r\none\r\ntwo\r\n\r\nTags: a\r\n')
        self.open('#edit/w')
        browser.wait('the form', "return document.getElementById('f-tags').value === 'a'")
        browser.type('#f-tags', 'b')
        browser.click('#form-save')
        self.shows('#note-tags', 'b')
        self.assertTrue(self.server.read('w.md').startswith('# W\n\none\r\ntwo\n\nTags: b\n'))

    def test_removing_asks_twice(self):
        self.server.add('Tea')
        self.open('#note/tea')
        self.shows('#note-title', 'Tea')
        browser.click('#note-remove')
        self.shows('#note-remove', 'Remove for good')
        self.assertEqual(self.server.files(), ['tea.md'])
        browser.click('#note-remove')
        self.shows('#list-empty', 'No notes yet.')
        self.assertEqual(self.server.files(), [])

    def test_search_and_tags_narrow_the_list(self):
        self.server.add('Tea', 'hot', ['drink'])
        self.server.add('Bread', 'warm', ['food'])
        self.open()
        until(lambda: len(self.titles()) == 2)
        browser.type('#words', 'hot')
        self.lists('Tea')
        browser.click('#list-all')
        until(lambda: len(self.titles()) == 2)
        browser.click('#tags a[href="#tag/food"]')
        self.lists('Bread')
        self.shows('#list-title', 'Tagged food')

    def test_hostile_notes_do_nothing(self):
        name = self.server.add('x' + HOSTILE, HOSTILE, ['<b>'])
        self.open()
        until(lambda: len(self.titles()) == 1)
        self.assertIn('\\u202e', self.titles()[0])
        browser.run("location.hash = '#note/' + encodeURIComponent(arguments[0])", name)
        self.shows('#note-body', '<script>')
        self.assertNotEqual(browser.run('return document.title'), 'broken')
        self.assertEqual(browser.run("return document.querySelectorAll('#main img, #main script, #main b').length"), 0)

    def test_what_cannot_be_read_is_shown(self):
        self.server.write('bad.md', b'# Bad\n\n\xff\n')
        self.open()
        self.shows('#unreadable', 'bad.md: line 3, byte 1: not UTF-8')
        self.open('#note/gone')
        self.shows('#note-wrong', 'there is no note')

    def test_a_phone_shows_the_list_or_a_note_and_nothing_is_cut(self):
        self.server.add('A title that is long enough to need more than one line on a phone ' + 'x' * 60, 'y' * 200)
        for scheme in ('light', 'dark'):
            browser.scheme(scheme)
            browser.size(360, 700, phone=True)
            for fragment in ('', '#note/' + self.server.names()[0], '#new'):
                self.open(fragment)
                until(lambda: len(self.titles()) == 1)
                browser.wait('a view', "return document.readyState === 'complete'")
                wide = browser.run('return document.documentElement.scrollWidth')
                self.assertLessEqual(wide, 360, fragment)
                side, view = (browser.run(
                    f"return getComputedStyle(document.getElementById('{i}')).display") for i in ('side', 'view'))
                if fragment == '':
                    self.assertEqual((side, view), ('block', 'none'))

    def test_the_page_can_be_used_without_a_pointer_and_is_named(self):
        self.server.add('Tea', 'x')
        self.open('#edit/tea')
        browser.wait('the form', "return document.activeElement.id === 'f-body'")
        unnamed = browser.run('''
            return [...document.querySelectorAll('input, textarea, button, a')].filter((e) =>
                !(e.labels?.length || e.textContent.trim() || e.ariaLabel)).map((e) => e.outerHTML)''')
        self.assertEqual(unnamed, [])

    def test_a_server_that_is_gone_is_told_of(self):
        self.server.add('Tea')
        self.open()
        until(lambda: len(self.titles()) == 1)
        self.server.stop()
        browser.run("document.dispatchEvent(new Event('visibilitychange'))")
        self.shows('#stale', 'The server did not answer.')
        self.assertEqual(self.titles(), ['Tea'])
        browser.faults()


if __name__ == '__main__':
    PROGRAM = os.path.realpath(sys.argv.pop(1))
    kit.main()
