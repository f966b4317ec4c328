//! What one actor may do in one territory.

use std::sync::Arc;

use medorder::service::{Answer, BlockingSession, Call};
use medorder::{Error, ErrorCode, FieldSet, OrderId, Zeroizing};
use serde_json::{Value, json};

use crate::audit::{AuditExport, AuditPage, VerifyReport};
use crate::change::{StatusChange, of_order};
use crate::draft::OrderDraft;
use crate::error::Result;
use crate::feed::Subscription;
use crate::filters::{AuditFilter, OrderFilter, RelationshipFilter};
use crate::guarded::Guarded;
use crate::orders::{
    BatchItem, Order, OrderPage, OrderSummary, Relationship, RelationshipPage, TransitionOption,
};
use crate::shared::{arguments, json};
use crate::words::{BatchMode, PhiField};

/// What one actor may do in one territory, until the actor expires, the session is revoked or the service is closed.
/// Every call is checked and audited. Any thread may use it, several at once. Its calls throw what the table of error
/// codes says; each may be `VALIDATION_ERROR` with every fault, `ACCESS_DENIED`, `TERRITORY_MISMATCH`,
/// `TERRITORY_NOT_FOUND`, `INTEGRITY_VIOLATION`, `STORAGE_UNAVAILABLE`, `KEY_UNAVAILABLE`, `OUTCOME_UNKNOWN` or `CLOSED`.
#[derive(uniffi::Object)]
pub struct Session(Guarded<BlockingSession>);

/// One change of a batch.
#[derive(uniffi::Record)]
pub struct OrderChange {
    /// Which order.
    pub order_id: String,
    /// What becomes of it.
    pub change: Arc<StatusChange>,
}

#[uniffi::export]
impl Session {
    /// Creates an order, durably once this returns.
    ///
    /// Errors, beside those of every call: `PATIENT_PROVIDER_MISMATCH`, `IDEMPOTENCY_MISMATCH`.
    pub fn create_order(&self, draft: Arc<OrderDraft>) -> Result<Arc<OrderSummary>> {
        Ok(Arc::new(self.0.run(|session| session.create_order(draft.get()))?.into()))
    }

    /// Creates up to 10,000 orders; answers what became of each, in their order. What is wrong with one is in its answer.
    pub fn create_orders(&self, drafts: Vec<Arc<OrderDraft>>, mode: BatchMode) -> Result<Vec<BatchItem>> {
        self.batch(|| Call::create_orders(drafts.iter().map(|draft| Ok(draft.get())).collect(), mode.core()))
    }

    /// Changes the status of an order.
    ///
    /// Errors, beside those of every call: `ORDER_NOT_FOUND`, `INVALID_STATUS_TRANSITION`, `VERSION_CONFLICT`,
    /// `IDEMPOTENCY_MISMATCH`.
    pub fn update_status(&self, order_id: String, change: Arc<StatusChange>) -> Result<Arc<OrderSummary>> {
        let update = |session: &BlockingSession| {
            let (id, change) = of_order(&order_id, &change)?;
            session.update_status(id, change)
        };
        Ok(Arc::new(self.0.run(update)?.into()))
    }

    /// Changes the status of up to 10,000 orders, as `create_orders`. With `EACH` several changes may name one order and
    /// apply in their order; an `ATOMIC` batch may not name one twice.
    pub fn update_statuses(&self, changes: Vec<OrderChange>, mode: BatchMode) -> Result<Vec<BatchItem>> {
        self.batch(|| {
            let items = changes.iter().map(|item| of_order(&item.order_id, &item.change));
            Call::update_statuses(items.collect(), mode.core())
        })
    }

    /// Deletes an order, which shreds its PHI. The reason, 1 to 200 characters, is operational text, **not PHI**: it
    /// outlives the order.
    ///
    /// Errors, beside those of every call: `ORDER_NOT_FOUND`, `VERSION_CONFLICT`.
    #[uniffi::method(default(expected_version = None))]
    pub fn delete_order(
        &self,
        order_id: String,
        reason: String,
        expected_version: Option<i64>,
    ) -> Result<Arc<OrderSummary>> {
        let arguments = arguments([
            ("order_id", Some(json!(order_id))),
            ("reason", Some(json!(reason))),
            ("expected_version", expected_version.map(|version| json!(version))),
        ]);
        self.summary("delete_order", &arguments)
    }

