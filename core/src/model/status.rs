//! The states of an order.

use super::words::words;

words!(
    /// Where an order stands. Which status may follow which is the business of [`Workflow`](crate::Workflow).
    ///
    /// ```
    /// use medorder::OrderStatus;
    ///
    /// assert_eq!(OrderStatus::InProgress.name(), "in_progress");
    /// assert_eq!(OrderStatus::parse("in_progress")?, OrderStatus::InProgress);
    /// # Ok::<(), medorder::Error>(())
    /// ```
    OrderStatus, "status" {
        /// Created; nobody has verified it yet.
        PendingVerification = "pending_verification",
        /// Coverage was verified; work may start.
        Verified = "verified",
        /// Refused at verification; final.
        Rejected = "rejected",
        /// Work has started.
        InProgress = "in_progress",
        /// Done; final.
        Completed = "completed",
        /// Stopped; final.
        Cancelled = "cancelled",
    }
);
