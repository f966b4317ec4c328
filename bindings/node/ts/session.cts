// What one actor may do in one territory.

import { encode, known, members, optionalSignal, optionalText } from './encode.cjs';
import { invalid } from './errors.cjs';
import type { Failures } from './host.cjs';
import { masked } from './mask.cjs';
import type { NativeExport, NativeSession } from './native.cjs';
import { ask, refuseInside } from './post.cjs';
import { Subscription, type SubscribeOptions } from './subscription.cjs';
import type {
  AuditPage,
  AuditQuery,
  BatchItem,
  BatchMode,
  CreateOrder,
  DeleteOrder,
  ExportedEntry,
  Order,
  OrderPage,
  OrderQuery,
  OrderSummary,
  PhiField,
  RelationshipPage,
  RelationshipQuery,
  StatusChange,
  TransitionOption,
  VerifyReport,
} from './types.cjs';

/**
 * What one {@link Actor} may do in one territory; {@link OrderService.session} makes it.
 *
 * Every call checks that the session lives, the actor's territory, the permission, and the territory; denials leave an
 * entry in the audit. So each method can reject with a {@link MedorderError} of the codes `VALIDATION_ERROR`,
 * `ACCESS_DENIED`, `TERRITORY_MISMATCH`, `TERRITORY_NOT_FOUND`, `STORAGE_UNAVAILABLE`, `KEY_UNAVAILABLE`,
 * `OUTCOME_UNKNOWN`, `INTEGRITY_VIOLATION` and `CLOSED`; the methods name what comes on top.
 */
export class Session {
  /** The territory of this session. */
  readonly territory: string;
  readonly #native: NativeSession;
  readonly #failures: Failures;

  /** @internal */
  constructor(native: NativeSession, territory: string, failures: Failures) {
    this.#native = native;
    this.territory = territory;
    this.#failures = failures;
  }

