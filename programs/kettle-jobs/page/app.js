/* SPDX-License-Identifier: MIT */
'use strict';

/*
 * The event stream brings whole snapshots, which overwrite `stats`; draw() copies the newest into
 * the document, at most once a frame; tick() moves, once a second, what changes with time alone.
 * Labels, errors and results are hostile: they enter only as text nodes, through visible().
 */

const STATES = ['scheduled', 'ready', 'running', 'succeeded', 'dead', 'cancelled'];
const ALIVE = new Set(['scheduled', 'ready', 'running']);
const PAGE_SIZE = 20;
const GRAPH_SECONDS = 180;
const RATE_SECONDS = 5;
const REFRESH_MS = 2000; /* of what is fetched because the stream does not carry it */
const HOLD_MS = 2500; /* a list keeps still this long after the pointer moved over it */
const ARMED_MS = 5000; /* a cancel button waits this long for its second press */
const HIDDEN_MS = 60000; /* a hidden page gives its connection back after this long */
const RETRY_MS = 3000;
const FETCH_MS = 15000;
const SHRINK_TICKS = 5;
const LONG_ERROR = 160;

const $ = (id) => document.getElementById(id);
const count = (n, form) => Number(n || 0).toLocaleString('en', form);
/* On a phone seven digits would not fit. */
const brief = (n) => count(n, n < 1e6 ? {} : { notation: 'compact', maximumFractionDigits: 2 });

let stats = null;

/* -- small tools -- */

function el(tag, attrs, ...kids) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs))
    node.setAttribute(name, value);
  node.append(...kids);
  return node;
}

/* Writing the same text again would drop a selection that the reader is making. */
function put(node, text) {
  if (node.textContent !== text)
    node.textContent = text;
}

function say(node, text) {
  put(node, text);
  node.hidden = text === '';
}

const announce = (text) => put($('announce'), text);

/* Characters that control, reorder or hide become escapes, as C writes them. */
function visible(value) {
  return String(value ?? '').replace(/\r\n/g, '\n').replace(
    /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (c) => {
      const code = c.charCodeAt(0);
      const hex = code.toString(16);
      return code < 0x100 ? '\\x' + hex.padStart(2, '0') : '\\u' + hex.padStart(4, '0');
    });
}

function stateIcon(state) {
  const [svg, use] = ['svg', 'use'].map((tag) =>
    document.createElementNS('http://www.w3.org/2000/svg', tag));
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('viewBox', '0 0 16 16');
  use.setAttribute('href', '#i-' + state);
  svg.append(use);
  return svg;
}

/* A running age counts every second; how long ago something was needs its first unit alone. */
function span(ms, ago) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(Math.floor(n)).padStart(2, '0');
  const [size, unit, rest] = s < 60 ? [1, ' s', ''] : s < 3600 ? [60, ' min', two(s % 60)]
    : s < 86400 ? [3600, ' h', two(s / 60 % 60)] : [86400, ' d', Math.floor(s / 3600) % 24 + ' h'];
  return (Math.floor(s / size) + unit + ' ' + (ago ? 'ago' : rest)).trim();
}

function clock(when) {
  const date = new Date(when);
  return Number.isNaN(date.getTime()) ? '–' : date.toLocaleString();
}

class Refusal extends Error {
  constructor(status, error) {
    super(visible(error?.message) || 'The server answered ' + status + '.');
    this.status = status;
    this.field = String(error?.field ?? '');
  }
}

/* Throws a Refusal when the server said no, anything else when it did not answer. */
async function call(path, body) {
  const options = { cache: 'no-store', signal: AbortSignal.timeout(FETCH_MS) };
  if (body) {
    options.method = 'POST';
    options.headers = { 'content-type': 'application/json' };
    options.body = JSON.stringify(body);
  }
  const response = await fetch(path, options);
  const data = await response.json().catch(() => null);
  if (!response.ok)
    throw new Refusal(response.status, data?.error);
  if (data === null)
    throw new Error('not JSON');
  return data;
}

const reason = (e) => (e instanceof Refusal ? e.message : 'The server did not answer.');

