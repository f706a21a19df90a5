# SPDX-License-Identifier: MIT
"""Figures as tables that people read, which are also Markdown, and as JSON."""

import collections
import contextlib
import os
import platform
import re
import subprocess
import sys
import tempfile

import kit

# key: of the part; columns: (quantity, heading, format, and where it is to be compared the
# heading of its ratio); base: the subject that ratios are against
Table = collections.namedtuple('Table', 'key title columns base note')

REQUESTS = [('requests/s', 'requests/s', '{:,.0f}', 'rate'),
            ('CPU us/request', 'server CPU a request', '{:.2f} us', 'CPU'),
            ('p50 us', 'p50', '{:,.0f} us', None), ('p99 us', 'p99', '{:,.0f} us', None)]

MESSAGES = [('messages/s', 'messages/s', '{:,.0f}', 'rate'),
            ('CPU us/message', 'server CPU a message', '{:.2f} us', 'CPU'), *REQUESTS[2:]]

LARGE = [('MB/s', 'MB/s', '{:,.0f}', 'rate'), ('peak KiB', 'memory at most', '{:,.0f} KiB', None)]

TABLES = [
    Table('costs', 'Costs of the runtime', [], None,
          'CPU time of the loop\'s thread; `kt_thread_run`, `kt_call_threadsafe` and channels in real '
          'time, with both cores.'),
    Table('echo', 'Echo: 64 bytes, 50 connections', REQUESTS, 'plain epoll loop',
          'Server on one core, load on the other. The plain loop is the least that two system '
          'calls a message allow.'),
    Table('http', 'HTTP: hello, world, 50 connections', REQUESTS, 'nginx',
          '`wrk -t1 -c50`; nginx with one worker, `return 200`, no access log. Server on one '
          'core, wrk on the other.'),
    Table('static', 'Files over HTTP',
          [('4k requests/s', '4 KiB, requests/s', '{:,.0f}', '4 KiB, rate'),
           ('4k CPU us', '4 KiB, server CPU', '{:.2f} us', '4 KiB, CPU'),
           ('1m requests/s', '1 MiB, requests/s', '{:,.0f}', '1 MiB, rate'),
           ('1m CPU us', '1 MiB, server CPU', '{:,.0f} us', '1 MiB, CPU')], 'nginx',
          '`wrk -t1`, 50 connections for 4 KiB, 10 for 1 MiB. nginx opens the file at each request, Kettle and h2o '
          'once for those that come together; Kettle and nginx use sendfile(2) for the large one. CPU is per '
          'request.'),
    Table('http2', 'HTTP/2: hello, world, 10 connections',
          [('1 requests/s', '1 stream, requests/s', '{:,.0f}', '1, rate'),
           ('1 CPU us', '1 stream, server CPU', '{:.2f} us', '1, CPU'),
           ('100 requests/s', '100 streams, requests/s', '{:,.0f}', '100, rate'),
           ('100 CPU us', '100 streams, server CPU', '{:.2f} us', '100, CPU')], 'nginx',
          '`h2load -t1 -c10`, without TLS; h2o and nghttpd serve a file of the same bytes. nghttpd and '
          'Kettle speak HTTP/2 by the same library, nghttp2; h2o by code of its own. CPU is per request.'),
    Table('pipelined', 'HTTP: hello, world, sixteen at once', REQUESTS[:2], 'nginx',
          '`wrk -t1 -c50`, each connection with sixteen requests behind one another.'),
    Table('tls', 'TLS',
          [('handshakes/s', 'handshakes/s', '{:,.0f}', 'handshakes'),
           ('handshake CPU us', 'server CPU a handshake', '{:,.0f} us', 'its CPU'),
           ('MiB/s', 'MiB/s', '{:,.0f}', 'rate'),
           ('MiB CPU us', 'server CPU a MiB', '{:,.0f} us', 'its CPU')], 'nginx',
          '`wrk -t1`: 50 connections at a time, each for one request, with a certificate of P-256; 10 that stay, for a '
          'file of 1 MiB.'),
    Table('websocket', 'WebSocket: 64 bytes there and back, 50 connections', MESSAGES, 'Go gorilla',
          'Server on one core, load on the other; without compression.'),
    Table('broadcast', 'WebSocket: 64 bytes to 1,000 clients', MESSAGES, 'Go gorilla',
          'A message is one that one client has received; p50 and p99 are those of the time until all have it. The '
          'next is sent then. Kettle: a hub that keeps the connections.'),
    Table('client', '10,000 GETs, 200 at a time',
          [('requests/s', 'requests/s', '{:,.0f}', 'rate'),
           ('CPU us/request', 'client CPU a request', '{:.2f} us', 'CPU')], 'libcurl, multi',
          'Of fourteen bytes from one nginx, on connections that are kept. Client on one core, server on the other.'),
    Table('fetch', '1,000 URLs that take 50 ms each',
          [('seconds', 'seconds', '{:.2f}', 'time'), ('CPU ms', 'CPU', '{:,.0f} ms', 'CPU'),
           ('peak KiB', 'memory at most', '{:,.0f} KiB', None)], 'kettle-fetch --sequential',
          'Of one local server. kettle-fetch asks a host 20 at a time unless told otherwise.'),
    Table('idle', 'Memory of an idle connection',
          [('resident', 'resident, a connection', '{:,.0f} bytes', None),
           ('tables', 'page tables, a connection', '{:,.0f} bytes', None),
           ('connections', 'connections', '{:,.0f}', None)], None,
          'After one request, or the WebSocket handshake: what the server has resident then, less what it had before, '
          'divided by the connections. The kernel\'s memory for sockets is not in it. A WebSocket '
          'in a task of Kettle\'s has its request\'s head, here of 152 bytes with 5 headers: each further byte takes '
          'one, each further header 32.'),
    Table('jobs', 'Durable jobs that do nothing, 50 connections',
          [('enqueued/s', 'enqueued/s', '{:,.0f}', 'enqueue'),
           ('drained/s', 'drained/s', '{:,.0f}', 'drain'),
           ('CPU us/job', 'server CPU a job', '{:.1f} us', 'CPU')], 'beanstalkd -f0',
          'Each connection waits for every answer. kettle-jobs over HTTP, 50 workers inside the '
          'server; beanstalkd over its protocol, `put`, then `reserve` and `delete`. kettle-jobs '
          'and `-f0` answer when the job is on the disk; `-f50` answers before, and a crash of '
          'the machine loses up to 50 ms.'),
    Table('processes', 'Functions in other processes',
          [('p50 us', 'there and back, p50', '{:,.0f} us', None), ('p99 us', 'p99', '{:,.0f} us', None),
           ('MiB us', '1 MiB, p50', '{:,.0f} us', None), ('jobs/s', 'jobs/s', '{:,.0f}', 'rate'),
           ('CPU us/job', 'CPU a job', '{:.1f} us', 'CPU'),
           ('start ms', 'to the first result', '{:,.1f} ms', None)], 'ProcessPoolExecutor',
          'A function that gives its input back: 64 bytes, or 1 MiB, from one caller to one worker; '
          'jobs/s with 50 callers and two workers. `kt_process_pool` and asyncio\'s `run_in_executor`. '
          'CPU is that of all processes.'),
    Table('loops', 'A port in four loops',
          [('CPU us/visit', 'CPU a visit', '{:.1f} us', None),
           ('most - fewest', 'most - fewest', '{:.2f}', None)], None,
          'A visit is a connection, a byte of answer, and its end; CPU of both sides. Then 16 clients '
          'stay: by how many the fullest loop has more than the emptiest, the mean of 50 trials.'),
    Table('files', '10,000 files of 1 KiB',
          [('write us', 'written, a file', '{:.1f} us', 'write'), ('read us', 'read, a file', '{:.1f} us', 'read'),
           ('write calls', 'calls to write', '{:.2f}', None), ('read calls', 'calls to read', '{:.2f}', None)],
          'C, one thread',
          'In memory (tmpfs): open, write, close; open, fstat, read, close. io_uring alone: linked '
          'chains, 64 files in flight. Atomic: `kt_file_replace` with `no_sync`. Calls: system calls a file, of '
          'all threads, by `strace -c -f` in a run of their own; what a ring is asked for is none.'),
    Table('reads', 'Pieces of a file at random',
          [('cold us', 'from the disk', '{:.1f} us', None), ('hot us', 'from memory', '{:.1f} us', None)], None,
          '`kt_file_pread` in 512 MiB, by one task or by 32 at once; per read.'),
    Table('copy', 'A file of 4 GiB copied', LARGE, 'cp --reflink=auto',
          '`kt_path_copy`. On the disk ({file system}; reflinks: {reflinks}), out of the system\'s memory and, as '
          'far as the system lets it, into it: until the program has ended, not until the disk has it.'),
    Table('hash', 'SHA-256 of a file of 4 GiB', LARGE, 'openssl dgst',
          '`kt_file_read_chunk` and OpenSSL, in one task; `openssl dgst` computes with the same code, sha256sum with '
          'its own. On the disk ({file system}), in the system\'s memory.'),
    Table('lines', 'Lines of a file of 4 GiB', LARGE, 'wc -l',
          '`kt_file_read_line`, which hands out each line; wc only counts line ends. On the disk ({file system}), '
          'in the system\'s memory.'),
    Table('disk', 'What the disk allows', [('fdatasync/s', 'fdatasync/s', '{:,.0f}', None)], None,
          '4 KiB written, then fdatasync, each writer in a file of its own: over blocks that are '
          'there, or at the end, so that the file system must note the new size too.'),
    Table('notes', 'Notes, each in three formats',
          [('few ms', '20 notes, 60 files', '{:.2f} ms', 'time'),
           ('files/s', '1,000 notes, files/s', '{:,.0f}', 'rate'),
           ('CPU us/file', 'CPU a file', '{:.1f} us', 'CPU')], 'aiofiles',
          'On tmpfs where there is one. The clock runs from the first folder to the last file, without the start of '
          'the program. Kettle writes each file beside its place and renames it, so that nobody sees half of one; the '
          'others write under the final name. `in turn`: one file in flight.'),
]


