//! Which status may follow which: a table as data, and what each step needs.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorCode};
use crate::model::{Need, OrderId, OrderStatus, Permission, Timestamp, TransitionOption, Why};

/// The switches of the workflow; all off by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct WorkflowPolicy {
    /// Orders may also be cancelled before work starts, from `pending_verification` and `verified`.
    pub cancel_before_start: bool,
}

impl WorkflowPolicy {
    /// The same with `cancel_before_start` on or off.
    #[must_use]
    pub const fn cancel_before_start(mut self, on: bool) -> Self {
        self.cancel_before_start = on;
        self
    }
}

/// The workflow of orders: the steps that exist. What is not listed is refused.
///
/// ```
/// use medorder::{OrderStatus, Why, Workflow};
///
/// let workflow = Workflow::standard();
/// assert!(workflow.check_state(OrderStatus::Verified, OrderStatus::InProgress).is_ok());
/// assert_eq!(workflow.check_state(OrderStatus::Completed, OrderStatus::Verified), Err(Why::State));
/// assert_eq!(workflow.allowed(OrderStatus::Rejected), []);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workflow {
    steps: Vec<Step>,
}

/// What a request brings for a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// It has verification data.
    pub verification: bool,
    /// It has a reason or notes that are not empty.
    pub reason_or_notes: bool,
    /// Until when the order's verification holds; asked for only if [`Workflow::needs_valid_until`].
    pub valid_until: Option<Timestamp>,
    /// The time now.
    pub now: Timestamp,
}

impl Workflow {
    /// The status of a new order.
    pub const START: OrderStatus = OrderStatus::PendingVerification;

    /// The workflow with every switch off.
    #[must_use]
    pub fn standard() -> Self {
        Self::new(WorkflowPolicy::default())
    }

    /// The workflow under `policy`.
    ///
    /// # Panics
    /// Never: every policy leads to a sound table, which is checked here (each status can be reached, a
    /// terminal status has no way out) and by test for every policy.
    #[must_use]
    pub fn new(policy: WorkflowPolicy) -> Self {
        let mut steps = STEPS.to_vec();
        if policy.cancel_before_start {
            steps.extend_from_slice(CANCEL_BEFORE_START);
        }
        check_table(&steps).expect("INVARIANT: every policy leads to a sound table");
        Self { steps }
    }

    /// The permission to bring an order to `to`.
    #[must_use]
    pub fn permission(&self, to: OrderStatus) -> Permission {
        match to {
            OrderStatus::PendingVerification => Permission::OrderCreate,
            OrderStatus::Verified | OrderStatus::Rejected => Permission::OrderVerify,
            OrderStatus::InProgress | OrderStatus::Completed => Permission::OrderFulfil,
            OrderStatus::Cancelled => Permission::OrderCancel,
        }
    }

    /// The statuses that may follow `from`, in the order of [`OrderStatus::ALL`].
    #[must_use]
    pub fn allowed(&self, from: OrderStatus) -> Vec<OrderStatus> {
        OrderStatus::ALL.iter().copied().filter(|to| self.step(from, *to).is_some()).collect()
    }

    /// True if nothing may follow `status`.
    #[must_use]
    pub fn is_terminal(&self, status: OrderStatus) -> bool {
        is_terminal(status)
    }

    /// Whether the step exists.
    ///
    /// # Errors
    /// [`Why::State`] if not; the current status is no step either.
    pub fn check_state(&self, from: OrderStatus, to: OrderStatus) -> Result<(), Why> {
        self.step(from, to).map(|_| ()).ok_or(Why::State)
    }

    /// Whether the step exists and has what it needs.
    ///
    /// # Errors
    /// The first that applies: [`Why::State`], then what is missing.
    pub fn check_needs(&self, from: OrderStatus, to: OrderStatus, given: &Given) -> Result<(), Why> {
        match self.step(from, to).ok_or(Why::State)?.guard {
            Guard::Verification if !given.verification => Err(Why::MissingVerification),
            Guard::Reason if !given.reason_or_notes => Err(Why::MissingReason),
            Guard::Unexpired if given.valid_until.is_some_and(|until| given.now > until) => {
                Err(Why::VerificationExpired)
            }
            _ => Ok(()),
        }
    }

    /// True if the step depends on `valid_until`, so that a caller decrypts it only then.
    #[must_use]
    pub fn needs_valid_until(&self, from: OrderStatus, to: OrderStatus) -> bool {
        self.step(from, to).is_some_and(|step| step.guard == Guard::Unexpired)
    }

    /// What an actor may do with an order at `from`: every status, in the order of [`OrderStatus::ALL`].
    ///
    /// `own_order` is true if the actor may not verify it for having created it. Of several reasons against a
    /// step the first counts: state, permission, own order, verification expired.
    #[must_use]
    pub fn transitions(
        &self,
        from: OrderStatus,
        may: impl Fn(Permission) -> bool,
        own_order: bool,
        verification_expired: bool,
    ) -> Vec<TransitionOption> {
        let option = |to: OrderStatus| {
            let Some(step) = self.step(from, to) else {
                return TransitionOption::new(to, Some(Why::State), Vec::new());
            };
            let verifies = matches!(to, OrderStatus::Verified | OrderStatus::Rejected);
            let why = if !may(self.permission(to)) {
                Some(Why::Permission)
            } else if own_order && verifies {
                Some(Why::OwnOrder)
            } else if verification_expired && step.guard == Guard::Unexpired {
                Some(Why::VerificationExpired)
            } else {
                None
            };
            TransitionOption::new(to, why, step.guard.needs())
        };
        OrderStatus::ALL.iter().copied().map(option).collect()
    }

