// What goes to the engine: JSON that says exactly what the caller said, or an error.

import { types } from 'node:util';

import { type Fault, type Rule, invalid } from './errors.cjs';

/**
 * `value` as JSON. `JSON.stringify` alone would turn NaN into null, which the engine reads as absent, and leave
 * functions out: both would be another value than the caller's, so they are faults here. What is sent is the copy that
 * was checked, so that a getter cannot answer something else the second time.
 */
export function encode(value: object): string {
  const faults: Fault[] = [];
  const plain = copied(value, '', faults, []);
  if (faults.length > 0) throw invalid(faults);
  return JSON.stringify(plain);
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

/** A signal that may be absent. What is none could not end a wait. */
export function optionalSignal(value: unknown, path: string): AbortSignal | undefined {
  if (value == null) return undefined;
  const { aborted, addEventListener } = value as Partial<AbortSignal>;
  if (typeof aborted !== 'boolean' || typeof addEventListener !== 'function') throw invalid([{ path, rule: 'type' }]);
  return value as AbortSignal;
}

/** A function that may be absent. */
export function optionalFunction<T extends Function>(value: T | null | undefined, path: string): T | undefined {
  if (value != null && typeof value !== 'function') throw invalid([{ path, rule: 'type' }]);
  return value ?? undefined;
}

/** Refuses members that nobody reads: a misspelt one would be left out in silence. */
export function known(value: object, names: readonly string[]): void {
  const faults = Object.keys(value)
    .filter((name) => !names.includes(name))
    .map((name): Fault => ({ path: member('', name), rule: 'unknown' }));
  if (faults.length > 0) throw invalid(faults);
}

/** As deep as the engine reads. */
const DEPTH = 128;

/** The path of a member. What does not look like a name may be a value in the wrong place, as the engine has it too. */
function member(path: string, name: string): string {
  const shown = /^[A-Za-z_]{1,32}$/.test(name) ? name : '?';
  return path ? `${path}.${shown}` : shown;
}

function copied(value: unknown, path: string, faults: Fault[], above: object[]): unknown {
  const fault = (rule: Rule): void => void faults.push({ path, rule });
  switch (typeof value) {
    case 'string':
      // `JSON.stringify` escapes half of a surrogate pair, and the engine could not say where it was.
      return wellFormed(value) ? value : fault('utf8');
    case 'boolean':
    case 'undefined':
      return value;
    case 'number':
      return Number.isFinite(value) ? value : fault('format');
    case 'object':
      if (value === null) return null;
      if (types.isDate(value)) return Number.isNaN(value.getTime()) ? fault('format') : value.toISOString();
      if (above.includes(value) || above.length >= DEPTH) return fault('format');
      if (bare(value)) return fault('type');
      above.push(value);
      try {
        return copiedObject(value, path, faults, above);
      } finally {
        above.pop();
      }
    default:
      return fault('type');
  }
}

function copiedObject(value: object, path: string, faults: Fault[], above: object[]): unknown {
  if (Array.isArray(value)) {
    return Array.from(value, (item: unknown, at) => {
      // It would become null.
      if (item === undefined) return void faults.push({ path: `${path}[${at}]`, rule: 'type' });
      return copied(item, `${path}[${at}]`, faults, above);
    });
  }
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') {
    const given = (value as { toJSON(): unknown }).toJSON();
    // A date of another library that is none: it would be absent.
    if (given == null) return void faults.push({ path, rule: 'format' });
    return copied(given, path, faults, above);
  }
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(value)) {
    const item = copied((value as Record<string, unknown>)[name], member(path, name), faults, above);
    if (name === '__proto__') Object.defineProperty(copy, name, { value: item, enumerable: true });
    else copy[name] = item;
  }
  return copy;
}

/** What JSON makes `{}` of, or something that is not what it was. */
function bare(value: object): boolean {
  return (
    ArrayBuffer.isView(value) ||
    types.isBoxedPrimitive(value) ||
    types.isAnyArrayBuffer(value) ||
    types.isMap(value) ||
    types.isSet(value) ||
    types.isPromise(value) ||
    types.isRegExp(value)
  );
}

/** In every Node from 20 on; the types know it from ES2024 on. */
function wellFormed(text: string): boolean {
  return (text as unknown as { isWellFormed(): boolean }).isWellFormed();
}