/* Ages are reckoned on the server's clock, and stand still while the connection is lost. */
const time = {
  server: 0,
  local: 0,
  going: false,
  set(text) {
    this.server = Date.parse(text);
    this.local = performance.now();
    this.going = true;
  },
  now() {
    return this.server + (this.going ? performance.now() - this.local : 0);
  },
  freeze() {
    this.server = this.now();
    this.going = false;
  },
};

/* -- finished a second -- */

/*
 * `done` maps a second of the server's clock to the jobs finished in it, if it was observed.
 * A snapshot follows every change within 250 ms, so what two of them differ by belongs to the
 * second of the later; across a lost connection it belongs to none, and is dropped.
 */
const rate = {
  done: new Map(),
  total: null,
  second: 0,
  observe(second) {
    for (let s = Math.max(this.second, second - GRAPH_SECONDS); s <= second; s++)
      this.done.set(s, this.done.get(s) || 0);
    this.second = second;
  },
  add(counts) {
    const total = counts.succeeded + counts.dead + counts.cancelled;
    const second = Math.floor(time.now() / 1000);
    if (this.total === null) {
      this.second = second;
      this.total = total;
    }
    this.observe(second);
    this.done.set(second, this.done.get(second) + Math.max(0, total - this.total));
    this.total = total;
  },
  last(seconds, end) {
    const known = [...this.done].filter(([s]) => s > end - seconds && s <= end).map(([, n]) => n);
    return { known: known.length, sum: known.reduce((a, b) => a + b, 0),
      peak: Math.max(0, ...known) };
  },
  draw() {
    const end = Math.floor(time.now() / 1000) - 1;
    if (time.going)
      this.observe(end + 1);
    for (const s of this.done.keys())
      if (s <= end - GRAPH_SECONDS)
        this.done.delete(s);
    const { known, sum } = this.last(RATE_SECONDS, end);
    const { peak } = this.last(GRAPH_SECONDS, end);
    const minute = this.last(60, end);
    const mean = sum / known;
    const text = !known ? '–' : !sum || mean >= 10 ? count(Math.round(mean)) : mean.toFixed(1);
    const more = `${count(minute.sum)} in the last ${minute.known < 60 ? minute.known + ' s'
      : 'minute'}, peak ${count(peak)}`;
    put($('rate'), text);
    put($('rate-more'), more);
    $('spark').ariaLabel = 'Finished a second: ' + text + ' now, ' + more;
    this.plot(end, Math.max(1, peak));
  },
  plot(end, peak) {
    let line = '';
    let area = '';
    let open = false;
    for (let x = 0; x <= GRAPH_SECONDS; x++) {
      const n = x < GRAPH_SECONDS ? this.done.get(end - GRAPH_SECONDS + 1 + x) : undefined;
      if (n !== undefined) {
        const point = x + ' ' + (39 - 37 * n / peak).toFixed(1);
        line += (open ? 'L' : 'M') + point;
        area += (open ? 'L' : `M${x} 40L`) + point;
      } else if (open) {
        area += `L${x - 1} 40Z`;
      }
      open = n !== undefined;
    }
    $('spark-line').setAttribute('d', line);
    $('spark-area').setAttribute('d', area);
  },
};

/* -- one job's row -- */

const cancelling = new Set();
let serial = 0;

class Row {
  constructor(list, job) {
    this.list = list;
    this.id = Number(job.id);
    this.state = el('span', { class: 'state' });
    this.label = el('span', { class: 'label' });
    this.open = el('button', { class: 'open' },
      el('span', { class: 'number' }, '#' + this.id), ' ', this.label);
    this.meta = el('span', { class: 'meta' });
    this.when = el('time', { class: 'when' });
    this.act = el('button', { class: 'act' });
    this.error = el('pre', { class: 'error', hidden: '' });
    this.more = el('button', { class: 'more', hidden: '' });
    this.note = el('p', { class: 'wrong', role: 'alert', hidden: '' });
    this.panel = el('div', { class: 'panel', id: 'panel-' + ++serial, hidden: '' });
    this.open.setAttribute('aria-controls', this.panel.id);
    this.node = el('li', {},
      el('div', { class: 'line' }, this.state, this.open, this.meta, this.when, this.act),
      this.error, this.more, this.note, this.panel);
    this.open.onclick = () => this.toggle(this.panel.hidden);
    this.act.onclick = () => this.press();
    this.more.onclick = () => {
      this.unfolded = !this.unfolded;
      this.showError();
    };
    this.open.ariaExpanded = false;
    this.update(job);
  }

