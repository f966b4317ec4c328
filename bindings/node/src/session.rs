//! Calls by name, of a session and of an administrator.

use std::sync::Arc;

use medorder::service::{self, AuditExport};
use medorder::{Error, ErrorCode, OrderId, Zeroizing, wire};
use napi_derive::napi;
use tokio::sync::Mutex;

use crate::feed::Subscription;
use crate::host::keys;
use crate::mail::{Mail, start};
use crate::thrown;

/// What one actor may do in one territory.
#[napi]
pub struct Session {
    mail: Arc<Mail>,
    session: medorder::Session,
}

impl Session {
    pub(crate) fn new(mail: &Arc<Mail>, session: medorder::Session) -> Self {
        Self { mail: Arc::clone(mail), session }
    }
}

#[napi]
impl Session {
    /// The call `name` with `arguments`, a JSON object.
    #[napi(catch_unwind)]
    pub fn call(&self, number: i64, name: String, arguments: String) {
        let (session, arguments) = (self.session.clone(), Zeroizing::new(arguments.into_bytes()));
        start(&self.mail, number, async move { session.call(&name, &arguments).await });
    }

    /// Ends the session at once.
    #[napi(catch_unwind)]
    pub fn revoke(&self) {
        self.session.revoke();
    }

    /// Subscribes; the answer is where the subscription begins.
    #[napi(catch_unwind)]
    pub fn subscribe(
        &self,
        number: i64,
        order_id: Option<String>,
        since: Option<String>,
    ) -> napi::Result<Subscription> {
        let order = order_id.map(|id| id.parse::<OrderId>()).transpose().map_err(|error| thrown(&error))?;
        Ok(Subscription::open(&self.mail, number, self.session.clone(), order, since))
    }

    /// Begins an export; the answer is how many entries it has.
    #[napi(catch_unwind)]
    pub fn export(&self, number: i64) -> Export {
        let export = Arc::new(Mutex::new(None));
        let (session, begun) = (self.session.clone(), Arc::clone(&export));
        start(&self.mail, number, async move {
            let export = session.export_audit().await?;
            let total = wire::plain_json(&export.total());
            *begun.lock().await = Some(export);
            Ok(total)
        });
        Export { mail: Arc::clone(&self.mail), export }
    }
}

/// An export of the audit, a page at a time.
#[napi]
pub struct Export {
    mail: Arc<Mail>,
    export: Arc<Mutex<Option<AuditExport>>>,
}

#[napi]
impl Export {
    /// The next entries; none at the end.
    #[napi(catch_unwind)]
    pub fn page(&self, number: i64) {
        let export = Arc::clone(&self.export);
        start(&self.mail, number, async move {
            let mut export = export.lock().await;
            let export =
                export.as_mut().ok_or_else(|| Error::new(ErrorCode::Closed, "no export was begun"))?;
            Ok(wire::plain_json(&export.next_page().await?))
        });
    }
}

/// Administrative acts of one actor.
#[napi]
pub struct Admin {
    mail: Arc<Mail>,
    admin: service::Admin,
}

impl Admin {
    pub(crate) fn new(mail: &Arc<Mail>, admin: service::Admin) -> Self {
        Self { mail: Arc::clone(mail), admin }
    }

    /// A function that tells JavaScript how far the call `number` is.
    fn progress(&self, number: i64) -> impl FnMut(service::Progress) + Send + 'static {
        let mail = Arc::clone(&self.mail);
        move |at| mail.progress(number, at.done, at.total)
    }
}

#[napi]
impl Admin {
    /// The call `name` with `arguments`, a JSON object.
    #[napi(catch_unwind)]
    pub fn call(&self, number: i64, name: String, arguments: String) {
        let (admin, progress) = (self.admin.clone(), self.progress(number));
        start(&self.mail, number, async move { admin.call(&name, arguments.as_bytes(), progress).await });
    }

    /// Wraps every key under another root key.
    #[napi(catch_unwind)]
    pub fn change_root(&self, number: i64, kind: String, name: String, host: i64) {
        let (admin, progress, mail) = (self.admin.clone(), self.progress(number), Arc::clone(&self.mail));
        start(&self.mail, number, async move {
            admin.change_root(keys(&mail, &kind, &name, host)?, progress).await?;
            Ok(wire::plain_json(&()))
        });
    }
}
