// The gateway dies and comes back: no event is lost, none is shown twice, nothing is stored twice.

import assert from 'node:assert/strict';

import { stage } from './support/stage.mjs';
import { short, until } from './support/window.mjs';

const { scene } = stage();
const TERRITORY = 'burlington';

scene('a page misses nothing that happened while its gateway was away', async ({ t, gateway, enter }) => {
  const ward = gateway.as('requester', TERRITORY);
  const followed = await ward.create();
  const other = await ward.create();
  const list = await enter('requester', TERRITORY);
  const view = await enter('requester', TERRITORY);
  await view.link(followed).click();
  await view.heading(`Order ${short(followed)}`).waitFor();
  await until('the story began', async () => (await view.story()).length === 1);
  for (const one of [list, view]) one.expectOutage();

  // What was acknowledged right before the end must be there after it.
  await gateway.as('verifier', TERRITORY).verify(followed);
  await gateway.kill();
  for (const one of [list, view]) await one.page.getByText('Reconnecting').waitFor();

  // While the pages have no gateway, another one works on the same database, and dies as well.
  const elsewhere = await gateway.start({ elsewhere: true });
  await gateway.as('fulfiller', TERRITORY, elsewhere).move(followed, 'in_progress');
  await gateway.as('fulfiller', TERRITORY, elsewhere).move(followed, 'completed');
  await gateway.as('verifier', TERRITORY, elsewhere).move(other, 'rejected', { reason: 'not covered' });
  const created = await gateway.as('requester', TERRITORY, elsewhere).create({ service_type: 'Echocardiogram' });
  await gateway.kill();
  await gateway.start();
  const from = performance.now();

  for (const one of [list, view]) await one.live();
  t.diagnostic(`live again ${Math.round(performance.now() - from)} ms after the gateway was`);
  await list.shows(followed, 'Completed');
  await list.shows(other, 'Rejected');
  await list.page.getByRole('button', { name: 'Show 1 new order' }).click();
  await list.shows(created, 'Pending verification');
  const whole = ['Pending verification', 'Verified', 'In progress', 'Completed'];
  await until('the story is whole', async () => (await view.story()).length >= whole.length);
  assert.deepEqual(await view.story(), whole, 'each version once, in order');

  // The connection that came back goes on.
  await gateway.as('verifier', TERRITORY).verify(created);
  await list.shows(created, 'Verified');
  assert.deepEqual(await view.story(), whole);
  for (const one of [list, view]) {
    assert.equal(one.loads, 1, 'the page was not loaded again');
    assert.equal(one.lists, 1, 'the list was not read again');
  }
});

scene('an order sent while the gateway is away is stored once, with what was typed', async ({ gateway, enter }) => {
  const requester = await enter('requester', TERRITORY);
  const { page } = requester;
  requester.expectOutage();
  const { patient_id } = await gateway.as('requester', TERRITORY).pair();
  await requester.newOrder(patient_id);
  await page.getByLabel('Ordering provider').selectOption({ index: 1 });
  await page.getByLabel('Service').fill('Spirometry, service-68h');

  // The answer is lost on its way: stored or not, the page cannot know.
  await page.route('**/api/v1/orders', async (route) => {
    await route.fetch();
    await gateway.kill();
    await route.abort('connectionreset');
  });
  await page.getByRole('button', { name: 'Place order' }).click();
  await page.getByRole('alert').filter({ hasText: 'The server did not answer.' }).waitFor();
  await page.unroute('**/api/v1/orders');

  // Nobody is there at all.
  await page.getByRole('button', { name: 'Place order' }).click();
  await until('it was sent again', () => requester.count('POST', '/api/v1/orders') === 2);
  await page.getByRole('alert').filter({ hasText: 'The server did not answer.' }).waitFor();
  assert.equal(await page.getByLabel('Service').inputValue(), 'Spirometry, service-68h');

  await gateway.start();
  await page.getByRole('button', { name: 'Place order' }).click();
  await requester.said('was placed.');
  const found = await gateway.as('requester', TERRITORY).call('GET', '/orders?limit=50&fields=service_type');
  const stored = found.orders.filter((order) => order.service_type.includes('service-68h'));
  assert.equal(stored.length, 1, 'the order was stored once');
  await requester.shows(stored[0], 'Pending verification');
});

scene('the list says that it cannot be read, and can be tried again', async ({ gateway, enter }) => {
  const requester = await enter('requester', TERRITORY);
  const { page } = requester;
  requester.expectOutage();
  await gateway.kill();
  await page.getByRole('radio', { name: 'Verified', exact: true }).check();
  const failed = page.getByRole('alert').filter({ hasText: 'The orders could not be loaded' });
  await failed.waitFor();

  await gateway.start();
  await failed.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('table', { name: 'Orders, page 1' }).waitFor();
  assert.equal(await failed.count(), 0);
  // Nobody has to wait for the pause between two attempts to connect.
  const now = page.getByRole('button', { name: 'Try now' });
  if (await now.isVisible()) await now.click().catch(() => {});
  await requester.live();
});
