//! A gateway of the test's own on a free port, and a client that speaks HTTP/1.1 to it.

#![allow(dead_code, unreachable_pub, reason = "each suite uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::net::SocketAddr;
use std::path::Path;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper_util::rt::TokioIo;
use medorder::{Actor, KeyFile, OrderService, Purpose, RoleName, TerritoryId, generate_key_file};
use medorder_gateway::identity::{self, Claims, Identity, Keys, Rules};
use medorder_gateway::{Gateway, Settings};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub const SECRET: &[u8] = b"a secret of the tests, 32 bytes..";

/// The pair that is registered in the territories `north` and `south`.
pub const PATIENT: &str = "pat-7781";
pub const PROVIDER: &str = "npi-5512";

/// Texts that must never stand in a log.
pub const SECRETS: &[&str] =
    &["MRI of the left knee", "M17.12", "dislikes needles", "Prairie Mutual", "POL-77"];

pub struct Running {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<medorder::Result<()>>,
    folder: Option<TempDir>,
}

pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Response {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    pub fn data(&self) -> Value {
        let json = self.json();
        assert_eq!(json["status"], "success", "{json}");
        json["data"].clone()
    }

    /// The code of an error, whose envelope is as promised.
    pub fn code(&self) -> String {
        let json = self.json();
        assert_eq!(json["status"], "error", "{json}");
        assert!(json["error"]["message"].is_string() && json["error"]["details"].is_object(), "{json}");
        json["error"]["code"].as_str().expect("an error has a code").to_owned()
    }

    pub fn faults(&self) -> Vec<String> {
        let json = self.json();
        let faults = json["error"]["details"]["errors"].as_array().expect("the faults are listed");
        let shown = |fault: &Value| format!("{} {}", text(&fault["path"]), text(&fault["rule"]));
        faults.iter().map(shown).collect()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap_or_default())
    }
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

impl Running {
    /// A gateway on a new SQLite database.
    pub async fn start(settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let service = service(&folder.path().join("orders.db"), folder.path()).await;
        register(&service).await;
        let mut running = Self::over(service, settings).await;
        running.folder = Some(folder);
        running
    }

    /// A gateway on an open engine.
    pub async fn over(service: OrderService, settings: Settings) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let gateway = Gateway::new(service, identity().await, settings);
        let served = tokio::spawn(gateway.serve(listener, async {
            let _ = stopped.await;
        }));
        Self { address, stop: Some(stop), served, folder: None }
    }

    pub async fn stop(mut self) {
        self.stop.take().map(|stop| stop.send(()));
        self.served.await.expect("the gateway does not panic").expect("the engine closes");
    }

    pub async fn call(&self, call: Call<'_>) -> Response {
        let stream = TcpStream::connect(self.address).await.expect("the gateway listens");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
        tokio::spawn(connection);
        let mut request = hyper::Request::new(Full::new(Bytes::from(call.body.unwrap_or_default())));
        *request.method_mut() = call.method.parse().expect("a method");
        *request.uri_mut() = call.path.parse().expect("a path");
        for (name, value) in &call.headers {
            let name: HeaderName = name.parse().expect("a name");
            request.headers_mut().append(name, value.parse().expect("a value"));
        }
        request.headers_mut().entry("host").or_insert(HeaderValue::from_static("localhost"));
        let response = sender.send_request(request).await.expect("an answer");
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Response { status: head.status.as_u16(), headers: head.headers, body }
    }
}

pub struct Call<'a> {
    method: &'a str,
    path: &'a str,
    headers: Vec<(&'a str, String)>,
    body: Option<Vec<u8>>,
}

impl<'a> Call<'a> {
    pub fn new(method: &'a str, path: &'a str) -> Self {
        Self { method, path, headers: Vec::new(), body: None }
    }

    /// As the holder of these roles, in `north`.
    pub fn of(self, roles: &[&str]) -> Self {
        let token = token(roles);
        self.bearer(&token).header("territory-id", "north")
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub fn header(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.raw(body.to_string())
    }

    pub fn raw(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self.header("content-type", "application/json")
    }
}

pub async fn service(database: impl AsRef<Path>, folder: &Path) -> OrderService {
    let key = folder.join("root.key");
    if !key.exists() {
        generate_key_file(&key).expect("a key");
    }
    OrderService::open(database, KeyFile::open(&key).expect("the key")).await.expect("a database")
}

pub async fn register(service: &OrderService) {
    let administrator: RoleName = "administrator".parse().unwrap();
    let actor = Actor::new("u-admin".parse().unwrap(), Purpose::Operations).role(administrator);
    let admin = service.admin(actor.all_territories());
    let north: TerritoryId = "north".parse().unwrap();
    let (patient, provider) = (PATIENT.parse().unwrap(), PROVIDER.parse().unwrap());
    for territory in [&north, &"south".parse().unwrap()] {
        admin.register_territory(territory).await.expect("a territory");
        admin.register_relationship(territory, &patient, &provider).await.expect("a relationship");
    }
}

pub fn claims(roles: &[&str], territories: Value, seconds: i64) -> Claims {
    use medorder::env::{Clock, SystemClock};
    let exp = SystemClock.now_micros() / 1_000_000 + seconds;
    Claims {
        sub: format!("u-{}", roles.first().unwrap_or(&"nobody")),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        territories,
        purpose: "treatment".to_owned(),
        exp: exp.unsigned_abs(),
        aud: "medorder".to_owned(),
    }
}

/// A token for these roles in `north` and `nowhere`, which is not registered.
pub fn token(roles: &[&str]) -> String {
    sign(&claims(roles, json!(["north", "nowhere"]), 600))
}

pub fn sign(claims: &Claims) -> String {
    identity::sign(SECRET, claims).expect("a token")
}

async fn identity() -> Identity {
    let rules = Rules { leeway: 0, ..Rules::default() };
    Identity::open(Keys::Secret(SECRET.to_vec().into()), rules).await.expect("a secret")
}

/// An order with every field.
pub fn order() -> Value {
    json!({
        "patient_id": PATIENT, "provider_id": PROVIDER,
        "service_type": SECRETS[0], "diagnosis_codes": [SECRETS[1]], "notes": SECRETS[2],
        "insurance": {"carrier": SECRETS[3], "policy_number": SECRETS[4]},
    })
}
