// Orders on their way, each step in one window and seen in another: no reload, and no list read again.

import assert from 'node:assert/strict';

import { stage } from './support/stage.mjs';
import { short } from './support/window.mjs';

const { scene } = stage();
const TERRITORY = 'burlington';

/** Does a step in one window and says how long after it the other one showed what came of it. */
async function seen(step, shown) {
  const from = performance.now();
  await Promise.all([step(), shown()]);
  return Math.round(performance.now() - from);
}

/** A form filled in to the end, as a ward would. */
async function fill({ page }, contents) {
  await page.getByLabel('Ordering provider').selectOption({ index: 1 });
  await page.getByLabel('Service').fill(contents.service);
  await page.getByRole('textbox', { name: 'Diagnosis code 1' }).fill(contents.code);
  await page.getByLabel('Notes').fill(contents.notes);
  await page.getByLabel('The patient is insured').check();
  await page.getByLabel('Carrier').fill(contents.carrier);
  await page.getByLabel('Policy number').fill(contents.policy);
}

const CONTENTS = {
  service: 'MRI brain, service-71c',
  code: 'G43.909',
  notes: 'Severe headache, notes-82d',
  carrier: 'carrier-93e',
  policy: 'policy-04f',
};

/** What this window keeps where the next user of the machine could find it. */
const kept = () =>
  Promise.all([indexedDB.databases(), caches.keys(), navigator.serviceWorker.getRegistrations()]).then(
    ([databases, stores, workers]) => ({
      ...{ local: { ...localStorage }, session: { ...sessionStorage }, cookies: document.cookie, name: window.name },
      ...{ databases, stores, workers: workers.length, state: history.state },
    }),
  );
const NOTHING = { local: {}, session: {}, cookies: '', name: '', databases: [], stores: [], workers: 0, state: null };

scene('an order goes from creation to completion, each step in one window and seen in another', async ({ t, gateway, window }) => {
  const all = [await window(), await window(), await window()];
  const [requester, verifier, fulfiller] = all;
  for (const [at, role] of ['requester', 'verifier', 'fulfiller'].entries()) {
    await all[at].signInAs(role);
    await all[at].live();
    await all[at].choose(TERRITORY);
    await all[at].live();
  }
  const before = all.map((one) => one.lists);
  const delays = {};

  const { patient_id } = await gateway.as('requester', TERRITORY).pair();
  await requester.newOrder(patient_id);
  await fill(requester, CONTENTS);
  const [created] = await Promise.all([
    requester.page.waitForResponse((answer) => answer.request().method() === 'POST' && answer.status() === 201),
    requester.page.getByRole('button', { name: 'Place order' }).click(),
    seen(
      () => requester.page.waitForRequest((request) => request.method() === 'POST'),
      () => verifier.page.getByRole('button', { name: 'Show 1 new order' }).waitFor(),
    ).then((delay) => (delays.created = delay)),
  ]);
  const order = (await created.json()).data;
  await requester.shows(order, 'Pending verification');

  // A new order is announced; it is shown, and recorded as viewed, when somebody wants to see it.
  await verifier.page.getByRole('button', { name: 'Show 1 new order' }).click();
  await verifier.shows(order, 'Pending verification');
  await fulfiller.page.getByRole('button', { name: 'Show 1 new order' }).click();
  await fulfiller.shows(order, 'Pending verification');

  await verifier.step(order, 'Verify').click();
  await verifier.dialog.getByLabel('How it was verified').fill('payer portal');
  await verifier.dialog.getByLabel('Insurance').selectOption('confirmed');
  delays.verified = await seen(
    () => verifier.dialog.getByRole('button', { name: 'Verify order' }).click(),
    () => requester.shows(order, 'Verified'),
  );
  await fulfiller.shows(order, 'Verified');
  delays.started = await seen(
    () => fulfiller.step(order, 'Start').click(),
    () => requester.shows(order, 'In progress'),
  );

  // The requester now looks at the order itself; what happens to it goes on arriving.
  await requester.link(order).click();
  await requester.heading(`Order ${short(order)}`).waitFor();
  delays.completed = await seen(
    () => fulfiller.step(order, 'Complete').click(),
    () => requester.page.getByRole('listitem').filter({ hasText: 'Completed' }).waitFor(),
  );
  await fulfiller.shows(order, 'Completed');
  await verifier.shows(order, 'Completed');
  assert.deepEqual(await requester.story(), ['Pending verification', 'Verified', 'In progress', 'Completed']);
  await requester.page.getByRole('article').getByText('No further steps').waitFor();

  assert.deepEqual(all.map((one) => one.loads), [1, 1, 1], 'no window was loaded again');
  assert.deepEqual(all.map((one) => one.lists), before, 'no list was read again');
  const words = Object.entries(delays).map(([step, delay]) => `${step} ${delay} ms`);
  t.diagnostic(`from the press in one window to the sight in the other: ${words.join(', ')}`);

  // The whole way left nothing behind: not in the browser, not in an address, not in a title.
  const texts = [...Object.values(CONTENTS), patient_id, 'eyJ'];
  for (const one of all) {
    assert.deepEqual(await one.page.evaluate(kept), NOTHING);
    assert.deepEqual(await one.context.cookies(), []);
    assert.ok(one.addresses.length > 0);
    const titles = await one.page.evaluate(() => [...window.titles]);
    assert.ok(titles.includes('Orders – medorder'));
    for (const text of texts) {
      assert.ok(!titles.some((title) => title.includes(text)), `a title held ${text}`);
      assert.ok(!one.addresses.some((address) => address.includes(text)), `an address holds ${text}`);
      assert.ok(!one.sent.some((line) => line.includes(text)), `the address of a request holds ${text}`);
    }
  }
});

