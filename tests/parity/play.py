#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Needs: Python 3.13
"""Plays a program (see programs.py) from standard input in asyncio, and prints its trace. play.c does the same.

Time is virtual: it jumps to the next timer when nothing is ready. Timers with equal deadlines, whose
order asyncio leaves open, run in the order in which they were made."""

import asyncio
import contextlib
import contextvars
import itertools
import os
import selectors
import sys
from asyncio import events

TASKS = 10
VAR = contextvars.ContextVar('var', default=0)


class Node:
    def __init__(self, word, number):
        self.word, self.id, self.a, self.body, self.handler = word, number, [], [], []


class Env:
    def __init__(self, who, group=None, limit=None):
        self.who, self.group, self.limit = who, group, limit


class Failure(Exception):
    pass


def read_program(text):
    words, ids = iter(text.split()), itertools.count(1)
    word = next(words, None)

    def advance():
        nonlocal word
        word = next(words, None)

    def read_list():
        nodes = []
        advance()
        while word not in (')', None):
            nodes.append(read_node())
        advance()
        return nodes

    def read_node():
        n = Node(word, next(ids))
        advance()
        while word and word.lstrip('-').isdigit():
            n.a.append(int(word))
            advance()
        if word == '(':
            n.body = read_list()
        if word == '(':
            n.handler = read_list()
        return n

    scripts = []
    while word:
        scripts.append(read_list())
    return scripts + [[]] * (TASKS - len(scripts))


def say(*parts):
    print(*parts, flush=True)


def yes(value):
    return 'yes' if value else 'no'


def kind(error):
    for of, name in ((asyncio.CancelledError, 'cancelled'), (TimeoutError, 'timeout'),
                     (asyncio.QueueShutDown, 'shut'), (asyncio.BrokenBarrierError, 'broken'),
                     ((Failure, BaseExceptionGroup), 'error')):
        if isinstance(error, of):
            return name
    if error is not None:
        raise error
    return 'ok'


def cancelling():
    return asyncio.current_task().cancelling()


