#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What strangers' pages in the operator's browser can do to the server: nothing.

usage: test_strangers.py KETTLE_JOBS [TEST]...

Prints `ok NAME` or `FAIL NAME` for each attack, and at the end `N passed, N failed`. Exit status
77, with the reason, where no browser can be driven.
"""

import page
from page import equal, every_job, live, submitted_id, test
from served import until

# Of each path so many requests reach the server and would change something.
SENT = 7
# Tries to submit a job to `target`, or to cancel the job `victim`, by every way that a page has.
ATTACKS = '''
    const [target, victim] = arguments;
    const job = JSON.stringify({ type: 'sleep', args: { seconds: 0 } });
    const paths = { 'v1/jobs': job, [`v1/jobs/${victim}/cancel`]: job };
    const outcome = {};
    const attempt = async (name, what) => {
        try {
            const response = await what();
            const status = response?.status ?? response;
            outcome[name] = response?.type === 'opaque' ? 'opaque' : String(status);
        } catch (e) {
            outcome[name] = e.name;
        }
    };
    const post = (path, body, type, more) => fetch(target + path,
        { method: 'POST', body, headers: type ? { 'content-type': type } : {}, ...more });
    const form = (path, text) => new Promise((done) => {
        const frame = document.createElement('iframe');
        frame.name = 'f' + Math.random();
        document.body.append(frame);
        const form = document.createElement('form');
        Object.assign(form, { method: 'post', enctype: 'text/plain', target: frame.name,
            action: target + path });
        /* text/plain is "name=value": the equals sign becomes the name of the queue. */
        const input = document.createElement('input');
        [input.name, input.value] = [text.slice(0, -1) + ',"queue":"', '"}'];
        form.append(input);
        document.body.append(form);
        frame.onload = () => frame.dataset.sent && done('sent');
        setTimeout(() => done('sent'), 3000);
        frame.dataset.sent = 1;
        form.submit();
    });
    for (const [path, body] of Object.entries(paths)) {
        await attempt('plain ' + path, () => post(path, body, 'text/plain', { mode: 'no-cors' }));
        await attempt('typeless ' + path,
            () => post(path, new Blob([body]), '', { mode: 'no-cors' }));
        await attempt('opaque-json ' + path,
            () => post(path, body, 'application/json', { mode: 'no-cors' }));
        await attempt('json ' + path, () => post(path, body, 'application/json'));
        await attempt('put ' + path, () => fetch(target + path, { method: 'PUT', body }));
        await attempt('beacon ' + path, async () => navigator.sendBeacon(target + path, body));
        await attempt('form ' + path, () => form(path, body));
        await attempt('get ' + path, () => fetch(target + path, { mode: 'no-cors' }));
    }
    return outcome;'''

READS = '''
    const [target] = arguments;
    const heard = [];
    const read = (url) => fetch(url).then((r) => r.text()).then((t) => heard.push(t), () => 0);
    await Promise.all([read(target + 'v1/jobs'), read(target + 'v1/jobs/1'), read(target)]);
    const opaque = await fetch(target + 'v1/jobs', { mode: 'no-cors' })
        .then((r) => r.type, (e) => e.name);
    const stream = new EventSource(target + 'v1/events');
    for (const type of ['open', 'message', 'stats'])
        stream.addEventListener(type, (e) => heard.push(type + e.data));
    await new Promise((done) => { stream.onerror = done; setTimeout(done, 5000); });
    return [heard, opaque, stream.readyState];'''


def besiege(place, source, target):
    """Attacks `target` from `source`; what it answered, after nothing has come of it."""
    b, server = place.browser, place.server
    victim = server.sleep(600)
    server.wait(victim, 'running')
    before = len(every_job(server))
    b.get(source)
    outcome = b.run(ATTACKS, target, victim)
    # Nobody hears of a beacon's answer; so the log tells that all have arrived.
    until(lambda: server.log.count(' 403 ') >= 2 * SENT, 'every attack has arrived')
    equal(len(every_job(server)), before, f'jobs after {outcome}')
    equal(server.job(victim)['state'], 'running', f'victim after {outcome}')
    return outcome


def refused_all(outcome):
    for name, result in outcome.items():
        allowed = ('opaque', 'TypeError', 'true', 'sent')
        assert result in allowed, f'{name}: {result}'
        if name.split()[0] in ('json', 'put'):
            equal(result, 'TypeError', name)


@test
def own_page_can_do_what_strangers_may_not(place):
    b, server = place.open(), place.server
    victim = server.sleep(600)
    server.wait(victim, 'running')
    outcome = b.run(ATTACKS, server.url + '/', victim)
    equal(outcome['json v1/jobs'], '201')
    equal(outcome[f'json v1/jobs/{victim}/cancel'], '200')
    equal(outcome['opaque-json v1/jobs'], '415', 'as no-cors drops the type')
    server.wait(victim, 'cancelled')
    equal(len(every_job(server)), 2)


@test
def page_of_another_port_cannot_submit_or_cancel(place):
    source = f'http://127.0.0.1:{place.stranger()}/'
    refused_all(besiege(place, source, place.server.url + '/'))


@test
def page_of_another_site_cannot_submit_or_cancel(place):
    source = f'http://localhost:{place.stranger()}/'
    refused_all(besiege(place, source, place.server.url + '/'))


@test
def sibling_of_localhost_cannot_submit_or_cancel(place):
    target = f'http://localhost:{place.server.port}/'
    refused_all(besiege(place, f'http://localhost:{place.stranger()}/', target))


@test
def page_without_an_origin_cannot_submit(place):
    b, server = place.browser, place.server
    b.get(f'http://127.0.0.1:{place.stranger()}/')
    outcome = b.run('''
        const [target] = arguments;
        const frame = document.createElement('iframe');
        frame.sandbox = 'allow-scripts';
        frame.srcdoc = `<script>fetch('${target}v1/jobs', { method: 'POST', mode: 'no-cors',
            body: '{"type":"sleep","args":{"seconds":0}}' }).then((r) => r.type, (e) => e.name)
            .then((r) => parent.postMessage(r + ' ' + origin, '*'))</script>`;
        return new Promise((done) => {
            onmessage = (e) => done(e.data);
            document.body.append(frame);
        });''', server.url + '/')
    equal(outcome, 'opaque null')
    until(lambda: ' 403 ' in server.log, 'the refusal')
    equal(every_job(server), [])


@test
def stranger_reads_nothing(place):
    b, server = place.browser, place.server
    server.wait(server.shell('echo secret'), 'succeeded')
    for host in ('127.0.0.1', 'localhost'):
        b.get(f'http://{host}:{place.stranger()}/')
        equal(b.run(READS, server.url + '/'), [[], 'TypeError', 2], f'read from {host}')
    place.open()
    heard, _, state = b.run(READS, server.url + '/')
    assert len(heard) >= 4 and state == 1, f'the own page reads: {heard}'


@test
def page_cannot_be_framed(place):
    b, server = place.browser, place.server
    port = place.stranger()
    for source, selector, framed in ((server.url + '/', '#form', False),
                                     (f'http://localhost:{port}/', '#mine', True)):
        b.get(f'http://127.0.0.1:{port}/')
        b.run('''const frame = document.createElement('iframe');
            frame.src = arguments[0];
            document.body.append(frame);
            return new Promise((done) => { frame.onload = () => done(1); });''', source)
        b.into_frame(0)
        try:
            equal(b.run('return Boolean(document.querySelector(arguments[0]))', selector), framed,
                  source)
        finally:
            b.out_of_frame()
        faults = b.faults()
        equal(any('frame-ancestors' in f for f in faults), not framed, str(faults))


@test
def name_that_was_rebound_is_refused(place):
    server = place.new_server('--allow-host', 'good.test')
    secret = server.shell('echo secret')
    server.wait(secret, 'succeeded')
    b = place.new_browser('--host-resolver-rules=MAP *.test 127.0.0.1')
    b.get(f'http://evil.test:{server.port}/')
    page = b.run("return performance.getEntriesByType('navigation')[0].responseStatus")
    equal([page, b.run('return location.hostname')], [421, 'evil.test'])
    assert 'evil.test' in b.text('body') and '--allow-host' in b.text('body')
    answers = b.run('''
        const job = JSON.stringify({ type: 'sleep', args: { seconds: 0 } });
        const headers = { 'content-type': 'application/json' };
        const asked = await Promise.all([fetch('/'), fetch('/app.js'), fetch('/v1/jobs'),
            fetch('/v1/jobs/1'), fetch('/v1/events'), fetch('/healthz'),
            fetch('/v1/jobs', { method: 'POST', body: job, headers }),
            fetch('/v1/jobs/1/cancel', { method: 'POST', body: '{}', headers })]);
        const heard = [];
        const stream = new EventSource('/v1/events');
        stream.addEventListener('stats', (e) => heard.push(e.data));
        await new Promise((done) => { stream.onerror = done; setTimeout(done, 5000); });
        const texts = await Promise.all(asked.map((r) => r.text()));
        return [asked.map((r) => r.status), heard, texts.join().includes('secret')];''')
    equal(answers, [[421] * 8, [], False])
    equal(len(every_job(server)), 1)
    b.get(f'http://good.test:{server.port}/')
    live(b)
    b.type('#f-program', 'true')
    b.click('#send')
    server.wait(submitted_id(b), 'succeeded')


if __name__ == '__main__':
    page.main()
