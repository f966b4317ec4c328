// Administrative acts.

import { encode, members, optionalFunction, text } from './encode.cjs';
import { type Failures, type Keys, keySource } from './host.cjs';
import type { NativeAdmin } from './native.cjs';
import { type Progress, ask, refuseInside } from './post.cjs';
import type { AuditPage, AuditQuery, RotationReport, VerifyReport } from './types.cjs';

/**
 * Administrative acts of one {@link Actor}; {@link OrderService.admin} makes it. Acts on one territory need it, acts
 * on the whole database need every territory. Each leaves an entry in the audit.
 *
 * Every method can reject with a {@link MedorderError} of the codes `VALIDATION_ERROR`, `ACCESS_DENIED`,
 * `TERRITORY_MISMATCH`, `STORAGE_UNAVAILABLE`, `KEY_UNAVAILABLE`, `OUTCOME_UNKNOWN`, `INTEGRITY_VIOLATION` and
 * `CLOSED`; the methods name what comes on top.
 */
export class Admin {
  readonly #native: NativeAdmin;
  readonly #failures: Failures;

  /** @internal */
  constructor(native: NativeAdmin, failures: Failures) {
    this.#native = native;
    this.#failures = failures;
  }

  /**
   * Puts a territory into service: makes its keys and its audit chain. Needed once, with every directory. Again is no
   * error. Needs `directory.manage`.
   *
   * @throws {MedorderError} as {@link Admin}.
   * @example
   * await admin.registerTerritory('north');
   */
  async registerTerritory(territoryId: string): Promise<void> {
    await this.#call('register_territory', { territory_id: territoryId });
  }

  /**
   * Takes a territory out of service; its orders and its audit stay. Needs `directory.manage`.
   *
   * @throws {MedorderError} `TERRITORY_NOT_FOUND`, and as {@link Admin}.
   * @example
   * await admin.unregisterTerritory('north');
   */
  async unregisterTerritory(territoryId: string): Promise<void> {
    await this.#call('unregister_territory', { territory_id: territoryId });
  }

  /**
   * Says in the stored registry that this provider may order for this patient here. Again is no error. Needs
   * `directory.manage`.
   *
   * @throws {MedorderError} `TERRITORY_NOT_FOUND`, and as {@link Admin}.
   * @example
   * await admin.registerRelationship('north', 'p-1', 'npi-17');
   */
  async registerRelationship(territoryId: string, patientId: string, providerId: string): Promise<void> {
    await this.#call('register_relationship', relationship(territoryId, patientId, providerId));
  }

  /**
   * Takes a relationship out of the stored registry. Needs `directory.manage`.
   *
   * @throws {MedorderError} `TERRITORY_NOT_FOUND`, and as {@link Admin}.
   * @example
   * await admin.unregisterRelationship('north', 'p-1', 'npi-17');
   */
  async unregisterRelationship(territoryId: string, patientId: string, providerId: string): Promise<void> {
    await this.#call('unregister_relationship', relationship(territoryId, patientId, providerId));
  }

  /**
   * Every territory in service. Needs `directory.manage` and every territory.
   *
   * @throws {MedorderError} as {@link Admin}.
   * @example
   * for (const territory of await admin.territories()) console.log(territory);
   */
  async territories(): Promise<string[]> {
    return this.#call('territories', {});
  }

  /**
   * Gives a territory a new key and wraps every order's key under it, while readers and writers go on. What a killed
   * process left is finished by the next call. Needs `keys.manage`.
   *
   * @throws {MedorderError} `TERRITORY_NOT_FOUND`, and as {@link Admin}.
   * @example
   * await admin.rotateKeys('north', ({ done, total }) => console.log(`${done} of ${total}`));
   */
  async rotateKeys(territoryId: string, onProgress?: (progress: Progress) => void): Promise<RotationReport> {
    return this.#call('rotate_keys', { territory_id: territoryId }, optionalFunction(onProgress, 'onProgress'));
  }

  /**
   * Wraps every key under another root key, in one transaction. Other processes that still use the old root answer
   * `KEY_MISMATCH` from then on. Needs `keys.manage` and every territory.
   *
   * @throws {MedorderError} as {@link Admin}.
   * @example
   * await admin.changeRoot({ keyFile: 'new.key' });
   */
  async changeRoot(keys: Keys, onProgress?: (progress: Progress) => void): Promise<void> {
    refuseInside();
    const progress = optionalFunction(onProgress, 'onProgress');
    const { kind, name, host } = keySource(keys, this.#failures);
    await ask((number) => this.#native.changeRoot(number, kind, name, host), this.#failures, progress);
  }

  /**
   * Signs the head of every chain that has moved, gives the notes to the anchor and answers them: keep them outside
   * the database. Needs `keys.manage` and every territory.
   *
   * @throws {MedorderError} `AUDIT_BROKEN` if a chain is not what the anchor has, nothing is signed then; and as
   * {@link Admin}.
   * @example
   * const notes = await admin.checkpoint();
   */
  async checkpoint(): Promise<string[]> {
    return this.#call('checkpoint', {});
  }

  /**
   * Entries of the system chain: acts on the whole database, and denials of actors without the territory. Needs
   * `audit.read` and every territory.
   *
   * @throws {MedorderError} as {@link Admin}.
   * @example
   * const { records } = await admin.audit({ limit: 500 });
   */
  async audit(query: AuditQuery = {}): Promise<AuditPage> {
    return this.#call('audit', members(query));
  }

  /**
   * Verifies every chain and every order, as {@link Session.verifyAudit} does for one territory. Needs `audit.read`
   * and every territory.
   *
   * @throws {MedorderError} as {@link Admin}.
   * @example
   * const { verdict, anchored } = await admin.verifyAudit();
   */
  async verifyAudit(): Promise<VerifyReport> {
    return this.#call('verify_audit', {});
  }

  /**
   * Copies a SQLite database to a new file while it is in use: the only supported copy of an open one. Needs
   * `keys.manage` and every territory.
   *
   * @throws {MedorderError} `STORAGE_UNAVAILABLE` if the file exists; and as {@link Admin}.
   * @example
   * await admin.backup('/backup/orders.db');
   */
  async backup(path: string): Promise<void> {
    await this.#call('backup', { path: text(path, 'path') });
  }

  /**
   * Takes a database that was put back into use: cursors and checkpoints of the lost time are refused from then on.
   * Answers fresh checkpoints. Needs `keys.manage` and every territory.
   *
   * @throws {MedorderError} as {@link Admin}.
   * @example
   * const notes = await admin.restore();
   */
  async restore(): Promise<string[]> {
    return this.#call('restore', {});
  }

  #call<T>(name: string, args: object, onProgress?: (progress: Progress) => void): Promise<T> {
    const json = encode(args);
    return ask<T>((number) => this.#native.call(number, name, json), this.#failures, onProgress);
  }
}

function relationship(territory_id: string, patient_id: string, provider_id: string): object {
  return { territory_id, patient_id, provider_id };
}
