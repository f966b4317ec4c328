import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo, useState, type FormEvent } from "react";

import * as api from "../api/client";
import { ApiError } from "../api/errors";
import { useCaller, useTerritory } from "../session/territory";
import { Field } from "../ui/Field";
import { Icon } from "../ui/icons";
import { Empty, Failed, Loading, LoadMore } from "../ui/states";
import { keys } from "../orders/keys";
import { Records } from "./Records";
import { Verify } from "./Verify";

const PAGE = 50;

type Search = { kind: "all"; from: Span } | { kind: "order" | "user" | "patient"; value: string; from: Span; round: number };

/** The chain is read from its start on, so the newest entries are found by saying since when. */
const SPANS = { hour: "Last hour", day: "Last 24 hours", week: "Last 7 days", ever: "From the beginning" };
type Span = keyof typeof SPANS;
const HOURS: Record<Span, number | null> = { hour: 1, day: 24, week: 7 * 24, ever: null };

function since(span: Span): string | undefined {
  const hours = HOURS[span];
  return hours === null ? undefined : new Date(Date.now() - hours * 3_600_000).toISOString();
}

/** The audit of the territory: what happened, who saw what of a patient, and whether the record holds. */
export function AuditPage() {
  const { territory } = useTerritory();
  const [search, setSearch] = useState<Search>({ kind: "all", from: "day" });
  return (
    <section aria-labelledby="audit-title">
      <div className="page-head">
        <h1 id="audit-title" tabIndex={-1}>
          Audit of {territory}
        </h1>
      </div>
      <Verify />
      <SearchForm onSearch={setSearch} />
      <Found search={search} />
    </section>
  );
}

function SearchForm({ onSearch }: { onSearch(search: Search): void }) {
  const [kind, setKind] = useState<Search["kind"]>("all");
  const [value, setValue] = useState("");
  const [from, setFrom] = useState<Span>("day");
  const [missing, setMissing] = useState(false);
  const [round, setRound] = useState(0);

  function submit(event: FormEvent) {
    event.preventDefault();
    setMissing(kind !== "all" && value.trim() === "");
    if (kind === "all") onSearch({ kind, from });
    else if (value.trim() !== "") onSearch({ kind, value: value.trim(), from, round: round + 1 });
    setRound(round + 1);
  }

  const label = { all: "", order: "Order id", user: "User id", patient: "Patient id" }[kind];
  return (
    <form className="audit-search" onSubmit={submit} noValidate role="search">
      <Field label="Show">
        {(input) => (
          <select
            {...input}
            value={kind}
            onChange={(event) => {
              setKind(event.target.value as Search["kind"]);
              setValue("");
              setMissing(false);
              if (event.target.value === "all") onSearch({ kind: "all", from });
            }}
          >
            <option value="all">All entries</option>
            <option value="order">Entries of an order</option>
            <option value="user">Entries by a user</option>
            <option value="patient">Disclosures of a patient</option>
          </select>
        )}
      </Field>
      {kind !== "patient" && (
        <Field label="Since">
          {(input) => (
            <select
              {...input}
              value={from}
              onChange={(event) => {
                const next = event.target.value as Span;
                setFrom(next);
                if (kind === "all") onSearch({ kind, from: next });
              }}
            >
              {Object.entries(SPANS).map(([span, label]) => (
                <option key={span} value={span}>
                  {label}
                </option>
              ))}
            </select>
          )}
        </Field>
      )}
      {kind !== "all" && (
        <>
          <Field label={label} error={missing ? "This is required." : undefined}>
            {(input) => (
              <input
                {...input}
                type="text"
                autoComplete="off"
                spellCheck={false}
                value={value}
                onChange={(event) => setValue(event.target.value)}
              />
            )}
          </Field>
          <button type="submit" className="button">
            <Icon name="search" />
            Find
          </button>
        </>
      )}
    </form>
  );
}

function Found({ search }: { search: Search }) {
  const caller = useCaller();
  const { territory } = useTerritory();
  // The patient searched for is kept out of the key: keys show up in tools, so they name the search only.
  const which = search.kind === "all" ? `all-${search.from}` : `${search.kind}-${search.round}`;
  // Fixed for the search, so that its pages belong together.
  const from = useMemo(() => since(search.from), [search]);
  const query = useInfiniteQuery({
    queryKey: [...keys.audit(territory), which],
    queryFn: ({ pageParam: after }) => {
      const page = { limit: PAGE, ...(after !== null && { after }) };
      const entries = { ...page, from };
      switch (search.kind) {
        case "all":
          return api.audit(caller, entries);
        case "order":
          return api.audit(caller, { ...entries, order_id: search.value });
        case "user":
          return api.audit(caller, { ...entries, user_id: search.value });
        case "patient":
          return api.disclosures(caller, { ...page, patient_id: search.value });
      }
    },
    initialPageParam: null as number | null,
    getNextPageParam: (page) => page.next,
    // Every reading of the audit is an entry of it; the one before is not repeated, the newest is what is wanted.
    gcTime: 0,
  });

  if (query.isPending) return <Loading label="Loading the audit" lines={8} />;
  if (query.isError && !query.data) {
    const shape = query.error instanceof ApiError && query.error.code === "VALIDATION_ERROR";
    return (
      <Failed
        error={query.error}
        title={shape ? "This is not a possible id" : "The audit could not be read"}
        onRetry={() => void query.refetch()}
      />
    );
  }
  const records = query.data?.pages.flatMap((page) => page.records) ?? [];
  return (
    <>
      {records.length === 0 ? (
        <Empty icon="search" title="No entries">
          <p className="quiet">Nothing of this kind was recorded.</p>
        </Empty>
      ) : (
        <Records records={records} />
      )}
      <div className="pager">
        <span className="quiet">
          {records.length === 1 ? "1 entry" : `${records.length} entries`}
          {query.hasNextPage ? " so far" : ""}
        </span>
        {query.hasNextPage ? (
          <LoadMore query={query} label="Load later entries" />
        ) : (
          <button type="button" className="button" onClick={() => void query.refetch()}>
            <Icon name="refresh" />
            Read again
          </button>
        )}
      </div>
      {query.isFetchNextPageError && <Failed error={query.error} title="The next entries could not be read" />}
    </>
  );
}
