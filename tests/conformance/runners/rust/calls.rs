//! The calls of a scenario, each one call of the API.

use std::collections::HashMap;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use medorder::service::{BlockingAdmin, BlockingService, BlockingSession, BlockingSubscription};
use medorder::{
    Actor, AuditFilter, Error, ErrorCode, FieldSet, IdempotencyKey, KeyFile, KeyProvider, OrderId,
    OrderService, PatientId, RelationshipFilter, Result, TerritoryId, wire,
};
use serde_json::{Map, Value, json};

use crate::host::{HostDirectory, HostKeys};
use crate::{known, read};

/// The actor that makes the world.
const ROOT: &str = "root";

/// One scenario on its way.
pub(crate) struct Player {
    job: Value,
    scenario: Value,
    actors: HashMap<String, Actor>,
    keys: HostKeys,
    directory: HostDirectory,
    key_name: String,
    url: String,
    service: BlockingService,
    sessions: HashMap<(String, String), BlockingSession>,
    subscriptions: HashMap<String, BlockingSubscription>,
}

impl Player {
    /// Opens the service and makes the world.
    pub(crate) fn open(scenario: &Value, job: &Value) -> Result<Self, String> {
        let common = read(job["actors"].as_str().ok_or("no actors")?);
        let own = scenario.get("actors").cloned().unwrap_or_else(|| json!({}));
        let mut actors = HashMap::new();
        for (name, actor) in [&common, &own].into_iter().filter_map(Value::as_object).flatten() {
            let actor = wire::actor(&bytes(actor)).map_err(|error| format!("actor {name}: {error:?}"))?;
            actors.insert(name.clone(), actor);
        }
        let (keys, directory) = (HostKeys::default(), HostDirectory::default());
        let url = job["url"].as_str().ok_or("no url")?.to_owned();
        let options = scenario.get("options").cloned().unwrap_or_else(|| json!({}));
        let service =
            open(scenario, job, &keys, &directory, "a", &url, &options).map_err(|e| format!("{e:?}"))?;
        let mut player = Self {
            job: job.clone(),
            scenario: scenario.clone(),
            actors,
            keys,
            directory,
            key_name: "a".to_owned(),
            url,
            service,
            sessions: HashMap::new(),
            subscriptions: HashMap::new(),
        };
        if scenario.get("world").and_then(Value::as_bool).unwrap_or(true) {
            player.make_world().map_err(|error| format!("the world: {error:?}"))?;
        }
        Ok(player)
    }

    fn make_world(&mut self) -> Result<()> {
        let admin = self.service.admin(self.actors[ROOT].clone());
        for territory in ["north", "south"] {
            let territory = territory.parse()?;
            admin.register_territory(&territory)?;
            for patient in ["p-1", "p-2"] {
                if self.scenario.get("directory").and_then(Value::as_str) != Some("host") {
                    admin.register_relationship(&territory, &patient.parse()?, &"npi-1".parse()?)?;
                }
            }
        }
        Ok(())
    }

    /// Does one thing. The outer error is the scenario's own fault, the inner one the engine's answer.
    pub(crate) fn call(
        &mut self,
        call: &str,
        who: &str,
        territory: &str,
        with: Value,
        save: &str,
    ) -> Result<Result<Value>, String> {
        if let Some(names) = arguments(call) {
            known(&with, names)?;
        }
        if let Some(call) = call.strip_prefix("admin.") {
            let admin = self.service.admin(self.actor(who)?);
            return self.admin(&admin, call, &with);
        }
        Ok(match call {
            "next" => {
                let limit = Duration::from_millis(with["timeout_ms"].as_u64().ok_or("no timeout_ms")?);
                let event = self.subscription(&with)?.next_within(limit);
                event.map(|event| event.map_or(Value::Null, |event| value(&wire::event_json(&event))))
            }
            "cursor" => Ok(json!(self.subscription(&with)?.cursor())),
            "service.close" => self.service.close().map(|()| Value::Null),
            "service.open" => self.reopen(&with),
            "service.error_table" => {
                let row = |code: &ErrorCode| json!({ "code": code.name(), "number": code.number(), "kind": code.kind().name(), "retryable": code.retryable() });
                Ok(ErrorCode::ALL.iter().map(row).collect())
            }
            "host.fail" | "host.mend" => {
                let switch = match with["what"].as_str() {
                    Some("keys") => &self.keys.failing,
                    Some("directory") => &self.directory.failing,
                    _ => return Err("what fails?".to_owned()),
                };
                switch.store(call == "host.fail", Ordering::SeqCst);
                Ok(Value::Null)
            }
            "host.damage" => self.damage(&with).map(|()| Ok(Value::Null))?,
            _ => {
                let session = self.session(who, territory)?;
                self.session_call(&session, call, &with, save)?
            }
        })
    }

