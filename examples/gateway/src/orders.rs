//! Orders: parse, one call of the engine, encode.

use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use medorder::service::{Answer as Made, Call};
use medorder::{Error, ErrorCode, Fault, OrderId, Result, Rule, wire};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Answer, Handled, both};
use crate::app::App;
use crate::caller::{Caller, InPath, Json, MANY, ONE};
use crate::query::{self, Kind, Parameter, arguments, renamed};
use crate::schema;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(one, delete))
        .routes(routes!(change))
        .routes(routes!(transitions))
        .routes(routes!(transitions_of_many))
        .routes(routes!(by_key))
        .routes(routes!(create_many))
        .routes(routes!(change_many))
}

/// Creates an order.
#[utoipa::path(
    post, path = "/api/v1/orders", operation_id = "create_order", tag = "orders", security(("bearer" = [])),
    params(schema::InTerritory, schema::Keyed),
    request_body = schema::CreateOrder,
    responses(
        (status = 201, body = schema::Success<schema::OrderSummary>,
            headers(("Location" = String), ("ETag" = String, description = "The version, quoted"))),
        (status = 422, body = schema::Failure, description = "`PATIENT_PROVIDER_MISMATCH`, `IDEMPOTENCY_MISMATCH`"),
        schema::Failures, schema::BodyFailures,
    )
)]
async fn create(State(app): State<App>, caller: Caller, body: Json<ONE>) -> Handled {
    let judged = both(caller.session(&app), wire::create_order(&body));
    let ((session, mut request), conditions) = both(judged, caller.conditions(&body))?;
    if let Some(key) = conditions.idempotency_key {
        request = request.idempotency_key(key);
    }
    let order = session.create_order(request).await?;
    Ok(Answer::data(&wire::summary_json(&order))
        .status(StatusCode::CREATED)
        .header(header::LOCATION, format!("/api/v1/orders/{}", order.id))
        .version(order.version))
}

const LIST: &[Parameter] = &[
    Parameter("status", Kind::List, Some("filter")),
    Parameter("patient_id", Kind::Text, Some("filter")),
    Parameter("provider_id", Kind::Text, Some("filter")),
    Parameter("created_from", Kind::Text, Some("filter")),
    Parameter("created_to", Kind::Text, Some("filter")),
    Parameter("cursor", Kind::Text, None),
    Parameter("limit", Kind::Number, None),
    Parameter("fields", Kind::List, None),
];

/// A page of orders, newest first. Each order in it leaves an entry in the audit.
#[utoipa::path(
    get, path = "/api/v1/orders", operation_id = "orders", tag = "orders", security(("bearer" = [])),
    params(schema::InTerritory, schema::OrdersWanted, schema::Limited, schema::Shown),
    responses((status = 200, body = schema::Success<schema::OrderPage>), schema::Failures)
)]
async fn list(State(app): State<App>, caller: Caller, RawQuery(query): RawQuery) -> Handled {
    called(&app, &caller, "orders", query.as_deref(), LIST, &[]).await
}

const ORDER: &[Parameter] = &[Parameter("fields", Kind::List, None)];

/// One order; leaves an entry in the audit.
#[utoipa::path(
    get, path = "/api/v1/orders/{order_id}", operation_id = "order", tag = "orders", security(("bearer" = [])),
    params(schema::OfOrder, schema::InTerritory, schema::Shown),
    responses(
        (status = 200, body = schema::Success<schema::Order>,
            headers(("ETag" = String, description = "The version, quoted"))),
        schema::Failures,
    )
)]
async fn one(State(app): State<App>, caller: Caller, id: InPath, RawQuery(query): RawQuery) -> Handled {
    let done = make(&app, &caller, "order", query.as_deref(), ORDER, &[("order_id", &id.0)]).await?;
    let answer = Answer::data(&done.to_json());
    Ok(match done {
        Made::Order(order) => answer.version(order.version),
        _ => answer,
    })
}

