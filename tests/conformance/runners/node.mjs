// Plays scenarios through the face for Node, as ../README.md says: `node node.mjs JOBS.json`.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

import {
  ERROR_TABLE,
  KeyRefusedError,
  MedorderError,
  OrderService,
} from '../../../bindings/node/dist/index.mjs';

const SCENARIO = ['name', 'why', 'skip', 'directory', 'options', 'world', 'actors', 'steps'];
const STEP = ['do', 'as', 'in', 'with', 'save', 'expect', 'error'];

/** One scenario on one database, with what the host brings and what was saved. */
class Play {
  saved = {};
  sessions = new Map();
  subscriptions = {};
  failing = { keys: false, directory: false };
  kept = [];

  constructor(job, scenario) {
    Object.assign(this, { job, scenario, url: job.url, key: 'a', saved: { paths: job.paths } });
    this.actors = { ...read(job.actors), ...scenario.actors };
    this.options = this.resolved(scenario.options ?? {});
  }

  async open({ keys = this.key, url = this.url, options = this.options } = {}) {
    Object.assign(this, { key: keys, url });
    this.sessions.clear();
    const directory = this.scenario.directory === 'host' ? { directory: this.directory() } : {};
    this.service = await OrderService.open(url, this.keys(keys), { ...options, ...directory });
  }

  keys(name) {
    if (name !== 'host') return { keyFile: this.job.keys[name] };
    const answer = () => {
      if (this.failing.keys) throw new Error('the host has no keys now');
    };
    return {
      wrap: async (key, context) => {
        answer();
        return Buffer.from(String(this.kept.push([context.toString('hex'), Buffer.from(key)]) - 1));
      },
      unwrap: async (blob, context) => {
        answer();
        const [bound, key] = this.kept[Number(blob.toString())] ?? [];
        if (bound !== context.toString('hex')) throw new KeyRefusedError();
        return key;
      },
    };
  }

  directory() {
    const answer = (known) => {
      if (this.failing.directory) throw new Error('the host has no directory now');
      return known;
    };
    return {
      territoryExists: async (territory) => answer(['north', 'south'].includes(territory)),
      relationshipExists: async (patient) => answer(['p-1', 'p-2'].includes(patient)),
    };
  }

  async world() {
    const admin = this.service.admin(this.actors.root);
    for (const territory of ['north', 'south']) {
      await admin.registerTerritory(territory);
      if (this.scenario.directory === 'host') continue;
      for (const patient of ['p-1', 'p-2']) await admin.registerRelationship(territory, patient, 'npi-1');
    }
  }

  /** One session for each actor and territory until the service is opened anew. */
  session(actor, territory = 'north') {
    const name = `${actor} in ${territory}`;
    if (!this.sessions.has(name)) this.sessions.set(name, this.service.session(this.actor(actor), territory));
    return this.sessions.get(name);
  }

  actor(name) {
    return this.actors[name] ?? fail(`there is no actor ${name}`);
  }

  async run(step) {
    const { order_id, ...rest } = this.resolved(step.with ?? {});
    const given = { ...rest, ...(order_id === undefined ? {} : { order_id }) };
    const [kind, act] = step.do.includes('.') ? step.do.split('.') : ['session', step.do];
    switch (kind) {
      case 'admin':
        return this.administer(this.service.admin(this.actor(step.as)), act, given);
      case 'service':
        return this.serve(act, given);
      case 'host':
        return this.disturb(act, given);
    }
    if (act === 'next') return this.subscriptions[given.from].nextEvent({ timeout_ms: given.timeout_ms });
    if (act === 'cursor') return this.subscriptions[given.from].cursor;
    const session = this.session(step.as, step.in);
    const calls = {
      create_order: () => session.createOrder(given),
      create_orders: () => session.createOrders(given.requests, given.mode),
      update_status: () => session.updateStatus(order_id, rest),
      update_statuses: () => session.updateStatuses(given.changes, given.mode),
      delete_order: () => session.deleteOrder(order_id, rest),
      order: () => session.order(order_id, given.fields),
      order_by_key: () => session.orderByKey(given.idempotency_key),
      orders: () => session.orders(given),
      allowed_transitions: () => session.allowedTransitions(order_id),
      relationships: () => session.relationships(given),
      audit: () => session.audit(given),
      disclosures: ({ patient_id, ...page } = given) => session.disclosures(patient_id, page),
      verify_audit: () => session.verifyAudit(given.checkpoint),
      revoke: () => (session.revoke(), null),
      export_audit: async () => {
        const entries = [];
        for await (const entry of session.exportAudit()) entries.push(entry);
        return { entries };
      },
      subscribe: async () => {
        const subscription = session.subscribe(given);
        await subscription.opened();
        this.subscriptions[step.save] = subscription;
      },
    };
    return (calls[act] ?? fail(`no such step: ${step.do}`))();
  }