    /// The error for a step that was refused, with the details a program needs.
    #[must_use]
    pub fn refusal(&self, order_id: OrderId, from: OrderStatus, to: OrderStatus, why: Why) -> Error {
        let message = format!("an order that is {from} cannot become {to}: {why}");
        Error::new(ErrorCode::InvalidStatusTransition, message).with(|details| {
            details.order_id = Some(order_id.to_string());
            details.current_status = Some(from.name());
            details.requested_status = Some(to.name());
            details.allowed = Some(self.allowed(from).into_iter().map(OrderStatus::name).collect());
            details.why = Some(why.name());
        })
    }

    fn step(&self, from: OrderStatus, to: OrderStatus) -> Option<&Step> {
        self.steps.iter().find(|step| (step.from, step.to) == (from, to))
    }
}

impl Default for Workflow {
    fn default() -> Self {
        Self::standard()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    from: OrderStatus,
    to: OrderStatus,
    guard: Guard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    Nothing,
    Verification,
    Reason,
    Unexpired,
}

impl Guard {
    /// What a caller can supply. Time that has passed is not among it.
    fn needs(self) -> Vec<Need> {
        match self {
            Self::Verification => vec![Need::VerificationData],
            Self::Reason => vec![Need::ReasonOrNotes],
            Self::Nothing | Self::Unexpired => Vec::new(),
        }
    }
}

const fn step(from: OrderStatus, to: OrderStatus, guard: Guard) -> Step {
    Step { from, to, guard }
}

const STEPS: &[Step] = &[
    step(OrderStatus::PendingVerification, OrderStatus::Verified, Guard::Verification),
    step(OrderStatus::PendingVerification, OrderStatus::Rejected, Guard::Reason),
    step(OrderStatus::Verified, OrderStatus::InProgress, Guard::Unexpired),
    step(OrderStatus::InProgress, OrderStatus::Completed, Guard::Nothing),
    step(OrderStatus::InProgress, OrderStatus::Cancelled, Guard::Reason),
];

const CANCEL_BEFORE_START: &[Step] = &[
    step(OrderStatus::PendingVerification, OrderStatus::Cancelled, Guard::Reason),
    step(OrderStatus::Verified, OrderStatus::Cancelled, Guard::Reason),
];

const fn is_terminal(status: OrderStatus) -> bool {
    matches!(status, OrderStatus::Rejected | OrderStatus::Completed | OrderStatus::Cancelled)
}

/// Every status can be reached from the start, terminal means no way out and the rest have one, no step stands
/// twice or leads nowhere new.
fn check_table(steps: &[Step]) -> Result<(), &'static str> {
    let mut reached = vec![Workflow::START];
    let mut at = 0;
    while let Some(from) = reached.get(at).copied() {
        for step in steps.iter().filter(|step| step.from == from) {
            if !reached.contains(&step.to) {
                reached.push(step.to);
            }
        }
        at += 1;
    }
    if reached.len() != OrderStatus::ALL.len() {
        return Err("a status cannot be reached");
    }
    for status in OrderStatus::ALL {
        if steps.iter().any(|step| step.from == *status) == is_terminal(*status) {
            return Err("terminal means no way out, and only that");
        }
    }
    let same = |a: &Step, b: &Step| (a.from, a.to) == (b.from, b.to);
    for (at, step) in steps.iter().enumerate() {
        if step.from == step.to || step.to == Workflow::START || steps[..at].iter().any(|s| same(s, step)) {
            return Err("a step stands twice, or leads back to itself or to the start");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_leads_to_a_sound_table() {
        for on in [false, true] {
            let workflow = Workflow::new(WorkflowPolicy::default().cancel_before_start(on));
            assert_eq!(workflow.steps.len(), if on { 7 } else { 5 });
        }
    }

    #[test]
    fn an_unsound_table_is_found() {
        assert!(check_table(STEPS).is_ok());
        assert_eq!(check_table(&STEPS[1..]), Err("a status cannot be reached"));
        let with = |from, to| {
            let mut steps = STEPS.to_vec();
            steps.push(step(from, to, Guard::Nothing));
            check_table(&steps)
        };
        assert!(with(OrderStatus::Completed, OrderStatus::Cancelled).is_err());
        assert!(with(OrderStatus::Verified, OrderStatus::InProgress).is_err());
        assert!(with(OrderStatus::Verified, OrderStatus::Verified).is_err());
        assert!(with(OrderStatus::Verified, OrderStatus::PendingVerification).is_err());
        assert!(with(OrderStatus::Verified, OrderStatus::Rejected).is_ok());
    }

    #[test]
    fn policies_are_strict_data() {
        assert_eq!(serde_json::from_str::<WorkflowPolicy>("{}").unwrap(), WorkflowPolicy::default());
        let on: WorkflowPolicy = serde_json::from_str("{\"cancel_before_start\":true}").unwrap();
        assert!(on.cancel_before_start);
        assert!(serde_json::from_str::<WorkflowPolicy>("{\"cancel\":true}").is_err());
    }
}
