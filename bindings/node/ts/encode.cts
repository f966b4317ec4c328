// What goes to the engine: JSON that says exactly what the caller said, or an error.

import { type Fault, invalid } from './errors.cjs';

/**
 * `value` as JSON. `JSON.stringify` alone would turn NaN into null, which the engine reads as absent, and leave
 * functions out: both would be another value than the caller's, so they are faults here.
 */
export function encode(value: object): string {
  const faults: Fault[] = [];
  check(value, '', faults, []);
  if (faults.length > 0) throw invalid(faults);
  return JSON.stringify(value);
}

/** The same for a request that must be an object. */
export function members(value: unknown, path = ''): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid([{ path, rule: 'type' }]);
  return value as Record<string, unknown>;
}

/** A text that goes to the engine as it is. One with half of a surrogate pair would arrive as another text. */
export function text(value: unknown, path: string): string {
  if (typeof value !== 'string') throw invalid([{ path, rule: value == null ? 'required' : 'type' }]);
  if (!wellFormed(value)) throw invalid([{ path, rule: 'utf8' }]);
  return value;
}

/** The same for one that may be absent. */
export function optionalText(value: unknown, path: string): string | undefined {
  return value == null ? undefined : text(value, path);
}

/** Refuses members that nobody reads: a misspelt one would be left out in silence. */
export function known(value: object, names: readonly string[]): void {
  const faults = Object.keys(value)
    .filter((name) => !names.includes(name))
    .map((name): Fault => ({ path: /^\w{1,64}$/.test(name) ? name : '?', rule: 'unknown' }));
  if (faults.length > 0) throw invalid(faults);
}

function check(value: unknown, path: string, faults: Fault[], above: object[]): void {
  switch (typeof value) {
    case 'string':
      // `JSON.stringify` escapes half of a surrogate pair, and the engine could not say where it was.
      if (!wellFormed(value)) faults.push({ path, rule: 'utf8' });
      return;
    case 'boolean':
    case 'undefined':
      return;
    case 'number':
      if (!Number.isFinite(value)) faults.push({ path, rule: 'format' });
      return;
    case 'object':
      if (value !== null) checkObject(value, path, faults, above);
      return;
    default:
      faults.push({ path, rule: 'type' });
  }
}

function checkObject(value: object, path: string, faults: Fault[], above: object[]): void {
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) faults.push({ path, rule: 'format' });
  } else if (above.includes(value)) {
    faults.push({ path, rule: 'format' });
  } else if (Array.isArray(value)) {
    above.push(value);
    for (let at = 0; at < value.length; at += 1) check(value[at], `${path}[${at}]`, faults, above);
    above.pop();
  } else if (typeof (value as { toJSON?: unknown }).toJSON === 'function') {
    check((value as { toJSON(): unknown }).toJSON(), path, faults, above);
  } else if (value instanceof Map || value instanceof Set || ArrayBuffer.isView(value)) {
    faults.push({ path, rule: 'type' });
  } else {
    above.push(value);
    for (const name of Object.keys(value)) {
      check((value as Record<string, unknown>)[name], path ? `${path}.${name}` : name, faults, above);
    }
    above.pop();
  }
}

/** In every Node from 20 on; the types know it from ES2024 on. */
function wellFormed(text: string): boolean {
  return (text as unknown as { isWellFormed(): boolean }).isWellFormed();
}