def grid(rows):
    """Rows of texts as a Markdown table; all columns but the first to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]

    def line(row):
        cells = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]
        return '| ' + ' | '.join(cells) + ' |'

    rule = '|' + '|'.join(['-' * (widths[0] + 2)] + ['-' * (w + 1) + ':' for w in widths[1:]]) + '|'
    return '\n'.join([line(rows[0]), rule] + [line(row) for row in rows[1:]])


# Beyond this a median says little about the machine at rest, and a ratio of two nothing.
SPREAD_MAX = 0.25


def figure(samples, subject, quantity, form):
    if not samples.has(subject, quantity):
        return ''
    text, spread = form.format(samples.median(subject, quantity)), samples.spread(subject, quantity)
    if len(samples.values[subject][quantity]) == 1:
        return text
    if spread <= SPREAD_MAX:
        return f'{text} ±{spread * 100:.0f} %'
    number = form.split('}')[0] + '}'
    low, high = samples.bounds(subject, quantity)
    return f'{text} ({number.format(low)} to {number.format(high)})'


def ratio(samples, subject, base, quantity, quiet):
    """Rates of candidates that others slow down unequally (who waits alone for the disk loses most)
    say nothing together, however alike the repetitions are; CPU time suffers less."""
    if not samples.has(subject, quantity) or not samples.has(base, quantity):
        return ''
    if quantity.endswith('/s') and not quiet:
        return 'noisy'
    if max(samples.spread(s, quantity) for s in (subject, base)) > SPREAD_MAX:
        return 'noisy'
    below = samples.median(base, quantity)
    return f'{samples.median(subject, quantity) / below:.2f}' if below else ''


def cost_rows(samples):
    rows = [['', 'median']]
    for subject in samples.subjects():
        for unit in samples.values[subject]:
            if unit != 'tasks':
                form = '{:,.0f} ' + unit if unit == 'bytes' else '{:,.1f} ' + unit
                rows.append([subject, figure(samples, subject, unit, form)])
    return rows


def rows_of(table, samples, quiet):
    if not table.columns:
        return cost_rows(samples)
    compared = [c for c in table.columns if c[3] and table.base in samples.values]
    rows = [[''] + [c[1] for c in table.columns] + [f'{c[3]}, ratio' for c in compared]]
    for subject in samples.subjects():
        row = [subject] + [figure(samples, subject, c[0], c[2]) for c in table.columns]
        row += [ratio(samples, subject, table.base, c[0], quiet) for c in compared]
        rows.append(row)
    return rows


def tables(results, facts, quiet):
    """All tables as one text. `results` is {part: Samples}; facts: of the machine; quiet: nobody else used it."""
    parts = []
    for table in TABLES:
        if table.key in results:
            grown = grid(rows_of(table, results[table.key], quiet))
            against = f' Ratios are to {table.base}.' if 'ratio' in grown else ''
            absent = ' '.join(f'{name} is left out: {reason}.' for name, reason in results[table.key].absent.items())
            parts.append(f'### {table.title}\n\n{grown}\n\n{table.note.format_map(facts)}{against} {absent}'.rstrip())
    return '\n\n'.join(parts)


# ---- The machine ----------------------------------------------------------------------------

def said_by(command, pattern):
    """What a program says of itself, as far as it matches; None if it is not there."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10,
                                stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(pattern, result.stdout + result.stderr)
    return match.group(1) if match else None


