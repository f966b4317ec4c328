//! What HTTP costs: the gateway with 32 connections beside 32 callers of the library, in one process on two databases,
//! in turn. The clients run in the same process too, so half of the work that is measured is theirs.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use medorder::access::role;
use medorder::{
    Actor, OrderId, OrderService, OrderStatus, Purpose, Session, StatusChange, TestKey, VerificationData,
};
use medorder_gateway::demo::{SignIn, person};
use medorder_gateway::identity::{Identity, Keys, Rules};
use medorder_gateway::{Gateway, Rates, Settings};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::orders::Shape;

/// Connections, and callers of the library.
const CALLERS: usize = 32;
const SECRET: &[u8] = b"a secret of the bench, 32 bytes.";
const OPERATIONS: [&str; 3] = ["create", "status change", "get"];

/// The times of one operation in one round: all of them in seconds, and how long the round took.
#[derive(Default)]
struct Row {
    times: Vec<f64>,
    took: f64,
}

/// Prints the table.
pub(crate) fn measure(rounds: usize, count: usize, shapes: &Arc<Vec<Shape>>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let (mut gateway, mut library) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let folder = tempfile::tempdir().expect("a folder");
        let mut over_http = || gateway.push(runtime.block_on(over_http(folder.path(), count, shapes)));
        if round % 2 == 0 {
            over_http();
            library.push(direct(&runtime, folder.path(), count, shapes));
        } else {
            library.push(direct(&runtime, folder.path(), count, shapes));
            over_http();
        }
    }
    println!("| operation | gateway/s | p50 us | p99 us | library/s | p50 us | p99 us | ratio |");
    println!("|---|---|---|---|---|---|---|---|");
    for (at, name) in OPERATIONS.iter().enumerate() {
        let of = |rounds: &[[Row; 3]]| -> (f64, f64, f64) {
            let middle =
                |value: &dyn Fn(&Row) -> f64| median(rounds.iter().map(|rows| value(&rows[at])).collect());
            let quantile = |row: &Row, part: f64| row.times[(row.times.len() as f64 * part) as usize] * 1e6;
            let rate = middle(&|row| row.times.len() as f64 / row.took);
            (rate, middle(&|row| quantile(row, 0.5)), middle(&|row| quantile(row, 0.99)))
        };
        let ((rate, p50, p99), (own, own50, own99)) = (of(&gateway), of(&library));
        println!(
            "| {name}, {CALLERS} connections | {rate:.0} | {p50:.0} | {p99:.0} | {own:.0} | {own50:.0} | {own99:.0} | **{:.2}** |",
            rate / own
        );
    }
}

/// The three operations over HTTP.
async fn over_http(folder: &Path, count: usize, shapes: &Arc<Vec<Shape>>) -> [Row; 3] {
    let service = open(&folder.join("gateway.db"), shapes).await;
    let identity =
        Identity::open(Keys::Secret(SECRET.to_vec().into()), Rules::default()).await.expect("a secret");
    let many = NonZeroU32::MAX;
    let settings = Settings { rates: Rates { user: many, refused: many }, ..Settings::default() };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(Gateway::new(service, identity, settings).serve(listener, async {
        let _ = stopped.await;
    }));

    let sign_in = SignIn::new(SECRET.to_vec(), 60, vec![id("north")]);
    let token = |role: &str| {
        let person = person(role).expect("a person");
        format!("Bearer {}", sign_in.token(person).expect("a token").0)
    };
    let (desk, payer) = (token("requester"), token("verifier"));
    let bodies: Arc<Vec<Bytes>> = Arc::new(shapes.iter().map(|shape| body(shape).into()).collect());
    let (create, ids) = {
        let desk = desk.clone();
        requests(address, count, move |n| {
            (Method::POST, "/api/v1/orders".to_owned(), desk.clone(), bodies[n % bodies.len()].clone())
        })
        .await
    };
    let ids: Arc<Vec<String>> = Arc::new(ids);
    let verify = json!({"status": "verified", "verification_data": {"verified_by": "v", "verification_method": "portal"}});
    let verify = Bytes::from(verify.to_string());
    let all = Arc::clone(&ids);
    let (change, _) = requests(address, count, move |n| {
        (Method::PUT, format!("/api/v1/orders/{}/status", all[n]), payer.clone(), verify.clone())
    })
    .await;
    let (get, _) = requests(address, count, move |n| {
        (Method::GET, format!("/api/v1/orders/{}", ids[n]), desk.clone(), Bytes::new())
    })
    .await;
    stop.send(()).expect("it is running");
    served.await.expect("it ends").expect("it closes");
    [create, change, get]
}

/// `count` requests over the connections; answers their times and the ids of the orders in the answers.
async fn requests(
    address: SocketAddr,
    count: usize,
    request: impl Fn(usize) -> (Method, String, String, Bytes) + Send + Sync + 'static,
) -> (Row, Vec<String>) {
    let mut connections = Vec::new();
    for _ in 0..CALLERS {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("an option");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP");
        tokio::spawn(connection);
        connections.push(sender);
    }
    let (row, answers) = together(connections, count, move |mut sender, n| {
        let (method, path, token, body) = request(n);
        async move {
            let answer = call(&mut sender, method, path, token, body).await;
            (sender, answer)
        }
    })
    .await;
    let id = |answer: &Bytes| {
        let json: Value = serde_json::from_slice(answer).expect("JSON");
        json["data"]["id"].as_str().expect("an order").to_owned()
    };
    (row, answers.iter().map(id).collect())
}

