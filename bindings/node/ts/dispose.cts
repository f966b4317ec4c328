// `await using` for the first releases of Node 20, which have no symbol for it. Loaded before the classes.

(Symbol as { asyncDispose?: symbol }).asyncDispose ??= Symbol.for('nodejs.asyncDispose');
