# SPDX-License-Identifier: MIT
"""The layers of Kettle: what may use what, whose each public header is, and in which library.

A new public header must be entered in HEADERS; tools/tidy refuses one that is not.
"""

# layer -> the layers whose headers it may include (itself always)
USES = {
    'base': set(),
    'core': {'base'},
    'io': {'base', 'core'},
    'tls': {'base', 'core', 'io'},
    'http': {'base', 'core', 'io', 'tls'},
    'db': {'base', 'core', 'io', 'tls'},
    'jobs': {'base', 'core', 'io', 'tls', 'http', 'db'},
    'notes': {'base', 'core', 'io', 'tls', 'http'},
    'web': {'base', 'core', 'io', 'tls', 'http', 'db'},
    'test': {'base', 'core', 'io', 'tls', 'http', 'db'},
}
USES['programs'] = set(USES) - {'test'}

# The folders below use Kettle from outside: by public headers only.
OUTSIDE = {'examples'}

# include/kettle/<name> -> its layer
HEADERS = {
    'base.h': 'base',
    'buffer.h': 'base',
    'error.h': 'base',
    'memory.h': 'base',
    'utf8.h': 'base',
    'breaker.h': 'core',
    'broadcast.h': 'core',
    'cache.h': 'core',
    'callback.h': 'core',
    'channel.h': 'core',
    'context.h': 'core',
    'coroutine.h': 'core',
    'debug.h': 'core',
    'simulated.h': 'core',
    'exit_stack.h': 'core',
    'future.h': 'core',
    'signal.h': 'core',
    'group.h': 'core',
    'loop.h': 'core',
    'loops.h': 'core',
    'periodic.h': 'core',
    'pipeline.h': 'core',
    'pool.h': 'core',
    'queue.h': 'core',
    'race.h': 'core',
    'rate.h': 'core',
    'remote.h': 'core',
    'retry.h': 'core',
    'select.h': 'core',
    'shutdown.h': 'core',
    'sync.h': 'core',
    'task.h': 'core',
    'thread.h': 'core',
    'timeout.h': 'core',
    'wait.h': 'core',
    'address.h': 'io',
    'balancer.h': 'io',
    'dir.h': 'io',
    'dir_watch.h': 'io',
    'file.h': 'io',
    'kettle.h': 'io',
    'log.h': 'io',
    'path.h': 'io',
    'temp.h': 'io',
    'process.h': 'io',
    'process_pool.h': 'io',
    'server.h': 'io',
    'settings.h': 'io',
    'stream.h': 'io',
    'terminal.h': 'io',
    'udp.h': 'io',
    'stream_backend.h': 'io',
    'stream_writer.h': 'io',
    'tls.h': 'tls',
    'http.h': 'http',
    'http_client.h': 'http',
    'cookies.h': 'http',
    'http_auth.h': 'http',
    'http_cache.h': 'http',
    'url.h': 'http',
    'http_files.h': 'http',
    'http_forms.h': 'http',
    'jobs.h': 'jobs',
    'notes.h': 'notes',
    'test.h': 'test',
    'test_disk.h': 'test',
    'test_network.h': 'test',
}

# layer -> the library that exports its public functions
LIBRARIES = {
    'base': 'libkettle',
    'core': 'libkettle',
    'io': 'libkettle',
    'tls': 'libkettle-net',
    'http': 'libkettle-net',
    'jobs': 'libkettle-jobs',
    'notes': 'libkettle-notes',
    'test': 'libkettle-test',
}
