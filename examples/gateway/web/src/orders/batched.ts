/**
 * Gathers what is asked for in one turn of the event loop into one call for the same first argument. A page of
 * 25 rows asks once.
 */
export function batched<C, T>(
  most: number,
  load: (caller: C, ids: string[]) => Promise<T[]>,
): (caller: C, id: string) => Promise<T> {
  interface Waiting {
    id: string;
    resolve(value: T): void;
    reject(error: unknown): void;
  }
  const queues = new Map<C, Waiting[]>();

  async function flush(caller: C) {
    const waiting = queues.get(caller) ?? [];
    queues.delete(caller);
    for (let at = 0; at < waiting.length; at += most) {
      const part = waiting.slice(at, at + most);
      try {
        const answers = await load(caller, part.map((item) => item.id));
        part.forEach((item, index) => item.resolve(answers[index] as T));
      } catch (error) {
        part.forEach((item) => item.reject(error));
      }
    }
  }

  return (caller, id) =>
    new Promise((resolve, reject) => {
      const queue = queues.get(caller);
      if (queue) {
        queue.push({ id, resolve, reject });
        return;
      }
      queues.set(caller, [{ id, resolve, reject }]);
      setTimeout(() => void flush(caller), 0);
    });
}