class Player:
    def __init__(self, scripts, loop):
        self.scripts, self.loop = scripts, loop
        self.tasks, self.spawned, self.in_group = [None] * TASKS, [False] * TASKS, [False] * TASKS
        self.locks = [asyncio.Lock(), asyncio.Lock()]
        self.permits = [asyncio.Semaphore(1), asyncio.Semaphore(2)]
        self.events = [asyncio.Event(), asyncio.Event()]
        self.queues = [asyncio.Queue(1), asyncio.Queue(), asyncio.LifoQueue(2), asyncio.PriorityQueue(2)]
        self.barrier = asyncio.Barrier(2)
        self.latest, self.catches = [None] * TASKS, [0] * TASKS
        self.condition = asyncio.Condition()
        self.futures = [loop.create_future() for _ in range(3)]

    async def play(self, nodes, e):
        for n in nodes:
            try:
                await getattr(self, 'op_' + n.word)(n, e)
            except BaseException as error:
                say(f'T{e.who} {n.word}{n.id} {kind(error)}')
                raise
            say(f'T{e.who} {n.word}{n.id} ok')

    async def script(self, k):
        say(f'T{k} starts')
        try:
            await self.play(self.scripts[k], Env(k))
        except BaseException as error:
            say(f'T{k} ends {kind(error)}')
            raise
        say(f'T{k} ends ok')

    # ---- Time, the task itself, its state

    async def op_s(self, n, _e):
        await asyncio.sleep(n.a[0])

    async def op_er(self, _n, _e):
        raise Failure

    async def op_kc(self, _n, e):
        say(f'T{e.who} count {cancelling()}')

    async def op_ku(self, _n, e):
        say(f'T{e.who} uncancel {asyncio.current_task().uncancel()}')

    def say_state(self, who):
        parts = []
        for i in range(2):
            parts += [f'l{i}{self.locks[i].locked():d}', f'p{i}{self.permits[i].locked():d}',
                      f'e{i}{self.events[i].is_set():d}',
                      f'q{i}{self.queues[i].qsize()}/{self.queues[i]._unfinished_tasks}']
        parts += [f'c{self.condition.locked():d}', f'b{self.barrier.broken:d}{self.barrier.n_waiting}']
        parts += [f'f{i}{f.done():d}{f.cancelled():d}' for i, f in enumerate(self.futures)]
        parts += [f't{i}{t.done():d}{t.cancelled():d}{t.cancelling()}' for i, t in enumerate(self.tasks) if t]
        say(f'T{who} state', *parts)

    async def op_st(self, _n, e):
        self.say_state(e.who)

    # ---- Locks, permits, events

    async def op_la(self, n, _e):
        await self.locks[n.a[0]].acquire()

    async def op_lr(self, n, _e):
        if self.locks[n.a[0]].locked():
            self.locks[n.a[0]].release()

    async def op_lk(self, n, e):
        await self.op_la(n, e)
        say(f'T{e.who} in lock {n.a[0]}')
        try:
            await self.play(n.body, e)
        finally:
            if self.locks[n.a[0]].locked():
                self.locks[n.a[0]].release()

    async def op_pa(self, n, _e):
        await self.permits[n.a[0]].acquire()

    async def op_pr(self, n, _e):
        self.permits[n.a[0]].release()

    async def op_sm(self, n, e):
        await self.op_pa(n, e)
        say(f'T{e.who} in sem {n.a[0]}')
        try:
            await self.play(n.body, e)
        finally:
            self.permits[n.a[0]].release()

    async def op_ew(self, n, _e):
        await self.events[n.a[0]].wait()

    async def op_es(self, n, _e):
        self.events[n.a[0]].set()

    async def op_ec(self, n, _e):
        self.events[n.a[0]].clear()

    async def op_cd(self, n, e):
        async with self.condition:
            say(f'T{e.who} in cond')
            await self.play(n.body, e)

    async def op_cw(self, _n, _e):
        await self.condition.wait()

    async def op_cn(self, n, _e):
        self.condition.notify(n.a[0])

    async def op_cp(self, n, _e):
        await self.condition.wait_for(self.events[n.a[0]].is_set)

    async def op_bw(self, _n, e):
        say(f'T{e.who} passed {await self.barrier.wait()}')

    async def op_br(self, _n, _e):
        await self.barrier.reset()

    async def op_ba(self, _n, _e):
        await self.barrier.abort()

    # ---- Queues and futures

    async def op_qg(self, n, e):
        say(f'T{e.who} got {await self.queues[n.a[0]].get()}')

    async def op_qp(self, n, _e):
        await self.queues[n.a[0]].put(n.id)

    async def op_qG(self, n, e):
        try:
            say(f'T{e.who} got {self.queues[n.a[0]].get_nowait()}')
        except asyncio.QueueEmpty:
            say(f'T{e.who} no get')
        except asyncio.QueueShutDown:
            say(f'T{e.who} no get shut')

    async def op_qP(self, n, e):
        try:
            self.queues[n.a[0]].put_nowait(n.id)
        except asyncio.QueueFull:
            say(f'T{e.who} no put')
        except asyncio.QueueShutDown:
            say(f'T{e.who} no put shut')

    async def op_qd(self, n, _e):
        if self.queues[n.a[0]]._unfinished_tasks:
            self.queues[n.a[0]].task_done()

    async def op_qj(self, n, _e):
        await self.queues[n.a[0]].join()

    async def op_qx(self, n, _e):
        self.queues[n.a[0]].shutdown(bool(n.a[1]))

    async def op_fa(self, n, _e):
        await self.futures[n.a[0]]

    async def op_fs(self, n, e):
        pending = not self.futures[n.a[0]].done()
        if pending:
            self.futures[n.a[0]].set_result(1)
        say(f'T{e.who} set {yes(pending)}')

    async def op_fe(self, n, e):
        pending = not self.futures[n.a[0]].done()
        if pending:
            self.futures[n.a[0]].set_exception(Failure())
        say(f'T{e.who} set {yes(pending)}')

    async def op_fc(self, n, e):
        say(f'T{e.who} fcancel {yes(self.futures[n.a[0]].cancel())}')

    # ---- Callbacks

    def cancel_number(self, k):
        if self.tasks[k]:
            say(f'cb cancel {k} {yes(self.tasks[k].cancel())}')

    async def op_cs(self, n, _e):
        self.loop.call_soon(say, f'cb {n.id}')

    async def op_xs(self, n, _e):
        self.loop.call_soon(self.cancel_number, n.a[0])

    async def op_xl(self, n, _e):
        self.loop.call_later(n.a[0], self.cancel_number, n.a[1])

    async def op_of(self, n, _e):
        self.futures[n.a[0]].add_done_callback(lambda _: say(f'cb {n.id}'))

    async def op_od(self, n, _e):
        if self.tasks[n.a[0]] and not self.in_group[n.a[0]]:
            self.tasks[n.a[0]].add_done_callback(lambda _: say(f'cb {n.id}'))

    def say_value(self, number):
        say(f'cb {number} sees {VAR.get()}')

    async def op_vl(self, n, e):
        call = (self.loop.call_soon,) if n.a[0] < 0 else (self.loop.call_later, n.a[0])
        self.latest[e.who] = call[0](*call[1:], self.say_value, n.id)

    async def op_vx(self, n, _e):
        if self.latest[n.a[0]]:
            self.latest[n.a[0]].cancel()

    async def op_vs(self, n, _e):
        VAR.set(n.id)

    async def op_vg(self, _n, e):
        say(f'T{e.who} sees {VAR.get()}')

    # ---- Generators

    async def producer(self, n, who):
        try:
            for i in range(3):
                await self.play(n.body, Env(who))
                yield i
        finally:
            say(f'T{who} producer leaves')

    async def op_gen(self, n, e):
        async with contextlib.aclosing(self.producer(n, e.who)) as g:
            for _ in range(n.a[0]):
                try:
                    item = await anext(g)
                except StopAsyncIteration:
                    break
                say(f'T{e.who} item {item}')
                await self.play(n.handler, e)

    # ---- Tasks

    async def op_tn(self, n, _e):
        k = n.a[0]
        if not self.spawned[k]:
            self.spawned[k] = True
            self.tasks[k] = self.loop.create_task(self.script(k))

    async def op_te(self, n, _e):
        k = n.a[0]
        if not self.spawned[k]:
            self.spawned[k] = True
            self.tasks[k] = asyncio.Task(self.script(k), loop=self.loop, eager_start=True)

    def to_wait_for(self, k, e):
        return None if self.in_group[k] or k <= e.who else self.tasks[k]

    async def op_ta(self, n, e):
        if t := self.to_wait_for(n.a[0], e):
            await t

    async def op_ts(self, n, e):
        if t := self.to_wait_for(n.a[0], e):
            await asyncio.shield(t)

    async def op_tx(self, n, e):
        if t := self.tasks[n.a[0]]:
            say(f'T{e.who} cancels {n.a[0]} {yes(t.cancel())}')

    def collect(self, numbers, e, running):
        found = []
        for k in numbers:
            t = self.to_wait_for(k, e)
            if t and t not in found and not (running and t.done()):
                found.append(t)
        return found

    async def op_wt(self, n, e):
        ts = self.collect(n.a[2:], e, False)
        if ts:
            mode = (asyncio.ALL_COMPLETED, asyncio.FIRST_COMPLETED, asyncio.FIRST_EXCEPTION)[n.a[0]]
            await asyncio.wait(ts, return_when=mode, timeout=None if n.a[1] < 0 else n.a[1])
            say(f'T{e.who} wait', *(f'{t.done():d}' for t in ts))

    async def op_ac(self, n, e):
        async for t in asyncio.as_completed(self.collect(n.a, e, True)):
            error = asyncio.CancelledError() if t.cancelled() else t.exception()
            say(f'T{e.who} next {self.tasks.index(t)} {kind(error)}')

    async def op_ga(self, n, e):
        fresh = []
        for k in n.a[1:]:
            if not self.spawned[k]:
                self.spawned[k] = True
                fresh.append(self.script(k))
        results = await asyncio.gather(*fresh, return_exceptions=bool(n.a[0]))
        for i, result in enumerate(results if n.a[0] else []):
            say(f'T{e.who} slot {i} {kind(result)}')

    async def op_gt(self, n, e):
        results = await asyncio.gather(*self.collect(n.a[1:], e, False), return_exceptions=bool(n.a[0]))
        for i, result in enumerate(results if n.a[0] else []):
            say(f'T{e.who} slot {i} {kind(result if isinstance(result, BaseException) else None)}')

    # ---- Groups and limits

    def join(self, k, e):
        if self.spawned[k] or not e.group:
            return
        self.spawned[k] = self.in_group[k] = True
        child = self.script(k)
        try:
            self.tasks[k] = e.group.create_task(child)
        except RuntimeError:
            child.close()
            say(f'T{e.who} join refused')
            raise Failure from None

    async def op_jn(self, n, e):
        self.join(n.a[0], e)

    def eager_once(self, loop, child, **more):
        loop.set_task_factory(None)  # what the child makes is not eager
        return asyncio.Task(child, loop=loop, eager_start=True, **more)

    async def op_je(self, n, e):
        self.loop.set_task_factory(self.eager_once)
        try:
            self.join(n.a[0], e)
        finally:
            self.loop.set_task_factory(None)

    async def op_grp(self, n, e):
        error = None
        try:
            async with asyncio.TaskGroup() as group:
                await self.play(n.body, Env(e.who, group))
        except BaseException as caught:
            error = caught
        for k in n.a:
            if self.in_group[k]:
                self.tasks[k] = None
        say(f'T{e.who} group {"error" if isinstance(error, BaseExceptionGroup) else kind(error)} '
            f'count {cancelling()}')
        if isinstance(error, asyncio.CancelledError):
            raise error
        if error is not None:
            raise Failure

    async def limited(self, scope, nodes, e):
        """Kettle has one rule of its own: a request from before the limit, which arrives within it, outranks it.
        asyncio forgets that request."""
        asked, catches = asyncio.current_task()._must_cancel, self.catches[e.who]
        try:
            async with scope:
                await self.play(nodes, e)
        except TimeoutError:
            if asked and scope.expired() and catches == self.catches[e.who]:
                raise asyncio.CancelledError from None
            raise

    async def op_tmo(self, n, e):
        scope = asyncio.timeout(None if n.a[0] < 0 else n.a[0])
        try:
            await self.limited(scope, n.body, Env(e.who, e.group, scope))
        finally:
            say(f'T{e.who} tmo expired {yes(scope.expired())} count {cancelling()}')

    async def op_rs(self, n, e):
        if e.limit and not e.limit.expired():
            e.limit.reschedule(self.loop.time() + n.a[0])

    async def op_wf(self, n, e):
        if asyncio.current_task()._must_cancel and n.a[0] > 0:
            await self.limited(asyncio.timeout(n.a[0]), n.body, Env(e.who))  # which is what wait_for does
            return
        await asyncio.wait_for(self.play(n.body, Env(e.who)), None if n.a[0] < 0 else n.a[0])

    # ---- try

    async def op_try(self, n, e):
        try:
            await self.play(n.body, e)
        except BaseException as error:
            caught = kind(error)
        else:
            return
        self.catches[e.who] += 1
        say(f'T{e.who} caught {caught}')
        await self.play(n.handler, e)

    async def op_fin(self, n, e):
        try:
            await self.play(n.body, e)
        finally:
            self.catches[e.who] += 1
            await self.play(n.handler, e)

    async def op_cf(self, n, e):
        try:
            await self.play(n.body, e)
        except asyncio.CancelledError:
            self.catches[e.who] += 1
            await self.play(n.handler, e)
            raise

    # ---- main

    async def op_main(self):
        error = None
        try:
            await self.play(self.scripts[0], Env(0))
        except BaseException as caught:
            error = caught
        say(f'main {kind(error)}')

    async def main(self):
        t = self.loop.create_task(self.op_main())
        for _ in range(9):
            if (await asyncio.wait([t], timeout=50))[0]:
                break
            t.cancel()
        for turn in range(12):
            await asyncio.sleep(20)
            left = [t for k, t in enumerate(self.tasks) if t and not self.in_group[k] and not t.done()]
            for t in left:
                t.cancel()
            say(f'round {turn} left {len(left)}')
            if not left:
                break
        self.say_state(0)
        say('END')
        os._exit(0)  # what is left over may never end


class InOrder(events.TimerHandle):
    made = itertools.count()

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.number = next(self.made)

    def __lt__(self, other):
        return (self._when, self.number) < (other._when, other.number)


class Jump(selectors.SelectSelector):
    loop = None

    def select(self, timeout=None):
        if timeout is None or timeout > 0:
            self.loop.now = max(self.loop.now, min(handle._when for handle in self.loop._scheduled))
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    now = 1000.0

    def time(self):
        return self.now


def main():
    events.TimerHandle = InOrder
    selector = Jump()
    loop = selector.loop = VirtualLoop(selector)
    loop._clock_resolution = 0.001
    loop.set_exception_handler(lambda *_: None)
    loop.run_until_complete(Player(read_program(sys.stdin.read()), loop).main())


if __name__ == '__main__':
    main()
