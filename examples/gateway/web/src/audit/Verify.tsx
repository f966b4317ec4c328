import { useMutation } from "@tanstack/react-query";

import * as api from "../api/client";
import type { Verdict, VerifyReport } from "../api/types";
import { useCaller } from "../session/territory";
import { Icon } from "../ui/icons";
import { Id } from "../ui/ids";
import { Failed } from "../ui/states";

const VERDICT: Record<Verdict, { title: string; text: string }> = {
  intact: { title: "Intact", text: "Every entry and every order is what was written, and nothing is missing." },
  tampered: { title: "Tampered with", text: "A record was changed, added or removed. Stop and tell an operator." },
  truncated: { title: "Truncated", text: "The newest entries are gone. Stop and tell an operator." },
  rolled_back: {
    title: "Rolled back",
    text: "All is consistent, but older than a checkpoint from outside. Stop and tell an operator.",
  },
};

/** Recomputes the chain from the stored bytes, at the auditor's wish. */
export function Verify() {
  const caller = useCaller();
  const verify = useMutation({ mutationFn: () => api.verifyAudit(caller) });
  return (
    <div className="card verify">
      <div className="verify-head">
        <div>
          <h2>Integrity</h2>
          <p className="quiet">Recomputes every entry and compares every order with its entries.</p>
        </div>
        <button
          type="button"
          className="button button-main"
          aria-disabled={verify.isPending}
          onClick={() => verify.isPending || verify.mutate()}
        >
          <Icon name="shield" />
          {verify.isPending ? "Verifying…" : "Verify now"}
        </button>
      </div>
      <div aria-live="polite">{verify.data && <Report report={verify.data} />}</div>
      {verify.isError && (
        <Failed error={verify.error} title="The verification did not run" onRetry={() => verify.mutate()} />
      )}
    </div>
  );
}

function Report({ report }: { report: VerifyReport }) {
  const { title, text } = VERDICT[report.verdict];
  const good = report.verdict === "intact";
  return (
    <div className={good ? "verdict verdict-good" : "verdict verdict-bad"}>
      <Icon name={good ? "shield" : "alert"} />
      <div>
        <p className="verdict-title">{title}</p>
        <p>{text}</p>
        {report.chains.map((chain) => (
          <p key={chain.territory_id} className="quiet">
            {chain.territory_id || "System"}: {chain.entries.toLocaleString()} entries, {chain.orders.toLocaleString()}{" "}
            orders
            {chain.first_bad && (
              <>
                . First fault: {chain.first_bad.what}
                {chain.first_bad.seq !== undefined && `, entry ${chain.first_bad.seq}`}
                {chain.first_bad.order_id && (
                  <>
                    , order <Id value={chain.first_bad.order_id} label="Order" />
                  </>
                )}
              </>
            )}
          </p>
        ))}
        <p className="quiet">
          {report.anchored
            ? "Compared with a checkpoint kept outside the database."
            : "Not compared with a checkpoint from outside: a database put back as a whole would go unnoticed."}
        </p>
      </div>
    </div>
  );
}