    /// An order with the fields that the actor may see, or those of them that are asked for (an empty list for none).
    /// Audited, by field.
    ///
    /// Errors, beside those of every call: `ORDER_NOT_FOUND`.
    #[uniffi::method(default(fields = None))]
    pub fn order(&self, order_id: String, fields: Option<Vec<PhiField>>) -> Result<Arc<Order>> {
        let id = order_id.parse::<OrderId>()?;
        let fields = fields.map(|fields| fields.into_iter().map(PhiField::core).collect::<FieldSet>());
        Ok(Arc::new(self.0.run(|session| session.order(id, fields))?.into()))
    }

    /// The plain columns of the order that was created or last changed under an idempotency key.
    ///
    /// Errors, beside those of every call: `ORDER_NOT_FOUND`.
    pub fn order_by_key(&self, idempotency_key: String) -> Result<Arc<OrderSummary>> {
        self.summary("order_by_key", &arguments([("idempotency_key", Some(json!(idempotency_key)))]))
    }

    /// A page of orders, newest first, with the fields that the actor may see, or those of them that are asked for (an
    /// empty list for none). Audited, by field. `limit` is 1 to 500, 50 by default.
    ///
    /// Errors, beside those of every call: `INVALID_CURSOR`.
    #[uniffi::method(default(filter = None, cursor = None, limit = None, fields = None))]
    pub fn orders(
        &self,
        filter: Option<Arc<OrderFilter>>,
        cursor: Option<String>,
        limit: Option<i32>,
        fields: Option<Vec<PhiField>>,
    ) -> Result<Arc<OrderPage>> {
        let names =
            |fields: Vec<PhiField>| json!(fields.iter().map(|field| field.name()).collect::<Vec<_>>());
        let arguments = arguments([
            ("filter", filter.map(|filter| filter.get())),
            ("cursor", cursor.map(|cursor| json!(cursor))),
            ("limit", limit.map(|limit| json!(limit))),
            ("fields", fields.map(names)),
        ]);
        match self.make("orders", &arguments)? {
            Answer::Orders(page) => Ok(Arc::new(page.into())),
            _ => Err(other_answer()),
        }
    }

    /// Every status, and whether the actor may move the order there now. Writes no entry, since nothing is disclosed.
    ///
    /// Errors, beside those of every call: `ORDER_NOT_FOUND`.
    pub fn allowed_transitions(&self, order_id: String) -> Result<Vec<TransitionOption>> {
        match self.make("allowed_transitions", &arguments([("order_id", Some(json!(order_id)))]))? {
            Answer::Transitions(options) => Ok(options.into_iter().map(Into::into).collect()),
            _ => Err(other_answer()),
        }
    }

    /// A page of the stored registry: which patients and providers belong together here. A directory of the host is not
    /// asked. `after` is the `next` of the page before; `limit` is 1 to 500, 50 by default.
    #[uniffi::method(default(filter = None, after = None, limit = None))]
    pub fn relationships(
        &self,
        filter: Option<Arc<RelationshipFilter>>,
        after: Option<Arc<Relationship>>,
        limit: Option<i32>,
    ) -> Result<RelationshipPage> {
        let pair = |pair: Arc<Relationship>| json!({"patient_id": pair.patient_id(), "provider_id": pair.provider_id()});
        let arguments = arguments([
            ("filter", filter.map(|filter| filter.get())),
            ("after", after.map(pair)),
            ("limit", limit.map(|limit| json!(limit))),
        ]);
        match self.make("relationships", &arguments)? {
            Answer::Relationships(page) => Ok(page.into()),
            _ => Err(other_answer()),
        }
    }

    /// Entries of the territory's audit after the position `after`, oldest first; `limit` is 1 to 500, 50 by default.
    #[uniffi::method(default(filter = None, after = None, limit = None))]
    pub fn audit(
        &self,
        filter: Option<Arc<AuditFilter>>,
        after: Option<i64>,
        limit: Option<i32>,
    ) -> Result<AuditPage> {
        self.audited("audit", &page(filter, after, limit))
    }

