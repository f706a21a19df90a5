#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The live page in Chromium against the real server.

usage: test_page.py KETTLE_JOBS [TEST]...

Prints `ok NAME` or `FAIL NAME` for each behaviour, and at the end `N passed, N failed`. Exit status
77, with the reason, where no browser can be driven.
"""

import re
import time

import page
from page import (click_in_row, counted, equal, every_job, in_row, live, row, shows, submitted_id,
                  test)
from served import TERMINAL, until
from webdriver import ENTER

PROMPT_SECONDS = 2.0
TRIES = 3  # a busy machine may spoil the clock of one
PAGES = 5
FLOOD = 2000
# Images that run code, mark-up that ends, text that runs backwards, characters that nobody sees.
HOSTILE = '<img src=x onerror="window.hacked=1"></pre><script>window.hacked=1</script>'
BIDI = 'abc\u202edcba\u2066\u200b'


def sideways(browser, width):
    """By how many pixels the document is wider than the screen, and which elements stick out. A
    phone zooms out to show all of a page that is too wide: so innerWidth tells nothing."""
    return browser.run('''
        const root = document.scrollingElement;
        const width = arguments[0];
        const wide = [...document.querySelectorAll('body *')].filter((e) => {
            const box = e.getBoundingClientRect();
            return box.width && !e.closest('.label, pre, .unseen') &&
                (box.right > width + 1 || box.left < -1);
        }).map((e) => e.tagName + '.' + e.className + '#' + e.id);
        return [root.scrollWidth - width, wide];''', width)


def weakest_contrast(browser):
    """Of all texts on the page, the lowest contrast with what is behind it (WCAG 2.2, 1.4.3)."""
    return browser.run('''
        const parse = (c) => c.match(/[\\d.]+/g).map(Number);
        const light = (c) => c.slice(0, 3).map((v) => v / 255)
            .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
        const behind = (e) => {
            for (; e; e = e.parentElement) {
                const c = parse(getComputedStyle(e).backgroundColor);
                if (c.length < 4 || c[3] > 0)
                    return c;
            }
            return [255, 255, 255];
        };
        let worst = [99, ''];
        const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (walk.nextNode()) {
            const e = walk.currentNode.parentElement;
            if (!walk.currentNode.data.trim() || !e.checkVisibility())
                continue;
            const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))];
            const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (ratio < worst[0])
                worst = [ratio, e.className + ': ' + walk.currentNode.data.trim()];
        }
        return worst;''')


# ---- behaviours ---------------------------------------------------------------------------------

@test
def page_loads_without_a_fault(place):
    b = place.open()
    assert 'No jobs yet' in b.text('#jobs-empty')
    assert place.server.url in b.text('#jobs-empty pre'), 'the sample names this server'
    loaded = b.run('''return performance.getEntriesByType('resource')
        .filter((r) => r.initiatorType !== 'eventsource' && r.responseStatus !== 200
            && !r.name.endsWith('/v1/events')).map((r) => r.name + ' ' + r.responseStatus)''')
    equal(loaded, [], 'resources that failed')
    equal(b.faults(), [])


@test
def inline_script_is_refused_and_noticed(place):
    b = place.open()
    b.run('''const s = document.createElement('script');
        s.textContent = 'window.hacked = 1';
        document.head.append(s);
        const e = document.createElement('p');
        e.setAttribute('onclick', 'window.hacked = 1');
        document.body.append(e);
        e.click();''')
    equal(b.run('return window.hacked ?? null'), None)
    faults = until(b.faults, 'violations')
    assert any('script-src' in f or 'policy' in f for f in faults), faults


@test
def command_from_the_form_succeeds_at_once(place):
    b = place.open()
    b.run("window.loadedOnce = true")
    took = []
    while len(took) < TRIES and min(took, default=9) > PROMPT_SECONDS:
        b.type('#f-program', 'echo')
        b.type('#f-arguments', 'hello  world\nhi')
        start = time.monotonic()
        b.click('#send')
        number = submitted_id(b)
        shows(b, 'jobs', number, '.state', 'succeeded')
        took.append(time.monotonic() - start)
        equal(in_row(b, 'jobs', number, '.label'), 'echo hello  world hi')
        equal(place.server.job(number)['result']['stdout'], 'hello  world hi\n')
    assert min(took) <= PROMPT_SECONDS, f'took {took} s'
    until(lambda: counted(b, 'succeeded') == len(took), 'the count')
    equal(b.run('return window.loadedOnce ?? false'), True, 'not reloaded')
    equal(b.faults(), [])


@test
def keyboard_alone_submits_through_the_shell(place):
    b = place.open()
    b.press('#f-use-shell', ' ')
    b.type('#f-shell', 'printf abc | wc -c')
    b.press('#f-shell', ENTER)
    number = submitted_id(b)
    equal(place.server.wait(number, *TERMINAL)['result']['stdout'].strip(), '3')


@test
def options_of_the_form_reach_the_job(place):
    b = place.open()
    b.choose('#f-type', 'sleep')
    b.type('#f-seconds', '0.5')
    b.click('#options summary')
    for name, value in (('queue', 'night'), ('priority', '-2'), ('attempts', '7'),
                        ('backoff', '1.5'), ('timeout', '20'), ('delay', '600')):
        b.type('#f-' + name, value)
    b.click('#send')
    job = place.server.job(submitted_id(b))
    equal([job[f] for f in ('type', 'args', 'queue', 'priority', 'attempts_max', 'backoff',
                            'timeout', 'state')],
          ['sleep', {'seconds': 0.5}, 'night', -2, 7, 1.5, 20, 'scheduled'])
    until(lambda: counted(b, 'scheduled') == 1, 'the count')
    shows(b, 'jobs', job['id'], '.meta', 'night')


@test
def failing_job_shows_with_its_error(place):
    b = place.open()
    number = place.server.shell('echo "no such table: users" >&2; exit 3', attempts=1)
    shows(b, 'failures', number, '.error', 'exit status 3: no such table: users')
    shows(b, 'failures', number, '.state', 'dead')
    shows(b, 'failures', number, '.meta', 'attempt 1/1')
    until(lambda: counted(b, 'dead') == 1, 'the count')
    again = place.server.shell('exit 4', attempts=3, backoff=100)
    shows(b, 'failures', again, '.state', 'retry')
    equal(b.faults(), [])


@test
def job_that_fails_again_and_again_hides_no_other(place):
    server = place.server
    other = server.shell('echo other >&2; exit 1', attempts=1)
    server.wait(other, 'dead')
    often = server.shell('echo often >&2; exit 1', attempts=40, backoff=0)
    server.wait(often, 'dead')
    b = place.open()
    shows(b, 'failures', other, '.error', 'other')
    shows(b, 'failures', often, '.meta', 'attempt 40/40')
    equal(b.run("return document.querySelectorAll('#failures > li').length"), 2)


@test
def crash_of_the_server_shows_as_a_failure(place):
    b, server = place.open(), place.server
    number = server.shell('test -e again && exit 6; touch again; sleep 600', attempts=1)
    shows(b, 'running', number, '.when', ' s')
    server.kill()
    server.start()
    live(b)
    shows(b, 'failures', number, '.error', 'exit status 6')
    equal(in_row(b, 'failures', number, '.meta'), 'attempt 2 · command')
    click_in_row(b, 'failures', number, '.open')
    panel = until(lambda: (text := in_row(b, 'failures', number, '.panel')) and
                  'Attempt 2' in text and text, 'details')
    assert '1 of 1' in panel and 'Server crashes1' in panel and 'crashed' in panel, panel


@test
def running_job_ages_and_two_presses_cancel_it(place):
    b = place.open()
    number = place.server.sleep(600)
    ages = [int(shows_age(b, number))]
    until(lambda: ages.append(int(shows_age(b, number))) or ages[-1] >= ages[0] + 2,
          'the age grows')
    equal(ages, sorted(ages), 'ages')
    click_in_row(b, 'running', number, '.act')
    equal(in_row(b, 'running', number, '.act'), 'Confirm')
    equal(place.server.job(number)['state'], 'running', 'after one press')
    click_in_row(b, 'running', number, '.act')
    place.server.wait(number, 'cancelled')
    shows(b, 'jobs', number, '.state', 'cancelled')
    until(lambda: counted(b, 'cancelled') == 1 and counted(b, 'running') == 0, 'the count')
    b.click('#submit h2')
    until(lambda: in_row(b, 'running', number, '.number') is None, 'the row is gone')
    equal(b.faults(), [])


def shows_age(browser, number):
    return until(lambda: re.match(r'(\d+) s$', in_row(browser, 'running', number, '.when') or ''),
                 'an age in seconds').group(1)


@test
def refusal_of_the_server_shows_beside_its_field(place):
    b = place.open()
    wrongs = [('#f-program', '', 'f-program', 'missing|empty'),
              ('#f-priority', 'soon', 'f-priority', 'whole number'),
              ('#f-attempts', '0', 'f-attempts', 'at least 1'),
              ('#f-timeout', '-1', 'f-timeout', 'between 0')]
    for selector, value, field, message in wrongs:
        b.get('about:blank')
        b.get(place.server.url + '/')
        live(b)
        b.type('#f-program', 'true')
        if 'program' not in selector:
            b.click('#options summary')
        b.type(selector, value)
        b.click('#send')
        b.wait('a refusal', "return document.getElementById('wrong')")
        equal(b.run('''const wrong = document.getElementById('wrong');
            return [wrong.previousElementSibling.id, document.activeElement.id,
                document.querySelector('[aria-invalid]').getAttribute('aria-describedby')]'''),
              [field, field, 'wrong'])
        assert re.search(message, b.text('#wrong')), b.text('#wrong')
    equal(every_job(place.server), [])
    b.type('#f-timeout', '5')
    b.click('#send')
    submitted_id(b)
    equal(b.run("return document.querySelector('.wrong:not([hidden]), [aria-invalid]')"), None)


@test
def page_comes_back_with_the_server_and_is_right(place):
    b, server = place.open(), place.server
    old = server.sleep(600)
    shows(b, 'running', old, '.when', ' s')
    server.stop()
    b.wait('the page notices', '''return /connection is lost/.test(
        document.getElementById('stale').textContent) && document.title.startsWith('Offline')''')
    equal(b.text('#link'), 'Reconnecting…')
    server.start()
    new = server.shell('echo back')
    server.cancel(old)
    live(b)
    shows(b, 'jobs', new, '.state', 'succeeded')
    shows(b, 'jobs', old, '.state', 'cancelled')
    until(lambda: [counted(b, s) for s in ('running', 'succeeded', 'cancelled')] == [0, 1, 1],
          'counts')
    equal(b.run("return document.getElementById('stale').hidden"), True)
    equal(b.run('return document.title'), 'Kettle jobs')


@test
def hostile_text_stays_text(place):
    b, server = place.open(), place.server
    script = 'printf "%s\\n" "$0" >&2; printf "%s" "$0"; exit 1'
    number = server.submit(args={'argv': ['sh', '-c', script, HOSTILE + BIDI]}, attempts=1,
                           queue='<b>q')
    shows(b, 'failures', number, '.error', '<img src=x onerror="window.hacked=1"></pre><script>')
    tail = server.submit(args={'argv': ['sh', '-c', script, BIDI + '\x1b[31m\rred']}, attempts=1)
    shows(b, 'failures', tail, '.error', 'abc\\u202edcba\\u2066\\u200b\\x1b[31m')
    click_in_row(b, 'jobs', number, '.open')
    shows(b, 'jobs', number, '.panel', 'window.hacked=1')
    page = b.run('''return [document.querySelectorAll('main img, main script, main b').length,
        window.hacked ?? null, /[\\u202a-\\u202e\\u2066-\\u2069\\u200b\\x1b]/.test(
            document.documentElement.textContent)]''')
    equal(page, [0, None, False], 'mark-up, code run, characters that deceive')
    equal(b.faults(), [])


@test
def long_error_in_any_script_keeps_its_words(place):
    b = place.open()
    for before in ('', 'x', 'xx'):  # wherever the error is cut, it is not inside a character
        number = place.server.submit(args={'argv': [
            'sh', '-c', 'echo "$0" >&2; exit 1', before + '見つかりません' * 40]}, attempts=1)
        shows(b, 'failures', number, '.error', f'exit status 1: {before}見つかりません見')
        assert '\ufffd' not in in_row(b, 'failures', number, '.error')
    number = place.server.shell("printf 'caf\\351\\n' >&2; exit 1", attempts=1)
    shows(b, 'failures', number, '.error', 'exit status 1: caf\ufffd')


@test
def details_open_from_the_row_and_by_link(place):
    server = place.server
    number = server.shell('echo first; echo second; echo oops >&2; exit 5', attempts=2, backoff=0)
    server.wait(number, 'dead')
    b = place.open()
    click_in_row(b, 'jobs', number, '.open')
    panel = until(lambda: (text := in_row(b, 'jobs', number, '.panel')) and
                 'Attempts' in text and text, 'details')
    for part in ('first\nsecond', 'exit status 5: oops', 'Attempt 1', 'Attempt 2', '2 of 2'):
        assert part in panel, (part, panel)
    equal(b.run("return document.querySelector('#jobs .open').ariaExpanded"), 'true')
    click_in_row(b, 'jobs', number, '.open')
    equal(b.run("return document.querySelector('#jobs .panel').hidden"), True)
    place.open(f'#job-{number}')
    shows(b, 'jobs', number, '.panel', 'exit status 5')
    equal(b.faults(), [])


@test
def list_is_filtered_and_paged(place):
    server = place.server
    server.ask('POST', '/v1/jobs', [{'type': 'sleep', 'args': {'seconds': 0}}] * 45)
    late = server.sleep(1, delay=3600)
    until(lambda: sum(j['state'] == 'succeeded' for j in every_job(server)) == 45, '45 done')
    b = place.open()
    until(lambda: numbers(b) == list(range(46, 26, -1)), 'first page')
    for ids in (range(26, 6, -1), range(6, 0, -1)):
        b.click('#older')
        until(lambda: numbers(b) == list(ids), f'page from {ids[0]}')
    equal(b.run("return document.getElementById('older').hidden"), True)
    b.click('#newest')
    until(lambda: numbers(b)[0] == late, 'first page')
    b.choose('#filter', 'scheduled')
    until(lambda: numbers(b) == [late], 'the filter')
    b.click('a[href="#state-cancelled"]')
    until(lambda: 'No job is cancelled' in (b.text('#jobs-empty') or ''), 'none')
    equal(b.faults(), [])


def numbers(browser):
    return browser.run('''return [...document.querySelectorAll('#jobs .number')]
        .map((n) => Number(n.textContent.slice(1)))''')


@test
def phone_has_no_sideways_scroll(place):
    server, b = place.server, place.browser
    long = server.submit(args={'argv': ['sh', '-c', 'echo "$0" >&2; exit 1', 'w' * 2000]},
                         attempts=1)
    server.shell('sleep 600; : ' + 'label ' * 100, queue='q' * 60)
    server.wait(long, 'dead')
    for width in (360, 320):
        b.size(width, 740, phone=True)
        try:
            place.open()
            b.click('#failures .more')
            equal(sideways(b, width), [0, []], f'at {width} px')
            click_in_row(b, 'jobs', long, '.open')
            b.wait('details', """return [...document.querySelectorAll('#jobs .panel')].some(
                (panel) => panel.checkVisibility() && panel.innerText.includes('Attempt 1'))""")
            equal(sideways(b, width), [0, []], f'at {width} px with details')
        finally:
            b.own_size()


@test
def both_colour_schemes_are_readable(place):
    server, b = place.server, place.browser
    server.wait(server.shell('echo broken >&2; exit 1', attempts=1), 'dead')
    server.wait(server.shell('echo fine'), 'succeeded')
    server.sleep(600)
    server.sleep(1, delay=600)
    grounds = []
    for scheme in ('light', 'dark'):
        b.scheme(scheme)
        try:
            place.open()
            click_in_row(b, 'jobs', 1, '.open')
            shows(b, 'jobs', 1, '.panel', 'broken')
            grounds.append(b.run('''return getComputedStyle(document.body).backgroundColor
                .match(/\\d+/g).slice(0, 3).reduce((sum, v) => sum + Number(v), 0) / 3'''))
            ratio, text = weakest_contrast(b)
            assert ratio >= 4.5, f'{scheme}: contrast {ratio:.2f} of {text!r}'
        finally:
            b.scheme('')
    assert grounds[0] > 200 and grounds[1] < 60, grounds


@test
def five_pages_follow_a_flood(place):
    b, server = place.open(), place.server
    handles = [b.windows()[0]]
    try:
        while len(handles) < PAGES:
            handles.append(b.open_window())
            b.get(server.url + '/')
            live(b)
        for handle in handles:
            b.switch(handle)
            b.run('''window.slowest = 0;
                let last = performance.now();
                setInterval(() => {
                    const now = performance.now();
                    slowest = Math.max(slowest, now - last - 20);
                    last = now;
                }, 20);''')
        server.ask('POST', '/v1/jobs', [{'type': 'sleep', 'args': {'seconds': 0}}] * FLOOD)
        start, slowest = time.monotonic(), 0
        while server.job(FLOOD)['state'] != 'succeeded':
            before = time.monotonic()
            server.list('?limit=20')
            slowest = max(slowest, time.monotonic() - before)
            assert before - start < 60, 'the flood does not end'
        print(f'   {FLOOD} jobs in {time.monotonic() - start:.1f} s with {PAGES} pages open; '
              f'slowest answer to a list {slowest * 1000:.0f} ms')
        for handle in handles:
            b.switch(handle)
            until(lambda: counted(b, 'succeeded') == FLOOD, 'the count')
            print(f'   longest wait of a page\'s main thread {b.run("return slowest"):.0f} ms')
            equal(b.faults(), [])
    finally:
        for handle in handles[1:]:
            b.switch(handle)
            b.close_window()
        b.switch(handles[0])


if __name__ == '__main__':
    page.main()
