// Live changes: pulled, in order, each once, and none lost by whatever ends a wait.

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';

import { everyone, folder, refusal, request, verified, world } from './support/world.mjs';

test('a loop gets every change in order, from now on', async (t) => {
  const { session } = await world(t);
  await session.createOrder(request);
  const events = session.subscribe();
  await events.opened();
  const { id } = await session.createOrder(request);
  await session.updateStatus(id, { ...verified, reason: 'called' });
  await session.deleteOrder(id, { reason: 'test' });
  const seen = [];
  for await (const event of events) {
    seen.push([event.type, event.old_status, event.new_status, event.version, event.context.reason]);
    assert.equal(event.order_id, id);
    assert.equal(events.cursor, event.cursor);
    if (seen.length === 3) break;
  }
  assert.deepEqual(seen, [
    ['ORDER_STATUS_CHANGED', null, 'pending_verification', 1, undefined],
    ['ORDER_STATUS_CHANGED', 'pending_verification', 'verified', 2, 'called'],
    ['ORDER_DELETED', 'verified', 'verified', 3, 'test'],
  ]);
  // The break has closed it.
  assert.deepEqual(await events.next(), { value: undefined, done: true });
  assert.equal((await refusal(events.nextEvent())).code, 'CLOSED');
});

test('a reader resumes from a cursor, from a list, and from the start', async (t) => {
  const { session } = await world(t);
  const first = await session.createOrder(request);
  const page = await session.orders();
  const second = await session.createOrder(request);
  const next = async (options) => {
    const events = session.subscribe(options);
    const event = await events.nextEvent({ timeout_ms: 5000 });
    await events.close();
    return event?.order_id;
  };
  assert.equal(await next({ since: page.feed_cursor }), second.id);
  assert.equal(await next({ since: '' }), first.id);
  assert.equal(await next({ since: '', order_id: second.id }), second.id);
  const events = session.subscribe({ since: '' });
  const { cursor } = await events.nextEvent();
  assert.equal(events.cursor, cursor);
  await events.close();
  assert.equal(await next({ since: cursor }), second.id);
});

test('what is wrong with a subscription comes out of opened and of every wait', async (t) => {
  const { session } = await world(t);
  const invalid = session.subscribe({ since: 'nonsense' });
  assert.equal((await refusal(invalid.opened())).code, 'INVALID_CURSOR');
  assert.equal((await refusal(invalid.next())).code, 'INVALID_CURSOR');
  const missing = session.subscribe({ order_id: '01890000-0000-7000-8000-000000000000' });
  assert.equal((await refusal(missing.nextEvent())).code, 'ORDER_NOT_FOUND');
  assert.equal((await refusal(session.subscribe({ order_id: 'x' }).opened())).code, 'VALIDATION_ERROR');
  const nobody = { ...everyone, roles: [] };
  const { service } = await world(t);
  assert.equal((await refusal(service.session(nobody, 'north').subscribe().next())).code, 'ACCESS_DENIED');
});

test('several waits get the events in the order of the waits', async (t) => {
  const { session } = await world(t);
  const events = session.subscribe();
  const waits = Array.from({ length: 20 }, () => events.next());
  await events.opened();
  const ids = [];
  for (let n = 0; n < 20; n += 1) ids.push((await session.createOrder(request)).id);
  const got = await Promise.all(waits);
  assert.deepEqual(got.map(({ value }) => value.order_id), ids);
  await events.close();
});

test('a timeout answers null and loses nothing', async (t) => {
  const { session } = await world(t);
  const events = session.subscribe();
  const started = performance.now();
  assert.equal(await events.nextEvent({ timeout_ms: 50 }), null);
  // Far more than it takes, and far less than for ever.
  assert.ok(performance.now() - started < 20_000);
  const { id } = await session.createOrder(request);
  assert.equal((await events.nextEvent({ timeout_ms: 5000 })).order_id, id);
  for (const timeout_ms of [-1, NaN, 2 ** 31, '5']) {
    assert.equal((await refusal(events.nextEvent({ timeout_ms }))).code, 'VALIDATION_ERROR');
  }
  // A number is no options: it would wait for ever.
  for (const options of [5, null, { signal: 5 }, { signal: {} }]) {
    assert.equal((await refusal(events.nextEvent(options))).code, 'VALIDATION_ERROR');
  }
  assert.throws(() => session.subscribe({ signal: {} }), { code: 'VALIDATION_ERROR' });
});

