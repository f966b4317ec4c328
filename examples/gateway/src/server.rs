//! The routes, what surrounds each request, and the loop that accepts connections.

use std::io;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use medorder::env::Env;
use medorder::{Error, ErrorCode, Rule};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

use crate::answer::{Answer, Failed, Handled, Problem};
use crate::app::App;
use crate::caller::{Peer, RequestId};
use crate::stall::Impatient;
use crate::{api, demo, live, page};

/// The most connections at once; more wait to be accepted.
pub(crate) const CONNECTIONS: usize = 2_048;
/// How long a client may take to send the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// The longest head of a request, more or less (the parser looks when it has read), and how many headers it may have.
const HEAD_BYTES: usize = 32 * 1024;
const HEAD_LINES: usize = 64;
/// What the system holds for a client that does not read: enough for speed, and little enough that a client which is
/// too slow is noticed soon and a thousand of them cost little.
const SEND_BUFFER: usize = 256 * 1024;
/// How long a client may take nothing of what it asked for; longer than a slow watcher of live updates has.
const STALL: Duration = Duration::from_secs(60);
/// How long the gateway waits for what is under way when it goes away.
const LAST_WAIT: Duration = Duration::from_secs(10);

/// Every route with what surrounds it.
pub(crate) fn router(app: App, page: Option<&std::path::Path>) -> axum::Router {
    let (routes, document) = api::routes().split_for_parts();
    let document = Bytes::from(api::text(document));
    let json = [(header::CONTENT_TYPE, "application/json")];
    let router = routes
        .route("/api/openapi.json", get(move || async move { (json, document) }))
        .route("/healthz", get(|| async { Answer::data(br#""alive""#) }))
        .route("/readyz", get(ready))
        .route("/metrics", get(figures))
        .merge(live::routes())
        .merge(demo::routes())
        .method_not_allowed_fallback(|| async {
            Problem::http(StatusCode::METHOD_NOT_ALLOWED, "", Rule::NotAllowed)
        })
        .fallback(|| async { Problem::http(StatusCode::NOT_FOUND, "", Rule::Unknown) });
    let router = match page {
        Some(folder) => page::around(router, folder),
        None => router,
    };
    let compressed = CompressionLayer::new()
        .compress_when(SizeAbove::new(1024).and(NotForContentType::new("application/json")));
    router
        .layer(CatchPanicLayer::custom(|_| {
            Problem::from(Error::new(ErrorCode::Internal, "the gateway met a fault of its own"))
                .into_response()
        }))
        .layer(middleware::from_fn(observe))
        .layer(compressed)
        .with_state(app)
}

/// Serves until `stop` resolves, then ends what is under way and closes the engine.
///
/// # Errors
/// What the engine met when it closed.
pub(crate) async fn serve(
    listener: TcpListener,
    router: axum::Router,
    app: App,
    stop: impl Future<Output = ()>,
) -> medorder::Result<()> {
    let places = std::sync::Arc::new(Semaphore::new(CONNECTIONS));
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = &mut stop => break,
        };
        let Some((stream, address, place)) = accepted else { continue };
        let _ = stream.set_nodelay(true);
        let _ = socket2::SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER);
        let router = router.clone();
        let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(address.ip()));
            router.clone().oneshot(request)
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_headers(HEAD_LINES)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(TokioIo::new(Impatient::new(stream, STALL)), service)
            .with_upgrades();
        let app = app.clone();
        tokio::spawn(async move {
            tokio::pin!(connection);
            // A connection that breaks is the client's affair.
            tokio::select! {
                _ = connection.as_mut() => {}
                () = app.closed() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
            drop(place);
        });
    }
    drop(listener);
    app.closing.send_replace(true);
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    let last = async {
        let _ = tokio::join!(places.acquire_many(all), app.live.acquire_many(all));
    };
    let _ = tokio::time::timeout(LAST_WAIT, last).await;
    app.service.close().await
}

type Accepted = (tokio::net::TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, places: &std::sync::Arc<Semaphore>) -> Option<Accepted> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, address)) => Some((stream, address, place)),
        Err(error) => {
            // Out of file descriptors, say: the others go on, and some of them will end.
            if error.kind() != io::ErrorKind::ConnectionAborted {
                tracing::warn!(target: "medorder_gateway", "no connection can be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            None
        }
    }
}

/// Gives each request an id, counts it, logs it without anything that is the caller's, and sets the headers that keep
/// answers out of caches and frames.
async fn observe(mut request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = route.unwrap_or_else(|| "other".to_owned());
    request.extensions_mut().insert(RequestId(id.clone()));
    let started = Instant::now();
    let mut response = match one_host(&request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let took = started.elapsed();

    let status = response.status().as_u16();
    let code = response.extensions().get::<Failed>().map_or("-", |failed| failed.0.name());
    tracing::info!(
        target: "medorder_gateway",
        method = known(&method), route, status, code, micros = took.as_micros() as u64, request_id = id
    );
    let labels = [("method", known(&method).to_owned()), ("route", route), ("status", status.to_string())];
    metrics::counter!("medorder_gateway_requests", &labels).increment(1);
    metrics::histogram!("medorder_gateway_request_seconds", &labels[..2]).record(took.as_secs_f64());

    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert("x-request-id", id);
    }
    let fixed = [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// RFC 9112 section 3.2: a request of HTTP/1.1 names one host.
fn one_host(request: &Request) -> Result<(), Problem> {
    let fault = |rule| Err(Problem::http(StatusCode::BAD_REQUEST, "Host", rule));
    match request.headers().get_all(header::HOST).iter().count() {
        1 => Ok(()),
        0 if request.version() < axum::http::Version::HTTP_11 => Ok(()),
        0 => fault(Rule::Required),
        _ => fault(Rule::Duplicate),
    }
}

/// The caller's own id of the request if it looks like one, since it stands in logs; else a new one.
fn request_id(request: &Request) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    let given = request.headers().get("x-request-id").and_then(|id| id.to_str().ok());
    if let Some(id) = given.filter(|id| (1..=64).contains(&id.len()) && id.bytes().all(plain)) {
        return id.to_owned();
    }
    let bytes: [u8; 16] = Env::system().random().unwrap_or_default();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A method as a label: a caller may invent methods.
fn known(method: &axum::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// Whether the gateway can do its work: its storage answers and it is not going away.
async fn ready(State(app): State<App>) -> Handled {
    if app.is_closing() {
        return Err(Error::new(ErrorCode::StorageUnavailable, "the gateway is going away").into());
    }
    app.service.generation().await?;
    Ok(Answer::data(br#""ready""#))
}

/// The figures in the text format of Prometheus.
async fn figures() -> Response {
    let handle = recorder();
    handle.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], handle.render()).into_response()
}

/// Where the figures of this process are kept.
pub(crate) fn recorder() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        const SECONDS: &[f64] =
            &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
            .unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        // Somebody else's recorder may be there, in a host that has one; then that one has the figures.
        let _ = metrics::set_global_recorder(recorder);
        handle
    })
}
