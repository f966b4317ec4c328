// What reaches a log by accident holds no PHI; what a program reads is all there.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { format, inspect } from 'node:util';

import { refusal, request, verified, world } from './support/world.mjs';

const SECRET = /SECRET|p-1|npi-1/;

test('an order shows no PHI and no person in any of the usual ways', async (t) => {
  const { session } = await world(t);
  const { id } = await session.createOrder(request);
  await session.updateStatus(id, verified);
  const order = await session.order(id);
  const page = await session.orders();
  const [item] = await session.createOrders([request], 'each');
  for (const value of [order, page, { deep: { order } }, [order], item, new Map([['order', order]])]) {
    for (const text of [inspect(value, { depth: 9 }), format('%o', value), format('%O %s', value, value), `${value}`]) {
      assert.doesNotMatch(text, SECRET);
    }
  }
  assert.match(inspect(order), new RegExp(`^Order {\\s+id: '${id}',[^]*notes: <masked>,[^]*disclosed: \\[`));
  assert.equal(`${order}`, `Order(${id} verified v2)`);
  assert.equal('order ' + order, `order Order(${id} verified v2)`);
});

test('its members, its keys and its JSON are the data', async (t) => {
  const { session } = await world(t);
  const { id } = await session.createOrder(request);
  const order = await session.order(id);
  assert.equal(order.notes, 'SECRET-notes');
  const data = JSON.parse(JSON.stringify(order));
  assert.equal(data.insurance.policy_number, 'SECRET-policy');
  assert.equal(data.patient_id, 'p-1');
  assert.deepEqual(Object.keys(data), Object.keys(order));
});

test('errors hold nothing of what was sent', async (t) => {
  const { session } = await world(t);
  const wrong = { ...request, service_type: 'SECRET'.repeat(100), SECRET_member: 'SECRET', diagnosis_codes: ['SECRET\u0000'] };
  const error = await refusal(session.createOrder(wrong));
  assert.equal(error.details.errors.length, 3);
  const shown = inspect(error, { depth: 9 }) + JSON.stringify(error);
  // The name of a member is the program's own word and is named; what it held is not.
  assert.doesNotMatch(shown.replaceAll('SECRET_member', ''), SECRET);
});

test('a name in the wrong place is not named', async (t) => {
  const { session } = await world(t);
  const { id } = await session.createOrder(request);
  const coverage_details = { 'SECRET Doe, 1970': NaN, SECRET7: { given: NaN } };
  const change = { ...verified, verification_data: { ...verified.verification_data, coverage_details } };
  const errors = [await refusal(session.updateStatus(id, change))];
  for (const call of [() => session.subscribe({ SECRET7: 1 }), () => session.subscribe().nextEvent({ SECRET7: 1 })]) {
    errors.push(await refusal((async () => call())()));
  }
  for (const error of errors) {
    assert.equal(error.code, 'VALIDATION_ERROR');
    assert.doesNotMatch(inspect(error, { depth: 9 }) + JSON.stringify(error), SECRET);
  }
  assert.deepEqual(errors[0].details.errors.map(({ path }) => path.replace(/^.*details/, '')), ['.?', '.?.given']);
});