  /* In use: it stays although the snapshot has moved on. */
  get pinned() {
    return !this.panel.hidden || this.node.contains(document.activeElement);
  }

  update(job) {
    this.job = job;
    this.gone = false;
    const state = STATES.includes(job.state) ? job.state : 'ready';
    if (this.shown !== state) {
      this.shown = state;
      const retry = this.list === failures && (state === 'scheduled' || state === 'ready');
      this.state.className = 'state s-' + state;
      this.state.replaceChildren(stateIcon(state), retry ? 'retry' : state);
    }
    /* Attempts that crashes of the server ended are numbered, but use up none. */
    const of = job.attempt > job.attempts_max ? '' : '/' + job.attempts_max;
    const meta = [job.attempt && 'attempt ' + job.attempt + of, job.type, job.queue].filter(Boolean).join(' · ');
    put(this.label, visible(job.label || job.type));
    put(this.meta, visible(meta));
    this.label.title = this.label.textContent;
    this.meta.title = this.meta.textContent;
    if (this.list === failures)
      this.showError();
    if (!ALIVE.has(state))
      cancelling.delete(this.id);
    this.showAct();
    this.tick();
  }

  showError() {
    const text = visible(this.job.error);
    const long = text.length > LONG_ERROR || text.split('\n').length > 2;
    say(this.error, text);
    this.error.classList.toggle('short', long && !this.unfolded);
    this.error.tabIndex = this.unfolded ? 0 : -1;
    this.more.hidden = !long;
    put(this.more, this.unfolded ? 'Show less' : 'Show the whole error');
    this.more.ariaExpanded = Boolean(this.unfolded);
  }

  showAct() {
    const busy = cancelling.has(this.id);
    const [text, what] = busy ? ['Cancelling…', 'Cancelling… job ']
      : this.armed ? ['Confirm', 'Confirm: cancel job '] : ['Cancel', 'Cancel job '];
    this.act.hidden = this.gone || this.list === failures || !ALIVE.has(this.shown);
    this.act.classList.toggle('armed', Boolean(this.armed));
    this.act.ariaDisabled = busy;
    this.act.ariaLabel = what + this.id;
    put(this.act, text);
  }

  tick() {
    const at = Date.parse(this.list.when(this.job));
    const age = Number.isNaN(at) ? '' : span(time.now() - at, this.list !== running);
    put(this.when, this.gone ? 'ended' : age);
    this.when.title = this.list.verb + clock(at);
  }

  leave() {
    this.gone = this.list === running && this.shown === 'running';
    this.showAct();
    this.tick();
  }

  /* The first press arms, the second cancels: a slip must not kill hours of work. */
  async press() {
    if (cancelling.has(this.id))
      return;
    clearTimeout(this.disarm);
    this.armed = !this.armed;
    say(this.note, '');
    if (this.armed) {
      this.disarm = setTimeout(() => {
        this.armed = false;
        this.showAct();
      }, ARMED_MS);
      this.showAct();
      announce('Press again to cancel job ' + this.id);
      return;
    }
    cancelling.add(this.id);
    this.showAct();
    try {
      const job = await call('/v1/jobs/' + this.id + '/cancel', {});
      announce('Job ' + this.id + ' is ' + (ALIVE.has(job.state) ? 'being ' : '') + 'cancelled');
      this.update({ ...this.job, state: job.state });
    } catch (e) {
      cancelling.delete(this.id);
      say(this.note, 'Not cancelled. ' + reason(e));
      this.showAct();
    }
    this.load();
  }

  toggle(open) {
    this.panel.hidden = !open;
    this.open.ariaExpanded = open;
    this.list.root.style.minHeight = '';
    if (open && !this.text)
      this.panel.replaceChildren('Loading…');
    return this.load();
  }

