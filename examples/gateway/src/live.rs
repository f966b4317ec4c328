//! Live updates over WebSocket: one `SUBSCRIBED`, then every event of the log from a cursor on.
//!
//! The token comes as the subprotocol `bearer.TOKEN` beside `medorder.v1` (browsers can set no header), or in the
//! header `Authorization`; never in the URL, which proxies log.

use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, RawQuery, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use medorder::{Error, ErrorCode, Fault, OrderId, Result, Rule, Subscription, TerritoryId, wire};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::answer::{Problem, both};
use crate::app::App;
use crate::caller::{InPath, authenticate, bearer};
use crate::query::{decoded, pairs};

pub(crate) fn routes() -> axum::Router<App> {
    axum::Router::new().route("/orders", get(all)).route("/orders/{order_id}", get(one))
}

/// The subprotocol of these messages.
const PROTOCOL: &str = "medorder.v1";
/// Nothing is expected from a client but pings and a close.
const LONGEST_MESSAGE: usize = 4096;

/// How long a client has to answer a close.
const ANSWER: Duration = Duration::from_secs(1);

/// The close codes; 4xxx are private use (RFC 6455 section 7.4.2).
mod close {
    pub(super) const GOING_AWAY: u16 = 1001;
    pub(super) const UNEXPECTED: u16 = 1008;
    pub(super) const BROKEN: u16 = 1011;
    pub(super) const AGAIN: u16 = 1013;
    pub(super) const CURSOR: u16 = 4400;
    pub(super) const TOKEN: u16 = 4401;
    pub(super) const DENIED: u16 = 4403;
    pub(super) const MISSING: u16 = 4404;
}

async fn all(
    State(app): State<App>,
    query: RawQuery,
    caller: Upgrading,
) -> std::result::Result<Response, Problem> {
    subscribe(app, None, query, caller).await
}

async fn one(
    State(app): State<App>,
    id: InPath,
    query: RawQuery,
    caller: Upgrading,
) -> std::result::Result<Response, Problem> {
    subscribe(app, Some(id), query, caller).await
}

/// A request that wants to become a connection.
struct Upgrading {
    parts: Parts,
    token: String,
    upgrade: WebSocketUpgrade,
}

impl FromRequestParts<App> for Upgrading {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> std::result::Result<Self, Problem> {
        let upgrade = WebSocketUpgrade::from_request_parts(parts, app).await.map_err(no_upgrade)?;
        let token = subprotocol(&parts.headers).or_else(|| bearer(&parts.headers)).map(str::to_owned);
        let token = token.ok_or_else(|| Problem::unauthenticated("the request has no bearer token"))?;
        Ok(Self { parts: parts.clone(), token, upgrade })
    }
}

fn no_upgrade(_: WebSocketUpgradeRejection) -> Problem {
    Problem::http(StatusCode::UPGRADE_REQUIRED, "Upgrade", Rule::Required)
        .header(header::UPGRADE, HeaderValue::from_static("websocket"))
}

fn subprotocol(headers: &HeaderMap) -> Option<&str> {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let mut words = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    words.find_map(|word| word.trim().strip_prefix("bearer."))
}

async fn subscribe(
    app: App,
    order: Option<InPath>,
    RawQuery(query): RawQuery,
    Upgrading { parts, token, upgrade }: Upgrading,
) -> std::result::Result<Response, Problem> {
    let actor = authenticate(&app, &parts, &token).await?;
    let id = order.map(|order| order.id()).transpose();
    let ((territory, since), order) = both(place(query.as_deref()), id)?;
    if app.is_closing() {
        return Err(Error::new(ErrorCode::StorageUnavailable, "the gateway is going away").into());
    }
    let full = || Problem::too_many(Duration::from_secs(1));
    let permit = app.live.clone().try_acquire_owned().map_err(|_| full())?;
    let subscription = app.service.session(actor, territory.clone()).subscribe(order, since.as_deref()).await;
    let connection = Connection { app, token, territory, order, permit };
    let upgrade = upgrade.protocols([PROTOCOL]).max_message_size(LONGEST_MESSAGE);
    // What the engine refuses is said by the close: a browser shows its page no answer to a refused upgrade.
    Ok(upgrade.on_upgrade(move |socket| connection.run(socket, subscription)))
}

/// `territory` and `since` of the query, or every fault of it.
fn place(query: Option<&str>) -> Result<(TerritoryId, Option<String>)> {
    let (mut territory, mut since, mut faults) = (None, None, Vec::new());
    for (name, value) in pairs(query) {
        let place = match name {
            "territory" => &mut territory,
            "since" => &mut since,
            _ => {
                faults.push(Fault::new("?", Rule::Unknown));
                continue;
            }
        };
        match decoded(value) {
            None => faults.push(Fault::new(name, Rule::Utf8)),
            Some(_) if place.is_some() => faults.push(Fault::new(name, Rule::Duplicate)),
            text => *place = text,
        }
    }
    let territory = match territory.map(|text| text.parse::<TerritoryId>()) {
        None => Err(Rule::Required),
        Some(read) => read.map_err(|_| Rule::Format),
    };
    if let Err(rule) = &territory {
        faults.push(Fault::new("territory", *rule));
    }
    match territory {
        Ok(territory) if faults.is_empty() => Ok((territory, since)),
        _ => Err(Error::validation(faults)),
    }
}

/// What a client hears first.
#[derive(Serialize)]
struct Subscribed<'a> {
    r#type: &'static str,
    territory_id: &'a str,
    order_id: Option<String>,
    cursor: String,
}

/// One client that watches. Events wait in the log, never here, so a slow client costs no memory.
struct Connection {
    app: App,
    token: String,
    territory: TerritoryId,
    order: Option<OrderId>,
    /// Held until the end, for the gateway waits for every connection when it goes away.
    permit: OwnedSemaphorePermit,
}

