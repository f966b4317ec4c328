//! Events and entries of the audit as they come out: frozen values without PHI.

use medorder::{AuditRecord as CoreRecord, OrderEvent as CoreEvent};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::time::Time;

/// What a subscriber receives for a change that is durable. Holds no PHI.
#[pyclass(frozen, eq, hash, get_all, module = "medorder")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct OrderEvent {
    /// `ORDER_STATUS_CHANGED` or `ORDER_DELETED`.
    r#type: String,
    /// Which order.
    order_id: String,
    /// Where it lives.
    territory_id: String,
    /// The status before; None on create.
    old_status: Option<String>,
    /// The status after; of a deleted order its last.
    new_status: String,
    /// When.
    timestamp: Time,
    /// Who did it.
    user_id: String,
    /// Why, if a reason was given.
    reason: Option<String>,
    /// The version the change made.
    version: u64,
    /// Where to resume after this event.
    cursor: String,
}

impl From<CoreEvent> for OrderEvent {
    fn from(event: CoreEvent) -> Self {
        Self {
            r#type: event.kind.name().to_owned(),
            order_id: event.order_id.to_string(),
            territory_id: event.territory_id.as_str().to_owned(),
            old_status: event.old_status.map(|status| status.name().to_owned()),
            new_status: event.new_status.name().to_owned(),
            timestamp: event.timestamp.into(),
            user_id: event.user_id,
            reason: event.reason,
            version: event.version,
            cursor: event.cursor,
        }
    }
}

#[pymethods]
impl OrderEvent {
    #[new]
    #[pyo3(signature = (*, r#type, order_id, territory_id, old_status, new_status, timestamp, user_id, reason, version, cursor))]
    #[expect(clippy::too_many_arguments, reason = "one for each member")]
    const fn new(
        r#type: String,
        order_id: String,
        territory_id: String,
        old_status: Option<String>,
        new_status: String,
        timestamp: Time,
        user_id: String,
        reason: Option<String>,
        version: u64,
        cursor: String,
    ) -> Self {
        Self {
            r#type,
            order_id,
            territory_id,
            old_status,
            new_status,
            timestamp,
            user_id,
            reason,
            version,
            cursor,
        }
    }

    /// The same as the wire's JSON has it: user and reason stand in `context`.
    #[pyo3(signature = () -> "dict[str, Any]")]
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("type", &self.r#type)?;
        dict.set_item("order_id", &self.order_id)?;
        dict.set_item("territory_id", &self.territory_id)?;
        dict.set_item("old_status", &self.old_status)?;
        dict.set_item("new_status", &self.new_status)?;
        dict.set_item("timestamp", self.timestamp.text())?;
        let context = PyDict::new(py);
        context.set_item("user_id", &self.user_id)?;
        if let Some(reason) = &self.reason {
            context.set_item("reason", reason)?;
        }
        dict.set_item("context", context)?;
        dict.set_item("version", self.version)?;
        dict.set_item("cursor", &self.cursor)?;
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        let old = self.old_status.as_ref().map_or_else(|| "None".to_owned(), |word| format!("'{word}'"));
        format!(
            "OrderEvent(type='{}', order_id='{}', old_status={old}, new_status='{}', version={})",
            self.r#type, self.order_id, self.new_status, self.version
        )
    }

    #[pyo3(signature = () -> "tuple[tuple[()], dict[str, Any]]")]
    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
        let members = self.to_dict(py)?;
        members.del_item("context")?;
        members.set_item("timestamp", self.timestamp)?;
        members.set_item("user_id", &self.user_id)?;
        members.set_item("reason", &self.reason)?;
        Ok((PyTuple::empty(py), members))
    }
}

/// One entry of the audit. Holds no PHI.
#[pyclass(frozen, eq, hash, get_all, module = "medorder")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct AuditRecord {
    /// When.
    pub(crate) timestamp: Time,
    /// Who.
    pub(crate) user_id: String,
    /// Where; empty for the system chain.
    pub(crate) territory_id: String,
    /// Which order, if the entry is about one.
    pub(crate) order_id: Option<String>,
    /// What: `create`, `update_status`, `view`, `delete` or an administrative act.
    pub(crate) action: String,
    /// The status before.
    pub(crate) old_status: Option<String>,
    /// The status after.
    pub(crate) new_status: Option<String>,
    /// The reason given.
    pub(crate) reason: Option<String>,
    /// The object of an administrative act.
    pub(crate) subject: Option<String>,
    /// The place in the chain, from 1.
    pub(crate) seq: u64,
    /// The roles of the actor, sorted and joined by `,`.
    pub(crate) role: String,
    /// For what.
    pub(crate) purpose: String,
    /// `success` or `denied`.
    pub(crate) outcome: String,
    /// The fields disclosed or changed.
    pub(crate) fields: Vec<String>,
    /// The host's id of the request; may be empty.
    pub(crate) request_id: String,
    /// Where the call came from; may be empty.
    pub(crate) source: String,
    /// The version of the order that was read or made; 0 if none.
    pub(crate) row_version: u64,
    /// The chain hash, in hexadecimal.
    pub(crate) hash: String,
}

