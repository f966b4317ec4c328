//! What every request shares.

use std::sync::Arc;
use std::time::Duration;

use medorder::{AccessPolicy, OrderService};
use tokio::sync::{Semaphore, watch};

use crate::demo::SignIn;
use crate::identity::Identity;
use crate::limits::Limits;

/// The state of the gateway; cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) service: OrderService,
    pub(crate) policy: AccessPolicy,
    pub(crate) identity: Identity,
    pub(crate) limits: Limits,
    pub(crate) trust_proxy: bool,
    /// The demo's sign-in, if this is the demo.
    pub(crate) demo: Option<SignIn>,
    pub(crate) pace: Pace,
    /// One permit for each connection of live updates.
    pub(crate) live: Arc<Semaphore>,
    /// True once the gateway is going away.
    pub(crate) closing: watch::Sender<bool>,
}

/// The pace of live connections.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How often the client is asked whether it is there; one that has not answered by the next time is gone.
    pub ping: Duration,
    /// How long one message may take to be sent before the client counts as too slow.
    pub slow: Duration,
    /// How long a slow client has to read up to the reason why it is cut off.
    pub grace: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { ping: Duration::from_secs(20), slow: Duration::from_secs(10), grace: Duration::from_secs(20) }
    }
}

impl App {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Resolves when the gateway goes away.
    pub(crate) async fn closed(&self) {
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }

    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }
}

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}