test('a timeout, a signal and a close also end a wait for the opening', async (t) => {
  let answer = () => {};
  let hang = false;
  const directory = {
    territoryExists: () => (hang ? new Promise((resolve) => (answer = () => resolve(true))) : true),
    relationshipExists: () => true,
  };
  const { session } = await world(t, { directory, key_cache_ttl_ms: 0 });
  hang = true;
  t.after(() => answer());
  const events = session.subscribe();
  let opened = false;
  events.opened().then(() => (opened = true), () => {});
  const control = new AbortController();
  const aborting = refusal(events.nextEvent({ signal: control.signal }));
  assert.equal(await events.nextEvent({ timeout_ms: 20 }), null);
  control.abort();
  assert.equal((await aborting).name, 'AbortError');
  const loop = events.next();
  await events.close();
  assert.deepEqual(await loop, { value: undefined, done: true });
  assert.equal(opened, false);
});

test('an abort from inside a callback swallows no event', async (t) => {
  let control;
  const directory = {
    territoryExists: () => true,
    relationshipExists: (patient) => (patient === 'p-1' || control.abort(), true),
  };
  const { session } = await world(t, { directory, synchronous: 'normal' });
  await session.createOrder(request);
  const events = session.subscribe();
  await events.opened();
  for (let n = 2; n < 7; n += 1) {
    control = new AbortController();
    const wait = events.nextEvent({ signal: control.signal }).then((event) => [event.order_id], () => []);
    // The question is posted at once and the event after its commit, both while this thread is busy: one delivery.
    const calls = [session.createOrder({ ...request, patient_id: `p-${n}` }), session.createOrder(request)];
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    const ids = (await Promise.all(calls)).map(({ id }) => id);
    const seen = await wait;
    while (seen.length < 2) {
      const event = await events.nextEvent({ timeout_ms: 5000 });
      assert.ok(event, 'an event was lost');
      seen.push(event.order_id);
    }
    assert.deepEqual(seen.sort(), ids.sort());
  }
});

test('a signal ends the wait with an AbortError and loses nothing', async (t) => {
  const { session } = await world(t);
  const events = session.subscribe();
  const control = new AbortController();
  const wait = events.nextEvent({ signal: control.signal });
  setTimeout(() => control.abort(new Error('enough')), 20);
  const error = await refusal(wait);
  assert.deepEqual([error.name, error.code, error.cause.message], ['AbortError', 'ABORT_ERR', 'enough']);
  assert.equal((await refusal(events.nextEvent({ signal: control.signal }))).name, 'AbortError');
  const { id } = await session.createOrder(request);
  assert.equal((await events.nextEvent({ timeout_ms: 5000 })).order_id, id);
});

test('the signal of a subscription ends a loop over it', async (t) => {
  const { session } = await world(t);
  const control = new AbortController();
  const events = session.subscribe({ signal: control.signal });
  setTimeout(() => control.abort(), 20);
  await assert.rejects(async () => {
    for await (const event of events) assert.fail(event.order_id);
  }, { name: 'AbortError' });
  assert.equal((await refusal(events.next())).name, 'AbortError');
  const late = session.subscribe({ signal: AbortSignal.abort() });
  assert.equal((await refusal(late.opened())).name, 'AbortError');
});

test('the signal of a subscription lets go of its feed, whenever it fires', async (t) => {
  const require = createRequire(import.meta.url);
  const { Failures } = require('../dist/host.cjs');
  const { native } = require('../dist/native.cjs');
  const { mailbox } = require('../dist/post.cjs');
  const { Subscription } = require('../dist/subscription.cjs');
  const place = folder(t);
  const opened = (name) => {
    const feed = { closed: 0, next: () => {}, cancel: () => {}, close: () => (feed.closed += 1) };
    const control = new AbortController();
    // A feed that only counts; the answer that it is open is that of another call.
    const open = (number) => (native.makeKeyFile(mailbox, number, join(place, name)), feed);
    return { feed, control, events: new Subscription(open, undefined, control.signal, new Failures()) };
  };
  const waiting = opened('waiting');
  await waiting.events.opened();
  const waits = [refusal(waiting.events.next()), refusal(waiting.events.nextEvent())];
  await sleep(1);
  assert.equal(waiting.feed.closed, 0);
  waiting.control.abort();
  assert.deepEqual((await Promise.all(waits)).map(({ name }) => name), ['AbortError', 'AbortError']);
  assert.ok(waiting.feed.closed > 0);
  // Between two waits: it shows at the next one.
  const idle = opened('idle');
  await idle.events.opened();
  idle.control.abort();
  assert.equal((await refusal(idle.events.next())).name, 'AbortError');
  assert.ok(idle.feed.closed > 0);
  const opening = opened('opening');
  opening.control.abort();
  await opening.events.opened();
  assert.ok(opening.feed.closed > 0);
});

