//! The audit, the registry, and what an administrator does over HTTP.

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use medorder::service::{AuditExport, Call};
use medorder::{ErrorCode, wire};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Answer, Handled, Problem, both};
use crate::app::App;
use crate::caller::{Caller, Json, ONE};
use crate::orders::called;
use crate::query::{self, Kind, Parameter};
use crate::schema;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(audit))
        .routes(routes!(disclosures))
        .routes(routes!(verify))
        .routes(routes!(export))
        .routes(routes!(checkpoint))
        .routes(routes!(relationships))
        .routes(routes!(session))
}

const AUDIT: &[Parameter] = &[
    Parameter("order_id", Kind::Text, Some("filter")),
    Parameter("patient_id", Kind::Text, Some("filter")),
    Parameter("user_id", Kind::Text, Some("filter")),
    Parameter("from", Kind::Text, Some("filter")),
    Parameter("to", Kind::Text, Some("filter")),
    Parameter("after", Kind::Number, None),
    Parameter("limit", Kind::Number, None),
];

/// Entries of the territory's audit, oldest first. Reading leaves an entry too.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit", security(("bearer" = [])),
    params(schema::InTerritory, schema::EntriesWanted, schema::After, schema::Limited),
    responses((status = 200, body = schema::Success<schema::AuditPage>), schema::Failures)
)]
async fn audit(State(app): State<App>, caller: Caller, RawQuery(query): RawQuery) -> Handled {
    called(&app, &caller, "audit", query.as_deref(), AUDIT, &[]).await
}

const DISCLOSURES: &[Parameter] = &[
    Parameter("patient_id", Kind::Text, None),
    Parameter("after", Kind::Number, None),
    Parameter("limit", Kind::Number, None),
];

/// Who saw what of a patient, when and why.
#[utoipa::path(
    get, path = "/api/v1/disclosures", tag = "audit", security(("bearer" = [])),
    params(schema::InTerritory, schema::PatientWanted, schema::After, schema::Limited),
    responses((status = 200, body = schema::Success<schema::AuditPage>), schema::Failures)
)]
async fn disclosures(State(app): State<App>, caller: Caller, RawQuery(query): RawQuery) -> Handled {
    called(&app, &caller, "disclosures", query.as_deref(), DISCLOSURES, &[]).await
}

/// Recomputes the territory's audit and orders from their stored bytes, and says what is wrong with them.
#[utoipa::path(
    post, path = "/api/v1/audit/verify", operation_id = "verify_audit", tag = "audit", security(("bearer" = [])),
    params(schema::InTerritory),
    request_body = schema::VerifyAudit,
    responses(
        (status = 200, body = schema::Success<schema::VerifyReport>),
        (status = 422, body = schema::Failure,
            description = "`AUDIT_BROKEN`: the checkpoint is not of this database and territory"),
        schema::Failures, schema::BodyFailures,
    )
)]
async fn verify(State(app): State<App>, caller: Caller, body: Json<ONE>) -> Handled {
    let (session, call) = both(caller.session(&app), Call::read("verify_audit", &body))?;
    let report = session.make(call).await.map_err(|error| match error.code() {
        // What is wrong with the data stands in the report; this is about the checkpoint that came along.
        ErrorCode::AuditBroken if has_checkpoint(&body) => {
            Problem::from(error).status(StatusCode::UNPROCESSABLE_ENTITY)
        }
        _ => error.into(),
    })?;
    Ok(Answer::data(&report.to_json()))
}

fn has_checkpoint(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Given {
        checkpoint: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_slice::<Given>(body).is_ok_and(|given| given.checkpoint.is_some())
}

/// Every entry with all hashed columns, one JSON object a line. An answer that ends before its end is cut off.
#[utoipa::path(
    get, path = "/api/v1/audit/export", operation_id = "export_audit", tag = "audit", security(("bearer" = [])),
    params(schema::InTerritory),
    responses(
        (status = 200, content_type = "application/x-ndjson", body = String),
        schema::Failures,
    )
)]
async fn export(
    State(app): State<App>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (session, ()) = both(caller.session(&app), query::nothing(query.as_deref()))?;
    let export = session.export_audit().await?;
    let lines = stream::try_unfold(export, |mut export: AuditExport| async move {
        let page = export.next_page().await?;
        let mut lines = Vec::new();
        for entry in &page {
            lines.extend_from_slice(&wire::plain_json(entry));
            lines.push(b'\n');
        }
        Ok::<_, medorder::Error>((!page.is_empty()).then(|| (Bytes::from(lines), export)))
    });
    let mut response = Body::from_stream(lines).into_response();
    let media = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    Ok(response)
}

/// Signs the heads of all chains, so that a database put back later shows. Needs a token for all territories.
#[utoipa::path(
    post, path = "/api/v1/checkpoints", tag = "audit", security(("bearer" = [])),
    responses((status = 200, body = schema::Success<schema::Checkpoints>), schema::Failures)
)]
async fn checkpoint(State(app): State<App>, caller: Caller) -> Handled {
    let checkpoints = app.service.admin(caller.actor).checkpoint().await?;
    Ok(Answer::data(&wire::plain_json(&serde_json::json!({ "checkpoints": checkpoints }))))
}

const RELATIONSHIPS: &[Parameter] = &[
    Parameter("patient_id", Kind::Text, Some("filter")),
    Parameter("provider_id", Kind::Text, Some("filter")),
    Parameter("after.patient_id", Kind::Text, Some("after")),
    Parameter("after.provider_id", Kind::Text, Some("after")),
    Parameter("limit", Kind::Number, None),
];

/// Patients and providers who belong together, for those who may create orders.
#[utoipa::path(
    get, path = "/api/v1/relationships", tag = "registry", security(("bearer" = [])),
    params(schema::InTerritory, schema::PairsWanted, schema::Limited),
    responses((status = 200, body = schema::Success<schema::RelationshipPage>), schema::Failures)
)]
async fn relationships(State(app): State<App>, caller: Caller, RawQuery(query): RawQuery) -> Handled {
    called(&app, &caller, "relationships", query.as_deref(), RELATIONSHIPS, &[]).await
}

/// Who the caller is, as the gateway understands the token.
#[utoipa::path(
    get, path = "/api/v1/session", tag = "session", security(("bearer" = [])),
    responses((status = 200, body = schema::Success<schema::Session>), schema::Failures)
)]
async fn session(State(app): State<App>, caller: Caller) -> Handled {
    let actor = &caller.actor;
    let permissions =
        medorder::Permission::ALL.iter().filter(|permission| app.policy.allows(actor, **permission));
    let territories = actor.territory_ids().map_or_else(
        || serde_json::json!("*"),
        |list| list.iter().map(|id| id.as_str()).collect::<Vec<_>>().into(),
    );
    Ok(Answer::data(&wire::plain_json(&serde_json::json!({
        "user_id": actor.user_id().as_str(),
        "roles": actor.role_names().map(|role| role.as_str()).collect::<Vec<_>>(),
        "territories": territories,
        "purpose": actor.purpose().name(),
        "expires_at": actor.expiry(),
        "permissions": permissions.collect::<Vec<_>>(),
        "fields": app.policy.disclosure(actor),
    }))))
}
