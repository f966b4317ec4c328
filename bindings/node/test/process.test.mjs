// What a process notices: that it ends, that it stays, that its workers can be ended, and that nothing grows.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { program, request, world } from './support/world.mjs';

/** The beginning of a program that opens the database of a test. */
const OPENED = (url, keyFile, cjs = false) => `
  ${cjs ? "const { OrderService } = require('medorder');" : "import { OrderService } from 'medorder';"}
  const everyone = { user_id: 'u', roles: ['requester', 'auditor'], territories: '*', purpose: 'treatment' };
  const request = ${JSON.stringify(request)};
  const open = () => OrderService.open(${JSON.stringify(url)}, ${JSON.stringify({ keyFile })});`;

test('a program that never closes ends at once', async (t) => {
  const { url, keyFile } = await world(t);
  const source = `${OPENED(url, keyFile)}
    const session = (await open()).session(everyone, 'north');
    const events = session.subscribe();
    await events.opened();
    await session.createOrder(request);
    console.log((await events.nextEvent()).new_status, Math.round(process.uptime() * 1000));
    process.on('exit', () => console.log('exit', Math.round(process.uptime() * 1000)));`;
  const { code, stdout, stderr, took } = await program(t, source);
  assert.deepEqual([code, stderr], [0, '']);
  const [, worked, ended] = stdout.match(/^pending_verification (\d+)\nexit (\d+)\n$/);
  assert.ok(ended - worked < 1000, `worked ${worked}, exit ${ended}, gone ${took} ms`);
  // Nor do the threads of the engine hold the process up; starting it counts here too, so there is room.
  assert.ok(took - ended < 5000, `exit ${ended}, gone ${took} ms`);
});

test('one that waits for an event stays alive, like one that waits at a socket', async (t) => {
  const { url, keyFile, session } = await world(t);
  const source = `${OPENED(url, keyFile)}
    const events = (await open()).session(everyone, 'north').subscribe({ since: '' });
    await events.opened();
    console.log('waiting');
    console.log((await events.nextEvent()).version);`;
  const running = program(t, source);
  const late = setTimeout(() => session.createOrder(request), 2000);
  const { code, stdout, took } = await running;
  clearTimeout(late);
  assert.deepEqual([code, stdout], [0, 'waiting\n1\n']);
  assert.ok(took > 2000, `it ended after ${took} ms`);
});

test('after unref it ends, and after ref it stays again', async (t) => {
  const { url, keyFile } = await world(t);
  // A timer that holds nothing says after a second that the program is still there; it never fires in one that ended.
  const source = (how) => `${OPENED(url, keyFile, true)}
    (async () => {
      const events = (await open()).session(everyone, 'north').subscribe();
      await events.opened();
      ${how}
      process.exitCode = 3;
      setTimeout(() => process.exit(7), 1000).unref();
    })();`;
  for (const [how, ends] of [
    ['events.unref().nextEvent();', true],
    ['const wait = events.next(); events.unref();', true],
    ['events.unref(); events.next(); setTimeout(() => { events.ref(); }, 10);', false],
    ['events.next();', false],
  ]) {
    const { code } = await program(t, source(how), { cjs: true });
    assert.equal(code, ends ? 3 : 7, how);
  }
});

test('a call under way keeps the program until it is answered', async (t) => {
  const { url, keyFile, session } = await world(t);
  const source = `${OPENED(url, keyFile, true)}
    open().then((service) => service.session(everyone, 'north').createOrder(request)).then(() => console.log('stored'));`;
  const { code, stdout } = await program(t, source, { cjs: true });
  assert.deepEqual([code, stdout], [0, 'stored\n']);
  assert.equal((await session.orders()).orders.length, 1);
});

test('200 workers are ended in the middle of their calls', async (t) => {
  const { url, keyFile, session } = await world(t);
  // Each worker creates, waits for events, and has its own callbacks asked.
  const worker = `
    const { parentPort, workerData } = require('node:worker_threads');
    const { OrderService } = require('medorder');
    const { everyone, request, url, keyFile, hang } = workerData;
    (async () => {
      const directory = { territoryExists: () => true, relationshipExists: async () => (hang ? new Promise(() => {}) : true) };
      const service = await OrderService.open(url, { keyFile }, { synchronous: 'normal', directory });
      const session = service.session(everyone, 'north');
      const events = session.subscribe();
      (async () => { for await (const event of events); })();
      await events.opened();
      parentPort.postMessage('ready');
      for (;;) await Promise.all([session.createOrder(request), session.orders({ limit: 1 })]);
    })();`;
  const source = `
    import { readdirSync } from 'node:fs';
    import { Worker } from 'node:worker_threads';
    import { setTimeout as sleep } from 'node:timers/promises';
    import { OrderService } from 'medorder';
    const everyone = { user_id: 'u', roles: ['requester', 'auditor'], territories: '*', purpose: 'treatment' };
    const request = ${JSON.stringify(request)};
    const [url, keyFile] = ${JSON.stringify([url, keyFile])};
    const count = (what) => readdirSync('/proc/self/' + what).length;
    let ended = 0;
    let after20;
    async function rounds(n) {
      for (; n > 0; n -= 1) {
        const workerData = { everyone, request, url, keyFile, hang: n % 5 === 0 };
        const worker = new Worker(${JSON.stringify(worker)}, { eval: true, workerData });
        await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
        await sleep(Math.random() * 15);
        await worker.terminate();
        ended += 1;
        if (ended === 20) after20 = [count('task'), count('fd')];
      }
    }
    await Promise.all([rounds(100), rounds(100)]);
    // What a hanging callback holds is let go after its 5 seconds.
    await sleep(6000);
    console.log(JSON.stringify({ ended, after20, after200: [count('task'), count('fd')] }));`;
  const { code, signal, stdout, stderr } = await program(t, source, { limit: 120_000 });
  assert.deepEqual([code, signal, stderr], [0, null, '']);
  const told = JSON.parse(stdout);
  assert.equal(told.ended, 200);
  for (const [at, what] of ['threads', 'files'].entries()) {
    assert.ok(told.after200[at] <= told.after20[at] + 10, `${what}: ${JSON.stringify(told)}`);
  }
  // What they had been told is stored is stored.
  assert.equal((await session.verifyAudit()).verdict, 'intact');
  t.diagnostic(`threads and files after 20 workers ${told.after20}, after 200 ${told.after200}`);
});

test('100,000 events leave no memory behind', async (t) => {
  const { session } = await world(t, { synchronous: 'normal' });
  await session.createOrders(Array.from({ length: 5000 }, () => request), 'atomic');
  const read = async (rounds) => {
    let seen = 0;
    for (let n = 0; n < rounds; n += 1) {
      const events = session.subscribe({ since: '' });
      for await (const event of events) {
        seen += event.version;
        if (seen % 5000 === 0) break;
      }
    }
    return seen;
  };
  const memory = () => {
    for (let n = 0; n < 4; n += 1) globalThis.gc();
    const { heapUsed, external } = process.memoryUsage();
    const resident = Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
    return { heapUsed, external, resident };
  };
  // Warm: code compiled, pools and caches filled.
  assert.equal(await read(4), 20_000);
  const before = memory();
  assert.equal(await read(20), 100_000);
  const after = memory();
  const grown = Object.fromEntries(Object.keys(before).map((name) => [name, after[name] - before[name]]));
  // One leaked event of 400 bytes would be 40 MB.
  assert.ok(grown.heapUsed < 4e6 && grown.external < 1e6 && grown.resident < 24e6, JSON.stringify(grown));
  t.diagnostic(`grown by ${JSON.stringify(grown)} bytes`);
});
