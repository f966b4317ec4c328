//! The reference gateway of medorder: REST, live updates over WebSocket, and the files of a page, over the engine.
//!
//! It holds no rules. A handler reads the request, makes one call of the engine, and writes the answer with the
//! engine's own words ([`medorder::wire`]); who may do and see what, and in which order things may happen, is for the
//! engine to say. What is the gateway's own is the caller's identity ([`identity`]), how much one caller may ask, and
//! HTTP itself. `README.md` beside this crate says how it is run and what it does not do.

mod answer;
mod api;
mod app;
mod audit;
mod caller;
pub mod demo;
mod describe;
pub mod identity;
mod limits;
mod live;
mod orders;
mod page;
mod query;
mod schema;
mod server;
mod stall;

use std::path::PathBuf;
use std::sync::Arc;

use medorder::{AccessPolicy, OrderService};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

pub use api::document;
pub use app::Pace;
pub use limits::Rates;

/// A gateway that is ready to serve.
pub struct Gateway {
    app: app::App,
    page: Option<PathBuf>,
}

/// How a gateway behaves; the default is what `serve` does without options.
#[derive(Clone, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "filled in by callers with `..Default::default()`")]
pub struct Settings {
    /// The folder of the page, if it is served here.
    pub page: Option<PathBuf>,
    /// How much one caller may ask.
    pub rates: Rates,
    /// The pace of live connections.
    pub pace: Pace,
    /// True if the last address of `X-Forwarded-For` is the client's: only behind a proxy that sets it.
    pub trust_proxy: bool,
    /// Who may do and see what; the session's answer is made from it, so give the engine the same.
    pub policy: AccessPolicy,
    /// The demo's sign-in, if this is the demo.
    pub demo: Option<demo::SignIn>,
}

impl Gateway {
    /// A gateway over an open engine.
    #[must_use]
    pub fn new(service: OrderService, identity: identity::Identity, settings: Settings) -> Self {
        server::recorder();
        let app = app::App::new(app::Inner {
            service,
            policy: settings.policy,
            identity,
            limits: limits::Limits::new(settings.rates),
            trust_proxy: settings.trust_proxy,
            demo: settings.demo,
            pace: settings.pace,
            live: Arc::new(Semaphore::new(server::CONNECTIONS)),
            closing: watch::Sender::new(false),
        });
        Self { app, page: settings.page }
    }

    /// Serves until `stop` resolves; then lets what is under way end, tells those who watch, and closes the engine.
    ///
    /// # Errors
    /// What the engine met when it closed; see [`OrderService::close`].
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) -> medorder::Result<()> {
        let router = server::router(self.app.clone(), self.page.as_deref());
        server::serve(listener, router, self.app, stop).await
    }
}
