//! The arguments of a session's and an administrator's calls, for faces that name a call and bring its arguments
//! as one JSON object.

use super::faults::Faults;
use super::json::Value;
use super::read::{Members, list, words};
use super::requests::{change_of_order, create, delete_members, filter, judge, one};
use crate::error::{Result, Rule};
use crate::model::{
    AuditFilter, BatchMode, CreateOrder, DeleteOrder, FieldSet, IdempotencyKey, OrderFilter, OrderId,
    PatientId, PhiField, ProviderId, RelationshipFilter, StatusChange, TerritoryId, Timestamp, UserId,
    limits,
};

/// How many items a page has if the caller does not say.
const PAGE: u64 = 50;

/// A call of a session.
pub(crate) enum SessionCall {
    CreateOrder(CreateOrder),
    CreateOrders(Vec<Result<CreateOrder>>, BatchMode),
    UpdateStatus(OrderId, StatusChange),
    UpdateStatuses(Vec<Result<(OrderId, StatusChange)>>, BatchMode),
    DeleteOrder(OrderId, DeleteOrder),
    Order(OrderId, Option<FieldSet>),
    OrderByKey(IdempotencyKey),
    Orders { filter: OrderFilter, cursor: Option<String>, limit: usize, fields: Option<FieldSet> },
    AllowedTransitions(OrderId),
    Relationships { filter: RelationshipFilter, after: Option<(PatientId, ProviderId)>, limit: usize },
    Audit { filter: AuditFilter, after: u64, limit: usize },
    Disclosures { patient: PatientId, after: u64, limit: usize },
    VerifyAudit { checkpoint: Option<String> },
    Revoke,
}

/// A call of an administrator.
pub(crate) enum AdminCall {
    RegisterTerritory(TerritoryId),
    UnregisterTerritory(TerritoryId),
    RegisterRelationship(TerritoryId, PatientId, ProviderId),
    UnregisterRelationship(TerritoryId, PatientId, ProviderId),
    Territories,
    RotateKeys(TerritoryId),
    Checkpoint,
    Audit { filter: AuditFilter, after: u64, limit: usize },
    VerifyAudit,
    Backup(String),
    Restore,
}

/// Reads the arguments of a session's call.
///
/// # Errors
/// `VALIDATION_ERROR` with every fault; an unknown name is `call one_of`.
pub(crate) fn session_call(name: &str, arguments: &[u8]) -> Result<SessionCall> {
    one(arguments, |value, path, faults| {
        Some(match name {
            "create_order" => SessionCall::CreateOrder(create(value, path, faults)?),
            "create_orders" => {
                let (items, mode) = batch(value, &["requests", "mode"], faults, create)?;
                SessionCall::CreateOrders(items, mode)
            }
            "update_status" => {
                let (id, change) = change_of_order(value, path, faults)?;
                SessionCall::UpdateStatus(id, change)
            }
            "update_statuses" => {
                let (items, mode) = batch(value, &["changes", "mode"], faults, change_of_order)?;
                SessionCall::UpdateStatuses(items, mode)
            }
            "delete_order" => {
                let members =
                    Members::read(value, path, &["order_id", "reason", "expected_version"], faults)?;
                let id = order_id(&members, faults);
                let delete = delete_members(&members, path, faults);
                SessionCall::DeleteOrder(id?, delete)
            }
            "order" => {
                let members = Members::read(value, path, &["order_id", "fields"], faults)?;
                let (id, fields) = (order_id(&members, faults), fields(&members, faults));
                SessionCall::Order(id?, fields)
            }
            "order_by_key" => {
                let members = Members::read(value, path, &["idempotency_key"], faults)?;
                SessionCall::OrderByKey(members.required_parsed(
                    "idempotency_key",
                    IdempotencyKey::check,
                    faults,
                )?)
            }
            "orders" => {
                let members = Members::read(value, path, &["filter", "cursor", "limit", "fields"], faults)?;
                let filter = members.optional("filter").map(|value| filter(value, "filter", faults));
                SessionCall::Orders {
                    filter: filter.unwrap_or_else(|| Some(OrderFilter::default()))?,
                    cursor: members.optional_text("cursor", faults).map(Into::into),
                    limit: limit(&members, faults),
                    fields: fields(&members, faults),
                }
            }
            "allowed_transitions" => {
                let members = Members::read(value, path, &["order_id"], faults)?;
                SessionCall::AllowedTransitions(order_id(&members, faults)?)
            }
            "relationships" => relationships(value, path, faults)?,
            "audit" => {
                let (filter, after, limit) = audit(value, path, faults)?;
                SessionCall::Audit { filter, after, limit }
            }
            "disclosures" => {
                let members = Members::read(value, path, &["patient_id", "after", "limit"], faults)?;
                let patient = members.required_parsed("patient_id", PatientId::check, faults);
                let (after, limit) = (after(&members, faults), limit(&members, faults));
                SessionCall::Disclosures { patient: patient?, after, limit }
            }
            "verify_audit" => {
                let members = Members::read(value, path, &["checkpoint"], faults)?;
                SessionCall::VerifyAudit {
                    checkpoint: members.optional_text("checkpoint", faults).map(Into::into),
                }
            }
            "revoke" => nothing(value, path, faults, SessionCall::Revoke)?,
            _ => return unknown(faults),
        })
    })
}