  async load() {
    if (this.panel.hidden || this.loading)
      return;
    this.loading = true;
    try {
      const job = await call('/v1/jobs/' + this.id);
      const text = JSON.stringify(job);
      if (text !== this.text)
        fillPanel(this.panel, job);
      this.text = text;
      this.settled = !ALIVE.has(job.state);
      if (this.gone || this.list === jobs)
        this.update({ ...this.job, state: job.state });
    } catch (e) {
      this.text = '';
      this.panel.replaceChildren('No details. ' + reason(e));
      this.settled = e instanceof Refusal;
    }
    this.loading = false;
  }
}

/* -- details -- */

const pre = (text, name) => el('pre', { tabindex: '0', class: name || '' }, visible(text));

const facts = (pairs) => el('dl', {}, ...pairs.map(([name, value]) =>
  el('div', {}, el('dt', {}, visible(name)), el('dd', {}, visible(value)))));

/* An object is shown entry by entry, so that captured output keeps its lines. */
function blocks(title, value) {
  if (value === null || value === undefined || value === '')
    return [];
  if (typeof value !== 'object' || Array.isArray(value))
    return [el('div', {}, el('h3', {}, title),
      pre(typeof value === 'string' ? value : JSON.stringify(value)))];
  const small = ([, part]) => ['number', 'boolean'].includes(typeof part);
  const parts = Object.entries(value);
  return [...parts.some(small) ? [el('h3', {}, title), facts(parts.filter(small))] : [],
    ...parts.filter((part) => !small(part)).flatMap(([name, part]) =>
      blocks(title + ': ' + visible(name), part))];
}

function attemptItem(attempt) {
  const took = Date.parse(attempt.finished_at) - Date.parse(attempt.started_at);
  const text = ['Attempt ' + attempt.number, attempt.outcome || 'running',
    'started ' + clock(attempt.started_at), took >= 0 && 'took ' + took / 1000 + ' s'];
  return el('li', {}, visible(text.filter(Boolean).join(' · ')),
    attempt.error ? pre(attempt.error, 'error') : '');
}

function fillPanel(panel, job) {
  const attempts = job.attempts || [];
  const known = [
    ['State', job.state], ['Queue', job.queue], ['Priority', job.priority],
    ['Attempts', (job.attempts_made ?? attempts.length) + ' of ' + job.attempts_max],
    ['Timeout', job.timeout && job.timeout + ' s'],
    ['Created', clock(job.created_at)],
    ['Due', job.state === 'scheduled' && clock(job.run_at)],
    ['Started', job.started_at && clock(job.started_at)],
    ['Finished', job.finished_at && clock(job.finished_at)],
    ['Server crashes', job.crashes],
  ].filter(([name, value]) => value || name === 'Priority');
  panel.replaceChildren(facts(known), ...blocks('Arguments', job.args));
  if (attempts.length > 0)
    panel.append(el('h3', {}, 'Attempts'), el('ol', {}, ...attempts.map(attemptItem)));
  if (job.error !== attempts.at(-1)?.error)
    panel.append(...blocks('Error', job.error));
  panel.append(...blocks('Result', job.result), el('p', {},
    el('a', { href: '#job-' + Number(job.id) }, 'Link to this job'), ' · ',
    el('a', { href: '/v1/jobs/' + Number(job.id) }, 'As JSON')));
}

/* -- lists -- */

/*
 * A snapshot inserts and removes rows and never moves one, so that focus, selection and open
 * details live through it; before() must order two rows once for all. A list under the pointer
 * holds still, so that no button slips away beneath a finger.
 */
class List {
  constructor(name, verb, when, key, short) {
    Object.assign(this, { name, verb, when, key, short });
    this.root = $(name);
    this.rows = new Map();
    this.items = [];
    this.heldUntil = 0;
    this.ticks = 0;
    for (const type of ['pointermove', 'pointerdown'])
      this.root.addEventListener(type, () => { this.heldUntil = performance.now() + HOLD_MS; });
    this.button = $(name + '-all') || el('button', {});
    this.button.onclick = () => {
      this.all = !this.all;
      this.sync();
    };
  }

  before(a, b) {
    const [x, y] = this === jobs ? [0, 0] : [this.when(a), this.when(b)];
    return x < y ? 1 : x > y ? -1 : b.id - a.id;
  }

