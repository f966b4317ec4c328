// Orders whose PHI and persons do not reach a log by accident.

import { inspect } from 'node:util';

import type { Order, OrderSummary } from './types.cjs';

/** What may stand in a log. */
const SHOWN = ['id', 'territory_id', 'status', 'version', 'created_at', 'updated_at', 'disclosed', 'withheld'];

const MASK = { [inspect.custom]: () => '<masked>' };

/** An order as `console.log` and template strings show it: what names a person or is PHI is masked. */
class Masked {
  /** Id, status and version; no PHI. */
  toString(): string {
    const { id, status, version } = this as unknown as OrderSummary;
    return `Order(${id} ${status} v${version})`;
  }

  [inspect.custom](_depth: number, options: object): string {
    const shown = Object.entries(this).map(([name, value]) => [name, SHOWN.includes(name) ? value : MASK]);
    return `Order ${inspect(Object.fromEntries(shown), options)}`;
  }
}

/** The same object, masked. Its members and what `JSON.stringify` makes of it stay as they are. */
export function masked<T extends OrderSummary | Order>(order: T): T {
  return Object.setPrototypeOf(order, Masked.prototype) as T;
}
