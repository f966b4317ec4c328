//! The handles: a service, what an actor may do, what an administrator does. Convert, call once, convert.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use medorder::service::{Admin as CoreAdmin, Answer, Call};
use medorder::{BatchItem, OrderId, OrderService, Session as CoreSession, TerritoryId, wire};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::convert::{loads, object};
use crate::error::raise;
use crate::events::Subscription;
use crate::export::Export;
use crate::host::{self, Host};
use crate::orders::{Order, OrderSummary};
use crate::pending::{Pending, Steps};
use crate::plain;
use crate::records::AuditRecord;
use crate::request::{self, Request};

/// Opens a service; `inline` says that its callers block their threads.
#[pyfunction]
#[pyo3(signature = (url, keys, directory, anchor, options, inline))]
pub(crate) fn open(
    py: Python<'_>,
    url: PathBuf,
    keys: &Bound<'_, PyAny>,
    directory: Option<&Bound<'_, PyAny>>,
    anchor: Option<&Bound<'_, PyAny>>,
    options: &Bound<'_, PyAny>,
    inline: bool,
) -> PyResult<Pending> {
    let options = request::read(options, wire::open_options)?;
    let mut builder = OrderService::builder(url, host::provider(keys));
    builder = builder.options(options).map_err(|error| raise(py, &error))?;
    if let Some(directory) = directory {
        builder = builder.directory(Host::new(directory, "directory"));
    }
    if let Some(anchor) = anchor {
        builder = builder.anchor(Host::new(anchor, "anchor"));
    }
    let opened = move |py: Python<'_>, service| object(py, Service { service, inline });
    Ok(Pending::new(true, builder.open(), opened))
}

/// An open database.
#[pyclass(frozen, weakref, module = "medorder._core")]
pub(crate) struct Service {
    service: OrderService,
    inline: bool,
}

#[pymethods]
impl Service {
    fn session(&self, actor: &Bound<'_, PyAny>, territory: &str) -> PyResult<Session> {
        let py = actor.py();
        let actor = request::read(actor, wire::actor)?;
        let territory = territory.parse::<TerritoryId>().map_err(|error| raise(py, &error))?;
        let session = self.service.session(actor, territory);
        Ok(Session { inline: self.inline.then(|| session.clone().inline()), session })
    }

    fn admin(&self, actor: &Bound<'_, PyAny>) -> PyResult<Admin> {
        Ok(Admin { admin: self.service.admin(request::read(actor, wire::actor)?) })
    }

    fn generation(&self) -> Pending {
        let service = self.service.clone();
        Pending::new(true, async move { service.generation().await }, object)
    }

    fn checkpoint_public_key(&self) -> Pending {
        let service = self.service.clone();
        let work = async move { service.checkpoint_public_key().await };
        Pending::new(true, work, |py, key| Ok(pyo3::types::PyBytes::new(py, &key).into_any().unbind()))
    }

    /// Closes, waiting at most `timeout` seconds; what goes on after that goes on in the background.
    #[pyo3(signature = (timeout=None))]
    fn close(&self, timeout: Option<f64>) -> Pending {
        let service = self.service.clone();
        let work = async move {
            // A time too far away to be said is no limit.
            match timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
                Some(limit) => tokio::time::timeout(limit, service.close()).await.unwrap_or(Ok(())),
                None => service.close().await,
            }
        };
        Pending::new(true, work, object)
    }
}

/// Calls that may take long run on the runtime also for a caller that blocks, who could not be interrupted otherwise.
const LONG: &[&str] = &["create_orders", "update_statuses", "verify_audit"];

/// What one actor may do in one territory.
#[pyclass(frozen, module = "medorder._core")]
pub(crate) struct Session {
    session: CoreSession,
    /// The same session for callers that block their threads.
    inline: Option<CoreSession>,
}

#[pymethods]
impl Session {
    /// The call `name` of the engine's table with its arguments.
    fn call(&self, name: &str, arguments: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let py = arguments.py();
        let (session, away) = self.handle(LONG.contains(&name));
        if name == "create_order"
            && let Some(request) = plain::create_order(arguments)
        {
            let work = async move { session.create_order(request).await.map(Answer::Summary) };
            return Ok(Pending::new(away, work, answer));
        }
        if name == "order"
            && let Some((id, fields)) = plain::order(arguments)
        {
            let work = async move { session.order(id, fields).await.map(Answer::Order) };
            return Ok(Pending::new(away, work, answer));
        }
        let request = Request::new(arguments)?;
        // A batch takes a while to read.
        let call = py.detach(|| request.read(|json| Call::read(name, json)));
        let call = call.map_err(|error| raise(py, &error))?;
        Ok(Pending::new(away, async move { session.make(call).await }, answer))
    }