    fn actor(&self, name: &str) -> Result<Actor, String> {
        self.actors.get(name).cloned().ok_or_else(|| format!("unknown actor `{name}`"))
    }

    fn session(&mut self, who: &str, territory: &str) -> Result<BlockingSession, String> {
        let key = (who.to_owned(), territory.to_owned());
        if !self.sessions.contains_key(&key) {
            let territory = territory.parse().map_err(|error| format!("{error:?}"))?;
            let session = self.service.session(self.actor(who)?, territory);
            self.sessions.insert(key.clone(), session);
        }
        Ok(self.sessions[&key].clone())
    }

    fn subscription(&mut self, with: &Value) -> Result<&mut BlockingSubscription, String> {
        let name = with["from"].as_str().ok_or("from which subscription?")?;
        self.subscriptions.get_mut(name).ok_or_else(|| format!("no subscription `{name}`"))
    }

    fn reopen(&mut self, with: &Value) -> Result<Value> {
        self.sessions.clear();
        self.subscriptions.clear();
        if let Some(keys) = with.get("keys").and_then(Value::as_str) {
            self.key_name = keys.to_owned();
        }
        if let Some(url) = with.get("url").and_then(Value::as_str) {
            self.url = url.to_owned();
        }
        let options = with.get("options").or(self.scenario.get("options")).cloned();
        let options = options.unwrap_or_else(|| json!({}));
        let (keys, directory) = (&self.keys, &self.directory);
        self.service = open(&self.scenario, &self.job, keys, directory, &self.key_name, &self.url, &options)?;
        Ok(Value::Null)
    }

    fn damage(&self, with: &Value) -> Result<(), String> {
        let engine = self.job["engine"].as_str().ok_or("no engine")?;
        let statements = with[engine].as_str().ok_or("no statements for the engine")?;
        let command = self.job["damage"].as_array().ok_or("no damage command")?;
        let mut words = command.iter().filter_map(Value::as_str);
        let program = words.next().ok_or("no damage command")?;
        let status = Command::new(program).args(words).args([&self.url, statements]).status();
        if status.is_ok_and(|status| status.success()) { Ok(()) } else { Err("the damage failed".to_owned()) }
    }

    fn session_call(
        &mut self,
        session: &BlockingSession,
        call: &str,
        with: &Value,
        save: &str,
    ) -> Result<Result<Value>, String> {
        let summary = |answer: Result<_>| answer.map(|summary| value(&wire::summary_json(&summary)));
        Ok(match call {
            "create_order" => {
                summary(wire::create_order(&bytes(with)).and_then(|it| session.create_order(it)))
            }
            "update_status" => summary(change(with).and_then(|(id, it)| session.update_status(id, it))),
            "delete_order" => summary(
                id_and_rest(with)
                    .and_then(|(id, rest)| session.delete_order(id, wire::delete_order(&bytes(&rest))?)),
            ),
            "order" => order_id(with)
                .and_then(|id| session.order(id, fields(with)?))
                .map(|order| value(&wire::order_json(&order))),
            "order_by_key" => summary(
                text(with, "idempotency_key")
                    .parse::<IdempotencyKey>()
                    .and_then(|key| session.order_by_key(&key)),
            ),
            "orders" => wire::order_filter(&bytes(&part(with, "filter")))
                .and_then(|filter| {
                    session.orders(&filter, with["cursor"].as_str(), limit(with), fields(with)?)
                })
                .map(|page| value(&wire::order_page_json(&page))),
            "allowed_transitions" => order_id(with)
                .and_then(|id| session.allowed_transitions(id))
                .map(|options| value(&wire::transitions_json(&options))),
            "audit" => audit_filter(with)
                .and_then(|filter| session.audit(&filter, after(with), limit(with)))
                .map(|page| json!(page)),
            "disclosures" => text(with, "patient_id")
                .parse::<PatientId>()
                .and_then(|patient| session.disclosures(&patient, after(with), limit(with)))
                .map(|page| json!(page)),
            "verify_audit" => session.verify_audit(with["checkpoint"].as_str()).map(|report| json!(report)),
            "relationships" => relationships(session, with),
            "revoke" => {
                session.revoke();
                Ok(Value::Null)
            }
            "export_audit" => export(session),
            "subscribe" => {
                let order = with["order_id"].as_str().map(str::parse::<OrderId>).transpose();
                order.and_then(|order| session.subscribe(order, with["since"].as_str())).map(|subscription| {
                    self.subscriptions.insert(save.to_owned(), subscription);
                    Value::Null
                })
            }
            // What is malformed is for the door that reads JSON.
            "create_orders" | "update_statuses" => {
                session.call(call, &bytes(with)).map(|answer| value(&answer))
            }
            _ => return Err(format!("unknown call `{call}`")),
        })
    }

