/// <reference lib="esnext.disposable" preserve="true" />
/**
 * A medical order engine to link in: create, verify, track and finish orders, with PHI encrypted field by field, every
 * access audited, every change pushed to whoever watches. Start with {@link OrderService.open}.
 *
 * @packageDocumentation
 */

import './dispose.cjs';

export type { Admin } from './admin.cjs';
export { ERROR_TABLE, KeyRefusedError, MedorderError } from './errors.cjs';
export type { ErrorCode, ErrorDetails, ErrorKind, ErrorTableEntry, Fault, Rule } from './errors.cjs';
export type { AnchorSink, CallbackFailure, CareDirectory, KeyCallbacks, KeyEnv, KeyFile, Keys } from './host.cjs';
export type { Progress } from './post.cjs';
export { type OpenOptions, OrderService, generateKeyFile } from './service.cjs';
export type { Session } from './session.cjs';
export type { SubscribeOptions, Subscription, WaitOptions } from './subscription.cjs';
export type * from './types.cjs';
