#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kettle-fetch against servers that are slow, broken and hostile: what it prints, what it keeps, its exit statuses.

usage: test_cli.py KETTLE_FETCH [TEST]...
"""

import contextlib
import csv
import fcntl
import gzip
import json
import os
import pty
import resource
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
import fetch_server  # noqa: E402
import kit  # noqa: E402

PROGRAM = None


def load(path):
    with open(path) as f:
        return json.load(f)


def lines(path):
    with open(path) as f:
        return [json.loads(line) for line in f]


def table(path):
    with open(path, newline='') as f:
        return list(csv.DictReader(f))


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='kettle-fetch-')
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.site = self.server()

    def server(self, pages=None):
        site = fetch_server.Server(pages)
        self.addCleanup(site.close)
        return site

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def environment(self):
        return {k: v for k, v in os.environ.items() if not k.lower().endswith('_proxy')}

    def run_it(self, *arguments, stdin=''):
        """(status, standard output, standard error)"""
        done = subprocess.run([PROGRAM, *arguments], input=stdin.encode(), capture_output=True, timeout=120,
                              cwd=self.folder, env=self.environment())
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def json(self, *arguments, status=0, **more):
        """(results by URL, summary)"""
        got, out, err = self.run_it('--json', *arguments, **more)
        self.assertEqual(got, status, out + err)
        lines = [json.loads(line) for line in out.splitlines()]
        return {r['url']: r for r in lines[:-1]}, lines[-1]['summary']

    def urls(self, pattern, count):
        return [self.site.url(pattern % n) for n in range(count)]


class Labs(Case):
    """The laboratory exercises of a course on asynchronous programs."""

    def test_ten_addresses_sequential_and_concurrent(self):
        _, summary = self.json('--compare', *self.urls('/delay/200/%d', 10))
        self.assertEqual(summary['ok'], 10)
        self.assertEqual(summary['at_once'], 10)
        self.assertEqual(len(self.site.seen), 20)
        self.assertGreaterEqual(summary['seconds_sequential'], 2.0)
        self.assertAlmostEqual(summary['speedup'], summary['seconds_sequential'] / summary['seconds'], 3)

    def test_the_sequential_run_has_one_request_at_a_time(self):
        _, summary = self.json('--sequential', *self.urls('/delay/5/%d', 10))
        self.assertEqual((summary['at_once'], self.site.most), (1, 1))
        self.assertEqual(self.site.seen, ['/delay/5/%d' % n for n in range(10)])

    def test_the_comparison_is_printed(self):
        status, out, _ = self.run_it('--compare', *self.urls('/delay/20/%d', 5))
        self.assertEqual(status, 0)
        self.assertRegex(out, r'sequential \d+\.\d\d s, concurrent \d+\.\d\d s: \d+\.\d times as fast')

    def test_fetcher_of_five_addresses(self):
        site = self.site
        gone = fetch_server.Server()
        refused = gone.url('/')
        gone.close()
        good = [site.url('/ok/%d' % n) for n in range(3)]
        status, out, err = self.run_it('-t', '500ms', *good, refused, site.url('/hang'))
        self.assertEqual((status, err), (1, ''))
        lines = out.splitlines()
        for url in good:
            self.assertTrue(any(x.startswith('200 ') and ' 42 B ' in x and x.endswith(url) for x in lines), out)
        self.assertIn('Connection refused', next(x for x in lines if refused in x))
        self.assertTrue(lines[4].startswith('timeout '), out)  # it ends last, so it is told last
        self.assertIn('total 5, successful 3, failed 2', lines)

    def test_scraper_of_twelve_pages(self):
        site = self.site
        good = [site.url('/ok/%d' % n) for n in range(8)]
        bad = {site.url('/status/404'): 'status', site.url('/status/500'): 'status', site.url('/hang'): 'timeout',
               site.url('/reset'): 'lost'}
        results, summary = self.json('-t', '1s', '-x', 'title', *good, *bad, status=1)
        self.assertEqual([results[u]['fields']['title'] for u in good], ['Page %d' % n for n in range(8)])
        self.assertEqual({u: results[u]['cause'] for u in bad}, bad)
        self.assertEqual((summary['total'], summary['ok'], summary['failed']), (12, 8, 4))
        self.assertEqual(summary['causes'], {'status': 2, 'timeout': 1, 'lost': 1})
        self.assertEqual(site.seen.count('/hang'), 1)  # the limit is waited for once
        out = self.run_it('-q', '-t', '1s', *good, *bad)[1]
        self.assertIn('total 12, successful 8, failed 4\n', out)

    def test_retries_that_fail(self):
        gone = fetch_server.Server()
        gone.close()
        status, out, err = self.run_it('-v', '--retries', '2', '--retry-wait', '10ms', gone.url('/'))
        self.assertEqual(status, 1)
        attempts = [line.split(':')[0] for line in err.splitlines()]
        self.assertEqual(attempts, ['Attempt 1 failed', 'Attempt 2 failed', 'Attempt 3 failed'])
        self.assertIn('again in 0.01 s', err.splitlines()[0])
        self.assertIn('again in 0.02 s', err.splitlines()[1])
        self.assertIn('Connection refused', out)

    def test_retries_until_it_works(self):
        url = self.site.url('/fail/2/7')
        results, _ = self.json('--retries', '2', '--retry-wait', '1ms', '-x', 'title', url)
        self.assertEqual((results[url]['attempts'], results[url]['fields']['title']), (3, 'Page 7'))

    def test_a_server_says_when_to_come_again(self):
        url = self.site.url('/status/503/1')
        _, _, err = self.run_it('-v', '--retries', '1', '--retry-wait', '1ms', url)
        self.assertIn('again in 1 s', err.splitlines()[0])
        _, _, err = self.run_it('-v', '--retries', '1', '--retry-wait', '1ms', self.site.url('/status/503/301'))
        self.assertNotIn('again', err)

    def test_what_cannot_get_better_is_not_repeated(self):
        self.json('--retries', '5', '--retry-wait', '1ms', self.site.url('/status/404'), status=1)
        self.assertEqual(len(self.site.seen), 1)

    def test_five_workers_three_permits_thirty_jobs(self):
        urls = self.urls('/delay/10/%d', 29) + [self.site.url('/status/404')]
        _, summary = self.json('--workers', '5', '--limit', '3', *urls, status=1)
        self.assertLessEqual(self.site.most, 3)
        self.assertEqual(summary['at_once'], 3)
        self.assertEqual(len(summary['workers']), 5)
        self.assertEqual(sum(w['ok'] for w in summary['workers']), 29)
        self.assertEqual(sum(w['failed'] for w in summary['workers']), 1)

    def test_pipeline_of_ten_documents(self):
        urls = self.urls('/json/%d', 9) + [self.site.url('/badjson')]
        _, summary = self.json('--pipeline', '-x', 'id=json:id', '-x', 'total=json:sum(items[*].price)',
                               '-o', 'results/', *urls, status=1)
        records = [load(self.path('results', n)) for n in os.listdir(self.path('results'))]
        self.assertEqual(sorted((r['fields']['id'], r['fields']['total']) for r in records),
                         [(n, n + 1) for n in range(9)])
        stages = summary['stages']
        self.assertEqual([s['name'] for s in stages], ['fetch', 'transform', 'store'])
        self.assertEqual([s['taken'] for s in stages], [10, 10, 9])
        self.assertEqual([s['failed'] for s in stages], [0, 1, 0])
        self.assertEqual([len(s['workers']) for s in stages], [3, 3, 3])
        for s in stages:
            self.assertEqual(sum(w['ok'] + w['failed'] for w in s['workers']), s['taken'])
        out = self.run_it('--pipeline', *urls)[1]
        self.assertRegex(out, r'stage fetch +10 taken, 0 failed, [\d.]+/s')


class Telling(Case):
    """What is said on the way and at the end."""

    def test_a_result_is_told_when_its_url_ends(self):
        for more in ([], ['--json'], ['--pipeline'], ['-x', 'title']):
            child = subprocess.Popen([PROGRAM, '-t', '60s', *more, self.site.url('/hang'), self.site.url('/ok/1')],
                                     stdout=subprocess.PIPE, env=self.environment(), cwd=self.folder)
            self.assertIn(b'/ok/1', child.stdout.readline())  # of a pipe, while the other one hangs
            self.assertIsNone(child.poll())
            child.send_signal(signal.SIGINT)
            child.communicate(timeout=30)
            self.assertEqual(child.returncode, 130)

    def test_the_summary_adds_up(self):
        paths = ['/ok/1', '/ok/2', '/json/3', '/status/404', '/status/500', '/hang', '/reset', '/short', '/circle/0',
                 '/endless', '/badgzip', '/badutf8']
        results, summary = self.json('-t', '500ms', '--size-max', '1M', 'nonsense', *map(self.site.url, paths),
                                     self.site.url('/ok/1'), status=1)
        causes = {}
        for r in results.values():
            if not r['ok']:
                causes[r['cause']] = causes.get(r['cause'], 0) + 1
        self.assertEqual(summary['causes'], causes)
        self.assertEqual(causes, {'status': 2, 'timeout': 1, 'lost': 2, 'redirects': 1, 'size': 1, 'content': 1,
                                  'url': 1})
        self.assertEqual((summary['total'], summary['ok'], summary['failed']), (13, 4, 9))
        self.assertEqual(summary['duplicates'], 1)
        self.assertEqual(summary['bytes'], sum(r['bytes'] for r in results.values()))
        self.assertEqual(summary['attempts'], sum(r['attempts'] for r in results.values()))
        self.assertAlmostEqual(summary['seconds_alone'], sum(r['seconds'] for r in results.values()), 3)
        self.assertAlmostEqual(summary['speedup'], summary['seconds_alone'] / summary['seconds'], 3)

    def in_a_terminal(self, columns, *arguments):
        """(what the terminal was told, exit status)"""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 24, columns, 0, 0))
        child = subprocess.Popen([PROGRAM, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, cwd=self.folder,
                                 env={**self.environment(), 'TERM': 'xterm'})
        os.close(theirs)
        text = b''
        try:
            while more := os.read(ours, 65536):
                text += more
        except OSError:  # its other end is closed
            pass
        os.close(ours)
        return text.decode(), child.wait(timeout=30)

    def test_the_bar_fits_and_counts(self):
        for columns in (80, 40):
            text, status = self.in_a_terminal(columns, *self.urls('/delay/30/%d', 6), self.site.url('/status/404'))
            self.assertEqual(status, 1)
            self.assertRegex(text, r'fetch 100%.*7/7')
            self.assertIn('total 7, successful 6, failed 1', text)
            for line in text.replace('\r', '\n').splitlines():
                if line.strip('\x1b[K').startswith('fetch'):
                    self.assertLess(len(line.replace('\x1b[K', '')), columns)

    def test_the_bar_counts_what_a_crawl_finds(self):
        page = fetch_server.page
        self.site.pages.update({'/robots.txt': ('text/plain', b''),
                                '/': page('x', ''.join('<a href=/delay/%d/%d>x</a>' % (20 * n, n) for n in range(9)))})
        text, status = self.in_a_terminal(80, '-q', '--crawl', '1', self.site.url('/'))
        self.assertEqual(status, 0)
        self.assertIn('10/10', text)
        self.assertNotIn('/1 ', text)

    def test_no_more_to_one_host_than_its_share(self):
        other = self.server()
        urls = [s.url('/delay/20/%d' % n) for s in (self.site, other) for n in range(10)]
        _, summary = self.json('--per-host', '3', *urls)
        self.assertEqual((self.site.most, other.most, summary['at_once']), (3, 3, 6))


class Hostile(Case):
    """A URL costs its own entry and nothing else."""

    def one(self, path, cause, *options):
        good = self.urls('/ok/%d', 5)
        url = self.site.url(path)
        results, summary = self.json('-t', '1s', '--size-max', '1M', '-x', 'title', *options, *good, url, status=1)
        self.assertEqual(results[url]['cause'], cause, results[url])
        self.assertEqual((summary['ok'], summary['failed']), (5, 1))
        return results[url]

    def test_no_head(self):
        self.one('/hang', 'timeout')

    def test_no_body(self):
        self.one('/stall', 'timeout')

    def test_a_reset(self):
        self.one('/reset', 'lost')

    def test_less_than_announced(self):
        self.one('/short', 'lost')

    def test_a_circle_of_redirects(self):
        self.one('/circle/0', 'redirects')

    def test_a_body_without_end(self):
        self.assertLess(self.one('/endless', 'size')['bytes'], 2 << 20)

    def test_ten_gigabytes(self):
        for more in ([], ['-s', 'bodies'], ['--pipeline']):
            self.assertLess(self.one('/huge', 'size', *more)['bytes'], 2 << 20)

    def test_headers_that_are_no_utf8(self):
        self.site.pages['/type'] = ('text/html; x=\xff\xfe', fetch_server.page('odd'))
        url = self.site.url('/type')
        for out in ('r.jsonl', 'r.csv', 'r.json', 'r.sqlite', 'r/'):
            results, _ = self.json('-x', 'title', '-o', out, url)
            self.assertEqual(results[url]['fields']['title'], 'odd')

    def test_gzip_that_is_none(self):
        self.one('/badgzip', 'content')

    def test_a_gzip_bomb(self):
        self.assertLess(self.one('/bomb', 'size')['bytes'], 2 << 20)

    def test_a_page_that_nests_without_end(self):
        self.one('/deep', 'content', '--size-max', '8M')

    def test_json_that_is_none(self):
        self.one('/badjson', 'content', '-x', 'json:id')
        self.one('/zerojson', 'content', '-x', 'json:id')
        self.one('/deepjson', 'content', '-x', 'json:id')

    def test_text_that_is_no_utf8(self):
        bad, latin = self.site.url('/badutf8'), self.site.url('/latin1')
        results, summary = self.json('-x', 'title', bad, latin)
        self.assertEqual(results[bad]['fields']['title'], 'a\ufffd\ufffdb')
        self.assertEqual(results[bad]['replaced'], 2)
        self.assertEqual(results[latin]['fields']['title'], 'café')

    def test_what_is_no_url(self):
        results, summary = self.json('nonsense', 'ftp://x/', self.site.url('/ok/1'), status=1)
        self.assertEqual(summary['causes'], {'url': 2})

    def test_control_characters_do_not_reach_a_terminal(self):
        self.site.pages['/esc'] = b'<title>a\x1b[31mb</title>'
        status, out, _ = self.run_it('-x', 'title', self.site.url('/esc'))
        self.assertNotIn('\x1b', out)

    def test_the_guard_refuses_this_machine(self):
        results, summary = self.json('--guard', self.site.url('/ok/1'), 'http://[::1]:1/', 'http://0x7f.1/', status=1)
        self.assertEqual(summary['causes'], {'guard': 3})
        self.assertEqual(self.site.seen, [])

    def test_a_deadline_for_the_whole(self):
        urls = [self.site.url('/ok/1'), self.site.url('/hang'), self.site.url('/hang/2'), self.site.url('/ok/2')]
        results, summary = self.json('-t', '30s', '--deadline', '500ms', '--sequential', *urls, status=1)
        self.assertEqual(summary['ok'], 1)
        self.assertEqual(summary['causes']['deadline'], 3)


class Inputs(Case):
    def test_a_file_and_standard_input(self):
        with open(self.path('urls'), 'w') as f:
            f.write('# a comment\n\n  %s  \r\n%s' % tuple(self.urls('/ok/%d', 2)))
        self.json('-i', 'urls')
        self.assertEqual(sorted(self.site.seen), ['/ok/0', '/ok/1'])
        self.json('-i', '-', self.site.url('/ok/5'), stdin=self.site.url('/ok/6'))
        self.assertEqual(sorted(self.site.seen[2:]), ['/ok/5', '/ok/6'])

    def test_a_url_given_twice_is_fetched_once(self):
        _, summary = self.json(self.site.url('/ok/1'), self.site.url('/ok/./1#top'))
        self.assertEqual((summary['total'], summary['duplicates'], len(self.site.seen)), (1, 1, 1))

    def test_a_sitemap_index_with_gzip(self):
        site = self.site
        site.pages['/map.xml'] = ('application/xml', (
            '<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><sitemap><loc>%s</loc></sitemap>'
            '<sitemap><loc>%s</loc></sitemap></sitemapindex>' % (site.url('/a.xml.gz'), site.url('/map.xml'))).encode())
        site.pages['/a.xml.gz'] = ('application/gzip', gzip.compress((
            '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><loc> %s </loc></url>'
            '<url><loc>%s</loc></url></urlset>' % (site.url('/ok/1'), site.url('/ok/2'))).encode()))
        results, _ = self.json('--sitemap', site.url('/map.xml'))
        self.assertEqual(sorted(results), [site.url('/ok/1'), site.url('/ok/2')])

    def test_feeds(self):
        site = self.site
        site.pages['/rss'] = ('application/rss+xml', b'<rss><channel><link>http://no.example/</link><item><link>/ok/1'
                              b'</link></item><item><title>x</title><link>/ok/2</link></item></channel></rss>')
        site.pages['/atom'] = ('application/atom+xml', b'<feed xmlns="http://www.w3.org/2005/Atom"><link href="/no"/>'
                               b'<entry><link rel="self" href="/no"/><link href="ok/3"/></entry></feed>')
        self.json('--feed', site.url('/rss'))
        self.json('--feed', site.url('/atom'))
        self.assertEqual(sorted(site.seen), ['/atom', '/ok/1', '/ok/2', '/ok/3', '/rss'])

    def test_broken_sitemap(self):
        for body in (b'<urlset><url>', b'<html/>', b'', b'\x1f\x8bnothing'):
            self.site.pages['/map.xml'] = ('application/xml', body)
            status, _, err = self.run_it('--sitemap', self.site.url('/map.xml'))
            self.assertEqual(status, 1, body)
            self.assertIn('/map.xml: ', err)

    def test_entities_are_not_put_in(self):
        with open(self.path('secret'), 'w') as f:
            f.write('http://secret.example/')
        self.site.pages['/map.xml'] = ('application/xml', (
            '<!DOCTYPE x [<!ENTITY e SYSTEM "file://%s">]><urlset><url><loc>%s&e;</loc></url></urlset>'
            % (self.path('secret'), self.site.url('/ok/1'))).encode())
        status, out, err = self.run_it('--sitemap', self.site.url('/map.xml'))
        self.assertNotIn('secret.example', out + err)


class Crawling(Case):
    def crawl(self, pages, *options, status=0):
        site = self.server({'/robots.txt': ('text/plain', b''), **pages})
        results, summary = self.json('--crawl', '2', *options, site.url('/'), status=status)
        self.site = site
        return [u[len(site.url('')):] for u in results], summary

    def links(self, *hrefs):
        return fetch_server.page('x', ''.join('<a href="%s">x</a>' % h for h in hrefs))

    def test_depth_and_seen(self):
        got, _ = self.crawl({'/': self.links('/a', 'b', '#top', 'mailto:x@y', 'http://other.example/'),
                             '/a': self.links('/', '/c'), '/b': self.links('/a?x#y'), '/a?x': self.links(),
                             '/c': self.links('/too-deep')})
        self.assertEqual(sorted(got), ['/', '/a', '/a?x', '/b', '/c'])
        self.assertEqual(sorted(set(self.site.seen)), sorted(self.site.seen))  # each once

    def test_robots(self):
        got, summary = self.crawl({
            '/robots.txt': ('text/plain', b'User-agent: *\nAllow: /\n\nUser-agent: kettle-fetch\n'
                                          b'Disallow: /private\nAllow: /private/open$\n'),
            '/': self.links('/private/a', '/private/open', '/c'), '/private/open': self.links(), '/c': self.links()},
            status=1)
        self.assertEqual(summary['causes'], {'robots': 1})
        self.assertNotIn('/private/a', self.site.seen)
        self.assertIn('/private/open', self.site.seen)
        self.assertEqual(self.site.seen.count('/robots.txt'), 1)

    def test_robots_forbid_what_redirects_lead_to(self):
        there = self.server({'/robots.txt': ('text/plain', b'User-agent: *\nDisallow: /')})
        site = self.server({'/r.txt': ('text/plain', b'User-agent: *\nDisallow: /private'),
                            '/': self.links('/to/1', '/to/2', '/to/3', '/c'), '/c': self.links(),
                            '/private/x': self.links()})
        targets = {'1': '/private/x', '2': there.url('/x'), '3': '/c'}
        site.on_to = lambda c, n: site.send(c, 302, 'text/plain', b'', 'Location: ' + targets[n])
        setattr(site, 'on_robots.txt', lambda c: site.send(c, 301, 'text/plain', b'', 'Location: /r.txt'))
        for more in ([], ['--limit', '1'], ['--pipeline'], ['--any-host']):
            results, summary = self.json('--crawl', '1', *more, site.url('/'), status=1)
            self.assertEqual({u[len(site.url('')):]: r['cause'] for u, r in results.items()},
                             {'/': 'ok', '/to/1': 'robots', '/to/2': 'robots', '/to/3': 'ok', '/c': 'ok'})
            self.assertIn('robots.txt', results[site.url('/to/1')]['error'])
        self.assertNotIn('/private/x', site.seen)
        self.assertEqual(set(there.seen), {'/robots.txt'})

    def test_robots_that_cannot_be_had(self):
        site = self.server({'/': self.links()})
        site.on_robots = lambda c: site.send(c, 500, 'text/plain', b'')
        setattr(site, 'on_robots.txt', site.on_robots)
        _, summary = self.json('--crawl', '1', site.url('/'), status=1)
        self.assertEqual(summary['causes'], {'robots': 1})
        self.json('--crawl', '1', '--ignore-robots', site.url('/'))

    def test_a_redirect_to_another_host_is_followed_from_there(self):
        page = fetch_server.page
        there = self.server({'/robots.txt': ('text/plain', b''), '/': page('x', '<a href=/a>x</a>'), '/a': page('a')})
        site = self.server({'/robots.txt': ('text/plain', b'')})
        site.on_moved = lambda c: site.send(c, 301, 'text/plain', b'', 'Location: ' + there.url('/'))
        for name in ('r.jsonl', 'r.sqlite'):
            results, _ = self.json('--crawl', '1', '-o', name, site.url('/moved'))
            self.assertEqual(list(results), [site.url('/moved'), there.url('/a')])
            _, summary = self.json('--crawl', '1', '-o', name, '--resume', site.url('/moved'))
            self.assertEqual((summary['total'], summary['skipped']), (0, 2))

    def test_where_a_redirect_has_led_to_is_not_fetched_again(self):
        site = self.server({'/robots.txt': ('text/plain', b''), '/': self.links('/moved', '/a'),
                            '/home/': self.links('/home/', '/home/#top', '/b'), '/a': self.links('/home/', '/c'),
                            '/b': self.links('/home/'), '/c': self.links('/home/')})
        site.on_moved = lambda c: site.send(c, 301, 'text/plain', b'', 'Location: /home/')
        for name in ('r.jsonl', 'r.sqlite'):
            del site.seen[:]
            results, _ = self.json('--crawl', '3', '--limit', '1', '-o', name, site.url('/'))
            self.assertEqual([u[len(site.url('')):] for u in results], ['/', '/moved', '/a', '/b', '/c'])
            self.assertEqual(site.seen.count('/home/'), 1)
            _, summary = self.json('--crawl', '3', '-o', name, '--resume', site.url('/'))
            self.assertEqual((summary['total'], summary['skipped']), (0, 5))

    def test_what_the_user_names_is_fetched_although_a_redirect_has_led_there(self):
        site = self.server({'/robots.txt': ('text/plain', b''), '/home/': self.links('/home/')})
        site.on_moved = lambda c: site.send(c, 301, 'text/plain', b'', 'Location: /home/')
        both = [site.url('/moved'), site.url('/home/')]
        for more in ['--limit', '1'], ['--crawl', '1', '--limit', '1']:
            self.json('-o', 'r.jsonl', *more, both[0])
            results, summary = self.json('-o', 'r.jsonl', '--resume', *more, *both)
            self.assertEqual((list(results), summary['skipped']), (both[1:], 1))
            results, _ = self.json('-o', 'r.jsonl', *more, *both)
            self.assertEqual(list(results), both)

    def test_urls_max(self):
        pages = {'/': self.links(*['/p%d' % n for n in range(100)])}
        got, summary = self.crawl({**pages, **{'/p%d' % n: self.links() for n in range(100)}}, '--urls-max', '10')
        self.assertEqual((summary['total'], summary['left_out']), (10, 91))

    def test_pagination(self):
        site = self.server()
        site.pages.update({
            '/1': ('text/html', b'<a rel="nofollow next" href="/2">next</a>'),
            '/2': ('text/html', b'two', 'Link: </3?x=1>; rel="next", </1>; rel="prev"'),
            '/3?x=1': ('text/html', b'<p class=pages><a href=4>on</a></p>'), '/4': b'end'})
        results, _ = self.json('--paginate', '--follow', '.pages a', site.url('/1'))
        self.assertEqual([(u[len(site.url('')):], r['page']) for u, r in results.items()],
                         [('/1', 0), ('/2', 1), ('/3?x=1', 2), ('/4', 3)])


class Keeping(Case):
    def test_bodies(self):
        self.site.pages['/../../etc/passwd%00'] = b'x'
        urls = self.urls('/ok/%d', 3) + [self.site.url('/a/b/../%2e%2e/..%2f..%2fx?y=/../z')]
        self.site.pages['/a/..%2f..%2fx?y=/../z'] = self.site.pages['/..%2f..%2fx?y=/../z'] = b'deep'
        results, _ = self.json('-s', 'bodies', *urls)
        names = os.listdir(self.path('bodies'))
        self.assertEqual(sorted(r['saved'] for r in results.values()), sorted(names))
        for name in names:
            self.assertRegex(name, r'^[A-Za-z0-9_.-]{1,160}$')
            self.assertFalse(name.startswith('.'))
        with open(self.path('bodies', results[urls[0]]['saved']), 'rb') as f:
            self.assertEqual(f.read(), fetch_server.page('Page 0'))

    def test_what_fails_leaves_no_file(self):
        for more in ([], ['-x', 'title'], ['--pipeline']):
            self.json('-s', 'bodies', '-t', '300ms', '--size-max', '1M', *more,
                      *[self.site.url(p) for p in ('/short', '/endless', '/stall', '/badgzip')], status=1)
            self.assertEqual(os.listdir(self.path('bodies')), [])

    def test_records(self):
        urls = self.urls('/ok/%d', 3) + [self.site.url('/status/404')]
        names = ('r.jsonl', 'r.csv', 'r.json', 'r.sqlite')
        for name in names:
            self.json('-o', name, '-x', 'title,links', *urls, status=1)
        kept = lines(self.path('r.jsonl'))
        cells = table(self.path('r.csv'))
        whole = load(self.path('r.json'))
        rows = sqlite3.connect(self.path('r.sqlite')).execute(
            'select url, status, ok, cause, fields from results').fetchall()
        expected = sorted((u, 200 if 'ok' in u else 404) for u in urls)
        self.assertEqual(sorted((r['url'], r['status']) for r in kept), expected)
        self.assertEqual(sorted((r['url'], int(r['status'])) for r in cells), expected)
        self.assertEqual(sorted((r['url'], r['status']) for r in whole), expected)
        self.assertEqual(sorted(r[:2] for r in rows), expected)
        self.assertEqual({r['title'] for r in cells}, {'Page 0', 'Page 1', 'Page 2', ''})
        self.assertEqual(json.loads(dict((r[0], r[4]) for r in rows)[urls[1]]), {'title': 'Page 1', 'links': []})

    def test_csv_keeps_what_needs_quotes(self):
        self.site.pages['/q'] = '<title>a,"b" ü</title>'.encode()
        self.json('-o', 'r.csv', '-x', 'title', self.site.url('/q'))
        self.assertEqual(table(self.path('r.csv'))[0]['title'], 'a,"b" ü')

    def test_resume(self):
        good = self.urls('/ok/%d', 3)
        for name in ('r.jsonl', 'r.csv', 'r.json', 'r.sqlite'):
            flaky = self.site.url('/fail/1/' + name)
            self.json('-o', name, *good, flaky, status=1)
            self.site.seen.clear()
            _, summary = self.json('-o', name, '--resume', *good, flaky, self.site.url('/ok/9'))
            self.assertEqual((summary['skipped'], summary['ok']), (3, 2), name)
            self.assertEqual(sorted(self.site.seen), ['/fail/1/' + name, '/ok/9'])
        kept = lines(self.path('r.jsonl'))
        self.assertEqual((len(kept), all(r['ok'] for r in kept)), (5, True))
        self.assertEqual(len(table(self.path('r.csv'))), 5)
        self.assertEqual(len(load(self.path('r.json'))), 5)

    def test_resume_after_half_a_line(self):
        urls = self.urls('/ok/%d', 3)
        self.json('-o', 'r.jsonl', *urls)
        with open(self.path('r.jsonl'), 'r+') as f:
            f.truncate(os.path.getsize(f.name) - 10)
        _, summary = self.json('-o', 'r.jsonl', '--resume', *urls)
        self.assertEqual((summary['skipped'], summary['ok']), (2, 1))
        self.assertEqual(len(lines(self.path('r.jsonl'))), 3)

    def count(self, name):
        """The records in a file of a run that goes on."""
        try:
            if name.endswith('.sqlite'):
                with contextlib.closing(sqlite3.connect(self.path(name))) as db:
                    return db.execute('select count(*) from results').fetchone()[0]
            read = {'jsonl': lines, 'csv': table, 'json': load}[name.split('.')[1]]
            return len(read(self.path(name)))
        except (FileNotFoundError, sqlite3.OperationalError, ValueError):
            return 0

    def test_resume_after_kill(self):
        urls = self.urls('/ok/%d', 3)
        for name in ('r.jsonl', 'r.csv', 'r.json', 'r.sqlite'):
            child = subprocess.Popen([PROGRAM, '-q', '-o', name, '-t', '60s', *urls, self.site.url('/stall')],
                                     cwd=self.folder, stdout=subprocess.DEVNULL, env=self.environment())
            end = time.monotonic() + 20
            while self.count(name) < 3 and time.monotonic() < end:
                time.sleep(0.01)
            child.kill()
            child.wait()
            self.assertEqual(self.count(name), 3, name)
            _, summary = self.json('-o', name, '--resume', *urls, self.site.url('/ok/9'))
            self.assertEqual((summary['skipped'], summary['ok']), (3, 1), name)
            self.assertEqual(self.count(name), 4, name)

    def test_resume_by_a_folder_of_records(self):
        urls = self.urls('/json/%d', 3)
        self.json('-o', 'r/', urls[0])
        self.site.seen.clear()
        _, summary = self.json('-o', 'r/', '--resume', *urls)
        self.assertEqual((summary['skipped'], summary['ok']), (1, 2))
        self.assertEqual(sorted(self.site.seen), ['/json/1', '/json/2'])
        self.assertEqual(len(os.listdir(self.path('r'))), 3)

    def test_resume_by_saved_bodies(self):
        urls = self.urls('/ok/%d', 3)
        self.json('-s', 'b', urls[0])
        self.site.seen.clear()
        _, summary = self.json('-s', 'b', '--resume', *urls)
        self.assertEqual((summary['skipped'], summary['ok']), (1, 2))
        self.assertEqual(sorted(self.site.seen), ['/ok/1', '/ok/2'])

    def test_resume_of_a_crawl(self):
        page = fetch_server.page
        self.site.pages.update({'/robots.txt': ('text/plain', b''),
                                '/': page('x', '<a href=/a>x</a><a href=/fail/1/1>y</a>'),
                                '/a': page('a', '<a href=/b>x</a>'), '/b': page('b')})
        self.json('--crawl', '3', '-o', 'r.jsonl', self.site.url('/'), status=1)
        self.site.seen.clear()
        self.json('--crawl', '3', '-o', 'r.jsonl', '--resume', self.site.url('/'))
        self.assertEqual(sorted(self.site.seen), ['/fail/1/1', '/robots.txt'])

    def site_of(self, pages):
        page = fetch_server.page
        self.site.pages.update({'/robots.txt': ('text/plain', b''), '/note': ('text/plain', b'no page'),
                                **{p: page('x', ''.join(f'<a href="{h}">x</a>' for h in hrefs))
                                   for p, hrefs in pages.items()}})

    def asked(self):
        seen = sorted(p for p in self.site.seen if p != '/robots.txt')
        self.site.seen.clear()
        return seen

    def kept(self, name):
        """The paths in a file of records."""
        if name.endswith('.sqlite'):
            with contextlib.closing(sqlite3.connect(self.path(name))) as db:
                urls = [r[0] for r in db.execute('select url from results where ok')]
        else:
            urls = [r['url'] for r in (lines if name.endswith('l') else load)(self.path(name)) if r['ok']]
        return sorted(u[len(self.site.url('')):] for u in urls)

    def test_a_deeper_crawl_goes_on_from_the_border(self):
        self.site_of({'/': ['/a', '/note'], '/a': ['/', '/b', '/c'], '/b': ['/d'], '/c': [], '/d': []})
        for name in ('r.jsonl', 'r.json', 'r.sqlite'):
            for depth, asked, kept in (('1', ['/', '/a', '/note'], ['/', '/a', '/note']), ('1', [], None),
                                       ('2', ['/a', '/b', '/c', '/note'], ['/', '/a', '/b', '/c', '/note']),
                                       ('2', [], None), ('1', [], None),
                                       ('9', ['/b', '/c', '/d'], ['/', '/a', '/b', '/c', '/d', '/note']),
                                       ('9', [], None)):
                self.json('--crawl', depth, '-o', name, '--resume', self.site.url('/'))
                self.assertEqual(self.asked(), asked, (name, depth))
                self.assertEqual(self.kept(name), kept or self.kept(name))

    def test_a_crawl_goes_on_from_what_was_none(self):
        self.site_of({'/': ['/a'], '/a': ['/b'], '/b': []})
        for name in ('r.jsonl', 'r.json', 'r.sqlite'):
            self.json('-o', name, self.site.url('/'), self.site.url('/a'))
            self.asked()
            self.json('--crawl', '1', '-o', name, '--resume', self.site.url('/'))
            self.assertEqual(self.asked(), ['/'])
            self.assertEqual(self.kept(name), ['/', '/a'])

    def test_a_series_goes_on_from_what_was_none(self):
        self.site_of({})
        self.site.pages.update({'/1': ('text/html', b'<a rel=next href=/2>on</a>'), '/2': ('text/plain', b'the end'),
                                '/x': ('text/html', b'<a class=on href=/2>on</a><a class=bad href="http://:x/">x</a>')})
        for name in ('r.jsonl', 'r.json', 'r.sqlite'):
            self.json('-o', name, self.site.url('/1'), self.site.url('/x'))
            self.asked()
            for more, asked in ((['--paginate'], ['/1', '/2', '/x']), (['--paginate'], []),
                                (['--follow', '.on'], []), ([], [])):
                self.json(*more, '-o', name, '--resume', self.site.url('/1'), self.site.url('/x'))
                self.assertEqual(self.asked(), asked, (name, more))
            self.assertEqual(self.kept(name), ['/1', '/2', '/x'])
            self.json('-o', name, self.site.url('/x'))
            self.asked()
            self.json('--follow', '.bad', '-o', name, '--resume', self.site.url('/x'))
            self.assertEqual(self.asked(), ['/x'])
            self.json('--follow', '.bad', '-o', name, '--resume', self.site.url('/x'))
            self.assertEqual(self.asked(), [])

    def test_a_page_of_the_border_that_fails_keeps_its_record(self):
        self.site_of({'/': ['/a'], '/a': ['/b'], '/b': []})
        for name in ('r.jsonl', 'r.json', 'r.sqlite'):
            self.json('--crawl', '1', '-o', name, self.site.url('/'))
            page = self.site.pages.pop('/a')
            _, summary = self.json('--crawl', '2', '-o', name, '--resume', self.site.url('/'), status=1)
            self.assertEqual(summary['causes'], {'status': 1})
            self.assertEqual(self.kept(name), ['/', '/a'])
            self.site.pages['/a'] = page
            self.asked()
            self.json('--crawl', '2', '-o', name, '--resume', self.site.url('/'))
            self.assertEqual(self.asked(), ['/a', '/b'])
            self.assertEqual(self.kept(name), ['/', '/a', '/b'])

    def test_a_crawl_is_resumed_from_all_that_was_given(self):
        there = self.server({'/robots.txt': ('text/plain', b''), '/': fetch_server.page('x')})
        self.site_of({'/': ['/a', there.url('/late')], '/a': ['/fail/1/1']})
        urls = [self.site.url('/'), self.site.url('/a'), there.url('/')]
        self.json('--crawl', '1', '-o', 'r.jsonl', *urls, status=1)
        self.assertIn('/fail/1/1', self.asked())
        there.seen.clear()
        there.pages['/late'] = fetch_server.page('x')
        self.json('--crawl', '1', '-o', 'r.jsonl', '--resume', *urls)
        self.assertEqual(self.asked(), ['/fail/1/1'])  # a link of what is also at the border of the first
        self.assertEqual([p for p in there.seen if p != '/robots.txt'], ['/late'])

    def test_another_file_is_not_overwritten_by_resume(self):
        with open(self.path('r.csv'), 'w') as f:
            f.write('mine\r\n')
        status, _, err = self.run_it('-o', 'r.csv', '--resume', self.site.url('/ok/1'))
        self.assertEqual(status, 1)
        self.assertIn('has other columns', err)
        with open(self.path('r.csv'), newline='') as f:
            self.assertEqual(f.read(), 'mine\r\n')
        for mine in ('mine\n', '{"mine": 1}', '[\n "mine",'):
            with open(self.path('r.json'), 'w') as f:
                f.write(mine)
            status, _, err = self.run_it('-o', 'r.json', '--resume', self.site.url('/ok/1'))
            self.assertEqual(status, 1)
            self.assertIn('r.json holds no list of records', err)
            with open(self.path('r.json')) as f:
                self.assertEqual(f.read(), mine)


class Ends(Case):
    def test_wrong_usage(self):
        for arguments in ([], ['--extract', 'nothing', 'http://x/'], ['-x', 'css:a[', 'http://x/'],
                          ['-x', 'json:a[', 'x'],
                          ['--rate', 'fast', 'x'], ['--out', 'r.doc', 'x'], ['--resume', 'x'], ['--limit', '0', 'x'],
                          ['--follow', '::', 'x'], ['--header', 'x', 'x']):
            status, out, err = self.run_it(*arguments)
            self.assertEqual((status, out), (2, ''), arguments)
            self.assertTrue(err)

    def test_interrupted(self):
        for more in ([], ['--pipeline'], ['-x', 'title']):
            child = subprocess.Popen([PROGRAM, '-q', '-s', 'b', '-o', 'r.json', '-t', '60s', *more,
                                      self.site.url('/ok/1'),
                                      self.site.url('/stall'), self.site.url('/hang')], cwd=self.folder,
                                     stdout=subprocess.PIPE, env=self.environment())
            for _ in range(1000):
                if os.path.isdir(self.path('b')) and any(n.endswith('.html') for n in os.listdir(self.path('b'))):
                    break
                time.sleep(0.01)
            while '/stall' not in self.site.seen or '/hang' not in self.site.seen:
                time.sleep(0.01)
            child.send_signal(signal.SIGINT)
            out = child.communicate(timeout=30)[0].decode()
            self.assertEqual(child.returncode, 130, out)
            self.assertIn('total 1, successful 1', out)
            names = os.listdir(self.path('b'))
            self.assertEqual([n for n in names if not n.endswith('.html')], [])
            self.assertEqual([r['ok'] for r in load(self.path('r.json'))], [True])
            shutil.rmtree(self.path('b'))
            self.site.seen.clear()

    def test_rate(self):
        _, summary = self.json('--rate', '5/s', *self.urls('/ok/%d', 6))
        self.assertGreaterEqual(summary['seconds'], 0.9)

    def test_headers(self):
        self.json('-H', 'X-Tea: green', self.site.url('/ok/1'))

    def test_many_with_few_descriptors(self):
        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        done = subprocess.run([PROGRAM, '-q', '-l', '20', '-s', 'b', *self.urls('/ok/%d', 300)], cwd=self.folder,
                              capture_output=True, timeout=60, preexec_fn=few, env=self.environment())
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(len(os.listdir(self.path('b'))), 300)


if __name__ == '__main__':
    PROGRAM = os.path.realpath(sys.argv.pop(1))
    kit.main()