    fn admin(&self, admin: &BlockingAdmin, call: &str, with: &Value) -> Result<Result<Value>, String> {
        let territory = || text(with, "territory_id").parse::<TerritoryId>();
        let pair =
            || Ok((territory()?, text(with, "patient_id").parse()?, text(with, "provider_id").parse()?));
        let done = |answer: Result<()>| answer.map(|()| Value::Null);
        Ok(match call {
            "register_territory" => done(territory().and_then(|it| admin.register_territory(&it))),
            "unregister_territory" => done(territory().and_then(|it| admin.unregister_territory(&it))),
            "register_relationship" => done(
                pair()
                    .and_then(|(t, patient, provider)| admin.register_relationship(&t, &patient, &provider)),
            ),
            "unregister_relationship" => {
                done(pair().and_then(|(t, patient, provider)| {
                    admin.unregister_relationship(&t, &patient, &provider)
                }))
            }
            "territories" => {
                admin.territories().map(|all| all.iter().map(|territory| json!(territory.as_str())).collect())
            }
            "rotate_keys" => {
                territory().and_then(|it| admin.rotate_keys(&it, |_| ())).map(|report| json!(report))
            }
            "change_root" => done(
                provider(&self.job, &self.keys, text(with, "keys"))
                    .and_then(|keys| admin.change_root(keys, |_| ())),
            ),
            "checkpoint" => admin.checkpoint().map(|notes| json!(notes)),
            "restore" => admin.restore().map(|notes| json!(notes)),
            "audit" => audit_filter(with)
                .and_then(|filter| admin.audit(&filter, after(with), limit(with)))
                .map(|page| json!(page)),
            "verify_audit" => admin.verify_audit().map(|report| json!(report)),
            "backup" => done(admin.backup(text(with, "path"))),
            _ => return Err(format!("unknown call `admin.{call}`")),
        })
    }
}

/// The arguments of a call that this runner takes apart by name; of others the engine's reader knows them.
fn arguments(call: &str) -> Option<&'static [&'static str]> {
    Some(match call {
        "order" => &["order_id", "fields"],
        "order_by_key" => &["idempotency_key"],
        "orders" => &["filter", "cursor", "limit", "fields"],
        "allowed_transitions" => &["order_id"],
        "audit" | "admin.audit" | "relationships" => &["filter", "after", "limit"],
        "disclosures" => &["patient_id", "after", "limit"],
        "verify_audit" => &["checkpoint"],
        "subscribe" => &["order_id", "since"],
        "next" => &["from", "timeout_ms"],
        "cursor" => &["from"],
        "admin.register_territory" | "admin.unregister_territory" | "admin.rotate_keys" => &["territory_id"],
        "admin.register_relationship" | "admin.unregister_relationship" => {
            &["territory_id", "patient_id", "provider_id"]
        }
        "admin.change_root" => &["keys"],
        "admin.backup" => &["path"],
        "service.open" => &["keys", "url", "options"],
        "host.fail" | "host.mend" => &["what"],
        "host.damage" => &["sqlite", "postgresql"],
        "create_order" | "create_orders" | "update_status" | "update_statuses" | "delete_order" => {
            return None;
        }
        _ => &[],
    })
}

