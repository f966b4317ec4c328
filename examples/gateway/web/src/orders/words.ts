import type { InsuranceStatus, OrderStatus, PhiField, Transition } from "../api/types";

// The wire's words as people say them.

const STATUS: Record<OrderStatus, string> = {
  pending_verification: "Pending verification",
  verified: "Verified",
  rejected: "Rejected",
  in_progress: "In progress",
  completed: "Completed",
  cancelled: "Cancelled",
};
export const statusLabel = (status: OrderStatus): string => STATUS[status] ?? status;

const ACTION: Record<OrderStatus, string> = {
  pending_verification: "Create",
  verified: "Verify",
  rejected: "Reject",
  in_progress: "Start",
  completed: "Complete",
  cancelled: "Cancel order",
};
export const actionLabel = (status: OrderStatus): string => ACTION[status] ?? status;
/** A step in a list of steps, where no button could be taken for a way out of a dialog. */
export const stepName = (status: OrderStatus): string => (status === "cancelled" ? "Cancel" : actionLabel(status));

const INSURANCE: Record<InsuranceStatus, string> = {
  confirmed: "Confirmed",
  denied: "Denied",
  unsupported: "Payer cannot be asked",
  not_checked: "Not checked",
  error: "Check failed",
};
export const insuranceLabel = (status: InsuranceStatus): string => INSURANCE[status] ?? status;

const FIELD: Record<PhiField, string> = {
  service_type: "Service",
  diagnosis_codes: "Diagnosis codes",
  notes: "Notes",
  insurance: "Insurance",
  insurance_verification: "Insurance verification",
};
export const fieldLabel = (field: PhiField): string => FIELD[field] ?? field;

/** Why a step is not offered; null for steps that simply are not the next one. */
export function whyNot(why: string | undefined): string | null {
  switch (why) {
    case "permission":
      return "for another role";
    case "own_order":
      return "you created this order; somebody else must verify it";
    case "verification_expired":
      return "the verification has expired";
    case undefined:
    case "state":
      return null;
    default:
      return "something is missing for this step";
  }
}

/** The steps that exist from here, in the workflow's order: those allowed, and those refused with a reason. */
export function steps(transitions: Transition[]): Transition[] {
  return transitions.filter((step) => step.allowed || whyNot(step.why) !== null);
}
