// Every call, by the names it has here; what the rules are is for the conformance suite to say.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { MedorderError, OrderService, generateKeyFile } from 'medorder';

import { everyone, folder, refusal, request, verified, world } from './support/world.mjs';

test('an order is created, changed, read, listed, found and deleted', async (t) => {
  const { session } = await world(t);
  assert.equal(session.territory, 'north');
  const order = await session.createOrder({ ...request, idempotency_key: 'his-1', insurance: undefined });
  assert.equal(order.status, 'pending_verification');
  assert.equal(order.version, 1);
  assert.match(order.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  const options = await session.allowedTransitions(order.id);
  assert.deepEqual(options.find((option) => option.status === 'verified').needs, ['verification_data']);

  const until = new Date(Date.now() + 3_600_000);
  const data = { ...verified.verification_data, valid_until: until, coverage_details: { copay: 20 } };
  const changed = await session.updateStatus(order.id, { status: 'verified', verification_data: data, expected_version: 1 });
  assert.deepEqual([changed.status, changed.version], ['verified', 2]);
  const seen = await session.order(order.id);
  assert.equal(seen.notes, 'SECRET-notes');
  assert.equal(seen.insurance, null);
  assert.equal(Date.parse(seen.insurance_verification.valid_until), until.getTime());
  assert.deepEqual(seen.insurance_verification.coverage_details, { copay: 20 });
  const bare = await session.order(order.id, []);
  assert.deepEqual([bare.disclosed, 'notes' in bare], [[], false]);
  assert.equal((await session.orderByKey('his-1')).id, order.id);

  const filter = { status: ['verified'], created_from: new Date(0) };
  const page = await session.orders({ filter, limit: 1, fields: ['notes'] });
  assert.deepEqual(page.orders.map(({ id, notes }) => [id, notes]), [[order.id, 'SECRET-notes']]);
  assert.equal(typeof page.feed_cursor, 'string');
  assert.deepEqual((await session.orders({ filter, cursor: page.next_cursor })).orders, []);
  assert.equal((await refusal(session.orders({ cursor: page.next_cursor }))).code, 'INVALID_CURSOR');
  const pairs = await session.relationships({ filter: { patient_id: 'p-1' } });
  assert.deepEqual(pairs, { relationships: [{ patient_id: 'p-1', provider_id: 'npi-1' }], next: null });

  const deleted = await session.deleteOrder(order.id, { reason: 'entered twice', expected_version: 2 });
  assert.equal(deleted.id, order.id);
  assert.equal((await refusal(session.order(order.id))).code, 'ORDER_NOT_FOUND');
});

test('batches answer item by item', async (t) => {
  const { session } = await world(t);
  const [good, bad] = await session.createOrders([request, { ...request, patient_id: 'p-9' }], 'each');
  assert.deepEqual([good.status, bad.status, bad.error.code], ['success', 'error', 'PATIENT_PROVIDER_MISMATCH']);
  const none = await session.createOrders([request, { ...request, service_type: '' }], 'atomic');
  assert.deepEqual(none.map(({ status }) => status), ['not_applied', 'error']);
  assert.deepEqual(none[1].error.details.errors, [{ path: 'service_type', rule: 'empty' }]);
  const changes = [{ order_id: good.data.id, ...verified }];
  assert.equal((await session.updateStatuses(changes, 'atomic'))[0].data.version, 2);
});

test('the audit is read, exported and verified', async (t) => {
  const { session, admin, service, place } = await world(t);
  const order = await session.createOrder(request);
  await session.order(order.id, ['notes']);
  const { records, next } = await session.audit({ filter: { order_id: order.id }, limit: 1 });
  assert.deepEqual([records[0].action, records[0].details.new_status], ['create', 'pending_verification']);
  assert.equal((await session.audit({ filter: { order_id: order.id }, after: next })).records[0].action, 'view');
  const told = await session.disclosures('p-1', { limit: 10 });
  assert.deepEqual(told.records.map(({ fields }) => fields), [['notes']]);
  const exported = [];
  for await (const entry of session.exportAudit()) exported.push(entry);
  assert.deepEqual(exported.map(({ seq }) => seq), exported.map((_, at) => at + 1));
  assert.equal(exported.find(({ action }) => action === 'create').hash.length, 64);
  assert.equal((await session.verifyAudit()).verdict, 'intact');

  const notes = await admin.checkpoint();
  assert.equal((await session.verifyAudit(notes.find((note) => note.includes('/north')))).anchored, true);
  assert.deepEqual(await admin.territories(), ['north']);
  assert.ok((await admin.audit()).records.some(({ action }) => action === 'checkpoint'));
  assert.equal((await admin.verifyAudit()).chains.length, 2);
  assert.match(await service.generation(), /^[0-9a-f-]{36}$/);
  assert.equal((await service.checkpointPublicKey()).length, 32);
  await admin.backup(join(place, 'copy.db'));
  assert.ok(existsSync(join(place, 'copy.db')));
  const before = await service.generation();
  await admin.restore();
  assert.notEqual(await service.generation(), before);
});

test('keys are rotated and the root is changed, with progress', async (t) => {
  const { session, admin, service, url, keyFile, place } = await world(t);
  const order = await session.createOrder(request);
  const told = [];
  const report = await admin.rotateKeys('north', (progress) => told.push(progress));
  assert.deepEqual(report, { version: 2, rewrapped: 1, resumed: false });
  assert.deepEqual(told, [{ done: 1, total: 1 }]);
  const other = join(place, 'other.key');
  await generateKeyFile(other);
  const steps = [];
  await admin.changeRoot({ keyFile: other }, ({ done }) => steps.push(done));
  assert.deepEqual(steps, steps.map((_, at) => at + 1));
  assert.ok(steps.length > 1);
  await service.close();
  assert.equal((await refusal(OrderService.open(url, { keyFile }))).code, 'KEY_MISMATCH');
  const again = await OrderService.open(url, { keyFile: other });
  assert.equal((await again.session(everyone, 'north').order(order.id)).notes, 'SECRET-notes');
  await again.close();
});

test('territories and relationships go out of service', async (t) => {
  const { session, admin } = await world(t);
  await admin.unregisterRelationship('north', 'p-1', 'npi-1');
  assert.equal((await refusal(session.createOrder(request))).code, 'PATIENT_PROVIDER_MISMATCH');
  await admin.unregisterTerritory('north');
  assert.equal((await refusal(session.orders())).code, 'TERRITORY_NOT_FOUND');
});

test('a revoked session ends, and the others go on', async (t) => {
  const { session, service } = await world(t);
  session.revoke();
  assert.equal((await refusal(session.orders())).code, 'ACCESS_DENIED');
  await service.session(everyone, 'north').orders();
});

test('a key file is made once, and a root key in the environment opens too', async (t) => {
  const place = folder(t);
  const keyFile = join(place, 'root.key');
  await generateKeyFile(keyFile);
  const again = await refusal(generateKeyFile(keyFile));
  assert.deepEqual(again.details.errors, [{ path: 'key_file', rule: 'duplicate' }]);
  const { readFileSync } = await import('node:fs');
  process.env.MEDORDER_TEST_KEY = readFileSync(keyFile, 'utf8').trim();
  t.after(() => delete process.env.MEDORDER_TEST_KEY);
  const url = join(place, 'orders.db');
  await (await OrderService.open(url, { keyEnv: 'MEDORDER_TEST_KEY' })).close();
  await (await OrderService.open(url, { keyFile })).close();
});

test('options reach the engine, and what it does not know is refused', async (t) => {
  const place = folder(t);
  const keyFile = join(place, 'root.key');
  await generateKeyFile(keyFile);
  const url = join(place, 'orders.db');
  const open = (options) => OrderService.open(url, { keyFile }, options);
  assert.equal((await refusal(open({ create: false }))).code, 'STORAGE_UNAVAILABLE');
  const faults = (await refusal(open({ synchronous: 'never', colour: 1 }))).details.errors;
  assert.deepEqual(faults, [{ path: 'colour', rule: 'unknown' }, { path: 'synchronous', rule: 'one_of' }]);
  const both = { anchor_file: join(place, 'anchor'), anchor: { keep: () => {}, newest: () => null } };
  assert.deepEqual((await refusal(open(both))).details.errors, [{ path: 'anchor', rule: 'not_allowed' }]);
  const service = await open({ cancel_before_start: true, anchor_file: join(place, 'anchor') });
  const admin = service.admin(everyone);
  await admin.registerTerritory('north');
  await admin.registerRelationship('north', 'p-1', 'npi-1');
  const session = service.session(everyone, 'north');
  const { id } = await session.createOrder(request);
  assert.equal((await session.updateStatus(id, { status: 'cancelled', reason: 'no longer needed' })).status, 'cancelled');
  await admin.checkpoint();
  assert.equal((await admin.verifyAudit()).anchored, true);
  await service.close();
});

test('a closed service refuses, and a second close is no error', async (t) => {
  const { service, session } = await world(t);
  await Promise.all([service.close(), service.close()]);
  await service.close();
  const error = await refusal(session.orders());
  assert.deepEqual([error.code, error.kind], ['CLOSED', 'usage']);
});

test('a service and a subscription are closed by the symbol of `await using`', async (t) => {
  const { session, service } = await world(t);
  const events = session.subscribe();
  await events[Symbol.asyncDispose]();
  assert.equal((await events.next()).done, true);
  await service[Symbol.asyncDispose]();
  assert.equal((await refusal(session.orders())).code, 'CLOSED');
});

test('what JSON would turn into another value is refused', async (t) => {
  const { session, service, url } = await world(t);
  const faults = async (promise) => (await refusal(promise)).details.errors;
  const { id } = await session.createOrder(request);
  for (const [value, rule] of [[NaN, 'format'], [Infinity, 'format'], [1n, 'type'], [() => 1, 'type'], [Symbol(), 'type']]) {
    assert.deepEqual(await faults(session.updateStatus(id, { ...verified, expected_version: value })), [
      { path: 'expected_version', rule },
    ]);
  }
  assert.deepEqual(await faults(session.createOrder({ ...request, diagnosis_codes: ['a', '\ud800'], notes: '\udc00' })), [
    { path: 'diagnosis_codes[1]', rule: 'utf8' },
    { path: 'notes', rule: 'utf8' },
  ]);
  const circle = {};
  circle.self = circle;
  const details = (coverage_details) =>
    session.updateStatus(id, { status: 'verified', verification_data: { ...verified.verification_data, coverage_details } });
  assert.deepEqual(await faults(details(circle)), [{ path: 'verification_data.coverage_details.self', rule: 'format' }]);
  assert.deepEqual(await faults(details(new Map())), [{ path: 'verification_data.coverage_details', rule: 'type' }]);
  assert.deepEqual(await faults(details({ at: new Date(NaN) })), [{ path: 'verification_data.coverage_details.at', rule: 'format' }]);
  assert.deepEqual(await faults(session.createOrder(null)), [{ path: '', rule: 'type' }]);
  assert.deepEqual(await faults(session.updateStatus(id, { ...verified, order_id: id })), [{ path: 'order_id', rule: 'unknown' }]);
  assert.deepEqual(await faults(session.updateStatus(7, verified)), [{ path: 'order_id', rule: 'type' }]);
  assert.deepEqual(await faults(session.updateStatus(undefined, verified)), [{ path: 'order_id', rule: 'required' }]);
  assert.deepEqual(await faults(OrderService.open(`${url}\ud800`, { keyEnv: 'X' })), [{ path: 'url', rule: 'utf8' }]);
  assert.deepEqual(await faults(OrderService.open(url, { keyFlie: 'x' })), [
    { path: 'keys.wrap', rule: 'type' },
    { path: 'keys.unwrap', rule: 'type' },
  ]);
  assert.throws(() => service.session({ ...everyone, purpose: 'fun' }, 'north'), (error) => {
    return error instanceof MedorderError && error.details.errors[0].path === 'purpose';
  });
  assert.throws(() => service.session(everyone, 'North'), { code: 'VALIDATION_ERROR' });
  assert.throws(() => session.subscribe({ sinze: '' }), { code: 'VALIDATION_ERROR' });
  // Nothing of all this was stored.
  assert.equal((await session.order(id, [])).version, 1);
});

test('what JSON would leave out or make null in silence is refused too', async (t) => {
  const { session, admin } = await world(t);
  const faults = async (promise) => (await refusal(promise)).details.errors;
  const { id } = await session.createOrder(request);
  // Each of these was sent as null, which is absent: the change was made without the check it asked for.
  for (const [expected_version, rule] of [
    [new Number(NaN), 'type'],
    [new Number(7), 'type'],
    [{ toJSON: () => null }, 'format'],
    [{ toJSON: () => undefined }, 'format'],
  ]) {
    assert.deepEqual(await faults(session.updateStatus(id, { ...verified, expected_version })), [
      { path: 'expected_version', rule },
    ]);
  }
  // What is checked is what is sent, also of a getter that changes its mind.
  let asked = 0;
  const change = { ...verified, get expected_version() { return (asked += 1) === 1 ? 7 : NaN; } };
  assert.equal((await refusal(session.updateStatus(id, change))).code, 'VERSION_CONFLICT');
  assert.equal(asked, 1);
  const details = (coverage_details) =>
    session.updateStatus(id, { status: 'verified', verification_data: { ...verified.verification_data, coverage_details } });
  const path = 'verification_data.coverage_details';
  assert.deepEqual(await faults(details({ x: [1, undefined] })), [{ path: `${path}.x[1]`, rule: 'type' }]);
  assert.deepEqual(await faults(details([1, , 2])), [{ path: `${path}[1]`, rule: 'type' }]);
  for (const value of [Promise.resolve(1), /x/, Buffer.from('x'), new ArrayBuffer(1), new String('x')]) {
    assert.deepEqual(await faults(details({ x: value })), [{ path: `${path}.x`, rule: 'type' }]);
  }
  let deep = {};
  for (let n = 0; n < 100_000; n += 1) deep = { deep };
  assert.deepEqual((await faults(details(deep))).map(({ rule }) => rule), ['format']);
  assert.deepEqual(await faults(session.createOrder(JSON.parse(`{"__proto__":1,${JSON.stringify(request).slice(1)}`))), [
    { path: '__proto__', rule: 'unknown' },
  ]);
  assert.deepEqual(await faults(session.disclosures('p-1', { patient_id: 'p-2' })), [{ path: 'patient_id', rule: 'unknown' }]);
  assert.deepEqual(await faults(admin.rotateKeys('north', 'x')), [{ path: 'onProgress', rule: 'type' }]);
  assert.equal((await session.order(id, [])).version, 1);
  // What JSON can say goes through as it is.
  const said = JSON.parse('{"__proto__":{"a":[0,-1.5e300,null,true,""]},"b":{}}');
  await session.updateStatus(id, { ...verified, verification_data: { ...verified.verification_data, coverage_details: said } });
  const seen = (await session.order(id)).insurance_verification.coverage_details;
  assert.equal(JSON.stringify(seen), JSON.stringify(said));
  assert.equal({}.a, undefined);
});

test('text of every plane comes back as it went in', async (t) => {
  const { session } = await world(t);
  const notes = 'Grüße \u0000 名前 🩺 \u2028'.replace('\u0000', '\t');
  const { id } = await session.createOrder({ ...request, notes });
  assert.equal((await session.order(id)).notes, notes);
});

test('a thousand calls at once are all answered', async (t) => {
  const { session } = await world(t, { synchronous: 'normal' });
  const orders = await Promise.all(Array.from({ length: 1000 }, () => session.createOrder(request)));
  assert.equal(new Set(orders.map(({ id }) => id)).size, 1000);
});