test('one signal serves a thousand waits and collects no listeners', async (t) => {
  const { session } = await world(t);
  const { signal } = new AbortController();
  const warnings = [];
  const warn = (warning) => warnings.push(warning);
  process.on('warning', warn);
  t.after(() => process.off('warning', warn));
  const events = session.subscribe({ signal });
  await events.opened();
  for (let n = 0; n < 1000; n += 1) await events.nextEvent({ signal, timeout_ms: n % 10 ? 0 : 1 });
  await Promise.all(Array.from({ length: 50 }, () => events.nextEvent({ signal, timeout_ms: 1 })));
  assert.equal(getEventListeners(signal, 'abort').length, 0);
  await sleep(10);
  assert.deepEqual(warnings, []);
});

test('of waits that are given up at any moment none swallows an event', async (t) => {
  const { session } = await world(t, { synchronous: 'normal' });
  const events = session.subscribe();
  await events.opened();
  const total = 300;
  const ids = [];
  const writing = (async () => {
    for (let n = 0; n < total; n += 1) ids.push((await session.createOrder(request)).id);
  })();
  const seen = [];
  let given = 0;
  while (seen.length < total) {
    const control = new AbortController();
    const waits = [events.nextEvent({ signal: control.signal }), events.nextEvent({ timeout_ms: seen.length % 3 })];
    // Some before the event comes, some after, some while it is under way.
    if (seen.length % 2) queueMicrotask(() => control.abort());
    else setImmediate(() => control.abort());
    for (const result of await Promise.allSettled(waits)) {
      if (result.status === 'fulfilled' && result.value) seen.push(result.value.order_id);
      else given += 1;
    }
  }
  await writing;
  assert.deepEqual(seen, ids);
  assert.ok(given > 20, `only ${given} waits were given up`);
  assert.equal(await events.nextEvent({ timeout_ms: 20 }), null);
});

test('a stream of Node reads it, and destroying the stream closes it', async (t) => {
  const { session } = await world(t);
  const events = session.subscribe({ since: '' });
  for (let n = 0; n < 5; n += 1) await session.createOrder(request);
  const stream = Readable.from(events);
  const seen = [];
  for await (const event of stream) {
    seen.push(event.version);
    if (seen.length === 5) break;
  }
  assert.deepEqual(seen, [1, 1, 1, 1, 1]);
  assert.equal((await events.next()).done, true);
});

test('closing a subscription, a service or a session ends the waits', async (t) => {
  const { service, session } = await world(t);
  const [a, b, c] = [session.subscribe(), session.subscribe(), session.subscribe()];
  await Promise.all([a.opened(), b.opened(), c.opened()]);
  const loop = a.next();
  const wait = refusal(a.nextEvent());
  await a.close();
  await a.close();
  assert.equal((await loop).done, true);
  assert.equal((await wait).code, 'CLOSED');
  const other = service.session(everyone, 'north');
  const revoked = refusal(other.subscribe().next());
  await sleep(50);
  other.revoke();
  assert.equal((await revoked).code, 'ACCESS_DENIED');
  const closing = [refusal(b.next()), refusal(c.nextEvent())];
  await sleep(20);
  await service.close();
  assert.deepEqual((await Promise.all(closing)).map(({ code }) => code), ['CLOSED', 'CLOSED']);
});

test('an event that was kept is not given out after the session was revoked', async (t) => {
  const { session } = await world(t);
  const events = session.subscribe();
  await events.opened();
  for (let n = 0; n < 50; n += 1) {
    const control = new AbortController();
    const wait = events.nextEvent({ signal: control.signal });
    await session.createOrder(request);
    control.abort();
    await wait.catch(() => {});
  }
  session.revoke();
  assert.equal((await refusal(events.next())).code, 'ACCESS_DENIED');
});

test('an expired actor gets no more events', async (t) => {
  const { service } = await world(t);
  const actor = { ...everyone, expires_at: new Date(Date.now() + 300) };
  const events = service.session(actor, 'north').subscribe();
  assert.equal((await refusal(events.next())).code, 'ACCESS_DENIED');
});