impl From<CoreRecord> for AuditRecord {
    fn from(record: CoreRecord) -> Self {
        let word = |status: Option<medorder::OrderStatus>| status.map(|status| status.name().to_owned());
        Self {
            timestamp: record.timestamp.into(),
            user_id: record.user_id,
            territory_id: record.territory_id,
            order_id: record.order_id.map(|id| id.to_string()),
            action: record.action,
            old_status: word(record.details.old_status),
            new_status: word(record.details.new_status),
            reason: record.details.reason,
            subject: record.details.subject,
            seq: record.seq,
            role: record.role,
            purpose: record.purpose,
            outcome: record.outcome,
            fields: record.fields.names().into_iter().map(str::to_owned).collect(),
            request_id: record.request_id,
            source: record.source,
            row_version: record.row_version,
            hash: record.hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

#[pymethods]
impl AuditRecord {
    #[new]
    #[pyo3(signature = (
        *, timestamp, user_id, territory_id, order_id, action, old_status, new_status, reason, subject, seq, role,
        purpose, outcome, fields, request_id, source, row_version, hash
    ))]
    #[expect(clippy::too_many_arguments, reason = "one for each member")]
    const fn new(
        timestamp: Time,
        user_id: String,
        territory_id: String,
        order_id: Option<String>,
        action: String,
        old_status: Option<String>,
        new_status: Option<String>,
        reason: Option<String>,
        subject: Option<String>,
        seq: u64,
        role: String,
        purpose: String,
        outcome: String,
        fields: Vec<String>,
        request_id: String,
        source: String,
        row_version: u64,
        hash: String,
    ) -> Self {
        Self {
            timestamp,
            user_id,
            territory_id,
            order_id,
            action,
            old_status,
            new_status,
            reason,
            subject,
            seq,
            role,
            purpose,
            outcome,
            fields,
            request_id,
            source,
            row_version,
            hash,
        }
    }

    /// The same as the wire's JSON has it: statuses, reason and subject stand in `details`.
    #[pyo3(signature = () -> "dict[str, Any]")]
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let details = PyDict::new(py);
        for (name, value) in self.details() {
            if let Some(value) = value {
                details.set_item(name, value)?;
            }
        }
        let dict = PyDict::new(py);
        dict.set_item("timestamp", self.timestamp.text())?;
        dict.set_item("user_id", &self.user_id)?;
        dict.set_item("territory_id", &self.territory_id)?;
        dict.set_item("order_id", &self.order_id)?;
        dict.set_item("action", &self.action)?;
        dict.set_item("details", details)?;
        dict.set_item("seq", self.seq)?;
        dict.set_item("role", &self.role)?;
        dict.set_item("purpose", &self.purpose)?;
        dict.set_item("outcome", &self.outcome)?;
        dict.set_item("fields", &self.fields)?;
        dict.set_item("request_id", &self.request_id)?;
        dict.set_item("source", &self.source)?;
        dict.set_item("row_version", self.row_version)?;
        dict.set_item("hash", &self.hash)?;
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        format!(
            "AuditRecord(seq={}, action='{}', outcome='{}', user_id='{}')",
            self.seq, self.action, self.outcome, self.user_id
        )
    }

    #[pyo3(signature = () -> "tuple[tuple[()], dict[str, Any]]")]
    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
        let members = self.to_dict(py)?;
        members.del_item("details")?;
        members.set_item("timestamp", self.timestamp)?;
        for (name, value) in self.details() {
            members.set_item(name, value)?;
        }
        Ok((PyTuple::empty(py), members))
    }
}

impl AuditRecord {
    const fn details(&self) -> [(&'static str, &Option<String>); 4] {
        [
            ("old_status", &self.old_status),
            ("new_status", &self.new_status),
            ("reason", &self.reason),
            ("subject", &self.subject),
        ]
    }
}
