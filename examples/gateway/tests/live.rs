//! Live updates: what a watcher hears, in which order, and why a connection ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod support;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use medorder::BatchMode;
use medorder::storage::postgres::PostgresInit;
use medorder_gateway::{Pace, Settings};
use medorder_tests::postgres::{OWNER, RUNTIME, Server};
use serde_json::{Value, json};
use support::{Call, Running, claims, order, text};
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error as SocketError;
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};
use tokio_tungstenite::{WebSocketStream, client_async};

type Watcher = WebSocketStream<tokio::net::TcpStream>;

/// Long enough for anything that happens at all.
const PATIENCE: Duration = Duration::from_secs(30);

async fn connect(gateway: &Running, path: &str, token: &str) -> Result<Watcher, SocketError> {
    let socket = TcpSocket::new_v4()?;
    // As small as it gets, so that a client that does not read is noticed soon.
    socket.set_recv_buffer_size(4096)?;
    let stream = socket.connect(gateway.address).await?;
    let mut request = format!("ws://{}{path}", gateway.address).into_client_request()?;
    let protocols = format!("medorder.v1, bearer.{token}");
    request.headers_mut().insert("sec-websocket-protocol", protocols.parse().unwrap());
    let (socket, response) = client_async(request, stream).await?;
    let chosen = response.headers().get("sec-websocket-protocol").map(|value| value.to_str().unwrap());
    assert_eq!(chosen, Some("medorder.v1"), "the token is not sent back");
    Ok(socket)
}

async fn watch(gateway: &Running, path: &str) -> Watcher {
    connect(gateway, path, &support::token(&["requester"])).await.expect("a connection")
}

/// The status and code of a refused connection.
async fn refused(gateway: &Running, path: &str, token: &str) -> (u16, String) {
    match connect(gateway, path, token).await {
        Err(SocketError::Http(response)) => {
            let body: Value = serde_json::from_slice(response.body().as_deref().unwrap_or_default()).unwrap();
            (response.status().as_u16(), text(&body["error"]["code"]).to_owned())
        }
        other => panic!("the connection is refused: {other:?}"),
    }
}

async fn next(watcher: &mut Watcher) -> Message {
    loop {
        let message = tokio::time::timeout(PATIENCE, watcher.next()).await.expect("a message in time");
        match message.expect("a message").expect("a sound message") {
            Message::Ping(_) | Message::Pong(_) => {}
            message => return message,
        }
    }
}

async fn event(watcher: &mut Watcher) -> Value {
    match next(watcher).await {
        Message::Text(text) => serde_json::from_str(&text).expect("JSON"),
        other => panic!("an event, not {other:?}"),
    }
}

async fn closed(watcher: &mut Watcher) -> CloseFrame {
    loop {
        match next(watcher).await {
            Message::Close(Some(frame)) => return frame,
            Message::Text(_) => {}
            other => panic!("a close with its reason, not {other:?}"),
        }
    }
}

async fn create(gateway: &Running) -> String {
    let made = gateway.call(Call::new("POST", "/api/v1/orders").of(&["requester"]).json(&order())).await;
    text(&made.data()["id"]).to_owned()
}

async fn reject(gateway: &Running, id: &str) {
    let path = format!("/api/v1/orders/{id}/status");
    let change = json!({"status": "rejected", "reason": "not covered"});
    assert_eq!(gateway.call(Call::new("PUT", &path).of(&["verifier"]).json(&change)).await.status, 200);
}

#[tokio::test]
async fn a_watcher_hears_that_it_watches_and_then_every_event() {
    let gateway = Running::start(Settings::default()).await;
    let mut watcher = watch(&gateway, "/orders?territory=north").await;
    let first = event(&mut watcher).await;
    assert_eq!((text(&first["type"]), text(&first["territory_id"])), ("SUBSCRIBED", "north"));
    assert_eq!((&first["order_id"], first["cursor"].is_string()), (&Value::Null, true));

    let id = create(&gateway).await;
    let created = event(&mut watcher).await;
    let names: Vec<_> = created.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = [
        "type",
        "order_id",
        "territory_id",
        "old_status",
        "new_status",
        "timestamp",
        "context",
        "version",
        "cursor",
    ];
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!((text(&created["type"]), text(&created["order_id"])), ("ORDER_STATUS_CHANGED", id.as_str()));
    assert_eq!(
        (&created["old_status"], text(&created["new_status"])),
        (&Value::Null, "pending_verification")
    );
    assert_eq!((&created["context"], &created["version"]), (&json!({"user_id": "u-requester"}), &json!(1)));

    reject(&gateway, &id).await;
    let rejected = event(&mut watcher).await;
    assert_eq!(rejected["context"], json!({"user_id": "u-verifier", "reason": "not covered"}));
    gateway.stop().await;
}

