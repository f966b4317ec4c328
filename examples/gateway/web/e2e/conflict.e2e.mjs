// Two people at the same order: who comes second is told so, and sees the order as it is.

import assert from 'node:assert/strict';

import { stage } from './support/stage.mjs';
import { until } from './support/window.mjs';

const { scene } = stage();
const TERRITORY = 'burlington';

/** Holds the next change of an order back, after the page has sent it and before the gateway gets it. */
async function held({ page }, order) {
  const hold = {};
  const arrived = new Promise((resolve) => (hold.arrive = resolve));
  const released = new Promise((resolve) => (hold.release = resolve));
  await page.route(`**/api/v1/orders/${order.id}/status`, async (route) => {
    hold.arrive(route.request().postDataJSON());
    await released;
    await route.continue();
  });
  return { sent: arrived, release: hold.release };
}

/** An order of which the work has begun. */
async function begun(gateway) {
  const order = await gateway.as('requester', TERRITORY).create();
  await gateway.as('verifier', TERRITORY).verify(order);
  await gateway.as('fulfiller', TERRITORY).move(order, 'in_progress');
  return order;
}

scene('a change shown at once is taken back when somebody else was first', async ({ gateway, enter }) => {
  const order = await begun(gateway);
  const fulfiller = await enter('fulfiller', TERRITORY);
  await fulfiller.shows(order, 'In progress');
  fulfiller.expect(/status of 409 .*\/status\]$/);

  const change = await held(fulfiller, order);
  await fulfiller.step(order, 'Complete').click();
  assert.deepEqual((await change.sent).expected_version, 3);
  await fulfiller.shows(order, 'Completed (saving)');

  await gateway.as('fulfiller', TERRITORY).move(order, 'cancelled', { reason: 'scanner out of service' });
  change.release();
  await fulfiller.said('Somebody else changed this order first. It is shown as it is now.');
  await fulfiller.shows(order, 'Cancelled');
  assert.equal(await fulfiller.step(order, 'Complete').count(), 0, 'a step that is over is no longer offered');
  assert.equal(fulfiller.lists, 1, 'the list was not read again');
  assert.equal(fulfiller.count('PUT', `/api/v1/orders/${order.id}/status`), 1, 'the change was not sent again');
});

scene('a form about an order that moved on closes and says why', async ({ gateway, enter }) => {
  const order = await gateway.as('requester', TERRITORY).create();
  const late = await enter('verifier', TERRITORY);
  const first = await enter('verifier', TERRITORY);
  late.expect(/status of 409 .*\/status\]$/);

  await late.step(order, 'Verify').click();
  await late.dialog.getByLabel('How it was verified').fill('payer portal');
  const change = await held(late, order);
  await late.dialog.getByRole('button', { name: 'Verify order' }).click();
  await change.sent;

  await first.step(order, 'Reject').click();
  await first.dialog.getByLabel('Reason').fill('duplicate of another order');
  await first.dialog.getByRole('button', { name: 'Reject order' }).click();
  await first.shows(order, 'Rejected');
  change.release();

  await late.said('Somebody else changed this order first. It is shown as it is now.');
  await late.shows(order, 'Rejected');
  await until('the dialog is closed', async () => (await late.dialog.count()) === 0);
  const events = await gateway.as('auditor', TERRITORY).call('GET', `/audit?order_id=${order.id}&limit=100`);
  const changes = events.records.filter((one) => one.outcome === 'success' && one.action !== 'view');
  assert.deepEqual(changes.map((one) => one.details.new_status), ['pending_verification', 'rejected']);
});

scene('a change that the gateway cannot store is taken back and can be tried again', async ({ gateway, enter }) => {
  const order = await begun(gateway);
  const fulfiller = await enter('fulfiller', TERRITORY);
  fulfiller.expect(/status of 503 .*\/status\]$/);
  const error = { code: 'STORAGE_UNAVAILABLE', message: 'the database is away', details: {} };
  const path = `**/api/v1/orders/${order.id}/status`;
  const keys = [];
  fulfiller.page.on('request', (request) => {
    if (request.method() === 'PUT') keys.push(request.postDataJSON().idempotency_key);
  });
  await fulfiller.page.route(path, (route) => route.fulfill({ status: 503, json: { status: 'error', error } }));
  await fulfiller.step(order, 'Complete').click();
  await fulfiller.said('The database cannot be reached at the moment. Try again soon.');
  await fulfiller.shows(order, 'In progress');

  await fulfiller.page.unroute(path);
  await fulfiller.step(order, 'Complete').click();
  await fulfiller.shows(order, 'Completed');
  assert.equal(keys.length, 2);
  assert.ok(keys[0] && keys[0] === keys[1], 'the same step again is the same request');
});