  clear() {
    this.rows.clear();
    this.root.replaceChildren();
    this.heldUntil = 0;
  }

  set(items) {
    this.items = items;
    this.sync();
  }

  sync() {
    const shown = this.all ? this.items : this.items.slice(0, this.short);
    const wanted = new Map(shown.map((job) => [this.key(job), job]));
    const held = performance.now() < this.heldUntil;
    for (const [key, row] of this.rows) {
      if (wanted.has(key)) {
        row.update({ ...row.job, ...wanted.get(key) });
      } else if (held || row.pinned) {
        row.leave();
      } else {
        row.node.remove();
        this.rows.delete(key);
      }
    }
    if (!held)
      this.insert(wanted);
    this.finish();
  }

  insert(wanted) {
    for (const [key, job] of wanted)
      if (!this.rows.has(key))
        this.rows.set(key, new Row(this, job));
    let at = this.root.firstElementChild;
    for (const { node } of [...this.rows.values()].sort((a, b) => this.before(a.job, b.job))) {
      if (node === at)
        at = at.nextElementSibling;
      else
        this.root.insertBefore(node, at);
    }
  }

  /* The height follows growth at once and shrinks late: a busy list must not shake the page. */
  finish() {
    $(this.name + '-empty').hidden = this.rows.size > 0 || !stats;
    this.button.hidden = this.items.length <= this.short;
    put(this.button, this.all ? 'Show fewer' : 'Show all ' + this.items.length);
    this.button.ariaExpanded = Boolean(this.all);
    if (this === running)
      this.root.style.minHeight = this.rows.size ? this.root.offsetHeight + 'px' : '';
  }

  tick() {
    if (++this.ticks % SHRINK_TICKS === 0)
      this.root.style.minHeight = '';
    this.sync();
    for (const row of this.rows.values())
      if (!row.settled && time.going)
        row.load();
  }
}

const perAttempt = (job) => job.id + ' ' + job.attempt;
const running = new List('running', 'Started ', (job) => job.started_at, perAttempt, 10);
const failures = new List('failures', 'Failed ', (job) => job.finished_at, perAttempt, 5);
const jobs = new List('jobs', 'Submitted ', (job) => job.created_at, (job) => job.id, PAGE_SIZE);

/* -- the list of all jobs: filter, pages, one job by its link -- */

/*
 * The first unfiltered page comes with every snapshot; any other is fetched, again after each.
 * `turn` tells an answer that was overtaken by a newer question.
 */
const page = { filter: '', after: null, next: null, turn: 0, stale: false, at: 0 };
const streamed = () => page.filter === '' && page.after === null;

async function fetchPage(fresh) {
  const turn = ++page.turn;
  const query = new URLSearchParams({ limit: PAGE_SIZE });
  if (page.filter)
    query.set('state', page.filter);
  if (page.after !== null)
    query.set('after', page.after);
  page.stale = false;
  page.at = performance.now();
  try {
    const answer = await call('/v1/jobs?' + query);
    if (turn !== page.turn)
      return;
    page.next = answer.next ?? null;
    if (fresh)
      jobs.clear();
    jobs.set(answer.jobs);
    if (fresh || page.failed)
      say($('jobs-note'), '');
    page.failed = false;
  } catch (e) {
    if (turn !== page.turn)
      return;
    page.stale = page.failed = true;
    say($('jobs-note'), 'The list could not be fetched. ' + reason(e));
  }
  drawPager();
}

function drawPager() {
  const total = stats ? STATES.reduce((n, state) => n + stats.counts[state], 0) : 0;
  $('newest').hidden = page.after === null;
  $('older').hidden = streamed() ? total <= PAGE_SIZE : page.next === null;
}

async function turnPage(after) {
  page.after = after;
  page.next = null;
  if (!streamed())
    return void await fetchPage(true);
  page.turn++;
  jobs.clear();
  jobs.set(stats ? stats.recent : []);
  drawPager();
}

/* The pressed button may be gone on the new page: the keyboard goes to its heading. */
async function goTo(after) {
  await turnPage(after);
  $('jobs-title').focus();
}

