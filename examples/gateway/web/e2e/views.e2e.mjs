// Every view in light and dark and on a phone: no violation that axe finds, and nothing wider than the screen.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { stage } from './support/stage.mjs';

const { scene } = stage();
const TERRITORY = 'burlington';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const DESK = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };

/** Lets colours that were switched settle: axe would measure them half-way. */
function settle({ page }) {
  return page.evaluate(async () => {
    await new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next)));
    const changing = document.getAnimations().filter((one) => one instanceof CSSTransition);
    await Promise.allSettled(changing.map((one) => one.finished));
  });
}

/** What axe holds against the page as it is, one line for each of its rules. */
async function violations(window) {
  const { page } = window;
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe);
  const run = async () => {
    await settle(window);
    const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    return found.violations.map(({ id, nodes }) => `${id}, ${nodes.length} times, first at ${nodes[0].html.slice(0, 160)}`);
  };
  // A message that leaves, or a row that arrives, while axe measures is no fault: what is one is there again.
  return (await run()).length === 0 ? [] : run();
}

/** What sticks out to the side. A page that hides its overflow would hide its contents as well. */
function overflow({ page }) {
  return page.evaluate(() => {
    const root = document.documentElement;
    const wide = [root, ...document.querySelectorAll('dialog[open]')].filter((one) => one.scrollWidth > one.clientWidth);
    const hiding = [root, document.body].filter((one) => getComputedStyle(one).overflowX !== 'visible');
    return [
      ...wide.map((one) => `${one.tagName} is ${one.scrollWidth} px wide in ${one.clientWidth}`),
      ...hiding.map((one) => `${one.tagName} hides what is too wide`),
    ];
  });
}

/** Looks at views one after the other and holds all their faults against the test at its end. */
function inspector() {
  const faults = [];
  let views = 0;
  const look = async (window, view) => {
    const note = (where, texts) => faults.push(...texts.map((text) => `${view}, ${where}: ${text}`));
    views += 1;
    for (const colorScheme of ['light', 'dark']) {
      await window.page.emulateMedia({ colorScheme });
      note(colorScheme, await violations(window));
    }
    await window.page.setViewportSize(PHONE);
    await settle(window);
    note('phone', await overflow(window));
    note('phone', await violations(window));
    await window.page.setViewportSize(DESK);
  };
  const conclude = (t) => {
    assert.deepEqual(faults, []);
    t.diagnostic(`${views} views`);
  };
  return { look, conclude };
}

scene('the sign-in and the administration', async ({ t, gateway, window }) => {
  const { look, conclude } = inspector();
  const order = await gateway.as('requester', TERRITORY).create();
  const visitor = await window();
  const { page, dialog } = visitor;
  await page.getByRole('button', { name: /^requester/ }).waitFor();
  await look(visitor, 'sign-in');
  visitor.expect(/status of 401 /);
  await page.getByLabel('Access token').fill(`${gateway.token(['requester'], [TERRITORY])}x`);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('alert').waitFor();
  await look(visitor, 'sign-in refused');

  await visitor.signInAs('administrator');
  await visitor.choose(TERRITORY);
  await page.getByRole('button', { name: 'Sign a checkpoint' }).click();
  await page.getByText(/notes? signed/).waitFor();
  await page.getByRole('button', { name: 'Delete…' }).click();
  await page.getByText('This is not the id of an order.').waitFor();
  await look(visitor, 'administration');
  await page.getByLabel('Order id').fill(order.id);
  await page.getByRole('button', { name: 'Delete…' }).click();
  await dialog.getByRole('button', { name: 'Delete for good' }).click();
  await dialog.getByText('Say why the order is deleted.').waitFor();
  await look(visitor, 'deletion');
  conclude(t);
});

