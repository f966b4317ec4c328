//! HTTP itself, byte by byte: what the gateway does with requests that no library would send.
//!
//! What the parser refuses has a bare status, 400 or 431, and ends the connection; everything else has the envelope.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod support;

use std::time::Duration;

use medorder_gateway::Settings;
use support::{Running, token};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Long enough for any answer; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came back until the gateway ended the connection.
struct Raw {
    text: String,
}

impl Raw {
    /// The status of each answer. A body is followed by the next answer without a line end.
    fn statuses(&self) -> Vec<u16> {
        let answers = self.text.match_indices("HTTP/1.");
        answers.map(|(at, _)| self.text[at + 9..at + 12].parse().unwrap()).collect()
    }

    /// The only answer is an error: its status and its first fault, or its code.
    fn refusal(&self) -> (u16, String) {
        let [status] = self.statuses()[..] else { panic!("one answer: {}", self.text) };
        let (head, body) = self.text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\nx-request-id: "), "{}", self.text);
        let json: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{}", self.text));
        assert_eq!(json["status"], "error");
        let fault = &json["error"]["details"]["errors"][0];
        let told = match fault["rule"].as_str() {
            Some(rule) => format!("{} {rule}", fault["path"].as_str().unwrap()),
            None => json["error"]["code"].as_str().unwrap().to_owned(),
        };
        (status, told)
    }

    /// The parser's own answer, which says nothing.
    fn is_bare(&self, status: u16) -> bool {
        self.statuses() == [status] && self.text.ends_with("\r\n\r\n") && !self.text.contains("x-request-id")
    }
}

/// Sends the bytes, then the end of what is sent if `ends`, and reads to the end.
async fn exchange(gateway: &Running, bytes: &[u8], ends: bool) -> Raw {
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    // The gateway may have answered and gone before it took everything.
    let _ = stream.write_all(bytes).await;
    if ends {
        let _ = stream.shutdown().await;
    }
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    let _ = read.unwrap_or_else(|_| panic!("the connection ends: {}", String::from_utf8_lossy(bytes)));
    Raw { text: String::from_utf8(answer).unwrap() }
}

/// A request of somebody who may do everything, with these lines in its head and this body.
fn request(line: &str, head: &str, body: &str) -> Vec<u8> {
    let token = token(&["requester", "verifier", "auditor"]);
    format!(
        "{line}\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Territory-Id: north\r\n{head}\r\n{body}"
    )
    .into_bytes()
}

fn post(head: &str, body: &str) -> Vec<u8> {
    request("POST /api/v1/orders HTTP/1.1", &format!("Content-Type: application/json\r\n{head}"), body)
}

/// An empty object was read: the engine says what it lacks.
const READ: &str = "patient_id required";

#[tokio::test]
async fn what_is_no_http_gets_a_bare_status() {
    let gateway = Running::start(Settings::default()).await;
    let get = "GET /api/v1/session HTTP/1.1";
    let many: String = (0..80).map(|at| format!("X-{at}: a\r\n")).collect();
    let long = format!("X-A: {}\r\n", "a".repeat(70_000));
    for (name, bytes, status) in [
        ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), 400),
        ("HTTP/0.9", b"GET /healthz\r\n".to_vec(), 400),
        ("a method of other letters", request("G{T / HTTP/1.1", "", ""), 400),
        ("a blank in the path", request("GET /a b HTTP/1.1", "", ""), 400),
        ("a zero byte in a header", request(get, "X-A: a\0b\r\n", ""), 400),
        ("a folded header", request(get, "X-A: a\r\n b\r\n", ""), 400),
        ("a blank before the colon", request(get, "X-A : a\r\n", ""), 400),
        ("lines that end in CR", b"GET /healthz HTTP/1.1\rHost: a\r\r".to_vec(), 400),
        ("many headers", request(get, &many, ""), 431),
        ("a long header", request(get, &long, ""), 431),
    ] {
        let answer = exchange(&gateway, &bytes, true).await;
        assert!(answer.is_bare(status), "{name}: {}", answer.text);
    }
    let mut bytes = request("GET /api/v1/orders/? HTTP/1.1", "", "");
    bytes[19] = 0xff;
    assert!(exchange(&gateway, &bytes, false).await.is_bare(400), "a path that is no UTF-8");
    gateway.stop().await;
}

