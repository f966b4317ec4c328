// Signals that many wait for.

/** Who waits for one signal. */
interface Hearers {
  readonly all: Set<() => void>;
  listener(): void;
}

const heard = new WeakMap<AbortSignal, Hearers>();

/**
 * Calls `told` when the signal fires. However many wait, the signal has one listener, and none when nobody waits: Node
 * takes more than ten for a leak and warns. Answers what takes `told` out again.
 */
export function hear(signal: AbortSignal, told: () => void): () => void {
  const hearers = heard.get(signal) ?? listen(signal);
  hearers.all.add(told);
  return () => {
    if (!hearers.all.delete(told) || hearers.all.size > 0) return;
    heard.delete(signal);
    signal.removeEventListener('abort', hearers.listener);
  };
}

function listen(signal: AbortSignal): Hearers {
  const all = new Set<() => void>();
  const listener = (): void => {
    heard.delete(signal);
    // A set is walked in order, without those that are taken out meanwhile.
    for (const told of all) {
      all.delete(told);
      told();
    }
  };
  const hearers = { all, listener };
  heard.set(signal, hearers);
  signal.addEventListener('abort', listener, { once: true });
  return hearers;
}