    /// Has no IO, so that it cannot be forgotten to be awaited.
    fn revoke(&self) {
        self.session.revoke();
    }

    #[pyo3(signature = (order_id, since))]
    fn subscribe(&self, py: Python<'_>, order_id: Option<&str>, since: Option<String>) -> PyResult<Pending> {
        let order = order_id.map(str::parse::<OrderId>).transpose().map_err(|error| raise(py, &error))?;
        let (session, away) = self.handle(false);
        let work = async move { session.subscribe(order, since.as_deref()).await };
        Ok(Pending::new(away, work, move |py, feed| object(py, Subscription::new(feed, away))))
    }

    fn export_audit(&self) -> Pending {
        let (session, away) = self.handle(true);
        Pending::new(away, async move { session.export_audit().await }, |py, export| {
            object(py, Export::new(export))
        })
    }
}

impl Session {
    /// The handle for a call, and whether it must run on the runtime.
    fn handle(&self, long: bool) -> (CoreSession, bool) {
        match &self.inline {
            Some(inline) if !long => (inline.clone(), false),
            _ => (self.session.clone(), true),
        }
    }
}

/// Administrative acts of one actor.
#[pyclass(frozen, module = "medorder._core")]
pub(crate) struct Admin {
    admin: CoreAdmin,
}

#[pymethods]
impl Admin {
    /// The call `name` of the engine's table with its arguments.
    fn call(&self, name: String, arguments: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let json = Request::new(arguments)?.json().map_err(|error| raise(arguments.py(), &error))?;
        let (admin, steps) = (self.admin.clone(), Arc::new(Steps::default()));
        let seen = Arc::clone(&steps);
        let work = async move { admin.call(&name, &json, |step| seen.put(step.done, step.total)).await };
        let done = |py: Python<'_>, json: medorder::Zeroizing<Vec<u8>>| Ok(loads(py, &json)?.unbind());
        Ok(Pending::new(true, work, done).with_steps(steps))
    }

    fn change_root(&self, keys: &Bound<'_, PyAny>) -> Pending {
        let (admin, keys, steps) = (self.admin.clone(), host::provider(keys), Arc::new(Steps::default()));
        let seen = Arc::clone(&steps);
        let work = async move { admin.change_root(keys, |step| seen.put(step.done, step.total)).await };
        Pending::new(true, work, object).with_steps(steps)
    }
}

/// An answer as the package's own classes take it.
fn answer(py: Python<'_>, answer: Answer) -> PyResult<Py<PyAny>> {
    match answer {
        Answer::Summary(summary) => object(py, OrderSummary::from(summary)),
        Answer::Order(order) => Order::of(py, order).map(Py::into_any),
        Answer::Orders(page) => {
            let orders =
                page.orders.into_iter().map(|order| Order::of(py, order)).collect::<PyResult<Vec<_>>>()?;
            object(py, (orders, page.next_cursor, page.feed_cursor))
        }
        Answer::Audit(page) => {
            let records: Vec<_> = page.records.into_iter().map(AuditRecord::from).collect();
            object(py, (records, page.next))
        }
        Answer::Batch(items) => {
            let results = items.into_iter().map(|item| result(py, item)).collect::<PyResult<Vec<_>>>()?;
            Ok(PyList::new(py, results)?.into_any().unbind())
        }
        Answer::Nothing => Ok(py.None()),
        other => Ok(loads(py, &other.to_json())?.unbind()),
    }
}

/// One result of a batch: columns, an exception, or None if it was not applied.
fn result(py: Python<'_>, item: BatchItem) -> PyResult<Py<PyAny>> {
    match item {
        BatchItem::Done(summary) => object(py, OrderSummary::from(summary)),
        BatchItem::Failed(error) => Ok(raise(py, &error).into_value(py).into_any()),
        _ => Ok(py.None()),
    }
}
