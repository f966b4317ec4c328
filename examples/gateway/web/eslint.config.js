import js from "@eslint/js";
import a11y from "eslint-plugin-jsx-a11y";
import hooks from "eslint-plugin-react-hooks";
import ts from "typescript-eslint";

export default ts.config(
  { ignores: ["dist", "src/api/schema.ts"] },
  js.configs.recommended,
  ts.configs.recommended,
  a11y.flatConfigs.strict,
  hooks.configs.flat.recommended,
  {
    // Half of such a file runs in Node, the other half in the page it drives.
    files: ["e2e/**/*.mjs"],
    languageOptions: {
      globals: Object.fromEntries(
        [
          ...["Buffer", "URL", "fetch", "performance", "process", "setTimeout"],
          ...["CSSTransition", "Event", "MutationObserver", "Storage", "console", "caches", "document", "getComputedStyle", "history", "indexedDB", "localStorage"],
          ...["location", "navigator", "requestAnimationFrame", "sessionStorage", "window"],
        ].map((name) => [name, "readonly"]),
      ),
    },
  },
  {
    rules: {
      // Effects that bring the page in step with a route or a token set state; that is what they are for.
      "react-hooks/set-state-in-effect": "off",
      // A ref that always holds the newest value is how a long-lived connection reads the current token.
      "react-hooks/refs": "off",
      // `_` takes a member out of an object.
      "@typescript-eslint/no-unused-vars": ["error", { varsIgnorePattern: "^_", argsIgnorePattern: "^_" }],
    },
  },
);
