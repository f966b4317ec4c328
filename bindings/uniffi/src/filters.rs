//! What a list or an audit is asked for.

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::shared::{Members, arguments};
use crate::time;
use crate::words::OrderStatus;

/// Which orders a list holds; all that is set must match. Its text shows nothing.
#[derive(uniffi::Object)]
#[uniffi::export(Display)]
pub struct OrderFilter(Members<Orders>);

#[derive(Default)]
struct Orders {
    status: Vec<OrderStatus>,
    patient_id: Option<String>,
    provider_id: Option<String>,
    created_from: Option<SystemTime>,
    created_to: Option<SystemTime>,
}

#[uniffi::export]
impl OrderFilter {
    /// Every order of the territory.
    #[uniffi::constructor]
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Members::default()))
    }

    /// Adds a status; several mean any of them.
    pub fn add_status(&self, status: OrderStatus) {
        self.0.lock().status.push(status);
    }

    /// Only orders of this patient.
    pub fn set_patient_id(&self, patient_id: Option<String>) {
        self.0.lock().patient_id = patient_id;
    }

    /// Only orders of this provider.
    pub fn set_provider_id(&self, provider_id: Option<String>) {
        self.0.lock().provider_id = provider_id;
    }

    /// Only orders created at this moment or later.
    pub fn set_created_from(&self, created_from: Option<SystemTime>) {
        self.0.lock().created_from = created_from;
    }

    /// Only orders created before this moment.
    pub fn set_created_to(&self, created_to: Option<SystemTime>) {
        self.0.lock().created_to = created_to;
    }
}

impl OrderFilter {
    pub(crate) fn get(&self) -> Value {
        let own = self.0.lock();
        let words: Vec<&str> = own.status.iter().map(|status| status.name()).collect();
        arguments([
            ("status", (!words.is_empty()).then(|| json!(words))),
            ("patient_id", text(&own.patient_id)),
            ("provider_id", text(&own.provider_id)),
            ("created_from", moment(own.created_from)),
            ("created_to", moment(own.created_to)),
        ])
    }
}

impl std::fmt::Display for OrderFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OrderFilter(..)")
    }
}

/// Which entries of an audit; all that is set must match. Its text shows nothing.
#[derive(uniffi::Object)]
#[uniffi::export(Display)]
pub struct AuditFilter(Members<Entries>);

#[derive(Default)]
struct Entries {
    order_id: Option<String>,
    patient_id: Option<String>,
    user_id: Option<String>,
    from: Option<SystemTime>,
    to: Option<SystemTime>,
}

#[uniffi::export]
impl AuditFilter {
    /// Every entry.
    #[uniffi::constructor]
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Members::default()))
    }

    /// About this order.
    pub fn set_order_id(&self, order_id: Option<String>) {
        self.0.lock().order_id = order_id;
    }

    /// About orders of this patient.
    pub fn set_patient_id(&self, patient_id: Option<String>) {
        self.0.lock().patient_id = patient_id;
    }

    /// By this user.
    pub fn set_user_id(&self, user_id: Option<String>) {
        self.0.lock().user_id = user_id;
    }

    /// At this moment or later.
    pub fn set_from(&self, from: Option<SystemTime>) {
        self.0.lock().from = from;
    }

    /// Before this moment.
    pub fn set_to(&self, to: Option<SystemTime>) {
        self.0.lock().to = to;
    }
}

impl AuditFilter {
    pub(crate) fn get(&self) -> Value {
        let own = self.0.lock();
        arguments([
            ("order_id", text(&own.order_id)),
            ("patient_id", text(&own.patient_id)),
            ("user_id", text(&own.user_id)),
            ("from", moment(own.from)),
            ("to", moment(own.to)),
        ])
    }
}

impl std::fmt::Display for AuditFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditFilter(..)")
    }
}

/// Which relationships of the stored registry; all that is set must match. Its text shows nothing.
#[derive(uniffi::Object)]
#[uniffi::export(Display)]
pub struct RelationshipFilter(Members<Pairs>);

#[derive(Default)]
struct Pairs {
    patient_id: Option<String>,
    provider_id: Option<String>,
}

#[uniffi::export]
impl RelationshipFilter {
    /// Every relationship of the territory.
    #[uniffi::constructor]
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Members::default()))
    }

    /// Of this patient.
    pub fn set_patient_id(&self, patient_id: Option<String>) {
        self.0.lock().patient_id = patient_id;
    }

    /// Of this provider.
    pub fn set_provider_id(&self, provider_id: Option<String>) {
        self.0.lock().provider_id = provider_id;
    }
}

impl RelationshipFilter {
    pub(crate) fn get(&self) -> Value {
        let own = self.0.lock();
        arguments([("patient_id", text(&own.patient_id)), ("provider_id", text(&own.provider_id))])
    }
}

impl std::fmt::Display for RelationshipFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RelationshipFilter(..)")
    }
}

fn text(text: &Option<String>) -> Option<Value> {
    text.as_ref().map(|text| json!(text))
}

fn moment(time: Option<SystemTime>) -> Option<Value> {
    time.map(|time| Value::String(time::text(time)))
}
