// A browser window that writes down all that went over the wire and all that went wrong in it.

import assert from 'node:assert/strict';

/** What the tests wait for at most; how fast it really is, a test says in a diagnostic line. */
export const PATIENCE = 20_000;

/** Runs in the page before its own code: what is kept for a moment only is told as well. */
export function watch() {
  for (const name of ['setItem', 'removeItem', 'clear']) {
    Storage.prototype[name] = () => console.error(`${name} of a storage was called`);
  }
  window.titles = new Set();
  new MutationObserver(() => window.titles.add(document.title)).observe(document, {
    ...{ subtree: true, childList: true, characterData: true },
  });
}

export class Window {
  /** Everything that came in: the bodies and headers of answers, the frames of live connections. */
  received = [];
  /** The requests that went out, as `METHOD /path?query`. */
  sent = [];
  /** Every address the window stood at. */
  addresses = [];
  loads = 0;
  #faults = [];
  #expected = [];
  #reading = new Map();

  constructor(context, page, origin) {
    this.context = context;
    this.page = page;
    this.origin = origin;
    page.setDefaultTimeout(PATIENCE);
    page.on('console', (message) => {
      if (!['error', 'warning'].includes(message.type())) return;
      this.#fault(`console: ${message.text()} [${message.location().url}]`);
    });
    page.on('pageerror', (error) => this.#fault(`page: ${error.stack ?? error}`));
    page.on('request', (request) => this.#request(request));
    page.on('response', (response) => {
      const reading = this.#response(response).finally(() => this.#reading.delete(reading));
      this.#reading.set(reading, response);
    });
    page.on('websocket', (socket) => this.#socket(socket));
    page.on('framenavigated', (frame) => this.addresses.push(frame.url()));
  }

  #fault(text) {
    const known = this.#expected.find((one) => one.pattern.test(text));
    if (known) known.seen += 1;
    else this.#faults.push(text);
  }

  #request(request) {
    const url = new URL(request.url());
    if (url.protocol === 'data:') return;
    if (url.origin !== this.origin) this.#fault(`a request to another origin: ${url}`);
    if (request.isNavigationRequest()) this.loads += 1;
    this.sent.push(`${request.method()} ${url.pathname}${url.search}`);
  }

  async #response(response) {
    const head = `${response.url()}\n${JSON.stringify(response.headers())}`;
    this.received.push(head);
    // What the page itself gave up, or what broke half-way, has no body to read; a whole answer must be read.
    const whole = (await response.finished().catch((error) => error)) === null;
    const body = await response.body().catch((error) => {
      if (whole && !response.request().failure()) this.#fault(`unread: ${response.url()} ${error.message}`);
      return '';
    });
    this.received.push(`${head}\n${body}`);
  }

  #socket(socket) {
    const url = new URL(socket.url());
    if (url.host !== new URL(this.origin).host) this.#fault(`a connection to another host: ${url}`);
    this.sent.push(`WS ${url.pathname}${url.search}`);
    socket.on('framereceived', ({ payload }) => this.received.push(String(payload)));
  }

  /** Lets faults of this kind pass; one of them must come. */
  expect(pattern) {
    this.#expected.push({ pattern, seen: 0 });
  }

  /** Lets pass what the browser itself says about a server that is away. */
  expectOutage() {
    this.expect(/^console: (WebSocket connection|Failed to load resource: net::ERR_|.*net::ERR_)/);
  }

  /** How often a path was asked for, not counting what is below it. */
  count(method, path) {
    return this.sent.filter((line) => line.split('?')[0] === `${method} ${path}`).length;
  }

  /** How often the list was read: each time is an entry in the audit for every order on it. */
  get lists() {
    return this.count('GET', '/api/v1/orders');
  }

  /**
   * Waits until all that came is written down. The browser does not always tell the end of an answer that the page
   * gave up, nor, rarely, that of a refusal: those are taken when they come and not waited for.
   */
  async settled() {
    const open = () => [...this.#reading.values()].filter((one) => one.ok() && !one.request().failure());
    await until(() => `read to the end: ${open().map((one) => one.url())}`, () => open().length === 0);
  }

  /** Nothing may have gone wrong that was not announced. */
  async check() {
    await this.settled();
    assert.deepEqual(this.#faults, [], 'faults in the window');
    const missed = this.#expected.filter((one) => one.seen === 0).map((one) => String(one.pattern));
    assert.deepEqual(missed, [], 'expected faults that did not come');
  }

  async open(path = '/') {
    await this.page.goto(this.origin + path);
  }

  async signInAs(role) {
    await this.page.getByRole('button', { name: new RegExp(`^${role}`) }).click();
    await this.page.getByRole('button', { name: 'Sign out' }).waitFor();
  }

  async signInWith(token) {
    await this.page.getByLabel('Access token').fill(token);
    await this.page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await this.page.getByRole('button', { name: 'Sign out' }).waitFor();
  }

  async choose(territory) {
    await this.page.getByRole('combobox', { name: 'Territory' }).selectOption(territory);
  }

  async live() {
    await this.page.getByRole('status').filter({ hasText: /^Live$/ }).waitFor();
  }

  /** The row of an order in the list. */
  row(order) {
    return this.page.getByRole('row').filter({ has: this.page.getByRole('link', { name: short(order) }) });
  }

  /** The order's row once it says this status. */
  async shows(order, status) {
    await this.row(order).getByRole('cell', { name: status, exact: true }).waitFor();
  }

  link(order) {
    return this.page.getByRole('link', { name: short(order) });
  }

  step(order, action) {
    return this.page.getByRole('button', { name: `${action}: order ${short(order)}` });
  }

  get dialog() {
    return this.page.getByRole('dialog');
  }

  heading(name) {
    return this.page.getByRole('heading', { level: 1, name });
  }

  async said(text) {
    await this.page.getByRole('log', { name: 'Messages' }).filter({ hasText: text }).waitFor();
  }

  /** The story of the order in view, oldest first: its statuses. */
  async story() {
    const items = this.page.getByRole('region', { name: 'History' }).getByRole('listitem');
    const texts = await items.allInnerTexts();
    return texts.map((text) => text.split('\n')[0].trim()).toReversed();
  }

  /** Opens the form of a new order for a patient. */
  async newOrder(patient) {
    await this.page.getByRole('link', { name: 'New order' }).click();
    await this.page.getByRole('searchbox', { name: 'Patient id' }).fill(patient);
    await this.page.getByRole('button', { name: patient }).click();
    await this.page.getByRole('form', { name: 'New order' }).waitFor();
  }
}

/** An order's id as the page shows it. */
export function short(order) {
  return `…${order.id.slice(-8)}`;
}

/** Waits until something holds. */
export async function until(what, holds) {
  const end = Date.now() + PATIENCE;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`in vain: ${typeof what === 'function' ? what() : what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
