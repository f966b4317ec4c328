//! What one audit entry says.

use std::borrow::Cow;

macro_rules! names {
    ($(#[$about:meta])* $kind:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $kind {
            $($(#[$doc])* $variant,)*
        }

        impl $kind {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name as stored.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The one with this stored name.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

names!(
    /// What was done or asked for.
    Action {
        /// An order was created.
        Create = "create",
        /// An order's status changed.
        UpdateStatus = "update_status",
        /// PHI of an order was disclosed.
        View = "view",
        /// An order was crypto-shredded.
        Delete = "delete",
        /// A territory or a relationship was registered.
        Register = "register",
        /// A territory or a relationship was taken off.
        Unregister = "unregister",
        /// Order keys were wrapped under a new territory key.
        RotateKeys = "rotate_keys",
        /// The key rows were wrapped under a new root key.
        ChangeRoot = "change_root",
        /// A checkpoint was signed at an administrator's wish.
        Checkpoint = "checkpoint",
        /// The chains and rows were verified.
        Verify = "verify",
        /// The audit was read.
        Audit = "audit",
        /// A patient's disclosures were read.
        Disclosures = "disclosures",
        /// The audit was exported.
        Export = "export",
        /// A backup was made.
        Backup = "backup",
        /// A backup was taken into use.
        Restore = "restore",
    }
);

names!(
    /// How it ended; other failures are no entries.
    Outcome {
        /// It was done.
        Success = "success",
        /// The actor was not allowed to.
        Denied = "denied",
    }
);

impl Action {
    /// True for the actions that change an order: what subscribers receive when they succeed.
    #[must_use]
    pub const fn is_change(self) -> bool {
        matches!(self, Self::Create | Self::UpdateStatus | Self::Delete)
    }
}

/// An entry before it has its place in the chain. The texts are as stored, since a stored entry is checked
/// before it is understood; absent ones are empty, absent bytes zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryDraft {
    /// Microseconds since 1970-01-01 UTC; the chain raises it to its head's, so that it never decreases.
    pub at: i64,
    /// Who.
    pub user_id: String,
    /// The roles of the actor, deduplicated, sorted by bytes, joined with `,`.
    pub role: String,
    /// Why the actor works with the data.
    pub purpose: String,
    /// The 16 bytes of the order's id, as asked for.
    pub order_id: [u8; 16],
    /// Name of an [`Action`].
    pub action: Cow<'static, str>,
    /// Name of an [`Outcome`].
    pub outcome: Cow<'static, str>,
    /// The status before.
    pub old_status: Cow<'static, str>,
    /// The status after.
    pub new_status: Cow<'static, str>,
    /// The version of the row as written or read.
    pub row_version: u64,
    /// The MAC of the row as written or read; the skeleton's hash for a delete.
    pub row_mac: [u8; 32],
    /// Bit `field_id - 1` for every field disclosed, or changed by the request.
    pub fields: u32,
    /// The host's id of the request.
    pub request_id: String,
    /// Where the call came from.
    pub source: String,
    /// Sealed reason and subject, or empty.
    pub details: Vec<u8>,
}

/// An entry at its place in a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// 1, 2, 3 without a gap.
    pub seq: u64,
    /// What it says; `at` is the chain's.
    pub body: EntryDraft,
    /// SHA-256 of the entry and, through it, of all before.
    pub hash: [u8; 32],
    /// MAC of `hash` under the chain's audit key.
    pub mac: [u8; 32],
}

impl Entry {
    /// True if subscribers receive it: a successful change of an order.
    #[must_use]
    pub fn is_event(&self) -> bool {
        Outcome::parse(&self.body.outcome) == Some(Outcome::Success)
            && Action::parse(&self.body.action).is_some_and(Action::is_change)
    }
}

#[cfg(test)]
pub(crate) fn draft(action: &'static str, outcome: &'static str) -> EntryDraft {
    EntryDraft {
        at: 1_762_000_000_000_000,
        user_id: "u-7".to_owned(),
        role: "fulfiller,verifier".to_owned(),
        purpose: "treatment".to_owned(),
        order_id: [3; 16],
        action: action.into(),
        outcome: outcome.into(),
        old_status: "verified".into(),
        new_status: "in_progress".into(),
        row_version: 4,
        row_mac: [5; 32],
        fields: 11,
        request_id: "r-1".to_owned(),
        source: "gateway".to_owned(),
        details: vec![6; 64],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_frozen_and_parse_back() {
        let names: Vec<&str> = Action::ALL.iter().map(|action| action.name()).collect();
        assert_eq!(
            names.join(" "),
            "create update_status view delete register unregister rotate_keys change_root checkpoint verify audit \
             disclosures export backup restore"
        );
        for &action in Action::ALL {
            assert_eq!(Action::parse(action.name()), Some(action));
        }
        for &outcome in Outcome::ALL {
            assert_eq!(Outcome::parse(outcome.name()), Some(outcome));
        }
        assert_eq!((Action::parse("Create"), Outcome::parse("")), (None, None));
    }

    #[test]
    fn only_successful_changes_are_events() {
        let mut events = Vec::new();
        for &action in Action::ALL {
            for &outcome in Outcome::ALL {
                let body = draft(action.name(), outcome.name());
                if (Entry { seq: 1, body, hash: [0; 32], mac: [0; 32] }).is_event() {
                    events.push((action, outcome));
                }
            }
        }
        let changes = [Action::Create, Action::UpdateStatus, Action::Delete];
        assert_eq!(events, changes.map(|action| (action, Outcome::Success)));
    }
}
