// Puts the package together: `node build.mjs [--library PATH] [--pack FOLDER]`. The library is what
// `cargo build -p medorder-node` made; without it the binary that is there stays.

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { library: { type: 'string' }, pack: { type: 'string' } } });
const here = import.meta.dirname;
const inherit = { cwd: here, stdio: ['ignore', 'inherit', 'inherit'] };

// What is no longer written must not be packed.
rmSync(join(here, 'dist'), { recursive: true, force: true });
execFileSync(process.execPath, [join(here, 'node_modules/typescript/bin/tsc')], inherit);
copyFileSync(join(here, '../../LICENSE'), join(here, 'LICENSE'));
if (values.library) {
  const { platform } = await import('./dist/platform.cjs');
  mkdirSync(join(here, 'native'), { recursive: true });
  const target = join(here, 'native', `medorder.${platform()}.node`);
  // A new file: a program that has the old one mapped keeps it.
  rmSync(target, { force: true });
  copyFileSync(values.library, target);
}
if (values.pack) {
  mkdirSync(values.pack, { recursive: true });
  execFileSync('npm', ['pack', '--silent', '--pack-destination', values.pack], inherit);
}