#[tokio::test]
async fn since_goes_on_without_a_gap_and_from_the_start() {
    let gateway = Running::start(Settings::default()).await;
    let mut watcher = watch(&gateway, "/orders?territory=north").await;
    event(&mut watcher).await;
    let first = create(&gateway).await;
    let cursor = text(&event(&mut watcher).await["cursor"]).to_owned();
    drop(watcher);
    let second = create(&gateway).await;
    reject(&gateway, &first).await;

    let mut again = watch(&gateway, &format!("/orders?territory=north&since={cursor}")).await;
    assert_eq!(text(&event(&mut again).await["cursor"]), cursor);
    let missed = [event(&mut again).await, event(&mut again).await];
    assert_eq!(missed.iter().map(|e| text(&e["order_id"])).collect::<Vec<_>>(), [&second, &first]);

    // One order alone, from its start: its timeline.
    let mut timeline = watch(&gateway, &format!("/orders/{first}?territory=north&since=")).await;
    assert_eq!(text(&event(&mut timeline).await["order_id"]), first);
    let versions =
        [event(&mut timeline).await["version"].clone(), event(&mut timeline).await["version"].clone()];
    assert_eq!(versions, [json!(1), json!(2)]);
    gateway.stop().await;
}

#[tokio::test]
async fn a_connection_is_refused_with_the_right_code() {
    let gateway = Running::start(Settings::default()).await;
    let good = support::token(&["requester"]);
    let auditor = support::token(&["auditor"]);
    let late = support::sign(&claims(&["requester"], json!(["north"]), -600));
    let in_url = format!("/orders?territory=north&token={good}");
    for (path, token, status, code) in [
        ("/orders?territory=north", "not-a-token", 401, "UNAUTHENTICATED"),
        ("/orders?territory=north", late.as_str(), 401, "UNAUTHENTICATED"),
        ("/orders", good.as_str(), 400, "VALIDATION_ERROR"),
        (in_url.as_str(), good.as_str(), 400, "VALIDATION_ERROR"),
    ] {
        assert_eq!(refused(&gateway, path, token).await, (status, code.to_owned()), "{path}");
    }
    // A browser is not told why an upgrade is refused, so what the engine refuses comes as a close.
    let nobody = "/orders/0198f3c2-0000-7000-8000-000000000001?territory=north";
    for (path, token, number, code) in [
        ("/orders?territory=north", auditor.as_str(), 4403, "ACCESS_DENIED"),
        ("/orders?territory=south", good.as_str(), 4403, "TERRITORY_MISMATCH"),
        ("/orders?territory=nowhere", good.as_str(), 4404, "TERRITORY_NOT_FOUND"),
        ("/orders?territory=north&since=AAAA", good.as_str(), 4400, "INVALID_CURSOR"),
        (nobody, good.as_str(), 4404, "ORDER_NOT_FOUND"),
    ] {
        let mut watcher = connect(&gateway, path, token).await.expect("a connection");
        let Message::Close(Some(end)) = next(&mut watcher).await else {
            panic!("{path}: a close, and no message")
        };
        assert_eq!((u16::from(end.code), end.reason.as_str()), (number, code), "{path}");
    }
    let plain = gateway.call(Call::new("GET", "/orders?territory=north").of(&["requester"])).await;
    assert_eq!((plain.status, plain.header("upgrade")), (426, "websocket"));
    gateway.stop().await;
}

