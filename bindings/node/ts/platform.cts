// Which binary this platform needs.

import { readFileSync } from 'node:fs';

/** The name of this platform in the names of binaries and packages, like `linux-x64-gnu`. */
export function platform(os: string = process.platform, cpu: string = process.arch, musl = isMusl()): string {
  const abi = os === 'linux' ? (musl ? '-musl' : '-gnu') : os === 'win32' ? '-msvc' : '';
  return `${os}-${cpu}${abi}`;
}

/** True with the C library of Alpine and the like, which this process then has mapped. */
function isMusl(): boolean {
  if (process.platform !== 'linux') return false;
  try {
    return /\bld-musl-/.test(readFileSync('/proc/self/maps', 'latin1'));
  } catch {
    return false;
  }
}