def line_of(path, pattern):
    with open(path, encoding='utf-8', errors='replace') as f:
        match = re.search(pattern, f.read(), re.M)
    return match.group(1).strip() if match else 'unknown'


def shares_blocks(folder):
    """Can a copy of a file share its blocks there?"""
    with tempfile.NamedTemporaryFile(dir=folder) as f:
        f.write(b'k' * 4096)
        f.flush()
        clone = f.name + '.clone'
        shares = subprocess.run(['cp', '--reflink=always', f.name, clone], stdin=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL).returncode == 0
        with contextlib.suppress(FileNotFoundError):
            os.unlink(clone)
        return shares


def machine(scratch):
    """What the figures depend on, by name."""
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30
    virtual = ' hypervisor ' in line_of('/proc/cpuinfo', r'^flags\s*:( .*)') + ' '
    facts = {
        'processor': (line_of('/proc/cpuinfo', r'^model name\s*: (.*)')
                      + (' (virtual machine)' if virtual else '')),
        'cores': str(len(os.sched_getaffinity(0))),
        'memory': f'{memory:.0f} GiB',
        'kernel': platform.release(),
        'file system': said_by(['df', '--output=fstype', scratch], r'\n(\S+)') or 'unknown',
        'reflinks': 'yes' if shares_blocks(scratch) else 'no',
        'compiler': said_by(['cc', '--version'], r'(.*)') or 'unknown',
    }
    peers = {
        'libuv': (['pkg-config', '--modversion', 'libuv'], r'([\d.]+)'),
        'nginx': ([kit.find('nginx') or 'nginx', '-v'], r'nginx/([\d.]+)'),
        'beanstalkd': ([kit.find('beanstalkd') or 'beanstalkd', '-v'], r'beanstalkd ([\d.]+)'),
        'libcurl': (['pkg-config', '--modversion', 'libcurl'], r'([\d.]+)'),
        'Python': ([sys.executable, '--version'], r'Python (.*)'),
        'h2o': ([kit.find('h2o') or 'h2o', '--version'], r'version ([\d.]+)'),
        'node': (['node', '--version'], r'v([\d.]+)'),
        'nghttp2': (['h2load', '--version'], r'nghttp2/([\d.]+)'),
        'wrk': (['wrk', '-v'], r'wrk (?:debian/)?([\d.]+)'),
        'Go': (['go', 'version'], r'go([\d.]+)'),
        'OpenSSL': (['openssl', 'version'], r'OpenSSL (\S+)'),
        'coreutils': (['cp', '--version'], r'coreutils\) (\S+)'),
    }
    for name, (command, pattern) in peers.items():
        facts[name] = said_by(command, pattern) or 'not there'
    return facts


def as_json(results, facts, settings, elsewhere):
    return {
        'machine': facts,
        'cpu_used_elsewhere': elsewhere,
        'repetitions': settings.repetitions,
        'seconds': settings.seconds,
        'absent': {part: samples.absent for part, samples in results.items() if samples.absent},
        'parts': {part: {subject: {quantity: {'median': samples.median(subject, quantity),
                                              'values': values}
                                   for quantity, values in quantities.items()}
                         for subject, quantities in samples.values.items()}
                  for part, samples in results.items()},
    }
