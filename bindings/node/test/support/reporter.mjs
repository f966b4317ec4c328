// A reporter for `node --test`: what failed in full, and at the end cargo's line, which `cargo xtask test` counts.

/** The runner's own count, of which cargo's line is the better one. */
const SUMMARY = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /;

export default async function* report(source) {
  const count = { passed: 0, failed: 0, ignored: 0 };
  const started = process.hrtime.bigint();
  for await (const { type, data } of source) {
    const suite = data?.details?.type === 'suite';
    if (type === 'test:pass' && !suite) {
      const ignored = data.skip !== undefined || data.todo !== undefined;
      count[ignored ? 'ignored' : 'passed'] += 1;
      yield `test ${data.name} ... ${ignored ? 'ignored' : 'ok'} (${Math.round(data.details.duration_ms)} ms)\n`;
    } else if (type === 'test:fail' && !(suite && data.details.error?.failureType === 'subtestsFailed')) {
      count.failed += 1;
      const error = data.details.error?.cause ?? data.details.error;
      yield `test ${data.name} ... FAILED\n${error?.stack ?? error}\n`;
      if (error?.expected !== undefined || error?.actual !== undefined) {
        yield `expected ${JSON.stringify(error.expected)}\nactual   ${JSON.stringify(error.actual)}\n`;
      }
    } else if (type === 'test:diagnostic' && !SUMMARY.test(data.message)) {
      yield `  ${data.message}\n`;
    } else if (type === 'test:stdout' || type === 'test:stderr') {
      yield data.message;
    }
  }
  const seconds = (Number(process.hrtime.bigint() - started) / 1e9).toFixed(2);
  const result = count.failed === 0 ? 'ok' : 'FAILED';
  yield `test result: ${result}. ${count.passed} passed; ${count.failed} failed; ${count.ignored} ignored; `;
  yield `0 measured; 0 filtered out; finished in ${seconds}s\n`;
}