/// Reads the arguments of an administrator's call.
///
/// # Errors
/// As [`session_call`].
pub(crate) fn admin_call(name: &str, arguments: &[u8]) -> Result<AdminCall> {
    one(arguments, |value, path, faults| {
        Some(match name {
            "register_territory" => AdminCall::RegisterTerritory(territory(value, path, faults)?),
            "unregister_territory" => AdminCall::UnregisterTerritory(territory(value, path, faults)?),
            "register_relationship" => {
                let (territory, patient, provider) = relationship(value, path, faults)?;
                AdminCall::RegisterRelationship(territory, patient, provider)
            }
            "unregister_relationship" => {
                let (territory, patient, provider) = relationship(value, path, faults)?;
                AdminCall::UnregisterRelationship(territory, patient, provider)
            }
            "territories" => nothing(value, path, faults, AdminCall::Territories)?,
            "rotate_keys" => AdminCall::RotateKeys(territory(value, path, faults)?),
            "checkpoint" => nothing(value, path, faults, AdminCall::Checkpoint)?,
            "audit" => {
                let (filter, after, limit) = audit(value, path, faults)?;
                AdminCall::Audit { filter, after, limit }
            }
            "verify_audit" => nothing(value, path, faults, AdminCall::VerifyAudit)?,
            "backup" => {
                let members = Members::read(value, path, &["path"], faults)?;
                AdminCall::Backup(members.required_text("path", faults)?.to_owned())
            }
            "restore" => nothing(value, path, faults, AdminCall::Restore)?,
            _ => return unknown(faults),
        })
    })
}

fn unknown<T>(faults: &mut Faults) -> Option<T> {
    faults.add("call".to_owned(), Rule::OneOf);
    None
}

fn nothing<T>(value: &Value<'_>, path: &str, faults: &mut Faults, call: T) -> Option<T> {
    Members::read(value, path, &[], faults).map(|_| call)
}

fn order_id(members: &Members<'_, '_>, faults: &mut Faults) -> Option<OrderId> {
    members.required_parsed("order_id", OrderId::check, faults)
}

fn fields(members: &Members<'_, '_>, faults: &mut Faults) -> Option<FieldSet> {
    let value = members.optional("fields")?;
    Some(words(value, &members.path("fields"), PhiField::check, faults).into_iter().collect())
}

fn limit(members: &Members<'_, '_>, faults: &mut Faults) -> usize {
    let limit = members.optional_number("limit", faults).unwrap_or(PAGE);
    if !(1..=limits::PAGE_MAX as u64).contains(&limit) {
        faults.add(members.path("limit"), Rule::Format);
    }
    limit as usize
}

fn after(members: &Members<'_, '_>, faults: &mut Faults) -> u64 {
    members.optional_number("after", faults).unwrap_or(0)
}

fn territory(value: &Value<'_>, path: &str, faults: &mut Faults) -> Option<TerritoryId> {
    let members = Members::read(value, path, &["territory_id"], faults)?;
    members.required_parsed("territory_id", TerritoryId::check, faults)
}

fn relationship(
    value: &Value<'_>,
    path: &str,
    faults: &mut Faults,
) -> Option<(TerritoryId, PatientId, ProviderId)> {
    let members = Members::read(value, path, &["territory_id", "patient_id", "provider_id"], faults)?;
    let territory = members.required_parsed("territory_id", TerritoryId::check, faults);
    let (patient, provider) = pair(&members, faults);
    Some((territory?, patient?, provider?))
}

fn pair(members: &Members<'_, '_>, faults: &mut Faults) -> (Option<PatientId>, Option<ProviderId>) {
    (
        members.required_parsed("patient_id", PatientId::check, faults),
        members.required_parsed("provider_id", ProviderId::check, faults),
    )
}

fn relationships(value: &Value<'_>, path: &str, faults: &mut Faults) -> Option<SessionCall> {
    let members = Members::read(value, path, &["filter", "after", "limit"], faults)?;
    let mut wanted = RelationshipFilter::default();
    if let Some(value) = members.optional("filter") {
        let members = Members::read(value, &members.path("filter"), &["patient_id", "provider_id"], faults)?;
        wanted.patient_id = members.optional_parsed("patient_id", PatientId::check, faults);
        wanted.provider_id = members.optional_parsed("provider_id", ProviderId::check, faults);
    }
    let last = match members.optional("after") {
        None => None,
        Some(value) => {
            let members =
                Members::read(value, &members.path("after"), &["patient_id", "provider_id"], faults)?;
            let (patient, provider) = pair(&members, faults);
            Some((patient?, provider?))
        }
    };
    Some(SessionCall::Relationships { filter: wanted, after: last, limit: limit(&members, faults) })
}