async function older() {
  if (page.next === null)
    await fetchPage(false);
  if (page.next === null)
    return;
  await goTo(page.next);
}

function setFilter(state) {
  page.filter = $('filter').value = state;
  put($('jobs-empty').firstElementChild, state ? 'No job is ' + state + ' now.'
    : 'No jobs yet. Submit one with the form, or from a terminal:');
  $('jobs-empty').lastElementChild.hidden = state !== '';
  return turnPage(null);
}

async function showJob(id) {
  try {
    const { type, queue, label, state, created_at } = await call('/v1/jobs/' + id);
    const row = jobs.rows.get(id) || new Row(jobs, { id, type, queue, label, state, created_at });
    jobs.rows.set(id, row);
    jobs.heldUntil = 0;
    const loaded = row.toggle(true);
    jobs.sync();
    await loaded;
    row.open.focus();
    row.node.scrollIntoView({ block: 'nearest' });
    say($('jobs-note'), '');
  } catch (e) {
    say($('jobs-note'), 'Job ' + id + ' cannot be shown. ' + reason(e));
  }
}

function route() {
  const [, kind, value] = /^#(job|state)-(\w{1,15})$/.exec(location.hash) || [];
  if (kind === 'job' && Number(value) > 0)
    showJob(Number(value));
  if (kind === 'state' && STATES.includes(value)) {
    setFilter(value);
    $('jobs-title').focus();
  }
}

/* -- the form -- */

const OPTIONS = ['queue', 'priority', 'attempts', 'backoff', 'timeout', 'delay'];
const control = (name) => $('f-' + name);

/* The control that a field of the API is typed into. */
function controlOf(field) {
  const shell = control('use-shell').checked;
  if (!/^args\b/.test(field))
    return control(field) ? field : null;
  if (control('type').value === 'sleep')
    return 'seconds';
  return shell ? 'shell' : /^args\.argv\W+[1-9]/.test(field) ? 'arguments' : 'program';
}

function refuse(name, text) {
  const field = control(name);
  field.setAttribute('aria-invalid', 'true');
  field.setAttribute('aria-describedby', 'wrong');
  field.after(el('p', { id: 'wrong', class: 'wrong' }, text));
  if ($('options').contains(field))
    $('options').open = true;
  field.focus();
}

function forgive() {
  const field = document.querySelector('[aria-invalid]');
  $('wrong')?.remove();
  field?.removeAttribute('aria-invalid');
  field?.removeAttribute('aria-describedby');
  say($('form-error'), '');
  $('form-done').replaceChildren();
}