  administer(admin, act, given) {
    const calls = {
      register_territory: () => admin.registerTerritory(given.territory_id),
      unregister_territory: () => admin.unregisterTerritory(given.territory_id),
      register_relationship: () => admin.registerRelationship(given.territory_id, given.patient_id, given.provider_id),
      unregister_relationship: () =>
        admin.unregisterRelationship(given.territory_id, given.patient_id, given.provider_id),
      territories: () => admin.territories(),
      rotate_keys: () => admin.rotateKeys(given.territory_id),
      change_root: () => admin.changeRoot(this.keys(given.keys)),
      checkpoint: () => admin.checkpoint(),
      audit: () => admin.audit(given),
      verify_audit: () => admin.verifyAudit(),
      backup: () => admin.backup(given.path),
      restore: () => admin.restore(),
    };
    return (calls[act] ?? fail(`no such step: admin.${act}`))();
  }

  serve(act, given) {
    const calls = {
      close: () => this.service.close(),
      open: () => this.open(given),
      error_table: () => ERROR_TABLE.map(({ code, number, kind, retryable }) => ({ code, number, kind, retryable })),
    };
    return (calls[act] ?? fail(`no such step: service.${act}`))();
  }

  disturb(act, given) {
    const calls = {
      fail: () => void (this.failing[given.what] = true),
      mend: () => void (this.failing[given.what] = false),
      damage: () => {
        const [program, ...first] = this.job.damage;
        execFileSync(program, [...first, this.url, given[this.job.engine]], { stdio: ['ignore', 'ignore', 'inherit'] });
      },
    };
    return (calls[act] ?? fail(`no such step: host.${act}`))();
  }

  /** The value with `$name.member.0` replaced by what was saved. */
  resolved(value) {
    if (typeof value === 'string' && value.startsWith('$')) {
      const found = value.slice(1).split('.').reduce((at, name) => at?.[name], this.saved);
      return found === undefined ? fail(`nothing was saved as ${value}`) : found;
    }
    if (Array.isArray(value)) return value.map((item) => this.resolved(item));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, this.resolved(item)]));
  }

  async step(step) {
    const [strange] = Object.keys(step).filter((name) => !STEP.includes(name));
    if (strange) fail(`a step has no member ${strange}`);
    let answer;
    try {
      answer = (await this.run(step)) ?? null;
    } catch (error) {
      if (!step.error || !(error instanceof MedorderError)) throw error;
      return matches(error, this.resolved(step.error), 'error');
    }
    if (step.error) fail(`expected ${step.error.code}, got ${JSON.stringify(answer)}`);
    if (step.save) this.saved[step.save] = answer;
    if ('expect' in step) matches(answer, this.resolved(step.expect), 'answer');
  }
}

/** Fails unless `value` is what `wanted` says, at `path`. */
function matches(value, wanted, path) {
  const differs = () => fail(`${path} is ${JSON.stringify(value)}, not ${JSON.stringify(wanted)}`);
  if (wanted === '<any>') {
    if (value == null) differs();
  } else if (wanted === '<absent>') {
    if (value !== undefined) differs();
  } else if (Array.isArray(wanted)) {
    if (!Array.isArray(value) || value.length !== wanted.length) differs();
    wanted.forEach((item, at) => matches(value[at], item, `${path}.${at}`));
  } else if (typeof wanted === 'object' && wanted !== null) {
    if (typeof value !== 'object' || value === null) differs();
    for (const [name, item] of Object.entries(wanted)) matches(value[name], item, `${path}.${name}`);
  } else if (value !== wanted) differs();
}

function fail(why) {
  throw new Error(why);
}

function read(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}

const count = { ran: 0, failed: 0, skipped: 0 };
for (const job of read(process.argv[2]).jobs) {
  const scenario = read(job.scenario);
  const reason = scenario.skip?.[job.engine];
  if (reason) {
    count.skipped += 1;
    console.log(`skipped ${scenario.name}: ${reason}`);
    continue;
  }
  count.ran += 1;
  let at = 0;
  const play = new Play(job, { ...scenario });
  try {
    const [strange] = Object.keys(scenario).filter((name) => !SCENARIO.includes(name));
    if (strange) fail(`a scenario has no member ${strange}`);
    await play.open();
    if (scenario.world !== false) await play.world();
    for (const step of scenario.steps) {
      at += 1;
      await play.step(step);
    }
    console.log(`ok ${scenario.name}`);
  } catch (error) {
    count.failed += 1;
    console.log(`failed ${scenario.name}: step ${at}: ${error.code ?? ''} ${error.message}`.replace(/ +/g, ' '));
  } finally {
    await play.service?.close().catch(() => {});
  }
}
console.log(`ran ${count.ran}, failed ${count.failed}, skipped ${count.skipped}`);
process.exitCode = count.failed === 0 ? 0 : 1;
