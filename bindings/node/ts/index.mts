// The same classes as for `require`, so that both can be used in one program.

export { ERROR_TABLE, KeyRefusedError, MedorderError, OrderService, generateKeyFile } from './index.cjs';
export type * from './index.cjs';
