#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The same as bench/pool_jobs.c with asyncio's run_in_executor and a ProcessPoolExecutor.

usage: pool_jobs.py SECONDS
"""

import asyncio
import concurrent.futures
import json
import resource
import statistics
import sys
import time

BYTES = 64
BYTES_LARGE = 1 << 20
CALLERS = 50
WORKERS = 2


def echo(data):
    return data


async def first_job():
    loop = asyncio.get_running_loop()
    start = time.perf_counter()
    with concurrent.futures.ProcessPoolExecutor(1) as pool:
        await loop.run_in_executor(pool, echo, bytes(BYTES))
        return (time.perf_counter() - start) * 1e3


async def round_trips(size, seconds):
    loop = asyncio.get_running_loop()
    message, times = bytes(size), []
    with concurrent.futures.ProcessPoolExecutor(1) as pool:
        await loop.run_in_executor(pool, echo, message)
        before = time.perf_counter()
        end = before + seconds
        while before < end:
            await loop.run_in_executor(pool, echo, message)
            after = time.perf_counter()
            times.append((after - before) * 1e6)
            before = after
    return sorted(times)


def cpu_us():
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in usages) * 1e6


async def throughput(seconds):
    loop = asyncio.get_running_loop()
    message, jobs = bytes(BYTES), 0
    cpu = cpu_us()
    with concurrent.futures.ProcessPoolExecutor(WORKERS) as pool:
        start = time.perf_counter()

        async def call():
            nonlocal jobs
            while time.perf_counter() < start + seconds:
                await loop.run_in_executor(pool, echo, message)
                jobs += 1

        async with asyncio.TaskGroup() as callers:
            for _ in range(CALLERS):
                callers.create_task(call())
        spent = time.perf_counter() - start
    return jobs / spent, (cpu_us() - cpu) / jobs


async def main():
    seconds = int(sys.argv[1]) / 2
    start_ms = await first_job()
    mib = await round_trips(BYTES_LARGE, seconds)
    small = await round_trips(BYTES, seconds)
    rate, cpu = await throughput(seconds)
    print(json.dumps({'start_ms': start_ms, 'p50_us': statistics.median(small),
                      'p99_us': small[int((len(small) - 1) * 0.99)],
                      'mib_us': statistics.median(mib), 'rate': rate, 'cpu_us': cpu}))


if __name__ == '__main__':
    asyncio.run(main())
