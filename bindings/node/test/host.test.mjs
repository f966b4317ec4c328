// What the host brings as functions: asked with what is needed, and never waited for without end.

import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { join } from 'node:path';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';

import { KeyRefusedError, OrderService } from 'medorder';

import { everyone, folder, refusal, request, world } from './support/world.mjs';

/** A key service as one would be: it binds the context, and can be told to fail. */
function keyService() {
  const root = randomBytes(32);
  const service = {
    calls: [],
    fail: undefined,
    wrap: async (key, context) => {
      service.calls.push('wrap');
      if (service.fail) throw service.fail;
      assert.ok(Buffer.isBuffer(key) && key.length === 32 && Buffer.isBuffer(context));
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', root, iv).setAAD(context);
      return Buffer.concat([iv, cipher.update(key), cipher.final(), cipher.getAuthTag()]);
    },
    unwrap: async (blob, context) => {
      service.calls.push('unwrap');
      await turn();
      if (service.fail) throw service.fail;
      const decipher = createDecipheriv('aes-256-gcm', root, blob.subarray(0, 12)).setAAD(context);
      decipher.setAuthTag(blob.subarray(-16));
      try {
        return Buffer.concat([decipher.update(blob.subarray(12, -16)), decipher.final()]);
      } catch (error) {
        throw new KeyRefusedError('not of this root', { cause: error });
      }
    },
  };
  return service;
}

test('keys of the host open a database, and other keys do not', async (t) => {
  const keys = keyService();
  const { session, service, url } = await world(t, { keys });
  const { id } = await session.createOrder(request);
  await service.close();
  assert.ok(keys.calls.includes('wrap') && keys.calls.includes('unwrap'));
  const again = await OrderService.open(url, keys);
  assert.equal((await again.session(everyone, 'north').order(id)).notes, 'SECRET-notes');
  await again.close();
  const error = await refusal(OrderService.open(url, keyService()));
  assert.equal(error.code, 'KEY_MISMATCH');
  assert.ok(error.cause instanceof KeyRefusedError);
});

test('a root is changed to keys of the host', async (t) => {
  const { admin, session, service, url } = await world(t);
  const { id } = await session.createOrder(request);
  const keys = keyService();
  await admin.changeRoot(keys);
  await service.close();
  const again = await OrderService.open(url, keys);
  assert.equal((await again.session(everyone, 'north').order(id)).notes, 'SECRET-notes');
  await again.close();
});

test('keys that cannot be reached are KEY_UNAVAILABLE with what was thrown as cause', async (t) => {
  const keys = keyService();
  const { session, service, url } = await world(t, { keys });
  await session.createOrder(request);
  await service.close();
  const told = [];
  const listen = (message) => told.push(message);
  subscribe('medorder:callback', listen);
  t.after(() => unsubscribe('medorder:callback', listen));
  keys.fail = new Error('the vault is sealed');
  const error = await refusal(OrderService.open(url, keys));
  assert.deepEqual([error.code, error.retryable, error.cause], ['KEY_UNAVAILABLE', true, keys.fail]);
  assert.deepEqual(told[0], { callback: 'unwrap', error: keys.fail });
  keys.fail = undefined;
  await (await OrderService.open(url, keys)).close();
});

test('what is no key is no key', async (t) => {
  const url = join(folder(t), 'orders.db');
  for (const wrap of [() => 'text', () => undefined, () => Promise.resolve(7)]) {
    const error = await refusal(OrderService.open(url, { ...keyService(), wrap }));
    assert.equal(error.code, 'KEY_UNAVAILABLE');
    assert.ok(error.cause instanceof TypeError);
  }
  const short = await refusal(OrderService.open(url, { ...keyService(), unwrap: () => Buffer.alloc(31) }));
  assert.match(short.cause.message, /32 bytes/);
  // A provider that ignores its context.
  const same = await refusal(OrderService.open(url, { wrap: (key) => Buffer.from(key), unwrap: (blob) => blob }));
  assert.equal(same.code, 'KEY_MISMATCH');
});

test('functions of an opening that is refused are let go', async (t) => {
  const url = join(folder(t), 'orders.db');
  const refused = async () => {
    const keys = keyService();
    const error = await refusal(OrderService.open(url, keys, { directory: { territoryExists: () => true } }));
    assert.deepEqual(error.details.errors, [{ path: 'directory.relationshipExists', rule: 'type' }]);
    const directory = { territoryExists: () => true, relationshipExists: () => true };
    assert.equal((await refusal(OrderService.open(url, {}, { directory }))).code, 'VALIDATION_ERROR');
    return [new WeakRef(keys), new WeakRef(directory)];
  };
  const held = await refused();
  await sleep(10);
  globalThis.gc();
  assert.deepEqual(held.map((ref) => ref.deref() === undefined), [true, true]);
});

