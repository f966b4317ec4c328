// The list: pages, filter, what stands where nothing is, and that looking at it again costs no disclosure.

import assert from 'node:assert/strict';

import { stage } from './support/stage.mjs';
import { short } from './support/window.mjs';

const { scene } = stage();
const TERRITORY = 'emporia';
/** One that fits on a page. */
const SMALL = 'burlington';

/** The orders of the page in view, as their ids are shown. */
async function listed({ page }, number) {
  const rows = page.getByRole('table', { name: `Orders, page ${number}` }).getByRole('row');
  await rows.nth(1).waitFor();
  return (await rows.getByRole('link').allInnerTexts()).map((text) => text.trim());
}

async function statuses({ page }) {
  const cells = page.getByRole('row').getByRole('cell');
  const texts = await cells.allInnerTexts();
  return new Set(texts.filter((_, at) => at % 5 === 3).map((text) => text.trim()));
}

scene('pages are walked without a gap, an overlap or a second reading', async ({ gateway, enter }) => {
  const orders = await gateway.as('requester', TERRITORY).orders(null, 60);
  const expected = orders.map(short);
  const requester = await enter('requester', TERRITORY);
  const { page } = requester;
  const [newer, older] = ['Newer', 'Older'].map((name) => page.getByRole('button', { name }));

  assert.deepEqual(await listed(requester, 1), expected.slice(0, 25));
  assert.ok(await newer.isDisabled());
  await older.click();
  assert.deepEqual(await listed(requester, 2), expected.slice(25, 50));
  await newer.click();
  assert.deepEqual(await listed(requester, 1), expected.slice(0, 25));
  assert.equal(requester.lists, 2, 'each page was read once');

  // From an order one comes back to the page one left.
  await older.click();
  await requester.link(orders[30]).click();
  await requester.heading(`Order ${short(orders[30])}`).waitFor();
  await page.goBack();
  assert.deepEqual(await listed(requester, 2), expected.slice(25, 50));
  assert.equal(requester.lists, 2);
});

scene('the filter shows one status, and says so when none has it', async ({ gateway, enter }) => {
  const verifier = await enter('verifier', TERRITORY, SMALL);
  const { page } = verifier;
  const only = (name) => page.getByRole('radio', { name, exact: true }).check();
  await only('Completed');
  const completed = await gateway.as('verifier', TERRITORY).orders('completed');
  await verifier.link(completed[0]).waitFor();
  assert.deepEqual(await listed(verifier, 1), completed.map(short));
  assert.deepEqual([...(await statuses(verifier))], ['Completed']);
  assert.ok(verifier.sent.some((line) => line.includes('/orders?status=completed&')), 'the gateway filters');

  // Another territory starts with all of its orders.
  await verifier.choose(SMALL);
  await verifier.live();
  assert.ok(await page.getByRole('radio', { name: 'All', exact: true }).isChecked());
  await only('Cancelled');
  await page.getByText('No order has this status').waitFor();
  await page.getByRole('button', { name: 'Show all orders' }).click();
  const all = await gateway.as('verifier', SMALL).orders();
  assert.deepEqual(await listed(verifier, 1), all.map(short));
});

scene('coming back to the window reads nothing again, and events still arrive', async ({ gateway, enter }) => {
  const order = await gateway.as('requester', TERRITORY).create();
  const requester = await enter('requester', TERRITORY);
  await requester.shows(order, 'Pending verification');
  const before = requester.sent.length;

  // What a browser tells a page that is left and looked at again, and one whose network comes and goes.
  await requester.page.evaluate(() => {
    for (const state of ['hidden', 'visible']) {
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state });
      document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
    }
    window.dispatchEvent(new Event('focus'));
    window.dispatchEvent(new Event('offline'));
    window.dispatchEvent(new Event('online'));
  });

  // An event overtakes nothing: had the page asked for anything, it would have been before this.
  await gateway.as('verifier', TERRITORY).verify(order);
  await requester.shows(order, 'Verified');
  const asked = requester.sent.slice(before).filter((line) => !line.includes('/transitions'));
  assert.deepEqual(asked, [], 'nothing but the next steps of the order that changed was asked for');
});

scene('an order that is not there is asked for once, and so is one of another territory', async ({ gateway, enter }) => {
  const elsewhere = await gateway.as('requester', 'topeka').create();
  const requester = await enter('requester', TERRITORY);
  const main = requester.page.getByRole('main');
  for (const [id, status, text] of [
    ['01900000-0000-7000-8000-000000000000', 404, 'There is no such order here'],
    [elsewhere.id, 403, 'This belongs to another territory.'],
  ]) {
    requester.expect(new RegExp(`status of ${status} .*${id}\\]$`));
    await requester.page.evaluate((hash) => (location.hash = hash), `#/orders/${id}`);
    await main.getByText(text).waitFor();
    assert.equal(await main.getByText('Next step').count(), 0);
  }
  // Each further attempt would be one more denial in the audit.
  await requester.page.goBack();
  await requester.page.goBack();
  await requester.heading('Orders').waitFor();
  const asked = requester.sent.filter((line) => line.includes(elsewhere.id));
  assert.deepEqual(asked, [`GET /api/v1/orders/${elsewhere.id}`]);
});