async fn call(
    sender: &mut SendRequest<Full<Bytes>>,
    method: Method,
    path: String,
    token: String,
    body: Bytes,
) -> Bytes {
    let request = Request::builder().method(method).uri(path).header("host", "localhost");
    let request = request.header("authorization", token).header("territory-id", "north");
    let request =
        request.header("content-type", "application/json").body(Full::new(body)).expect("a request");
    let response = sender.send_request(request).await.expect("an answer");
    assert!(response.status().is_success(), "{}", response.status());
    response.into_body().collect().await.expect("a body").to_bytes()
}

/// The same by the library alone.
fn direct(runtime: &Runtime, folder: &Path, count: usize, shapes: &Arc<Vec<Shape>>) -> [Row; 3] {
    runtime.block_on(async {
        let service = open(&folder.join("library.db"), shapes).await;
        let session = |role| service.session(actor("u-1").role(role), id("north"));
        let (desk, payer) = (session(role::requester()), session(role::verifier()));
        let requests = Arc::clone(shapes);
        let (create, ids) = calls(&desk, count, move |desk, n| {
            let request = requests[n % requests.len()].request();
            async move { desk.create_order(request).await.expect("an order").id }
        })
        .await;
        let ids: Arc<Vec<OrderId>> = Arc::new(ids);
        let all = Arc::clone(&ids);
        let (change, _) = calls(&payer, count, move |payer, n| {
            let id = all[n];
            let change =
                StatusChange::to(OrderStatus::Verified).verification(VerificationData::new("v", "portal"));
            async move { payer.update_status(id, change).await.expect("a change").id }
        })
        .await;
        let (get, _) = calls(&desk, count, move |desk, n| {
            let id = ids[n];
            async move { desk.order(id, None).await.expect("the order").id }
        })
        .await;
        service.close().await.expect("it closes");
        [create, change, get]
    })
}

async fn calls<F: Future<Output = OrderId> + Send + 'static>(
    session: &Session,
    count: usize,
    call: impl Fn(Session, usize) -> F + Send + Sync + 'static,
) -> (Row, Vec<OrderId>) {
    let sessions = vec![session.clone(); CALLERS];
    together(sessions, count, move |session, n| {
        let done = call(session.clone(), n);
        async move { (session, done.await) }
    })
    .await
}

/// `count` calls by the callers at once, each with what it holds; answers their times and answers in order.
async fn together<S: Send + 'static, T: Send + 'static, F: Future<Output = (S, T)> + Send + 'static>(
    callers: Vec<S>,
    count: usize,
    call: impl Fn(S, usize) -> F + Send + Sync + 'static,
) -> (Row, Vec<T>) {
    let (call, step) = (Arc::new(call), callers.len());
    let started = Instant::now();
    let mut running = JoinSet::new();
    for (caller, mut held) in callers.into_iter().enumerate() {
        let call = Arc::clone(&call);
        running.spawn(async move {
            let mut done = Vec::new();
            for n in (caller..count).step_by(step) {
                let began = Instant::now();
                let answer;
                (held, answer) = call(held, n).await;
                done.push((n, began.elapsed().as_secs_f64(), answer));
            }
            done
        });
    }
    let mut done: Vec<_> = running.join_all().await.into_iter().flatten().collect();
    let took = started.elapsed().as_secs_f64();
    done.sort_by_key(|(n, _, _)| *n);
    let times = done.iter().map(|(_, time, _)| *time).collect();
    (Row::new(times, took), done.into_iter().map(|(_, _, answer)| answer).collect())
}

impl Row {
    fn new(mut times: Vec<f64>, took: f64) -> Self {
        times.sort_by(f64::total_cmp);
        Self { times, took }
    }
}

async fn open(path: &Path, shapes: &[Shape]) -> OrderService {
    let service = OrderService::open(path, TestKey::new()).await.expect("the service opens");
    let admin = service.admin(actor("u-admin").role(role::administrator()));
    admin.register_territory(&id("north")).await.expect("a territory");
    for shape in shapes {
        let (patient, provider) = (id(&shape.patient_id), id(&shape.provider_id));
        admin.register_relationship(&id("north"), &patient, &provider).await.expect("a relationship");
    }
    service
}

fn actor(user: &str) -> Actor {
    Actor::new(id(user), Purpose::Treatment).all_territories()
}

/// The request as JSON.
fn body(shape: &Shape) -> String {
    json!({
        "patient_id": shape.patient_id,
        "provider_id": shape.provider_id,
        "service_type": shape.service_type,
        "diagnosis_codes": shape.diagnosis_codes,
        "notes": shape.notes,
        "insurance": shape.insurance,
    })
    .to_string()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn id<T: std::str::FromStr<Err = medorder::Error>>(text: &str) -> T {
    text.parse().expect("a good id")
}
