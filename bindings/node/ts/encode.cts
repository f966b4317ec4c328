// What goes to the engine: JSON that says exactly what the caller said, or an error.

import { types } from 'node:util';

import { type Fault, type Rule, invalid } from './errors.cjs';

/**
 * `value` as JSON. `JSON.stringify` alone would turn NaN into null, which the engine reads as absent, and leave
 * functions out: both would be another value than the caller's, so they are faults here. What is sent is the copy that
 * was checked, so that a getter cannot answer something else the second time.
 */
export function encode(value: object): string {
  const copier = new Copier();
  const plain = copier.copied(value);
  if (copier.faults.length > 0) throw invalid(copier.faults);
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

/** The path of a member. What does not look like a name may be a value in the wrong place, as the engine has it too. */
function member(path: string, name: string): string {
  const shown = /^[A-Za-z_]{1,32}$/.test(name) ? name : '?';
  return path ? `${path}.${shown}` : shown;
}

/** As deep as the engine reads. */
const DEPTH = 128;

/** Copies a value into what JSON can say, and notes where it cannot. */
class Copier {
  readonly faults: Fault[] = [];
  /** The objects around the value, and the names and places that lead to it: a path is only made of them for a fault. */
  readonly #above: object[] = [];
  readonly #names: (string | number)[] = [];

  copied(value: unknown): unknown {
    switch (typeof value) {
      case 'string':
        // `JSON.stringify` escapes half of a surrogate pair, and the engine could not say where it was.
        return wellFormed(value) ? value : this.#fault('utf8');
      case 'boolean':
      case 'undefined':
        return value;
      case 'number':
        return Number.isFinite(value) ? value : this.#fault('format');
      case 'object':
        return value === null ? null : this.#object(value);
      default:
        return this.#fault('type');
    }
  }

  #object(value: object): unknown {
    const above = this.#above;
    if (above.length >= DEPTH || above.includes(value)) return this.#fault('format');
    above.push(value);
    const copy = Array.isArray(value) ? this.#list(value) : this.#other(value);
    above.pop();
    return copy;
  }

  #list(list: unknown[]): unknown[] {
    const copy: unknown[] = [];
    for (let at = 0; at < list.length; at += 1) {
      const item = list[at];
      this.#names.push(at);
      // What is undefined would become null.
      copy.push(item === undefined ? this.#fault('type') : this.copied(item));
      this.#names.pop();
    }
    return copy;
  }

  #other(value: object): unknown {
    if (Object.getPrototypeOf(value) !== Object.prototype) {
      if (types.isDate(value)) return Number.isNaN(value.getTime()) ? this.#fault('format') : value.toISOString();
      if (isBare(value)) return this.#fault('type');
    }
    const { toJSON } = value as { toJSON?: unknown };
    if (typeof toJSON === 'function') {
      // A date of another library that is none answers null: it would be absent.
      const given: unknown = toJSON.call(value);
      return given == null ? this.#fault('format') : this.copied(given);
    }
    const copy: Record<string, unknown> = {};
    for (const name of Object.keys(value)) {
      this.#names.push(name);
      const item = this.copied((value as Record<string, unknown>)[name]);
      this.#names.pop();
      if (name === '__proto__') Object.defineProperty(copy, name, { value: item, enumerable: true });
      else copy[name] = item;
    }
    return copy;
  }

  #fault(rule: Rule): undefined {
    const path = this.#names.reduce<string>((at, name) => (typeof name === 'number' ? `${at}[${name}]` : member(at, name)), '');
    this.faults.push({ path, rule });
  }
}

/** What JSON makes `{}` of, or something that is not what it was. */
function isBare(value: object): boolean {
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