scene('the list, a new order and an order', async ({ t, gateway, enter }) => {
  const { look, conclude } = inspector();
  const ward = gateway.as('requester', TERRITORY);
  const insurance = { carrier: 'Prairie Mutual', policy_number: 'POL-1', group_number: 'G1' };
  const order = await ward.create({ notes: 'One\ntwo', insurance, diagnosis_codes: ['http://snomed.info/sct|1', 'R05.9'] });
  await gateway.as('verifier', TERRITORY).verify(order);
  await gateway.as('fulfiller', TERRITORY).move(order, 'in_progress');
  await gateway.as('fulfiller', TERRITORY).move(order, 'cancelled', { reason: 'scanner out of service' });
  const requester = await enter('requester', TERRITORY);
  const { page } = requester;

  await requester.shows(order, 'Cancelled');
  await ward.create();
  await page.getByRole('button', { name: 'Show 1 new order' }).waitFor();
  await look(requester, 'list with a new order');
  await requester.row(order).getByRole('button', { name: /^Patient/ }).click();
  await requester.link(order).click();
  await page.getByRole('listitem').filter({ hasText: 'scanner out of service' }).waitFor();
  await look(requester, 'order');

  await page.getByRole('link', { name: 'Orders', exact: true }).last().click();
  await page.getByRole('link', { name: 'New order' }).click();
  const search = page.getByRole('searchbox', { name: 'Patient id' });
  await search.waitFor();
  await look(requester, 'choice of a patient');
  await search.fill('nobody');
  await search.press('Enter');
  await page.getByText('No such patient is registered here.').waitFor();
  await look(requester, 'no such patient');
  const { patient_id } = await ward.pair();
  await search.fill(patient_id);
  await page.getByRole('button', { name: patient_id }).click();
  await page.getByLabel('The patient is insured').check();
  await page.getByRole('button', { name: 'Add code' }).click();
  await look(requester, 'form');
  await page.getByLabel('Service').fill('x'.repeat(300));
  await page.getByRole('button', { name: 'Place order' }).click();
  await page.getByText('At most 256 bytes; this has 300.').waitFor();
  await look(requester, 'form with faults');

  requester.expect(/status of 404 /);
  await page.evaluate(() => (location.hash = '#/orders/01900000-0000-7000-8000-000000000000'));
  await page.getByText('There is no such order here').waitFor();
  await look(requester, 'no such order');
  conclude(t);
});

scene('the dialogs of a step, an empty list and what went wrong', async ({ t, gateway, enter }) => {
  const { look, conclude } = inspector();
  const order = await gateway.as('requester', TERRITORY).create();
  const verifier = await enter('verifier', TERRITORY);
  const { page, dialog } = verifier;
  await verifier.shows(order, 'Pending verification');
  await look(verifier, 'list with steps');
  await verifier.step(order, 'Verify').click();
  await dialog.getByRole('button', { name: 'Verify order' }).click();
  await dialog.getByText('This is required.').waitFor();
  await look(verifier, 'verification');
  await dialog.getByRole('button', { name: 'Close' }).click();
  await verifier.step(order, 'Reject').click();
  await dialog.getByLabel('Reason').fill('not covered');
  await look(verifier, 'rejection');
  await dialog.getByRole('button', { name: 'Reject order' }).click();
  await verifier.said('is now rejected');
  await look(verifier, 'list with a message');

  await page.getByRole('radio', { name: 'Completed', exact: true }).check();
  await page.getByText('No order has this status').waitFor();
  await look(verifier, 'empty list');

  const refuse = (status, code) =>
    page.route('**/api/v1/orders?*', (route) =>
      route.fulfill({ status, json: { status: 'error', error: { code, message: 'refused by the test', details: {} } } }),
    );
  verifier.expect(/status of 503 /);
  await refuse(503, 'STORAGE_UNAVAILABLE');
  await page.getByRole('radio', { name: 'In progress', exact: true }).check();
  await page.getByRole('alert').filter({ hasText: 'The orders could not be loaded' }).waitFor();
  await look(verifier, 'list that cannot be read');

  verifier.expect(/status of 401 /);
  await refuse(401, 'UNAUTHENTICATED');
  await page.getByRole('radio', { name: 'Verified', exact: true }).check();
  await page.getByRole('dialog', { name: 'Your session has ended' }).waitFor();
  await look(verifier, 'end of the session');
  conclude(t);
});

scene('the audit', async ({ t, gateway, window }) => {
  const { look, conclude } = inspector();
  const auditor = await window();
  const { page } = auditor;
  await auditor.signInWith(gateway.token(['auditor'], [TERRITORY]));
  await page.getByRole('table', { name: 'Entries of the audit' }).waitFor();
  await page.getByRole('button', { name: 'Verify now' }).click();
  await page.getByText('Intact', { exact: true }).waitFor();
  await look(auditor, 'audit');
  await page.getByLabel('Show').selectOption('patient');
  await page.getByRole('button', { name: 'Find' }).click();
  await page.getByText('This is required.').waitFor();
  await page.getByLabel('Patient id').fill('nobody');
  await page.getByRole('button', { name: 'Find' }).click();
  await page.getByText('Nothing of this kind was recorded.').waitFor();
  await look(auditor, 'audit without entries');
  conclude(t);
});
