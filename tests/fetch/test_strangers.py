#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kettle-fetch and what strangers have written: pages that name hosts, lists that fail in part, robots.txt, JSON that
nests, files of an earlier run; and what of it is told.

usage: test_strangers.py KETTLE_FETCH [TEST]...
"""

import json
import os
import signal
import subprocess
import sys
import time

import test_cli
from test_cli import Case, lines  # noqa: F401: Case is a base
import fetch_server
import kit


def nested(depth):
    return ('application/json', b'{"a":' + b'[' * depth + b']' * depth + b'}')


def linked(*targets):
    return fetch_server.page('page', ''.join(f'<a href="{t}">x</a>' for t in targets))


class Nesting(Case):
    def test_json_that_nests_deeper_than_its_limit_is_no_content(self):
        site = self.server({'/deep': nested(500), '/fits': nested(63)})
        for out in [], ['-o', 'x.jsonl']:
            results, _ = self.json('-x', 'j=json:a', *out, site.url('/deep'), site.url('/fits'), status=1)
            self.assertEqual(results[site.url('/deep')]['cause'], 'content')
            self.assertIn('deeper than 64', results[site.url('/deep')]['error'])
            self.assertEqual(results[site.url('/fits')]['cause'], 'ok')


    def test_texts_within_each_other_have_a_limit(self):
        site = self.server({'/': ('text/html', b'<div>' * 500 + b'tea ' * 25000)})
        results, _ = self.json('-x', 'all=css:div', '-x', 'title', site.url('/'), status=1)
        self.assertEqual(results[site.url('/')]['cause'], 'content')
        self.assertIn('all: more than 4 MiB', results[site.url('/')]['error'])

    def test_numbers_beyond_json_are_none(self):
        site = self.server({'/': ('application/json', b'{"a": [1e308, 1e308], "b": [1, 2]}')})
        results, _ = self.json('-x', 'a=json:sum(a)', '-x', 'm=json:mean(a)', '-x', 'b=json:sum(b)', site.url('/'))
        self.assertEqual(results[site.url('/')]['fields'], {'a': None, 'm': None, 'b': 3})

    def test_a_large_integer_costs_nobody_else_anything(self):
        site = self.server({'/': ('application/json', b'{"large": 36893488147419103232, "a": 9007199254740993}')})
        results, _ = self.json('-x', 'a=json:a', '-x', 'l=json:large', site.url('/'))
        self.assertEqual(results[site.url('/')]['fields'], {'a': 9007199254740993, 'l': 2.0 ** 65})

    def test_an_at_sign_within_a_selector_is_its_own(self):
        site = self.server({'/': fetch_server.page('x', '<a href="mailto:a@b" title=t>yes</a><a href=c>no</a>')})
        results, _ = self.json('-x', 'a=css:a[href*="@"]', '-x', 'b=css:a[href*="@"]@title', site.url('/'))
        self.assertEqual(results[site.url('/')]['fields'], {'a': ['yes'], 'b': ['t']})


class Resuming(Case):
    def record(self, url, **more):
        return json.dumps({'url': url, 'final_url': url, 'ok': True, **more}) + '\n'

    def keep(self, *records):
        with open(self.path('x.jsonl'), 'w', encoding='utf-8') as f:
            f.writelines(records)

    def test_pages_that_all_lead_to_each_other_are_gone_through_once(self):
        pages = [self.site.url(f'/ok/{n}') for n in range(60)]
        self.keep(*[self.record(p, found=pages + [self.site.url('/ok/new')]) for p in pages])
        began = time.monotonic()
        results, summary = self.json('--crawl', '6', '-o', 'x.jsonl', '--resume', pages[0])
        self.assertLess(time.monotonic() - began, 30)
        self.assertEqual((list(results), summary['skipped']), ([self.site.url('/ok/new')], 60))

    def test_a_long_series_is_gone_through(self):
        pages = [self.site.url(f'/ok/{n}') for n in range(5000)]
        self.keep(*[self.record(a, next=b) for a, b in zip(pages, pages[1:])])
        results, summary = self.json('--paginate', '-o', 'x.jsonl', '--resume', pages[0])
        self.assertEqual((list(results), summary['skipped']), ([pages[-1]], 4999))

    def test_what_is_no_record_is_told_and_kept(self):
        self.keep('{"mine": 1}\n')
        status, _, err = self.run_it('-o', 'x.jsonl', '--resume', self.site.url('/ok'))
        self.assertEqual(status, 1)
        self.assertIn('no record', err)
        self.assertEqual(lines(self.path('x.jsonl')), [{'mine': 1}])

    def test_links_that_are_no_text_lead_nowhere(self):
        self.keep(self.record(self.site.url('/ok'), found=[1, None, self.site.url('/ok/2')]))
        results, _ = self.json('--crawl', '1', '-o', 'x.jsonl', '--resume', self.site.url('/ok'))
        self.assertEqual(list(results), [self.site.url('/ok/2')])

    def test_a_fragment_makes_no_other_url(self):
        for again in [], ['--resume']:
            self.json('-o', 'x.jsonl', *again, self.site.url('/ok#part'))
        self.assertEqual(len(lines(self.path('x.jsonl'))), 1)
        self.assertEqual(self.site.seen, ['/ok'])

    def test_what_leads_on_is_resumed_by_records_alone(self):
        for way in '--paginate', '--follow=a', '--crawl=1':
            for by in ['-o', 'x.csv'], ['-o', 'x/'], ['--save', 'x']:
                status, _, err = self.run_it(way, *by, '--resume', self.site.url('/ok'))
                self.assertEqual(status, 2, err)
                self.assertIn('--resume with', err)


class Hosts(Case):
    """127.0.0.1 is what the user names; localhost is what strangers name."""

    def test_secrets_go_to_hosts_that_the_user_has_named(self):
        site = self.server()
        site.pages.update({'/1': fetch_server.page('1', f'<a rel=next href="{site.url("/2")}">x</a>'),
                           '/2': fetch_server.page('2', f'<a rel=next href="{site.url("/3", "localhost")}">x</a>'),
                           '/3': fetch_server.page('3')})
        self.json('--paginate', '-H', 'Authorization: Bearer s3cret', '-H', 'cookie: a=b', '-H', 'X-Own: 1',
                  site.url('/1'))
        for path, secret in ('/1', True), ('/2', True), ('/3', False):
            self.assertEqual('s3cret' in site.heads[path], secret, path)
            self.assertEqual('a=b' in site.heads[path], secret, path)
            self.assertIn('X-Own: 1', site.heads[path])

    def test_nor_do_those_of_a_sitemap_get_them(self):
        site = self.server()
        site.pages['/map.xml'] = ('application/xml', ''.join(
            ['<urlset>', *[f'<url><loc>{site.url("/ok/" + h, h)}</loc></url>' for h in ('127.0.0.1', 'localhost')],
             '</urlset>']).encode())
        self.json('--sitemap', site.url('/map.xml'), '-H', 'Authorization: Bearer s3cret')
        for path, secret in ('/map.xml', True), ('/ok/127.0.0.1', True), ('/ok/localhost', False):
            self.assertEqual('s3cret' in site.heads[path], secret, path)

    def test_a_next_page_opens_no_other_host_to_the_crawl(self):
        site = self.server()
        other = site.url('/2', 'localhost')
        site.pages.update({'/1': fetch_server.page('1', f'<a rel=next href="{other}">'), '/2': linked('/ok/3')})
        self.json('--crawl', '1', '--paginate', site.url('/1'))
        self.assertNotIn('/ok/3', site.seen)

    def test_any_of_several_link_headers_may_name_the_next(self):
        site = self.server()
        site.pages['/1'] = ('text/html', b'', 'Link: </style>; rel=preload', f'Link: <{site.url("/ok/2")}>; rel="next"')
        results, _ = self.json('--paginate', site.url('/1'))
        self.assertEqual(len(results), 2)


class Robots(Case):
    def test_the_beginning_of_a_long_one_counts(self):
        self.site.pages['/robots.txt'] = ('text/plain', b'User-agent: *\nDisallow: /\n' + b'# much\n' * 100000)
        results, _ = self.json('--crawl', '1', self.site.url('/ok'), status=1)
        self.assertEqual(results[self.site.url('/ok')]['cause'], 'robots')

    def test_a_host_that_cannot_be_reached_fails_by_itself(self):
        gone = fetch_server.Server()
        url = gone.url('/')
        gone.close()
        results, _ = self.json('--crawl', '1', '-r', '2', '--retry-wait', '10ms', url, status=1)
        self.assertEqual((results[url]['cause'], results[url]['attempts']), ('connect', 3))


class Lists(Case):
    def test_a_sitemap_that_fails_costs_its_own_pages_and_the_exit_status(self):
        site = self.server()
        site.pages['/map.xml'] = ('application/xml', ''.join(
            ['<sitemapindex>', *[f'<sitemap><loc>{site.url(p)}</loc></sitemap>' for p in ('/none', '/two.xml')],
             '</sitemapindex>']).encode())
        two = f'<urlset><url><loc>{site.url("/ok")}</loc></url></urlset>'
        site.pages['/two.xml'] = ('application/xml', two.encode())
        status, out, err = self.run_it('--sitemap', site.url('/map.xml'))
        self.assertEqual(status, 1)
        self.assertIn('/none: HTTP 404', err)
        self.assertIn('total 1, successful 1', out)

    def test_urls_max_bounds_what_a_list_adds(self):
        site = self.server()
        site.pages['/map.xml'] = ('application/xml', ''.join(
            ['<urlset>', *[f'<url><loc>{site.url(f"/ok/{n}")}</loc></url>' for n in range(9)], '</urlset>']).encode())
        _, summary = self.json('--urls-max', '4', '--sitemap', site.url('/map.xml'))
        self.assertEqual((summary['ok'], summary['left_out']), (4, 5))

    def test_items_of_a_feed_that_have_no_url_are_told_once(self):
        site = self.server()
        items = ['<guid>/ok/1</guid>', '<guid isPermaLink="false">/no</guid>', '<title>x</title>']
        site.pages['/rss'] = ('application/rss+xml', ''.join(
            ['<rss><channel>', *[f'<item>{i}</item>' for i in items], '</channel></rss>']).encode())
        status, out, err = self.run_it('--feed', site.url('/rss'))
        self.assertEqual((status, err), (0, f'kettle-fetch: {site.url("/rss")}: entries without a URL: 2\n'))
        self.assertIn('total 1, successful 1', out)
        self.assertEqual(site.seen, ['/rss', '/ok/1'])

    def list_of(self, data, **more):
        with open(self.path('urls'), 'wb') as f:
            f.write(data)
        return self.json('-i', 'urls', **more)

    def test_a_byte_order_mark_costs_no_url(self):
        urls = self.urls('/ok/%d', 2)
        text = '\ufeff' + '\n'.join(urls)
        self.assertEqual(sorted(self.list_of(text.encode())[0]), urls)
        self.assertEqual(sorted(self.json('-i', '-', stdin=text)[0]), urls)
        self.assertEqual(self.list_of('\ufeff# a comment\n'.encode())[1]['total'], 0)

    def test_a_zero_byte_fails_its_own_line(self):
        a, b, c = (u.encode() for u in self.urls('/ok/%d', 3))
        results, _ = self.list_of(b'\n'.join([a, b + b'\0/x ', c + b'\0', b'# \0', b' \0']), status=1)
        self.assertEqual(self.site.seen, ['/ok/0'])
        self.assertEqual({u: (r['cause'], r['error']) for u, r in results.items() if not r['ok']},
                         {u: ('url', f'a zero byte in line {n} of the list')
                          for u, n in ((b.decode() + '\ufffd', 2), (c.decode() + '\ufffd', 3), ('\ufffd', 5))})

    def test_what_is_known_is_not_one_too_many(self):
        _, summary = self.json('--urls-max', '1', *[self.site.url('/ok')] * 3)
        self.assertEqual((summary['duplicates'], summary['left_out']), (2, 0))

    def test_an_interrupt_ends_the_wait_for_standard_input(self):
        p = subprocess.Popen([test_cli.PROGRAM, '-i', '-'], stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                             cwd=self.folder, env=self.environment())
        time.sleep(0.5)
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.wait(10), 130)
        p.stdin.close()
        p.stderr.close()


class Waiting(Case):
    def test_time_in_line_for_the_rate_is_no_part_of_an_attempt(self):
        results, summary = self.json('--rate', '2/s', '-t', '400ms', *self.urls('/delay/50/%d', 6))
        self.assertEqual(summary['ok'], 6)
        self.assertGreaterEqual(summary['seconds'], 2)
        self.assertLess(max(r['seconds'] for r in results.values()), 0.4)

    def told_after(self, retry_after):
        site = self.server()
        site.on_later = lambda c: site.send(c, 503, 'text/plain', b'x', f'Retry-After: {retry_after}')
        err = self.run_it('-v', '--retries', '1', '--retry-wait', '1ms', '--deadline', '1s',
                          site.url('/later'))[2]
        return err.splitlines()[0].partition('; ')[2]

    def test_a_server_says_by_a_date_when_to_come_again(self):
        forms = '%a, %d %b %Y %H:%M:%S GMT', '%A, %d-%b-%y %H:%M:%S GMT', '%a %b %e %H:%M:%S %Y'
        for form in forms:
            then = [time.strftime(form, time.gmtime(time.time() + s)) for s in (200, 400, -400)]
            self.assertRegex(self.told_after(then[0]), r'^again in (19\d|200) s$')
            self.assertEqual(self.told_after(then[1]), '')
            self.assertEqual(self.told_after(then[2]), 'again in 0.001 s')
        for other in 'soon', 'Sun, 06 Nov 9994 08:49:37 CET', 'Sun, 06 Nov':
            self.assertEqual(self.told_after(other), 'again in 0.001 s')
        self.assertEqual(self.told_after('Sun, 06 Nov 9994 08:49:37 GMT'), '')


class Told(Case):
    def test_records_and_bodies_in_one_folder_are_refused(self):
        status, _, err = self.run_it('-s', 'x', '-o', 'x/', self.site.url('/ok'))
        self.assertEqual(status, 2)
        self.assertIn('one folder', err)

    def test_one_after_the_other_in_stages_is_refused(self):
        status, out, err = self.run_it('--sequential', '--pipeline', self.site.url('/ok'))
        self.assertEqual((status, out, self.site.seen), (2, '', []))
        self.assertIn('--sequential and --pipeline', err)

    def test_standard_output_that_is_full(self):
        for how in [], ['--json']:
            with open('/dev/full', 'w', encoding='ascii') as full:
                p = subprocess.run([test_cli.PROGRAM, *how, self.site.url('/ok')], stdout=full, stderr=subprocess.PIPE,
                                   timeout=60, env=self.environment())
            self.assertEqual(p.returncode, 1)
            self.assertIn(b'cannot write to standard output', p.stderr)

    def test_a_place_for_records_that_is_none_is_told_before_anything_is_fetched(self):
        for ending in 'json', 'jsonl', 'csv', 'sqlite':
            status, _, err = self.run_it('-o', f'none/x.{ending}', self.site.url('/ok'))
            self.assertEqual(status, 1)
            self.assertIn('kettle-fetch: ', err)
        self.assertEqual(self.site.seen, [])

    def test_a_header_that_is_none(self):
        status, _, err = self.run_it('-H', 'a b: c', self.site.url('/ok'))
        self.assertNotEqual(status, 0)
        self.assertIn('kettle-fetch: ', err)


if __name__ == '__main__':
    test_cli.PROGRAM = os.path.abspath(sys.argv.pop(1))
    kit.main()