/// Moves an order on.
#[utoipa::path(
    put, path = "/api/v1/orders/{order_id}/status", operation_id = "update_status", tag = "orders", security(("bearer" = [])),
    params(schema::OfOrder, schema::InTerritory, schema::Keyed, schema::Matched),
    request_body = schema::StatusChange,
    responses(
        (status = 200, body = schema::Success<schema::OrderSummary>,
            headers(("ETag" = String, description = "The version, quoted"))),
        (status = 409, body = schema::Failure, description = "`INVALID_STATUS_TRANSITION`, `VERSION_CONFLICT`"),
        (status = 422, body = schema::Failure, description = "`IDEMPOTENCY_MISMATCH`"),
        schema::Failures, schema::BodyFailures,
    )
)]
async fn change(State(app): State<App>, caller: Caller, id: InPath, body: Json<ONE>) -> Handled {
    let judged = both(both(caller.session(&app), id.id()), wire::status_change(&body));
    let (((session, id), mut change), conditions) = both(judged, caller.conditions(&body))?;
    if let Some(key) = conditions.idempotency_key {
        change = change.idempotency_key(key);
    }
    if let Some(version) = conditions.expected_version {
        change = change.expected_version(version);
    }
    let order = session.update_status(id, change).await?;
    Ok(Answer::data(&wire::summary_json(&order)).version(order.version))
}

/// Deletes an order: its PHI is shredded, its audit stays.
#[utoipa::path(
    delete, path = "/api/v1/orders/{order_id}", operation_id = "delete_order", tag = "orders", security(("bearer" = [])),
    params(schema::OfOrder, schema::InTerritory, schema::Matched),
    request_body = schema::DeleteOrder,
    responses(
        (status = 200, body = schema::Success<schema::OrderSummary>),
        (status = 409, body = schema::Failure, description = "`VERSION_CONFLICT`"),
        schema::Failures, schema::BodyFailures,
    )
)]
async fn delete(State(app): State<App>, caller: Caller, id: InPath, body: Json<ONE>) -> Handled {
    let judged = both(both(caller.session(&app), id.id()), wire::delete_order(&body));
    let (((session, id), mut request), conditions) = both(judged, caller.conditions(&body))?;
    if let Some(version) = conditions.expected_version {
        request = request.expected_version(version);
    }
    let order = session.delete_order(id, request).await?;
    Ok(Answer::data(&wire::summary_json(&order)))
}

/// Every status, and whether the caller may move the order there now. Leaves no entry in the audit.
#[utoipa::path(
    get, path = "/api/v1/orders/{order_id}/transitions", operation_id = "allowed_transitions", tag = "orders", security(("bearer" = [])),
    params(schema::OfOrder, schema::InTerritory),
    responses((status = 200, body = schema::Success<Vec<schema::Transition>>), schema::Failures)
)]
async fn transitions(
    State(app): State<App>,
    caller: Caller,
    id: InPath,
    RawQuery(query): RawQuery,
) -> Handled {
    called(&app, &caller, "allowed_transitions", query.as_deref(), &[], &[("order_id", &id.0)]).await
}

/// The most orders whose transitions one call answers: a page of the list.
const IDS: usize = 100;

