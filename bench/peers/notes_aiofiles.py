#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The same files as notes_export's, as Python writes them: asyncio.gather over aiofiles.

usage: notes_aiofiles.py FOLDER NOTES
"""

import asyncio
import csv
import io
import json
import pathlib
import sys
import time

import aiofiles


def as_csv(note):
    out = io.StringIO(newline='')
    writer = csv.writer(out)
    writer.writerow(['title', 'body', 'tags', 'created', 'changed'])
    writer.writerow([note['title'], note['body'], ','.join(note['tags']), '', ''])
    return out.getvalue()


RENDER = {
    'md': lambda n: f"# {n['title']}\n\n{n['body']}\n\nTags: {', '.join(n['tags'])}\n",
    'json': lambda n: json.dumps({**n, 'created': None, 'changed': None}, indent=2) + '\n',
    'csv': as_csv,
}


async def export(note, folder, form):
    path = folder / form / f"{note['title'].lower().replace(' ', '-')}.{form}"
    async with aiofiles.open(path, 'w', encoding='utf-8', newline='') as f:
        await f.write(RENDER[form](note))
    return path


async def main():
    folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    notes = [{'title': f'Note {i}', 'body': f'Body for note {i}', 'tags': ['test']} for i in range(count)]
    began, cpu = time.perf_counter(), time.process_time()
    for form in RENDER:
        (folder / form).mkdir(parents=True, exist_ok=True)
    paths = await asyncio.gather(*(export(note, folder, form) for note in notes for form in RENDER))
    print(json.dumps({'files': len(paths), 'seconds': time.perf_counter() - began, 'cpu': time.process_time() - cpu}))


asyncio.run(main())
