// The way from the sign-in to a verified order with the keyboard alone, its focus in sight all the way.

import assert from 'node:assert/strict';

import { stage } from './support/stage.mjs';
import { short } from './support/window.mjs';

const { scene } = stage();
const TERRITORY = 'burlington';
/** More presses than any view has places to stop at. */
const MOST = 80;

const isFocused = (locator) => locator.evaluate((element) => element === document.activeElement);

/** Presses Tab until the focus is there; every stop on the way must show that it has the focus. */
async function tabTo({ page }, locator) {
  for (let presses = 0; presses < MOST; presses += 1) {
    await page.keyboard.press('Tab');
    const stop = await page.evaluate(() => {
      const element = document.activeElement;
      // Headings and places where the page itself puts the focus are no stops of Tab.
      if (!element || element === document.body || element.tabIndex < 0) return null;
      // Inside a date the browser shows the focus on its own parts.
      if (element.type === 'datetime-local') return { shown: true };
      // A radio button and a checkbox may show it on what stands around them.
      const places = [element, ...(element.labels ?? [])].flatMap((one) => [one, ...one.children]);
      const shown = places.some((one) => {
        const { outlineStyle, outlineWidth } = getComputedStyle(one);
        return outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
      });
      return { shown, html: element.outerHTML.slice(0, 160) };
    });
    if (stop) assert.ok(stop.shown, `the focus is not to be seen on ${stop.html}`);
    if (stop && (await isFocused(locator))) return;
  }
  throw new Error(`${locator} cannot be reached with Tab`);
}

scene('an order is placed and verified without a mouse', async ({ gateway, window }) => {
  const { patient_id } = await gateway.as('requester', TERRITORY).pair();
  const user = await window();
  const { page, dialog } = user;
  const { keyboard } = page;

  await tabTo(user, page.getByLabel('Access token'));
  await keyboard.insertText(gateway.token(['requester', 'verifier'], [TERRITORY]));
  await keyboard.press('Enter');
  await user.live();

  await tabTo(user, page.getByRole('link', { name: 'New order' }));
  await keyboard.press('Enter');
  const search = page.getByRole('searchbox', { name: 'Patient id' });
  await search.waitFor();
  await tabTo(user, search);
  await keyboard.type(patient_id);
  await page.getByText(/^1 of /).waitFor();
  await keyboard.press('Enter');
  const provider = page.getByLabel('Ordering provider');
  await provider.waitFor();
  await tabTo(user, provider);
  await keyboard.press('ArrowDown');
  await tabTo(user, page.getByLabel('Service'));
  await keyboard.type('Bone density scan, service-51p');
  await tabTo(user, page.getByRole('textbox', { name: 'Diagnosis code 1' }));
  await keyboard.type('M81.0');
  await tabTo(user, page.getByRole('button', { name: 'Add code' }));
  await keyboard.press('Enter');
  await page.getByRole('textbox', { name: 'Diagnosis code 2' }).waitFor();
  await tabTo(user, page.getByLabel('Notes'));
  await keyboard.type('First line');
  await keyboard.press('Enter');
  await keyboard.type('second line');
  await tabTo(user, page.getByLabel('The patient is insured'));
  await keyboard.press('Space');
  await tabTo(user, page.getByLabel('Carrier'));
  await keyboard.type('Prairie Mutual');
  await tabTo(user, page.getByLabel('Policy number'));
  await keyboard.type('POL-2');
  await tabTo(user, page.getByRole('button', { name: 'Place order' }));
  await keyboard.press('Enter');
  await user.said('was placed.');
  await user.heading('Orders').waitFor();
  assert.ok(await isFocused(user.heading('Orders')), 'the keyboard stands at the heading of the new view');

  const found = await gateway.as('requester', TERRITORY).call('GET', '/orders?limit=1');
  const [order] = found.orders;
  assert.equal(order.service_type, 'Bone density scan, service-51p');
  assert.equal(order.notes, 'First line\nsecond line');
  assert.deepEqual(order.diagnosis_codes, ['M81.0']);

  const verify = user.step(order, 'Verify');
  await tabTo(user, verify);
  await keyboard.press('Enter');
  await dialog.waitFor();
  await keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  assert.ok(await isFocused(verify), 'a dialog that is left gives the focus back');

  await keyboard.press('Enter');
  assert.ok(await isFocused(dialog.getByLabel('How it was verified')), 'a dialog starts at what it asks for');
  await keyboard.type('phone');
  await tabTo(user, dialog.getByRole('button', { name: 'Verify order' }));
  await keyboard.press('Enter');
  await user.shows(order, 'Verified');
  await dialog.waitFor({ state: 'detached' });
  await user.said('is now verified');
  const place = await page.evaluate(() => document.activeElement?.closest('tr')?.innerText ?? document.activeElement?.tagName);
  assert.ok(place.includes(short(order)), `the keyboard stays at the order: ${place}`);
});

scene('the keyboard skips to the contents', async ({ gateway, window }) => {
  const user = await window();
  const { page } = user;
  await user.signInWith(gateway.token(['requester'], [TERRITORY]));
  await user.live();
  await tabTo(user, page.getByRole('link', { name: 'Skip to the contents' }));
  const place = await page.getByRole('link', { name: 'Skip to the contents' }).boundingBox();
  assert.ok(place.y >= 0, 'the link comes into sight');
  await page.keyboard.press('Enter');
  assert.ok(await isFocused(page.getByRole('main')));
  await page.keyboard.press('Tab');
  assert.ok(await page.evaluate(() => document.querySelector('main').contains(document.activeElement)));
});