/// The transitions of a page of orders. An order that is not there is left out; one of another territory is refused,
/// and the others with it.
#[utoipa::path(
    get, path = "/api/v1/orders/transitions", operation_id = "allowed_transitions_of_orders", tag = "orders", security(("bearer" = [])),
    params(schema::InTerritory, schema::OrdersNamed),
    responses((status = 200, body = schema::Success<Vec<schema::TransitionsOfOrder>>), schema::Failures)
)]
async fn transitions_of_many(State(app): State<App>, caller: Caller, RawQuery(query): RawQuery) -> Handled {
    let (session, ids) = both(caller.session(&app), ids(query.as_deref()))?;
    let mut all = Vec::with_capacity(ids.len());
    for id in ids {
        match session.allowed_transitions(id).await {
            Ok(transitions) => {
                all.push(serde_json::json!({"order_id": id.to_string(), "transitions": transitions}))
            }
            Err(error) if error.code() == ErrorCode::OrderNotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Answer::data(&wire::plain_json(&all)))
}

fn ids(query: Option<&str>) -> Result<Vec<OrderId>> {
    let mut lists = Vec::new();
    for (name, list) in query::pairs(query) {
        if name != "ids" {
            return Err(Error::fault("?", Rule::Unknown));
        }
        lists.push(list);
    }
    let list = match lists.as_slice() {
        [] => return Err(Error::fault("ids", Rule::Required)),
        [list] => query::decoded(list).ok_or_else(|| Error::fault("ids", Rule::Utf8))?,
        _ => return Err(Error::fault("ids", Rule::Duplicate)),
    };
    if list.split(',').count() > IDS {
        return Err(Error::fault("ids", Rule::TooMany));
    }
    let ids = list.split(',').map(str::parse::<OrderId>);
    let bad = ids.clone().enumerate().filter(|(_, id)| id.is_err());
    let faults: Vec<_> = bad.map(|(at, _)| Fault::new(format!("ids[{at}]"), Rule::Format)).collect();
    if faults.is_empty() { ids.collect() } else { Err(Error::validation(faults)) }
}

const BY_KEY: &[Parameter] = &[Parameter("idempotency_key", Kind::Text, None)];

/// The order that was created or last changed under a key; leaves an entry in the audit.
#[utoipa::path(
    get, path = "/api/v1/orders/by-key", operation_id = "order_by_key", tag = "orders", security(("bearer" = [])),
    params(schema::InTerritory, schema::KeyWanted),
    responses((status = 200, body = schema::Success<schema::OrderSummary>), schema::Failures)
)]
async fn by_key(State(app): State<App>, caller: Caller, RawQuery(query): RawQuery) -> Handled {
    called(&app, &caller, "order_by_key", query.as_deref(), BY_KEY, &[]).await
}

/// Creates many orders; the answer has one result an item, in their order.
#[utoipa::path(
    post, path = "/api/v1/orders/batch", operation_id = "create_orders", tag = "orders", security(("bearer" = [])),
    params(schema::InTerritory),
    request_body = schema::CreateOrders,
    responses(
        (status = 207, body = schema::Success<Vec<schema::BatchResult>>),
        schema::Failures, schema::BodyFailures, schema::BatchFailures,
    )
)]
async fn create_many(State(app): State<App>, caller: Caller, body: Json<MANY>) -> Handled {
    batch(&app, &caller, "create_orders", &body).await
}

/// Moves many orders on; the answer has one result an item, in their order.
#[utoipa::path(
    post, path = "/api/v1/orders/batch/status", operation_id = "update_statuses", tag = "orders", security(("bearer" = [])),
    params(schema::InTerritory),
    request_body = schema::StatusChanges,
    responses(
        (status = 207, body = schema::Success<Vec<schema::BatchResult>>),
        schema::Failures, schema::BodyFailures, schema::BatchFailures,
    )
)]
async fn change_many(State(app): State<App>, caller: Caller, body: Json<MANY>) -> Handled {
    batch(&app, &caller, "update_statuses", &body).await
}

async fn batch(app: &App, caller: &Caller, name: &str, body: &[u8]) -> Handled {
    let judged = both(caller.session(app), Call::read(name, body));
    let ((session, call), ()) = both(judged, caller.has_no_key())?;
    let results = session.make(call).await?;
    Ok(Answer::data(&results.to_json()).status(StatusCode::MULTI_STATUS))
}

/// The answer of the engine's call of this name with the arguments that a query says.
pub(crate) async fn called(
    app: &App,
    caller: &Caller,
    name: &str,
    query: Option<&str>,
    known: &[Parameter],
    fixed: &[(&str, &str)],
) -> Handled {
    Ok(Answer::data(&make(app, caller, name, query, known, fixed).await?.to_json()))
}

async fn make(
    app: &App,
    caller: &Caller,
    name: &str,
    query: Option<&str>,
    known: &[Parameter],
    fixed: &[(&str, &str)],
) -> Result<Made> {
    let call = arguments(query, known, fixed)
        .and_then(|json| Call::read(name, json.as_bytes()).map_err(|error| renamed(error, known)));
    let (session, call) = both(caller.session(app), call)?;
    session.make(call).await
}
