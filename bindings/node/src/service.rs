//! Opening, closing, and what a service hands out.

use std::sync::{Arc, OnceLock};

use medorder::{Error, ErrorCode, OrderService, Result, TerritoryId, Zeroizing, wire};
use napi_derive::napi;

use crate::host::{Host, HostAnchor, HostDirectory, keys};
use crate::mail::{Mail, Mailbox, start};
use crate::session::{Admin, Session};
use crate::thrown;

/// A service. It is there before it is open: the answer to the number of its opening says how that went.
#[napi]
pub struct Service {
    mail: Arc<Mail>,
    open: Arc<OnceLock<OrderService>>,
}

#[napi]
impl Service {
    /// Opens. `directory` and `anchor` are numbers of the host's functions, 0 if it brings none.
    #[napi(constructor, catch_unwind)]
    #[allow(clippy::too_many_arguments, reason = "what TypeScript has to say is flat")]
    pub fn new(
        mailbox: &Mailbox,
        number: i64,
        url: String,
        kind: String,
        name: String,
        host: i64,
        options: String,
        directory: i64,
        anchor: i64,
    ) -> Self {
        let mail = Arc::clone(&mailbox.mail);
        let open = Arc::new(OnceLock::new());
        let (post, opened) = (Arc::clone(&mail), Arc::clone(&open));
        start(&mail, number, async move {
            // Made first, so that JavaScript forgets them whatever fails below.
            let directory = (directory != 0).then(|| HostDirectory(Host::new(&post, directory)));
            let anchor = (anchor != 0).then(|| HostAnchor(Host::new(&post, anchor)));
            let keys = keys(&post, &kind, &name, host)?;
            let mut builder =
                OrderService::builder(url, keys).options(wire::open_options(options.as_bytes())?)?;
            if let Some(directory) = directory {
                builder = builder.directory(directory);
            }
            if let Some(anchor) = anchor {
                builder = builder.anchor(anchor);
            }
            let service = builder.open().await?;
            opened.set(service).map_err(|_| Error::new(ErrorCode::Internal, "opened twice"))?;
            Ok(wire::plain_json(&()))
        });
        Self { mail, open }
    }

    /// What an actor may do in a territory.
    #[napi(catch_unwind)]
    pub fn session(&self, actor: String, territory: String) -> napi::Result<Session> {
        let make = || {
            let actor = wire::actor(actor.as_bytes())?;
            Ok(self.opened()?.session(actor, territory.parse::<TerritoryId>()?))
        };
        make().map(|session| Session::new(&self.mail, session)).map_err(|error| thrown(&error))
    }

    /// Administrative acts of an actor.
    #[napi(catch_unwind)]
    pub fn admin(&self, actor: String) -> napi::Result<Admin> {
        let make = || Ok(self.opened()?.admin(wire::actor(actor.as_bytes())?));
        make().map(|admin| Admin::new(&self.mail, admin)).map_err(|error| thrown(&error))
    }

    /// The identity of the database.
    #[napi(catch_unwind)]
    pub fn generation(&self, number: i64) {
        let open = Arc::clone(&self.open);
        start(&self.mail, number, async move { Ok(wire::plain_json(&service(&open)?.generation().await?)) });
    }

    /// The public key of checkpoints, in hexadecimal.
    #[napi(catch_unwind)]
    pub fn checkpoint_public_key(&self, number: i64) {
        let open = Arc::clone(&self.open);
        start(&self.mail, number, async move {
            let key = service(&open)?.checkpoint_public_key().await?;
            let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
            Ok(wire::plain_json(&text))
        });
    }

    /// Closes.
    #[napi(catch_unwind)]
    pub fn close(&self, number: i64) {
        let open = Arc::clone(&self.open);
        start(&self.mail, number, async move {
            service(&open)?.close().await?;
            Ok(Zeroizing::new(b"null".to_vec()))
        });
    }

    fn opened(&self) -> Result<&OrderService> {
        service(&self.open)
    }
}

fn service(open: &OnceLock<OrderService>) -> Result<&OrderService> {
    open.get().ok_or_else(|| Error::new(ErrorCode::Closed, "the service is not open"))
}