#[tokio::test]
async fn a_session_ends_when_its_token_does() {
    // The engine notices by itself, and not at the next ping.
    let pace = Pace { ping: 4 * PATIENCE, ..Pace::default() };
    let gateway = Running::start(Settings { pace, ..Settings::default() }).await;
    let short = support::sign(&claims(&["requester"], json!(["north"]), 2));
    let mut watcher = connect(&gateway, "/orders?territory=north", &short).await.expect("a connection");
    event(&mut watcher).await;
    let end = closed(&mut watcher).await;
    assert_eq!((u16::from(end.code), end.reason.as_str()), (4401, "UNAUTHENTICATED"));
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_talks_is_cut_off_and_one_that_is_silent_is_dropped() {
    let pace = Pace { ping: Duration::from_millis(100), ..Pace::default() };
    let gateway = Running::start(Settings { pace, ..Settings::default() }).await;
    let mut talks = watch(&gateway, "/orders?territory=north").await;
    talks.send(Message::text("hello")).await.unwrap();
    assert_eq!(u16::from(closed(&mut talks).await.code), 1008);

    // One that answers pings stays.
    let mut answers = watch(&gateway, "/orders?territory=north").await;
    event(&mut answers).await;
    let listening = tokio::spawn(async move { event(&mut answers).await });
    // One that does not read cannot answer: it is gone by the second ping.
    let mut silent = watch(&gateway, "/orders?territory=north").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let mut ended = false;
    while let Some(message) = tokio::time::timeout(PATIENCE, silent.next()).await.expect("an end") {
        ended |= message.is_err() || matches!(message, Ok(Message::Close(_)));
    }
    assert!(ended, "the connection of a silent client ends");
    let id = create(&gateway).await;
    assert_eq!(text(&listening.await.unwrap()["order_id"]), id);
    gateway.stop().await;
}

#[tokio::test]
async fn a_slow_client_is_cut_off_with_a_reason_and_goes_on_where_it_was() {
    let pace = Pace { slow: Duration::from_millis(200), ping: PATIENCE, grace: PATIENCE };
    let gateway = Running::start(Settings { pace, ..Settings::default() }).await;
    let mut slow = watch(&gateway, "/orders?territory=north").await;
    let requests: Vec<Value> = (0..4_000).map(|_| json!({
        "patient_id": support::PATIENT, "provider_id": support::PROVIDER, "service_type": "x", "diagnosis_codes": [],
    })).collect();
    let body = json!({"mode": BatchMode::Each.name(), "requests": requests});
    for _ in 0..2 {
        let path = "/api/v1/orders/batch";
        assert_eq!(gateway.call(Call::new("POST", path).of(&["requester"]).json(&body)).await.status, 207);
    }
    let mut heard = 0;
    let mut cursor = text(&event(&mut slow).await["cursor"]).to_owned();
    let end = loop {
        match next(&mut slow).await {
            Message::Close(frame) => break frame.expect("a reason"),
            Message::Text(json) => {
                cursor = text(&serde_json::from_str::<Value>(&json).unwrap()["cursor"]).to_owned();
                heard += 1;
            }
            other => panic!("an event, not {other:?}"),
        }
    };
    assert_eq!((u16::from(end.code), end.reason.as_str()), (1013, "too slow: resume with since="));
    assert!(heard < 8_000, "the client was cut off before the end");
    drop(slow);
    let resumed = |cursor: &str| format!("/orders?territory=north&since={cursor}");
    let mut again = watch(&gateway, &resumed(&cursor)).await;
    while heard < 8_000 {
        match next(&mut again).await {
            Message::Text(json) => {
                let message: Value = serde_json::from_str(&json).unwrap();
                cursor = text(&message["cursor"]).to_owned();
                heard += usize::from(message["type"] != "SUBSCRIBED");
            }
            // On a busy machine this one may be too slow for the pace too.
            Message::Close(_) => again = watch(&gateway, &resumed(&cursor)).await,
            other => panic!("an event, not {other:?}"),
        }
    }
    let last = create(&gateway).await;
    assert_eq!(text(&event(&mut again).await["order_id"]), last, "nothing came twice and nothing is missing");
    gateway.stop().await;
}

#[tokio::test]
async fn watchers_are_told_when_the_gateway_goes_away() {
    let gateway = Running::start(Settings::default()).await;
    let mut watcher = watch(&gateway, "/orders?territory=north").await;
    event(&mut watcher).await;
    let stopped = tokio::spawn(gateway.stop());
    assert_eq!(u16::from(closed(&mut watcher).await.code), 1001);
    stopped.await.unwrap();
}

#[tokio::test]
async fn two_gateways_on_one_server_show_each_others_changes() {
    let database = tokio::task::spawn_blocking(|| Server::shared().database()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("root.key");
    medorder::generate_key_file(&key).unwrap();
    let keys = medorder::KeyFile::open(&key).unwrap();
    let owner = medorder::OrderService::builder(database.url(OWNER), keys);
    owner.init(&PostgresInit::new(RUNTIME)).await.expect("a schema");
    let first = support::service(database.url(RUNTIME), folder.path()).await;
    support::register(&first).await;
    let second = support::service(database.url(RUNTIME), folder.path()).await;
    let first = Running::over(first, Settings::default()).await;
    let second = Running::over(second, Settings::default()).await;

    let mut watcher = watch(&second, "/orders?territory=north").await;
    let cursor = text(&event(&mut watcher).await["cursor"]).to_owned();
    let id = create(&first).await;
    assert_eq!(text(&event(&mut watcher).await["order_id"]), id);
    reject(&second, &id).await;
    // A cursor of one gateway is good at the other.
    let mut other = watch(&first, &format!("/orders?territory=north&since={cursor}")).await;
    event(&mut other).await;
    let statuses =
        [event(&mut other).await["new_status"].clone(), event(&mut other).await["new_status"].clone()];
    assert_eq!(statuses, [json!("pending_verification"), json!("rejected")]);
    first.stop().await;
    second.stop().await;
}