scene('a rejection needs a reason, and the reason reaches the other window', async ({ t, gateway, enter }) => {
  const ward = gateway.as('requester', TERRITORY);
  const order = await ward.create();
  const requester = await enter('requester', TERRITORY);
  const verifier = await enter('verifier', TERRITORY);
  await requester.link(order).click();
  await requester.heading(`Order ${short(order)}`).waitFor();
  await requester.page.getByRole('listitem').filter({ hasText: 'Pending verification' }).waitFor();

  await verifier.step(order, 'Reject').click();
  const send = verifier.dialog.getByRole('button', { name: 'Reject order' });
  await send.click();
  await verifier.dialog.getByText('Say why, here or in the notes.').waitFor();
  assert.equal(verifier.count('PUT', `/api/v1/orders/${order.id}/status`), 0, 'nothing was sent without a reason');

  await verifier.dialog.getByLabel('Reason').fill('duplicate of another order');
  const item = requester.page.getByRole('listitem').filter({ hasText: 'Rejected' });
  const delay = await seen(() => send.click(), () => item.waitFor());
  assert.match(await item.innerText(), /v\.okafor[^]*“duplicate of another order”/);
  await verifier.shows(order, 'Rejected');
  await verifier.said('is now rejected');
  assert.equal(await verifier.step(order, 'Verify').count(), 0, 'a rejected order has no next step');
  assert.equal(requester.loads, 1);
  t.diagnostic(`the reason was there after ${delay} ms`);
});

scene('an order that is deleted elsewhere is emptied before the eyes of who reads it', async ({ gateway, window, enter }) => {
  const ward = gateway.as('requester', TERRITORY);
  const order = await ward.create({ service_type: 'Skin biopsy, service-15g' });
  const reader = await enter('requester', TERRITORY);
  await reader.link(order).click();
  await reader.page.getByRole('article').getByText('service-15g').waitFor();

  const admin = await window();
  await admin.signInAs('administrator');
  await admin.choose(TERRITORY);
  await admin.page.getByLabel('Order id').fill(order.id);
  await admin.page.getByRole('button', { name: 'Delete…' }).click();
  await admin.dialog.getByLabel('Reason').fill('entered for the wrong ward');
  await admin.dialog.getByRole('button', { name: 'Delete for good' }).click();

  const gone = async () => assert.ok(!(await reader.page.content()).includes('service-15g'), 'the contents are still there');
  await reader.page.getByText('its contents are gone for good').waitFor();
  await gone();
  await reader.page.goBack();
  await reader.shows(order, 'Deleted');
  await gone();
  assert.equal(reader.lists, 1, 'the list was not read again');
});