/* What is no number goes out as typed: the server alone judges what a field may hold. */
function typed(name) {
  const text = control(name).value.trim();
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

function readForm() {
  const body = { type: control('type').value, args: {} };
  const rest = control('arguments').value.replace(/\n+$/, '');
  if (body.type === 'sleep')
    body.args.seconds = typed('seconds');
  else if (control('use-shell').checked)
    body.args.shell = control('shell').value;
  else
    body.args.argv = [control('program').value.trim(), ...(rest ? rest.split('\n') : [])];
  for (const name of OPTIONS)
    if (typed(name) !== '')
      body[name] = name === 'queue' ? control(name).value.trim() : typed(name);
  return body;
}

async function submit(event) {
  const send = $('send');
  event.preventDefault();
  if (send.ariaDisabled === 'true')
    return;
  send.ariaDisabled = 'true';
  forgive();
  try {
    const job = await call('/v1/jobs', readForm());
    $('form-done').append('Job ' + Number(job.id) + ' is ' + visible(job.state) + '. ',
      el('a', { href: '#job-' + Number(job.id) }, 'Show it'));
  } catch (e) {
    const name = e instanceof Refusal && controlOf(e.field);
    if (name)
      refuse(name, e.message);
    else
      say($('form-error'), e instanceof Refusal ? e.message : 'The server did not answer. '
        + 'It may have stored the job all the same: look at the list before trying again.');
  }
  send.ariaDisabled = 'false';
}

function shapeForm() {
  const sleep = control('type').value === 'sleep';
  const shell = control('use-shell').checked;
  $('for-command').hidden = sleep;
  $('for-sleep').hidden = !sleep;
  $('for-argv').hidden = shell;
  $('for-shell').hidden = !shell;
  $('program-hint').hidden = !/\S\s+\S/.test(control('program').value);
}

/* -- drawing and the connection -- */

let drawing = false;

function draw() {
  drawing = false;
  for (const state of STATES)
    put($('count-' + state), brief(stats.counts[state]));
  put($('running-note'), stats.running_total + ' of ' + stats.concurrency + ' workers busy');
  running.set(stats.running.map((job) => ({ ...job, state: 'running' })));
  failures.set(stats.failures);
  if (streamed())
    jobs.set(stats.recent);
  drawPager();
}

const link = {
  source: null,
  timer: 0,
  set(live) {
    $('link').dataset.live = live;
    put($('link'), live ? 'Live' : 'Reconnecting…');
    say($('stale'), live || !stats ? '' : 'The connection is lost; the page keeps trying. '
      + 'What you see is from ' + clock(time.now()) + '.');
    document.title = (live ? '' : 'Offline · ') + 'Kettle jobs';
  },
  open() {
    this.source?.close();
    this.source = new EventSource('/v1/events');
    this.source.addEventListener('stats', (event) => this.take(JSON.parse(event.data)));
    this.source.onerror = () => this.lost();
  },
  take(fresh) {
    stats = fresh;
    time.set(stats.server_time);
    rate.add(stats.counts);
    page.stale = true;
    this.set(true);
    if (!drawing)
      requestAnimationFrame(draw);
    drawing = true;
  },
  lost() {
    time.freeze();
    rate.total = null;
    this.set(false);
    /* An answer that is not an event stream ends EventSource's own attempts. */
    if (this.source.readyState === EventSource.CLOSED && !document.hidden) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.open(), RETRY_MS);
    }
  },
  /* Browsers allow six connections to one server: tabs left behind must not hold them all. */
  visibility() {
    clearTimeout(this.timer);
    if (!document.hidden && this.source.readyState === EventSource.CLOSED)
      this.open();
    if (document.hidden)
      this.timer = setTimeout(() => {
        this.source.close();
        this.lost();
      }, HIDDEN_MS);
  },
};

function tick() {
  if (document.hidden || !stats)
    return;
  rate.draw();
  for (const list of [running, failures, jobs])
    list.tick();
  if (!streamed() && page.stale && time.going && performance.now() - page.at > REFRESH_MS)
    fetchPage(false);
}

/* -- start -- */

async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text.textContent);
    put(button, 'Copied');
  } catch (e) {
    /* No clipboard outside a secure context: leave it selected for the reader's own copying. */
    getSelection().selectAllChildren(text);
    put(button, 'Selected');
  }
  announce(button.textContent);
  setTimeout(() => put(button, 'Copy'), 2000);
}

function build() {
  for (const state of STATES) {
    $('filter').append(el('option', {}, state));
    $('counts').append(el('li', {}, el('a', { href: '#state-' + state },
      el('span', { class: 'state s-' + state }, stateIcon(state), state), ' ',
      el('strong', { id: 'count-' + state }, '–'))));
  }
  for (const box of document.querySelectorAll('.samples'))
    for (const sample of [
      "curl -H 'Content-Type: application/json' -d '{\"type\":\"command\",\"args\":{\"argv\":"
        + '["echo","hi"]}}\' ' + location.origin + '/v1/jobs',
      'kettle-jobs submit -- echo hi']) {
      const text = pre(sample);
      const button = el('button', {}, 'Copy');
      button.onclick = () => copy(button, text);
      box.append(el('div', { class: 'sample' }, text, button));
    }
}

build();
shapeForm();
setFilter('');
$('form').onsubmit = submit;
$('form').oninput = shapeForm;
$('filter').onchange = () => setFilter($('filter').value);
$('newest').onclick = () => goTo(null);
$('older').onclick = older;
window.onhashchange = route;
document.onvisibilitychange = () => link.visibility();
/* A link to what the address names already changes no address. */
document.addEventListener('click', (event) => {
  const hash = event.target.closest?.('a')?.hash;
  if (hash && hash === location.hash)
    route();
});
link.open();
setInterval(tick, 1000);
route();
