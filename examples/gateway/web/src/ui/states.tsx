import type { ReactNode } from "react";

import { ApiError, describe } from "../api/errors";
import { Icon, type IconName } from "./icons";

/** What stands where there is nothing to show. */
export function Empty({ icon, title, children }: { icon: IconName; title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <Icon name={icon} />
      <p className="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** What went wrong, and a way on. */
export function Failed({ error, onRetry, title }: { error: unknown; onRetry?: () => void; title: string }) {
  return (
    <div className="failed" role="alert">
      <Icon name="alert" />
      <div>
        <p className="failed-title">{title}</p>
        <p>{describe(error)}</p>
        {error instanceof ApiError && error.requestId && (
          <p className="quiet">
            Request <span className="id">{error.requestId}</span>
          </p>
        )}
      </div>
      {onRetry && (
        <button type="button" className="button" onClick={onRetry}>
          <Icon name="refresh" />
          Try again
        </button>
      )}
    </div>
  );
}

/** Grey lines in the place of what is on its way. */
export function Loading({ lines = 8, label }: { lines?: number; label: string }) {
  return (
    <div className="loading" role="status">
      <span className="visually-hidden">{label}</span>
      {Array.from({ length: lines }, (_, at) => (
        <span key={at} className="skeleton" aria-hidden="true" />
      ))}
    </div>
  );
}

/** Reads the next part of a list that is read part by part. */
export function LoadMore({ query, label }: {
  query: { isFetchingNextPage: boolean; fetchNextPage(): Promise<unknown> };
  label: string;
}) {
  return (
    <button
      type="button"
      className="button"
      aria-disabled={query.isFetchingNextPage}
      onClick={() => void query.fetchNextPage()}
    >
      {query.isFetchingNextPage ? "Loading…" : label}
    </button>
  );
}
