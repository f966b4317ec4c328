// The end of a session: what was typed stays for who typed it, and for nobody else.

import assert from 'node:assert/strict';

import { stage } from './support/stage.mjs';

const { scene } = stage();
const TERRITORY = 'burlington';

/** Fills a form in, up to the press that would send it. */
async function typing(window, gateway, service, notes) {
  const { patient_id } = await gateway.as('requester', TERRITORY).pair();
  await window.newOrder(patient_id);
  await window.page.getByLabel('Ordering provider').selectOption({ index: 1 });
  await window.page.getByLabel('Service').fill(service);
  await window.page.getByLabel('Notes').fill(notes);
}

scene('a session that ends leaves the typed form, and it can be sent after signing in again', async ({ gateway, window }) => {
  const requester = await window();
  const { page, dialog } = requester;
  await requester.signInWith(gateway.token(['requester'], [TERRITORY], { seconds: 8 }));
  await requester.live();
  await typing(requester, gateway, 'Sleep study, service-16k', 'Snores, notes-27l');

  const ended = page.getByRole('dialog', { name: 'Your session has ended' });
  await ended.waitFor();
  await page.keyboard.press('Escape');
  assert.ok(await ended.isVisible(), 'the dialog is left by signing in or out alone');
  await dialog.getByLabel('Access token').fill(gateway.token(['requester'], [TERRITORY]));
  await dialog.getByRole('button', { name: 'Sign in', exact: true }).click();
  await ended.waitFor({ state: 'hidden' });
  assert.equal(await page.getByLabel('Service').inputValue(), 'Sleep study, service-16k');
  assert.equal(await page.getByLabel('Notes').inputValue(), 'Snores, notes-27l');
  await page.getByRole('button', { name: 'Place order' }).click();
  await requester.said('was placed.');
  await requester.live();
  const [order] = await gateway.as('requester', TERRITORY).orders(null, 1);
  await requester.shows(order, 'Pending verification');
  assert.equal(requester.loads, 1, 'the page was not loaded again');
});

scene('a token refused by the gateway ends the session, and another user starts afresh', async ({ gateway, enter }) => {
  const requester = await enter('requester', TERRITORY);
  const { page, dialog } = requester;
  requester.expect(/status of 401 /);
  requester.expectOutage();
  const order = await gateway.as('requester', TERRITORY).create({ notes: 'notes-50q' });
  await page.getByRole('button', { name: 'Show 1 new order' }).click();
  await requester.link(order).click();
  await page.getByRole('article').getByText('notes-50q').waitFor();
  await page.goBack();
  await typing(requester, gateway, 'Audiogram, service-38m', 'Hears little, notes-49n');
  await gateway.kill();
  gateway.changeSecret();
  await gateway.start();
  await page.getByRole('button', { name: 'Place order' }).click();
  await dialog.getByText('nothing you typed is lost').waitFor();

  await dialog.getByLabel('Access token').fill(gateway.token(['verifier'], [TERRITORY]));
  await dialog.getByRole('button', { name: 'Sign in', exact: true }).click();
  await dialog.waitFor({ state: 'hidden' });
  await requester.live();
  assert.ok(!(await page.content()).includes('service-38m'), 'what another user typed is gone');
  assert.equal(requester.lists, 2, 'the list is read anew, as far as the other one may see it');
  await requester.link(order).click();
  await page.getByRole('article').getByText('Not shown to your role: notes').waitFor();
  assert.ok(!(await page.content()).includes('notes-50q'), 'what another user read is gone');
  const found = await gateway.as('requester', TERRITORY).call('GET', '/orders?limit=50&fields=notes');
  const stored = found.orders.filter((order) => order.notes.includes('notes-49n'));
  assert.deepEqual(stored, [], 'nothing was stored in the name of the other one');
});

scene('signing out leaves nothing behind', async ({ gateway, enter }) => {
  const requester = await enter('requester', TERRITORY);
  const [order] = await gateway.as('requester', TERRITORY).orders(null, 1);
  await requester.link(order).click();
  await requester.page.getByRole('article').getByText('Details').waitFor();
  await requester.page.getByRole('button', { name: 'Sign out' }).click();
  await requester.heading('Medical orders, followed live').waitFor();
  assert.ok(!(await requester.page.content()).includes(order.patient_id.slice(-8)), 'the patient is still in the page');
  assert.equal(await requester.page.title(), 'Sign in – medorder');
});
