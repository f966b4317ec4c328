// The package as a stranger gets it: packed, judged, installed in an empty folder, tried.

import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { PACKAGE, run } from './support/world.mjs';

const EXAMPLES = join(PACKAGE, '../../examples/node');
const tools = join(PACKAGE, 'node_modules');
let place;
let tarball;

before(async () => {
  place = mkdtempSync(join(tmpdir(), 'medorder-package-'));
  await done('npm', ['pack', '--silent', '--pack-destination', place], PACKAGE);
  [tarball] = readdirSync(place).filter((name) => name.endsWith('.tgz')).map((name) => join(place, name));
  writeFileSync(join(place, 'package.json'), '{ "private": true }');
  await done('npm', ['install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts', tarball], place);
});
after(() => rmSync(place, { recursive: true, force: true }));

/** Runs a command that must succeed; answers its output. */
async function done(command, args, cwd) {
  const { code, stdout, stderr } = await run(command, args, { cwd, limit: 180_000 });
  assert.equal(code, 0, `${command} ${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

const node = (...args) => done(process.execPath, args, place);

test('it holds what it must and nothing else', () => {
  const top = readdirSync(join(place, 'node_modules/medorder')).sort();
  assert.deepEqual(top, ['LICENSE', 'README.md', 'dist', 'native', 'package.json']);
  const dist = readdirSync(join(place, 'node_modules/medorder/dist'));
  assert.ok(dist.every((name) => /\.(cjs|mjs|d\.cts|d\.mts)$/.test(name)), dist.join(' '));
  assert.deepEqual(readdirSync(join(place, 'node_modules')).filter((name) => !name.startsWith('.')), ['medorder']);
  const { dependencies, scripts } = JSON.parse(readFileSync(join(place, 'node_modules/medorder/package.json'), 'utf8'));
  assert.equal(dependencies, undefined);
  assert.ok(!Object.keys(scripts).some((name) => name.includes('install')));
});

test('publint finds nothing', async () => {
  const output = await done(join(tools, '.bin/publint'), ['--strict', tarball], PACKAGE);
  assert.match(output, /All good!/);
});

test('the types are not wrong, whoever resolves them', async () => {
  const output = await done(join(tools, '.bin/attw'), [tarball, '--format', 'json'], place);
  const { analysis, problems } = JSON.parse(output);
  assert.equal(analysis.types.kind, 'included');
  assert.deepEqual(problems ?? {}, {});
});

test('a strict program in TypeScript compiles and runs, as a module and as CommonJS', async () => {
  const body = readFileSync(join(PACKAGE, 'test/support/consumer.ts.txt'), 'utf8');
  writeFileSync(join(place, 'consumer.mts'), body);
  writeFileSync(join(place, 'consumer.cts'), body);
  for (const [module, target] of [['node16', 'es2022'], ['nodenext', 'es2022']]) {
    const options = { module, target, strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false, noUnusedLocals: true };
    const compilerOptions = { ...options, types: ['node'], typeRoots: [join(tools, '@types')], outDir: `out-${module}` };
    writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.mts', 'consumer.cts'] }));
    await node(join(tools, 'typescript/bin/tsc'), '-p', '.');
    for (const kind of ['mjs', 'cjs']) {
      assert.equal(await node(`out-${module}/consumer.${kind}`, `${module}-${kind}`), 'pending_verification CLOSED\n');
    }
  }
});

test('the first five minutes go as the README says', async () => {
  const readme = readFileSync(join(place, 'node_modules/medorder/README.md'), 'utf8');
  const [, source, transcript] = /```js\n(\/\/ first\.mjs\n[^]*?)```[^]*?```text\n([^]*?)```/.exec(readme);
  const folder = mkdtempSync(join(place, 'first-'));
  writeFileSync(join(folder, 'first.mjs'), source);
  assert.equal(await done(process.execPath, ['first.mjs'], folder), transcript);
  // Once more: the key is not overwritten.
  const again = await run(process.execPath, ['first.mjs'], { cwd: folder });
  assert.equal(again.code, 1);
  assert.match(again.stderr, /MedorderError: the request is invalid: key_file duplicate/);
});

test('the story of an order is told as it stands beside it, twice over', async () => {
  const folder = mkdtempSync(join(place, 'story-'));
  copyFileSync(join(EXAMPLES, 'story.mjs'), join(folder, 'story.mjs'));
  const told = readFileSync(join(EXAMPLES, 'story.txt'), 'utf8');
  assert.equal(await done(process.execPath, ['story.mjs'], folder), told);
  const [second] = [await done(process.execPath, ['story.mjs'], folder)];
  // A second order is in the list; the rest is the same.
  assert.equal(second.replace('listed: v4, MRI brain, anxious\n', ''), told);
});