    /// To whom PHI of a patient was disclosed, oldest first, after the position `after`; deleted orders count too. `limit`
    /// is 1 to 500, 50 by default.
    #[uniffi::method(default(after = None, limit = None))]
    pub fn disclosures(
        &self,
        patient_id: String,
        after: Option<i64>,
        limit: Option<i32>,
    ) -> Result<AuditPage> {
        let arguments = arguments([
            ("patient_id", Some(json!(patient_id))),
            ("after", after.map(|after| json!(after))),
            ("limit", limit.map(|limit| json!(limit))),
        ]);
        self.audited("disclosures", &arguments)
    }

    /// Checks every entry and every order of the territory, also against a checkpoint (a signed note) if one is given. What
    /// is wrong with the data is in the report.
    ///
    /// Errors, beside those of every call: `AUDIT_BROKEN` if the checkpoint is not a note of this database's key.
    #[uniffi::method(default(checkpoint = None))]
    pub fn verify_audit(&self, checkpoint: Option<String>) -> Result<VerifyReport> {
        match self.make("verify_audit", &arguments([("checkpoint", checkpoint.map(|note| json!(note)))]))? {
            Answer::Verified(report) => Ok(report.into()),
            _ => Err(other_answer()),
        }
    }

    /// Starts an export of the territory's audit.
    pub fn export_audit(&self) -> Result<Arc<AuditExport>> {
        Ok(AuditExport::of(self.0.run(BlockingSession::export_audit)?))
    }

    /// Subscribes to the changes of the territory, or of one order; from now on, or from a cursor on without a gap. An empty
    /// `since` is the start of the territory.
    ///
    /// Errors, beside those of every call: `INVALID_CURSOR`, `ORDER_NOT_FOUND`.
    #[uniffi::method(default(order_id = None, since = None))]
    pub fn subscribe(&self, order_id: Option<String>, since: Option<String>) -> Result<Arc<Subscription>> {
        let id = order_id.map(|id| id.parse::<OrderId>()).transpose()?;
        Ok(Subscription::of(self.0.run(|session| session.subscribe(id, since.as_deref()))?))
    }

    /// Ends the session, at once and for every thread: later calls are `ACCESS_DENIED`.
    pub fn revoke(&self) {
        // It sets a mark, no more.
        let _ = self.0.run(|session| {
            session.revoke();
            Ok(())
        });
    }

    /// The call `name` with its arguments as a JSON object, for hosts that hold JSON anyway; answers JSON. Names and
    /// members are those of the other languages, like `create_order`, `update_status`, `orders`.
    pub fn call(&self, name: String, arguments: String) -> Result<String> {
        let arguments = Zeroizing::new(arguments);
        let answer = self.0.run(|session| session.call(&name, arguments.as_bytes()))?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

impl Session {
    pub(crate) fn of(session: BlockingSession) -> Arc<Self> {
        Arc::new(Self(Guarded::new(session)))
    }

    /// The engine reads the arguments, so that their faults are those of every language.
    fn make(&self, name: &str, arguments: &Value) -> medorder::Result<Answer> {
        self.0.run(|session| session.make(Call::read(name, &json(arguments))?))
    }

    fn summary(&self, name: &str, arguments: &Value) -> Result<Arc<OrderSummary>> {
        match self.make(name, arguments)? {
            Answer::Summary(summary) => Ok(Arc::new(summary.into())),
            _ => Err(other_answer()),
        }
    }

    fn audited(&self, name: &str, arguments: &Value) -> Result<AuditPage> {
        match self.make(name, arguments)? {
            Answer::Audit(page) => Ok(page.into()),
            _ => Err(other_answer()),
        }
    }

    /// Items are read behind the door too, since they are looked into.
    fn batch(&self, call: impl FnOnce() -> Call) -> Result<Vec<BatchItem>> {
        match self.0.run(|session| session.make(call()))? {
            Answer::Batch(items) => Ok(items.into_iter().map(Into::into).collect()),
            _ => Err(other_answer()),
        }
    }
}

/// Which entries of an audit.
pub(crate) fn page(filter: Option<Arc<AuditFilter>>, after: Option<i64>, limit: Option<i32>) -> Value {
    arguments([
        ("filter", filter.map(|filter| filter.get())),
        ("after", after.map(|after| json!(after))),
        ("limit", limit.map(|limit| json!(limit))),
    ])
}

/// A call has the answer of its name.
pub(crate) fn other_answer() -> crate::error::MedorderError {
    Error::new(ErrorCode::Internal, "the call answered something else").into()
}
