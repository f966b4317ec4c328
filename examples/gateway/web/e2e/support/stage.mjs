// What a file of tests stands on: one gateway, one browser, and for each test windows of its own.

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { after, before, test } from 'node:test';

import { chromium } from 'playwright-core';

import { Gateway } from './gateway.mjs';
import { watch, Window } from './window.mjs';

/** Where failing windows are drawn, if anywhere: they show what a patient's chart shows. */
const pictures = process.env.MEDORDER_E2E_PICTURES;

const QUIET = ['--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update'];

/** Starts both before the tests of the file and ends them after, whatever happens. */
export function stage() {
  const gateway = new Gateway();
  let browser;
  before(async () => {
    const root = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    [browser] = await Promise.all([
      chromium.launch({ executablePath: installed(), args: ['--disable-gpu', '--disable-sync', ...QUIET, ...root] }),
      gateway.start(),
    ]);
  });
  after(async () => {
    await browser?.close();
    await gateway.end();
  });
  // A file that takes too long is ended by a signal; what it started must go with it.
  process.once('SIGTERM', () => process.exit(143));

  /** A test; `window` opens a window with its own storage, at the sign-in. */
  function scene(name, work) {
    test(name, async (t) => {
      const windows = [];
      const window = async () => {
        const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'UTC', reducedMotion: 'reduce' });
        await context.addInitScript(watch);
        const opened = new Window(context, await context.newPage(), gateway.origin);
        windows.push(opened);
        await opened.open();
        return opened;
      };
      /** A window of somebody of this role, with the list of the first territory in front of them. */
      const enter = async (role, ...territories) => {
        const opened = await window();
        await opened.signInWith(gateway.token([role], territories));
        await opened.live();
        return opened;
      };
      try {
        await work({ t, gateway, window, enter });
        for (const opened of windows) await opened.check();
      } catch (error) {
        await report(t, name, windows);
        throw error;
      } finally {
        for (const opened of windows) await opened.context.close();
      }
    });
  }
  return { gateway, scene };
}

/** What the windows looked like when the test failed. */
async function report(t, name, windows) {
  for (const [at, { page, sent }] of windows.entries()) {
    const last = sent.slice(-4).map((line) => line.split('?')[0]);
    t.diagnostic(`window ${at + 1}: ${page.url()}, last asked for: ${last.join(', ')}`);
    if (pictures) await page.screenshot({ path: join(pictures, `${name} ${at + 1}.png`), fullPage: true }).catch(() => {});
  }
}

/** Debian's Chromium, or the one named by the environment. */
function installed() {
  if (process.env.MEDORDER_CHROMIUM) return process.env.MEDORDER_CHROMIUM;
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const program = join(folder, 'chromium');
    try {
      accessSync(program, constants.X_OK);
      return program;
    } catch {
      // Not here.
    }
  }
  throw new Error('chromium is not installed');
}