#[tokio::test]
async fn a_body_ends_in_one_place() {
    let gateway = Running::start(Settings::default()).await;
    let smuggled = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let chunks = "2\r\n{}\r\n0\r\n\r\n";
    for head in [
        "Content-Length: -1\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: 0x2\r\n",
        "Content-Length: 2, 2\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
    ] {
        let answer = exchange(&gateway, &post(head, chunks), false).await;
        assert!(answer.is_bare(400), "{head}: {}", answer.text);
    }
    // Both at once: the chunks count, and what follows them is never answered.
    for head in [
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    ] {
        let bytes = post(head, &format!("{chunks}{smuggled}"));
        let bytes = String::from_utf8(bytes).unwrap().replace("Connection: close\r\n", "");
        let answer = exchange(&gateway, bytes.as_bytes(), false).await;
        assert_eq!(answer.refusal(), (400, READ.to_owned()), "{head}");
    }
    // A body that a GET has is its own, and the next request starts behind it.
    let first =
        format!("GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{smuggled}", smuggled.len());
    let both = [first.as_bytes(), &request("GET /readyz HTTP/1.1", "", "")].concat();
    assert_eq!(exchange(&gateway, &both, false).await.statuses(), [200, 200]);
    // Trailers are not headers.
    let trailed = post("Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\nTerritory-Id: south\r\n\r\n");
    assert_eq!(exchange(&gateway, &trailed, false).await.refusal(), (400, READ.to_owned()));
    gateway.stop().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_or_is_too_long_is_refused() {
    let gateway = Running::start(Settings::default()).await;
    let broken = (400, " format".to_owned());
    for (head, body) in [
        ("", ""),
        ("Content-Length: 20\r\n", "{}"),
        ("Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n"),
        ("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "-2\r\n{}\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n{}"),
    ] {
        assert_eq!(exchange(&gateway, &post(head, body), true).await.refusal(), broken, "{head}{body}");
    }
    // Refused before a byte of it was sent, with and without a client that asks first.
    for head in ["Content-Length: 999999999999\r\n", "Content-Length: 1048577\r\nExpect: 100-continue\r\n"] {
        let answer = exchange(&gateway, &post(head, ""), false).await;
        assert_eq!(answer.refusal(), (413, " too_long".to_owned()), "{head}");
    }
    let chunk = format!("100001\r\n{}\r\n0\r\n\r\n", " ".repeat(0x10_0001));
    let answer = exchange(&gateway, &post("Transfer-Encoding: chunked\r\n", &chunk), false).await;
    // The gateway goes while the client still sends, so its answer may be lost on the way.
    assert!(answer.text.is_empty() || answer.refusal().0 == 413, "{}", answer.text);
    // Nobody is asked for a body before it is known who they are.
    let bytes = b"POST /api/v1/orders HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
        Content-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(exchange(&gateway, bytes, false).await.refusal(), (401, "UNAUTHENTICATED".to_owned()));
    let answer =
        exchange(&gateway, &post("Content-Length: 2\r\nExpect: 100-continue\r\n", "{}"), false).await;
    assert_eq!(answer.statuses(), [100, 400]);
    gateway.stop().await;
}

#[tokio::test]
async fn a_header_means_one_thing() {
    let gateway = Running::start(Settings::default()).await;
    let get = "GET /api/v1/orders HTTP/1.1";
    let json = "Content-Length: 2\r\n";
    for (bytes, status, told) in [
        (b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec(), 400, "Host required"),
        (request(get, "Host: b\r\n", ""), 400, "Host duplicate"),
        (request(get, "Authorization: Bearer x\r\n", ""), 401, "UNAUTHENTICATED"),
        (request(get, "Territory-Id: south\r\n", ""), 400, "Territory-Id duplicate"),
        (post(&format!("Content-Type: text/plain\r\n{json}"), "{}"), 415, "Content-Type duplicate"),
        (post(&format!("Content-Encoding: gzip\r\n{json}"), "{}"), 415, "Content-Encoding one_of"),
        (post(&format!("Content-Encoding: identity\r\n{json}"), "{}"), 400, READ),
        (post(&format!("Idempotency-Key: a\r\nIdempotency-Key: a\r\n{json}"), "{}"), 400, READ),
    ] {
        let answer = exchange(&gateway, &bytes, false).await;
        assert_eq!(answer.refusal(), (status, told.to_owned()), "{}", String::from_utf8_lossy(&bytes));
    }
    let mut bytes = request(get, "Idempotency-Key: ?\r\nX-A: ?\r\n", "");
    bytes.iter_mut().filter(|byte| **byte == b'?').for_each(|byte| *byte = 0xff);
    let answer = exchange(&gateway, &bytes, false).await;
    assert_eq!(answer.statuses(), [200], "a header that is not looked at may be anything");
    let answer = exchange(&gateway, &request(get, "X-Request-Id: not mine\r\n", ""), false).await;
    assert!(!answer.text.contains("not mine"), "{}", answer.text);
    // HTTP/1.0 has no Host, and ends the connection by itself.
    assert_eq!(exchange(&gateway, b"GET /healthz HTTP/1.0\r\n\r\n", false).await.statuses(), [200]);
    gateway.stop().await;
}

#[tokio::test]
async fn a_path_is_taken_as_it_is_written() {
    let gateway = Running::start(Settings::default()).await;
    let unknown = (404, " unknown".to_owned());
    for path in [
        "//api/v1/session",
        "/api/v1/./session",
        "/api/v1/x/../session",
        "/api%2fv1/session",
        "/api/v1/session/",
        "/API/V1/session",
        "/api/v1/session;a=b",
        "/api/v1/orders/a/b",
    ] {
        let answer = exchange(&gateway, &request(&format!("GET {path} HTTP/1.1"), "", ""), false).await;
        assert_eq!(answer.refusal(), unknown, "{path}");
    }
    for (id, rule) in
        [("a%2fb", "format"), ("%00", "format"), ("%zz", "format"), ("\u{e9}", "format"), ("%ff", "utf8")]
    {
        let line = format!("GET /api/v1/orders/{id} HTTP/1.1");
        let answer = exchange(&gateway, &request(&line, "", ""), false).await;
        assert_eq!(answer.refusal(), (400, format!("order_id {rule}")), "{id}");
    }
    // The absolute form, as a proxy sends it: whose name stands there does not matter.
    let line = "GET http://elsewhere.example/api/v1/session HTTP/1.1";
    assert_eq!(exchange(&gateway, &request(line, "", ""), false).await.statuses(), [200]);
    gateway.stop().await;
}

#[tokio::test]
async fn a_method_is_one_of_the_route() {
    let gateway = Running::start(Settings::default()).await;
    for method in ["OPTIONS", "TRACE", "PATCH", "BREW"] {
        let answer =
            exchange(&gateway, &request(&format!("{method} /api/v1/orders HTTP/1.1"), "", ""), false).await;
        assert_eq!(answer.refusal(), (405, " not_allowed".to_owned()), "{method}");
        let allow = answer.text.lines().find_map(|line| line.strip_prefix("allow: ")).unwrap();
        assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    }
    for line in ["OPTIONS * HTTP/1.1", "CONNECT localhost:80 HTTP/1.1"] {
        assert_eq!(exchange(&gateway, &request(line, "", ""), false).await.refusal().0, 404, "{line}");
    }
    for (path, status) in [("/api/v1/session", 200), ("/nothing", 404)] {
        let answer = exchange(&gateway, &request(&format!("HEAD {path} HTTP/1.1"), "", ""), false).await;
        assert_eq!(answer.statuses(), [status]);
        assert!(answer.text.ends_with("\r\n\r\n"), "a HEAD has no body: {}", answer.text);
    }
    let overridden = request("GET /api/v1/session HTTP/1.1", "X-HTTP-Method-Override: DELETE\r\n", "");
    assert_eq!(exchange(&gateway, &overridden, false).await.statuses(), [200]);
    // What only looks like a request for live updates.
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n";
    let answer =
        exchange(&gateway, &request("GET /orders?territory=north HTTP/1.1", upgrade, ""), false).await;
    assert_eq!(answer.refusal(), (426, "Upgrade required".to_owned()));
    gateway.stop().await;
}