  /**
   * Creates an order in status `pending_verification`. Needs `order.create`.
   *
   * @throws {MedorderError} `PATIENT_PROVIDER_MISMATCH` if the directory knows no such relationship;
   * `IDEMPOTENCY_MISMATCH` if the key belongs to another request or user; and as {@link Session}.
   * @example
   * const order = await session.createOrder({
   *   patient_id: 'p-1', provider_id: 'npi-17', service_type: 'MRI brain', diagnosis_codes: ['R51.9'],
   * });
   */
  async createOrder(request: CreateOrder): Promise<OrderSummary> {
    return masked(await this.#call<OrderSummary>('create_order', members(request)));
  }

  /**
   * Creates up to 10,000 orders in one commit. `atomic`: one fault, and nothing is stored. `each`: every item for
   * itself. The results stand in the order of the requests.
   *
   * @throws {MedorderError} as {@link Session}; what is wrong with an item is in its result.
   * @example
   * const results = await session.createOrders(requests, 'each');
   * const failed = results.filter((result) => result.status === 'error');
   */
  async createOrders(requests: readonly CreateOrder[], mode: BatchMode): Promise<BatchItem[]> {
    return maskedItems(await this.#call<BatchItem[]>('create_orders', { requests, mode }));
  }

  /**
   * Moves an order to another status. Needs `order.verify`, `order.fulfil` or `order.cancel`.
   *
   * @throws {MedorderError} `ORDER_NOT_FOUND`; `INVALID_STATUS_TRANSITION` with `details.why` and `details.allowed`;
   * `VERSION_CONFLICT` with `details.current_version`; `IDEMPOTENCY_MISMATCH`; and as {@link Session}.
   * @example
   * await session.updateStatus(order.id, {
   *   status: 'verified',
   *   verification_data: { verified_by: 'u-7', verification_method: 'phone' },
   *   expected_version: order.version,
   * });
   */
  async updateStatus(orderId: string, change: StatusChange): Promise<OrderSummary> {
    return masked(await this.#call<OrderSummary>('update_status', of('order_id', orderId, change)));
  }

  /**
   * Moves up to 10,000 orders, as {@link createOrders} creates them.
   *
   * @throws {MedorderError} as {@link Session}; what is wrong with an item is in its result.
   * @example
   * await session.updateStatuses(ids.map((order_id) => ({ order_id, status: 'in_progress' })), 'each');
   */
  async updateStatuses(
    changes: readonly (StatusChange & { order_id: string })[],
    mode: BatchMode,
  ): Promise<BatchItem[]> {
    return maskedItems(await this.#call<BatchItem[]>('update_statuses', { changes, mode }));
  }

  /**
   * Destroys the key of an order and with it all its PHI, for good; its plain columns and its audit stay.
   * Needs `order.delete`.
   *
   * @throws {MedorderError} `ORDER_NOT_FOUND`, `VERSION_CONFLICT`, and as {@link Session}.
   * @example
   * await session.deleteOrder(order.id, { reason: 'entered twice' });
   */
  async deleteOrder(orderId: string, request: DeleteOrder): Promise<OrderSummary> {
    return masked(await this.#call<OrderSummary>('delete_order', of('order_id', orderId, request)));
  }

  /**
   * Reads an order. The fields that it discloses stand in the audit before this answers. Needs `order.view`.
   *
   * @param fields The PHI fields to disclose: all the roles may see if absent, none if empty.
   * @throws {MedorderError} `ORDER_NOT_FOUND`, and as {@link Session}.
   * @example
   * const { status, notes } = await session.order(id, ['notes']);
   */
  async order(orderId: string, fields?: readonly PhiField[] | null): Promise<Order> {
    return masked(await this.#call<Order>('order', { order_id: orderId, fields }));
  }

  /**
   * Finds the order that was created under an idempotency key. Discloses nothing. Needs `order.view`.
   *
   * @throws {MedorderError} `ORDER_NOT_FOUND`, and as {@link Session}.
   * @example
   * const order = await session.orderByKey('his-4711');
   */
  async orderByKey(idempotencyKey: string): Promise<OrderSummary> {
    return masked(await this.#call<OrderSummary>('order_by_key', { idempotency_key: idempotencyKey }));
  }

  /**
   * A page of orders, newest first, each disclosed and audited as by {@link order}. Needs `order.view`.
   *
   * @throws {MedorderError} `INVALID_CURSOR` if the cursor is of another filter or database; and as {@link Session}.
   * @example
   * let cursor: string | null = null;
   * do {
   *   const page: OrderPage = await session.orders({ filter: { status: ['verified'] }, cursor, fields: [] });
   *   for (const order of page.orders) console.log(order.id);
   *   cursor = page.next_cursor;
   * } while (cursor);
   */
  async orders(query: OrderQuery = {}): Promise<OrderPage> {
    const page = await this.#call<OrderPage>('orders', members(query));
    page.orders.forEach(masked);
    return page;
  }

  /**
   * Every status, and whether this actor can move the order there now. Leaves no entry. Needs `order.view`.
   *
   * @throws {MedorderError} `ORDER_NOT_FOUND`, and as {@link Session}.
   * @example
   * const buttons = (await session.allowedTransitions(id)).filter((option) => option.allowed);
   */
  async allowedTransitions(orderId: string): Promise<TransitionOption[]> {
    return this.#call('allowed_transitions', { order_id: orderId });
  }

  /**
   * Who may order for whom, as the stored registry has it. Needs `order.create`.
   *
   * @throws {MedorderError} as {@link Session}.
   * @example
   * const { relationships } = await session.relationships({ filter: { provider_id: 'npi-17' } });
   */
  async relationships(query: RelationshipQuery = {}): Promise<RelationshipPage> {
    return this.#call('relationships', members(query));
  }

  /**
   * Entries of this territory's audit, oldest first. Leaves an entry. Needs `audit.read`.
   *
   * @throws {MedorderError} as {@link Session}.
   * @example
   * const { records } = await session.audit({ filter: { order_id: id }, limit: 500 });
   */
  async audit(query: AuditQuery = {}): Promise<AuditPage> {
    return this.#call('audit', members(query));
  }

  /**
   * Who saw what of a patient's orders, when and why. Leaves an entry. Needs `audit.read`.
   *
   * @throws {MedorderError} as {@link Session}.
   * @example
   * const { records } = await session.disclosures('p-1');
   */
  async disclosures(patientId: string, page: Omit<AuditQuery, 'filter'> = {}): Promise<AuditPage> {
    return this.#call('disclosures', of('patient_id', patientId, page));
  }

  /**
   * Computes every entry and every order of this territory anew from the stored bytes. Needs `audit.read`. What is
   * wrong with the data is no error, but the report.
   *
   * @param checkpoint A signed checkpoint from outside the database: only then a database that was put back shows.
   * @throws {MedorderError} `AUDIT_BROKEN` if the checkpoint is not of this database's key; and as {@link Session}.
   * @example
   * const { verdict } = await session.verifyAudit();
   * if (verdict !== 'intact') throw new Error(`the audit is ${verdict}`);
   */
  async verifyAudit(checkpoint?: string | null): Promise<VerifyReport> {
    return this.#call('verify_audit', { checkpoint });
  }

  /**
   * Every column of every entry up to now, for an archive or a checker of your own. Leaves an entry, when the first
   * entry is asked for. Needs `audit.read`.
   *
   * @throws {MedorderError} `AUDIT_BROKEN` if an entry is missing; and as {@link Session}.
   * @example
   * for await (const entry of session.exportAudit()) file.write(JSON.stringify(entry) + '\n');
   */
  async *exportAudit(): AsyncGenerator<ExportedEntry, void, undefined> {
    let native: NativeExport | undefined;
    await ask<number>((number) => (native = this.#native.export(number)), this.#failures);
    for (;;) {
      const page = await ask<ExportedEntry[]>((number) => native?.page(number), this.#failures);
      if (page.length === 0) return;
      yield* page;
    }
  }

  /**
   * Watches one order, or all of the territory. `since` absent: from now; `''`: from the start; a cursor: from there,
   * and nothing in between is missed. Needs `order.view`; what is wrong with the request comes out of the first wait,
   * or of {@link Subscription.opened}.
   *
   * @throws {MedorderError} from the waits: `ORDER_NOT_FOUND`, `INVALID_CURSOR` (start over from a list), and as
   * {@link Session}.
   * @example
   * for await (const event of session.subscribe({ since: page.feed_cursor, signal })) {
   *   console.log(event.order_id, event.new_status);
   * }
   */
  subscribe(options: SubscribeOptions = {}): Subscription {
    refuseInside();
    known(members(options), ['order_id', 'since', 'signal']);
    const [order, since] = [optionalText(options.order_id, 'order_id'), optionalText(options.since, 'since')];
    return new Subscription(
      (number) => this.#native.subscribe(number, order, since),
      since,
      optionalSignal(options.signal, 'signal'),
      this.#failures,
    );
  }

  /**
   * Ends the session and its subscriptions at once: every later call and delivery is `ACCESS_DENIED`.
   *
   * @example
   * socket.on('close', () => session.revoke());
   */
  revoke(): void {
    this.#native.revoke();
  }

  #call<T>(name: string, args: object): Promise<T> {
    const json = encode(args);
    return ask<T>((number) => this.#native.call(number, name, json), this.#failures);
  }
}

/** The arguments of a call about one order or patient. */
function of(name: string, id: string, request: unknown): object {
  const given = members(request);
  // One of the two would be left out in silence.
  if (name in given) throw invalid([{ path: name, rule: 'unknown' }]);
  return { ...given, [name]: id };
}

function maskedItems(items: BatchItem[]): BatchItem[] {
  for (const item of items) if (item.status === 'success') masked(item.data);
  return items;
}
