import type { Reporter, TestModule } from "vitest/node";

/** Prints one line in the form that `cargo xtask` counts tests by. */
export default class Counted implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const counts = { passed: 0, failed: errors.length, skipped: 0 };
    for (const module of modules) {
      if (module.errors().length > 0) counts.failed += 1;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state !== "pending") counts[state] += 1;
      }
    }
    const verdict = counts.failed === 0 ? "ok" : "FAILED";
    console.log(`test result: ${verdict}. ${counts.passed} passed; ${counts.failed} failed; ${counts.skipped} ignored`);
  }
}