fn open(
    scenario: &Value,
    job: &Value,
    keys: &HostKeys,
    directory: &HostDirectory,
    key_name: &str,
    url: &str,
    options: &Value,
) -> Result<BlockingService> {
    let options = resolved_paths(options, job);
    let provider = provider(job, keys, key_name)?;
    let mut builder = OrderService::builder(url, provider).options(wire::open_options(&bytes(&options))?)?;
    if scenario.get("directory").and_then(Value::as_str) == Some("host") {
        builder = builder.directory(directory.clone());
    }
    Ok(tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|_| Error::new(ErrorCode::Internal, "no runtime"))?
        .block_on(builder.open())?
        .blocking())
}

/// The key file of this name, or the host's own keys.
fn provider(job: &Value, keys: &HostKeys, name: &str) -> Result<Box<dyn KeyProvider>> {
    Ok(match name {
        "host" => Box::new(keys.clone()),
        file => Box::new(KeyFile::open(job["keys"][file].as_str().unwrap_or_default())?),
    })
}

/// Options may name the job's paths.
fn resolved_paths(options: &Value, job: &Value) -> Value {
    let saved = [("paths".to_owned(), job["paths"].clone())].into();
    crate::matching::resolved(options, &saved).unwrap_or_else(|_| options.clone())
}

fn relationships(session: &BlockingSession, with: &Value) -> Result<Value> {
    let filter = part(with, "filter");
    let one = |name: &str| filter[name].as_str();
    let filter = RelationshipFilter {
        patient_id: one("patient_id").map(str::parse).transpose()?,
        provider_id: one("provider_id").map(str::parse).transpose()?,
    };
    let after = match with.get("after") {
        Some(pair) => Some((text(pair, "patient_id").parse()?, text(pair, "provider_id").parse()?)),
        None => None,
    };
    session.relationships(&filter, after.as_ref(), limit(with)).map(|page| json!(page))
}

fn export(session: &BlockingSession) -> Result<Value> {
    let mut export = session.export_audit()?;
    let mut entries = Vec::new();
    loop {
        let page = export.next_page()?;
        if page.is_empty() {
            return Ok(json!({ "entries": entries }));
        }
        entries.extend(page.iter().map(|entry| json!(entry)));
    }
}

fn change(with: &Value) -> Result<(OrderId, medorder::StatusChange)> {
    let (id, rest) = id_and_rest(with)?;
    Ok((id, wire::status_change(&bytes(&rest))?))
}

fn id_and_rest(with: &Value) -> Result<(OrderId, Value)> {
    let mut rest = with.as_object().cloned().unwrap_or_default();
    rest.remove("order_id");
    Ok((order_id(with)?, Value::Object(rest)))
}

fn order_id(with: &Value) -> Result<OrderId> {
    text(with, "order_id").parse()
}

fn audit_filter(with: &Value) -> Result<AuditFilter> {
    let filter = part(with, "filter");
    let one = |name: &str| filter[name].as_str();
    Ok(AuditFilter {
        order_id: one("order_id").map(str::parse).transpose()?,
        patient_id: one("patient_id").map(str::parse).transpose()?,
        user_id: one("user_id").map(str::parse).transpose()?,
        from: one("from").map(str::parse).transpose()?,
        to: one("to").map(str::parse).transpose()?,
    })
}

fn fields(with: &Value) -> Result<Option<FieldSet>> {
    with.get("fields").map(|list| wire::field_list(&bytes(list))).transpose()
}

fn part(with: &Value, name: &str) -> Value {
    with.get(name).cloned().unwrap_or_else(|| Value::Object(Map::new()))
}

fn text<'a>(with: &'a Value, name: &str) -> &'a str {
    with[name].as_str().unwrap_or_default()
}

fn after(with: &Value) -> u64 {
    with["after"].as_u64().unwrap_or(0)
}

fn limit(with: &Value) -> usize {
    with["limit"].as_u64().unwrap_or(50) as usize
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn value(json: &[u8]) -> Value {
    serde_json::from_slice(json).expect("views are JSON")
}