test('a directory of the host decides, synchronous or not', async (t) => {
  const asked = [];
  const directory = {
    territoryExists: (territory) => asked.push(territory) > 0,
    relationshipExists: async (...ids) => {
      asked.push(ids);
      await turn();
      return ids[0] === 'p-1';
    },
  };
  const { session } = await world(t, { directory });
  await session.createOrder(request);
  await session.createOrder(request);
  // The second answer came from the cache.
  assert.deepEqual(asked, ['north', ['p-1', 'npi-1', 'north']]);
  assert.equal((await refusal(session.createOrder({ ...request, patient_id: 'p-2' }))).code, 'PATIENT_PROVIDER_MISMATCH');
});

test('a directory that fails or says something else is never a yes', async (t) => {
  let answer;
  const directory = { territoryExists: () => true, relationshipExists: () => answer() };
  const { session } = await world(t, { directory });
  const thrown = new Error('ldap is down');
  for (const [give, check] of [
    [() => { throw thrown; }, (cause) => cause === thrown],
    [() => Promise.reject(thrown), (cause) => cause === thrown],
    [() => 'yes', (cause) => cause instanceof TypeError],
    [() => 1, (cause) => cause instanceof TypeError],
    [() => undefined, (cause) => cause instanceof TypeError],
  ]) {
    answer = give;
    const error = await refusal(session.createOrder(request));
    assert.equal(error.code, 'STORAGE_UNAVAILABLE');
    assert.ok(check(error.cause), String(error.cause));
  }
  answer = () => true;
  await session.createOrder(request);
});

test('the service cannot be called from inside its callbacks, but from what they leave running', async (t) => {
  const refused = [];
  let later;
  const directory = {
    territoryExists: () => true,
    relationshipExists: async () => {
      refused.push(await refusal(session.orders()));
      refused.push(await refusal(service.close()));
      refused.push(await refusal(OrderService.open('other.db', { keyEnv: 'X' })));
      await turn();
      assert.throws(() => session.subscribe(), { code: 'CLOSED' });
      refused.push(await refusal(admin.territories()));
      later = sleep(50).then(() => session.orders());
      return true;
    },
  };
  const { service, session, admin } = await world(t, { directory });
  await session.createOrder(request);
  assert.deepEqual(refused.map(({ code }) => code), ['CLOSED', 'CLOSED', 'CLOSED', 'CLOSED']);
  assert.equal((await later).orders.length, 1);
});

test('a callback that never answers is given up after 5 seconds, and nobody else waits for it', async (t) => {
  let hang = true;
  const directory = { territoryExists: () => true, relationshipExists: () => (hang ? new Promise(() => {}) : true) };
  const { session } = await world(t, { directory });
  const started = performance.now();
  let ended = false;
  const error = refusal(session.createOrder(request)).finally(() => (ended = true));
  await session.orders();
  assert.equal(ended, false);
  assert.equal((await error).code, 'STORAGE_UNAVAILABLE');
  const took = performance.now() - started;
  assert.ok(took > 4500 && took < 20_000, `${took} ms`);
  hang = false;
  await session.createOrder(request);
});

test('a busy thread of JavaScript is a late callback, not a deadlock', async (t) => {
  const { session } = await world(t, { directory: { territoryExists: () => true, relationshipExists: () => true } });
  const order = session.createOrder(request);
  // The first question may be answered before; from here on nobody answers for longer than the deadline.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 6000);
  assert.equal((await refusal(order)).code, 'STORAGE_UNAVAILABLE');
  await session.createOrder(request);
});

test('checkpoints go to the anchor of the host', async (t) => {
  const notes = [];
  let fail;
  const anchor = {
    keep: async (note) => {
      if (fail) throw fail;
      notes.push(note);
    },
    newest: (chain) => notes.findLast((note) => note.split('\n')[0].endsWith(`/${chain}`)) ?? null,
  };
  const { admin, session, service } = await world(t, { anchor });
  await session.createOrder(request);
  await admin.checkpoint();
  assert.equal((await admin.verifyAudit()).anchored, true);
  await session.createOrder(request);
  fail = new Error('the witness is away');
  const error = await refusal(admin.checkpoint());
  assert.deepEqual([error.code, error.cause], ['STORAGE_UNAVAILABLE', fail]);
  fail = undefined;
  const before = notes.length;
  await service.close();
  assert.ok(notes.length > before, 'a close signs a last checkpoint');
});
