//! The page: files of one folder, and the headers that keep it from loading anything else.

use std::path::Path;

use axum::http::{HeaderValue, header};
use axum::response::Response;
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::app::App;

/// Everything from here, nothing inline, no frame around it. `'self'` covers the WebSocket of the same origin.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'";

/// The router with the page at `/` and its files at `/assets`.
pub(crate) fn around(router: axum::Router<App>, folder: &Path) -> axum::Router<App> {
    // Names of files under `assets` have a hash of their content in them.
    let assets = ServeDir::new(folder.join("assets")).append_index_html_on_directories(false);
    let files = axum::Router::new()
        .nest_service("/assets", assets)
        .layer(SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, kept))
        .route_service("/", tower_http::services::ServeFile::new(folder.join("index.html")))
        .route_service("/favicon.svg", tower_http::services::ServeFile::new(folder.join("favicon.svg")))
        .layer(fixed(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(fixed(header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"))
        .layer(fixed(
            header::HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ));
    router.merge(files)
}

/// How long a browser keeps an answer. That a file is missing is true for now only: while gateways are renewed one by
/// one, an old one is asked for files of the new page.
fn kept<B>(response: &Response<B>) -> Option<HeaderValue> {
    let is_there = !response.status().is_client_error() && !response.status().is_server_error();
    is_there.then(|| HeaderValue::from_static("public, max-age=31536000, immutable"))
}

fn fixed(name: header::HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
}