/// Why a connection ends.
enum End {
    /// With a code and a reason that the client is told.
    Told(u16, &'static str),
    /// Too slow to be told at once.
    Slow,
    /// It is gone.
    Gone,
}

impl Connection {
    async fn run(self, mut socket: WebSocket, subscription: Result<Subscription>) {
        metrics::gauge!("medorder_gateway_live_connections").increment(1);
        let end = match subscription {
            Ok(subscription) => self.watch(&mut socket, subscription).await,
            Err(error) => self.ended(&error).await,
        };
        let (code, reason, patience) = match end {
            End::Told(code, reason) => (code, reason, self.app.pace.slow),
            End::Slow => (close::AGAIN, "too slow: resume with since=", self.app.pace.grace),
            End::Gone => (0, "", Duration::ZERO),
        };
        if code != 0 {
            let frame = CloseFrame { code, reason: reason.into() };
            let told = socket.send(Message::Close(Some(frame)));
            if let Ok(Ok(())) = tokio::time::timeout(patience, told).await {
                // The client answers a close with its own; a socket let go before could take the reason with it.
                let answered = async { while let Some(Ok(_)) = socket.recv().await {} };
                let _ = tokio::time::timeout(ANSWER, answered).await;
            }
        }
        metrics::gauge!("medorder_gateway_live_connections").decrement(1);
        metrics::counter!("medorder_gateway_live_ended", "reason" => if code == 0 { "gone" } else { reason })
            .increment(1);
        drop(self.permit);
    }

    async fn watch(&self, socket: &mut WebSocket, mut subscription: Subscription) -> End {
        let pace = self.app.pace;
        let first = Subscribed {
            r#type: "SUBSCRIBED",
            territory_id: self.territory.as_str(),
            order_id: self.order.map(|id| id.to_string()),
            cursor: subscription.cursor(),
        };
        if let Some(end) = send(socket, text(&wire::plain_json(&first)), pace.slow).await {
            return end;
        }
        let app = self.app.clone();
        let closed = app.closed();
        tokio::pin!(closed);
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + pace.ping, pace.ping);
        let mut answered = true;
        loop {
            tokio::select! {
                () = &mut closed => {
                    return End::Told(close::GOING_AWAY, "the gateway is going away: resume with since=");
                }
                event = subscription.next() => {
                    let event = match event {
                        Ok(event) => event,
                        Err(error) => return self.ended(&error).await,
                    };
                    if let Some(end) = send(socket, text(&wire::event_json(&event)), pace.slow).await {
                        return end;
                    }
                    metrics::counter!("medorder_gateway_events_sent").increment(1);
                }
                message = socket.recv() => match message {
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => answered = true,
                    Some(Ok(Message::Text(_) | Message::Binary(_))) => {
                        return End::Told(close::UNEXPECTED, "nothing is expected from the client");
                    }
                    _ => return End::Gone,
                },
                _ = ticks.tick() => {
                    if !answered {
                        return End::Gone;
                    }
                    answered = false;
                    // A token may lose its key, or the caller's clock its patience, while nothing happens.
                    if self.is_over().await {
                        return End::Told(close::TOKEN, "UNAUTHENTICATED");
                    }
                    if let Some(end) = send(socket, Message::Ping(Default::default()), pace.slow).await {
                        return end;
                    }
                }
            }
        }
    }

    /// Whether the token is good no more. A key set that cannot be read says nothing of it.
    async fn is_over(&self) -> bool {
        let again = self.app.identity.actor(&self.token).await;
        again.is_err_and(|error| error.code() == ErrorCode::Unauthenticated)
    }

    /// Why the log gives nothing more to this client.
    async fn ended(&self, error: &Error) -> End {
        let code = error.code();
        let denied = code == ErrorCode::AccessDenied;
        if denied && self.is_over().await {
            return End::Told(close::TOKEN, "UNAUTHENTICATED");
        }
        let number = match code {
            ErrorCode::AccessDenied | ErrorCode::TerritoryMismatch => close::DENIED,
            ErrorCode::InvalidCursor => close::CURSOR,
            ErrorCode::OrderNotFound | ErrorCode::TerritoryNotFound => close::MISSING,
            ErrorCode::StorageUnavailable | ErrorCode::KeyUnavailable => close::AGAIN,
            ErrorCode::Closed => close::GOING_AWAY,
            _ => close::BROKEN,
        };
        End::Told(number, code.name())
    }
}

/// Sends one message, or says why the connection ends.
async fn send(socket: &mut WebSocket, message: Message, patience: Duration) -> Option<End> {
    match tokio::time::timeout(patience, socket.send(message)).await {
        Ok(Ok(())) => None,
        Ok(Err(_)) => Some(End::Gone),
        Err(_) => Some(End::Slow),
    }
}

fn text(json: &[u8]) -> Message {
    Message::Text(String::from_utf8_lossy(json).into_owned().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_a_territory_and_maybe_a_cursor() {
        let (territory, since) = place(Some("territory=north&since=")).unwrap();
        assert_eq!((territory.as_str(), since.as_deref()), ("north", Some("")));
        let error = place(Some("since=a&since=b&token=c")).unwrap_err();
        let faults: Vec<_> = error.faults().iter().map(ToString::to_string).collect();
        assert_eq!(faults, ["since duplicate", "? unknown", "territory required"]);
    }

    #[test]
    fn a_token_may_come_as_a_subprotocol() {
        let mut headers = HeaderMap::new();
        headers.append(header::SEC_WEBSOCKET_PROTOCOL, "medorder.v1, bearer.a.b.c".parse().unwrap());
        assert_eq!(subprotocol(&headers), Some("a.b.c"));
    }
}
