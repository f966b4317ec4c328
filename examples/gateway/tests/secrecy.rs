//! What the gateway logs: routes, statuses and codes; nothing that a caller has sent.

mod support;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::json;
use support::{Call, PATIENT, PROVIDER, Running, SECRETS, order, text};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("the log").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_line_holds_what_a_caller_has_sent() {
    let log = Log::default();
    let filter = "info,medorder=trace,medorder_gateway=trace";
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(log.clone()).with_ansi(false).init();

    let gateway = Running::start(Default::default()).await;
    let made = gateway.call(Call::new("POST", "/api/v1/orders").of(&["requester"]).json(&order())).await;
    let id = text(&made.data()["id"]).to_owned();
    // Everything in the wrong place: in paths, queries, headers, members and broken JSON.
    let secret = SECRETS[2].replace(' ', "%20");
    let path = format!("/api/v1/orders/{secret}");
    let query = format!("/api/v1/orders?patient_id={PATIENT}&{secret}=1");
    let disclosures = format!("/api/v1/disclosures?patient_id={PATIENT}&provider={PROVIDER}");
    let lost = format!("/{secret}/{PATIENT}");
    let token = support::token(&["requester"]);
    for call in [
        Call::new("GET", &path).of(&["requester"]),
        Call::new("GET", &query).of(&["requester"]),
        Call::new("GET", &disclosures).of(&["auditor"]),
        Call::new("GET", &lost).of(&["requester"]),
        Call::new("GET", "/api/v1/orders").of(&["requester"]).header("x-request-id", SECRETS[0]),
        Call::new("GET", "/api/v1/orders").bearer(&token).header("territory-id", PATIENT),
        Call::new("GET", "/api/v1/orders").bearer(SECRETS[1]),
        Call::new("POST", "/api/v1/orders").of(&["requester"]).raw(order().to_string().replace('}', "")),
        Call::new("POST", "/api/v1/orders").of(&["requester"]).json(&json!({SECRETS[3]: SECRETS[4]})),
        Call::new("POST", "/api/v1/orders").of(&["auditor"]).json(&order()),
        Call::new("DELETE", &format!("/api/v1/orders/{id}"))
            .of(&["administrator"])
            .json(&json!({"reason": "asked"})),
    ] {
        gateway.call(call).await;
    }
    let figures =
        String::from_utf8(gateway.call(Call::new("GET", "/metrics")).await.body.to_vec()).expect("text");
    gateway.stop().await;

    let log = String::from_utf8(log.0.lock().expect("the log").clone()).expect("text");
    assert!(log.matches("medorder_gateway").count() >= 12, "each request has a line:\n{log}");
    for (what, text) in [("the log", &log), ("the figures", &figures)] {
        let parts = [PATIENT, PROVIDER, &secret, token.split('.').nth(2).expect("a signature")];
        for secret in SECRETS.iter().chain(&parts) {
            assert!(!text.contains(secret), "{what} holds {secret}:\n{text}");
        }
    }
}
