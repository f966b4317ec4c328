import type { OrderStatus } from "../api/types";

// Keys hold no PHI and no patient: they may show up in developer tools and reports.
export const keys = {
  lists: (territory: string) => ["orders", territory] as const,
  list: (territory: string, status: OrderStatus[], cursor: string | null) =>
    ["orders", territory, status.join(","), cursor] as const,
  /** Every page of the list with this filter. */
  filtered: (territory: string, status: OrderStatus[]) => ["orders", territory, status.join(",")] as const,
  order: (territory: string, id: string) => ["order", territory, id] as const,
  transitions: (territory: string, id: string) => ["transitions", territory, id] as const,
  patients: (territory: string) => ["patients", territory] as const,
  audit: (territory: string) => ["audit", territory] as const,
  change: ["change"] as const,
};