fn audit(value: &Value<'_>, path: &str, faults: &mut Faults) -> Option<(AuditFilter, u64, usize)> {
    let members = Members::read(value, path, &["filter", "after", "limit"], faults)?;
    let mut wanted = AuditFilter::default();
    if let Some(value) = members.optional("filter") {
        const KNOWN: &[&str] = &["order_id", "patient_id", "user_id", "from", "to"];
        let members = Members::read(value, &members.path("filter"), KNOWN, faults)?;
        wanted.order_id = members.optional_parsed("order_id", OrderId::check, faults);
        wanted.patient_id = members.optional_parsed("patient_id", PatientId::check, faults);
        wanted.user_id = members.optional_parsed("user_id", UserId::check, faults);
        wanted.from = members.optional_parsed("from", Timestamp::check, faults);
        wanted.to = members.optional_parsed("to", Timestamp::check, faults);
    }
    Some((wanted, after(&members, faults), limit(&members, faults)))
}

/// Items that fail each for itself, so their paths are those of the item alone, and the mode.
fn batch<T>(
    value: &Value<'_>,
    known: &'static [&'static str; 2],
    faults: &mut Faults,
    read: fn(&Value<'_>, &str, &mut Faults) -> Option<T>,
) -> Option<(Vec<Result<T>>, BatchMode)> {
    let name = known[0];
    let members = Members::read(value, "", known, faults)?;
    let mode = members.required_parsed("mode", BatchMode::check, faults);
    let items = list(members.required(name, faults)?, name, faults)?;
    if items.len() > limits::BATCH_MAX {
        faults.add(name.to_owned(), Rule::TooMany);
        return None;
    }
    Some((items.iter().map(|value| judge(value, "", read)).collect(), mode?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn shown(error: &Error) -> Vec<String> {
        error.faults().iter().map(ToString::to_string).collect()
    }

    fn faults(name: &str, json: &str) -> Vec<String> {
        session_call(name, json.as_bytes()).err().map(|error| shown(&error)).unwrap_or_default()
    }

    #[test]
    fn arguments_that_are_missing_or_strange_are_all_named() {
        assert_eq!(
            faults("order", r#"{"id":"x","fields":["notes","shoe_size"]}"#),
            ["id unknown", "order_id required", "fields[1] one_of"]
        );
        assert_eq!(
            faults("orders", r#"{"filter":{"status":["new"],"colour":1},"limit":501,"cursor":7}"#),
            ["filter.colour unknown", "filter.status[0] one_of", "cursor type", "limit format"]
        );
        assert_eq!(faults("relationships", r#"{"after":{"patient_id":""},"filter":[]}"#), ["filter type"]);
        assert_eq!(
            faults("audit", r#"{"filter":{"from":"2026-01-01"},"after":-1}"#),
            ["filter.from format", "after format"]
        );
        assert_eq!(faults("delete_order", "{}"), ["order_id required", "reason required"]);
        assert_eq!(
            faults("create_orders", r#"{"requests":{},"mode":"most"}"#),
            ["mode one_of", "requests type"]
        );
        assert_eq!(faults("revoke", r#"{"now":true}"#), ["now unknown"]);
        assert_eq!(faults("order", "[]"), ["type"]);
        assert_eq!(faults("order", "{"), ["format"]);
        assert_eq!(faults("destroy", "{}"), ["call one_of"]);
        let admin = admin_call("rotate_keys", b"{}").err().map(|error| shown(&error));
        assert_eq!(admin, Some(vec!["territory_id required".to_owned()]));
    }

    #[test]
    fn items_of_a_batch_fail_each_for_itself() {
        let json = br#"{"mode":"each","changes":[{"order_id":"x","status":"done"},7]}"#;
        let Ok(SessionCall::UpdateStatuses(items, BatchMode::Each)) = session_call("update_statuses", json)
        else {
            panic!("the batch is read");
        };
        let items: Vec<_> = items.iter().map(|item| item.as_ref().err().map(shown)).collect();
        let expected = [vec!["order_id format", "status one_of"], vec!["type"]];
        assert_eq!(items, expected.map(|list| Some(list.into_iter().map(str::to_owned).collect())));
    }

    #[test]
    fn a_page_has_fifty_if_nobody_says() {
        let Ok(SessionCall::Orders { limit, cursor, fields, .. }) = session_call("orders", b"{}") else {
            panic!("the call is read");
        };
        assert_eq!((limit, cursor, fields), (50, None, None));
    }
}
