// What a role may not see never reaches its window: looked for in every byte that came in.

import assert from 'node:assert/strict';

import { stage } from './support/stage.mjs';
import { until } from './support/window.mjs';

const { scene } = stage();
const TERRITORY = 'burlington';

const CONTENTS = {
  service_type: 'Cardiac MRI, service-27a',
  diagnosis_codes: ['code-38b'],
  notes: 'Chest pain at night, notes-49c',
  insurance: { carrier: 'carrier-50d', policy_number: 'policy-61e', group_number: 'group-72f' },
};
/** What marks each field on the wire. */
const MARKS = {
  ...{ service_type: 'service-27a', diagnosis_codes: 'code-38b', notes: 'notes-49c', later_notes: 'notes-83a' },
  ...{ insurance: 'policy-61e', insurance_verification: 'authorization-94b' },
};

/** The fields whose contents came into the window. */
async function came(window) {
  await window.settled();
  return Object.keys(MARKS).filter((field) => window.received.some((text) => text.includes(MARKS[field])));
}

scene('each role receives the fields it may see and no byte of the others', async ({ gateway, enter }) => {
  const order = await gateway.as('requester', TERRITORY).create(CONTENTS);
  const requester = await enter('requester', TERRITORY);
  const verifier = await enter('verifier', TERRITORY);
  const fulfiller = await enter('fulfiller', TERRITORY);
  const readers = [requester, verifier, fulfiller];
  for (const one of readers) {
    await one.link(order).click();
    await one.page.getByRole('article').getByText('service-27a').waitFor();
  }

  // A window says what it was not given, so that nobody takes a blank for "none".
  const article = verifier.page.getByRole('article');
  await article.getByText('Not shown to your role: notes').waitFor();
  assert.equal(await article.getByRole('term').filter({ hasText: 'Notes' }).count(), 0);

  // Notes of the fulfiller and the verifier's own authorization, written while all look on.
  await verifier.step(order, 'Verify').click();
  await verifier.dialog.getByLabel('How it was verified').fill('payer portal');
  await verifier.dialog.getByLabel('Authorization no.').fill(MARKS.insurance_verification);
  await verifier.dialog.getByRole('button', { name: 'Verify order' }).click();
  await fulfiller.step(order, 'Start').click();
  await fulfiller.step(order, 'Cancel order').click();
  await fulfiller.dialog.getByLabel('Reason').fill('scanner out of service');
  await fulfiller.dialog.getByLabel('Notes').fill(`Will be done elsewhere, ${MARKS.later_notes}`);
  await fulfiller.dialog.getByRole('button', { name: 'Cancel order' }).click();
  for (const one of readers) {
    await one.page.getByRole('listitem').filter({ hasText: 'Cancelled' }).waitFor();
    const show = one.page.getByRole('button', { name: 'Show them' });
    if (await show.isVisible()) await show.click();
    await until('all is read', async () => !(await show.isVisible()));
    await one.page.getByRole('link', { name: 'Orders', exact: true }).last().click();
    await one.shows(order, 'Cancelled');
  }

  const everything = Object.keys(MARKS);
  assert.deepEqual(await came(requester), everything, 'the marks are found where they may be');
  const without = (...hidden) => everything.filter((field) => !hidden.includes(field));
  assert.deepEqual(await came(verifier), without('notes', 'later_notes'));
  assert.deepEqual(await came(fulfiller), without('insurance', 'insurance_verification'));
});

scene('who reads the audit receives no contents, and sees who received them', async ({ gateway, window }) => {
  const order = await gateway.as('requester', TERRITORY).create(CONTENTS);
  const reader = gateway.as('verifier', TERRITORY);
  await reader.call('GET', `/orders/${order.id}`);

  const auditor = await window();
  await auditor.signInWith(gateway.token(['auditor'], [TERRITORY]));
  await auditor.heading(`Audit of ${TERRITORY}`).waitFor();
  await auditor.page.getByLabel('Show').selectOption('order');
  await auditor.page.getByLabel('Order id').fill(order.id);
  await auditor.page.getByRole('button', { name: 'Find' }).click();
  const view = auditor.page.getByRole('row').filter({ hasText: 'Viewed an order' });
  await view.waitFor();
  assert.match(await view.innerText(), /v\.okafor[^]*Service, Diagnosis codes, Insurance/);
  await auditor.page.getByRole('button', { name: 'Verify now' }).click();
  await auditor.page.getByText('Every entry and every order is what was written').waitFor();
  assert.deepEqual(await came(auditor), []);

  // An address does not lead where the role does not: nothing is asked for that the gateway would have to deny.
  await auditor.page.evaluate((id) => (location.hash = `#/orders/${id}`), order.id);
  await auditor.heading(`Audit of ${TERRITORY}`).waitFor();
  assert.ok(!auditor.sent.some((line) => line.includes(`/orders/${order.id}`)));
});
