# SPDX-License-Identifier: MIT
"""One line of a trace, as the twins print it, and the unit of all sleeps in seconds."""

import os

U = float(os.environ.get('ORACLE_UNIT_MS') or 20) / 1000


def spell(value):
    if value is None or isinstance(value, bool):
        return {None: 'none', True: 'yes', False: 'no'}[value]
    if isinstance(value, (list, tuple)):
        return f'[{" ".join(map(spell, value))}]'
    text = value.decode() if isinstance(value, bytes) else str(value)
    return text.replace('\n', '\\n') or '(empty)'


def say(*parts):
    print(*map(spell, parts), flush=True)
