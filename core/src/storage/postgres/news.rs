//! Telling other processes of commits, and hearing of theirs. Both are hints: whoever waits also looks by itself.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::Shared;
use super::connect::Settings;
use super::lane::{Lane, limited};
use super::read;
use super::rows::{Rows, Trouble};

const CHANNEL: &str = "medorder";
/// At most one message in this time: inside a commit, or for each one, they would queue up the whole server.
const SPACING: Duration = Duration::from_millis(2);
/// How often the heads are looked at while messages come, and while they do not.
const CALM: Duration = Duration::from_secs(1);
const ALONE: Duration = Duration::from_millis(250);
const AGAIN: Duration = Duration::from_millis(500);

/// What the tasks and the writer share.
pub(super) struct News {
    /// Events were committed here.
    committed: Notify,
    listening: AtomicBool,
    /// Messages heard so far.
    heard: AtomicU64,
    /// Names this process, so that it does not listen to itself.
    own: String,
    /// Ends the task that waits for messages.
    listener: OnceLock<AbortHandle>,
}

impl News {
    pub(super) fn new(own: String) -> Self {
        Self {
            committed: Notify::new(),
            listening: AtomicBool::new(false),
            heard: AtomicU64::new(0),
            own,
            listener: OnceLock::new(),
        }
    }

    /// Others should hear of a commit.
    pub(super) fn tell(&self) {
        self.committed.notify_one();
    }

    /// The storage is closed.
    pub(super) fn end(&self) {
        self.committed.notify_one();
        if let Some(listener) = self.listener.get() {
            listener.abort();
        }
    }
}

/// Starts the tasks; they end with the storage.
pub(super) fn start(shared: &Arc<Shared>) {
    let settings = &shared.settings;
    if let (Some(options), Some(direct)) = (settings.listen.clone(), settings.listening()) {
        let (weak, pool) = (Arc::downgrade(shared), PgPoolOptions::new().max_connections(1));
        let listening = shared.handle.spawn(listen(weak, pool.connect_lazy_with(options)));
        // Nobody starts twice.
        let _ = shared.news.listener.set(listening.abort_handle());
        // Not through a pooler: outside a transaction it could hand the statement to another client's connection.
        shared.spawn(notify(Arc::downgrade(shared), direct));
    }
    shared.spawn(look(Arc::downgrade(shared), settings.clone()));
}

async fn listen(weak: Weak<Shared>, pool: sqlx::PgPool) {
    loop {
        if let Ok(mut listener) = PgListener::connect_with(&pool).await
            && listener.listen(CHANNEL).await.is_ok()
        {
            // What was said before this moment went unheard.
            if !hear(&weak, None) {
                return;
            }
            // `None`: the connection was lost and made anew, so something may have gone unheard.
            while let Ok(message) = listener.try_recv().await {
                if !hear(&weak, message.as_ref().map(|message| message.payload())) {
                    return;
                }
            }
        }
        let Some(shared) = weak.upgrade() else { return };
        shared.news.listening.store(false, Ordering::Relaxed);
        drop(shared);
        sleep(AGAIN).await;
    }
}

fn hear(weak: &Weak<Shared>, from: Option<&str>) -> bool {
    let Some(shared) = weak.upgrade() else { return false };
    shared.news.listening.store(true, Ordering::Relaxed);
    if from != Some(shared.news.own.as_str()) {
        shared.news.heard.fetch_add(1, Ordering::Relaxed);
        shared.tick();
    }
    shared.live().is_ok()
}

async fn notify(weak: Weak<Shared>, settings: Settings) {
    let mut lane: Option<Lane> = None;
    loop {
        let Some(shared) = weak.upgrade() else { return };
        if shared.live().is_err() {
            return;
        }
        let own = shared.news.own.clone();
        // Kept across the wait on purpose: whoever closes wakes this task.
        shared.news.committed.notified().await;
        drop(shared);
        let said = Instant::now();
        if limited(say(&mut lane, &settings, &own)).await.is_err() {
            lane = None;
            sleep(AGAIN).await;
        }
        tokio::time::sleep_until(said + SPACING).await;
    }
}

async fn say(lane: &mut Option<Lane>, settings: &Settings, own: &str) -> Rows<()> {
    if lane.is_none() {
        *lane = Some(Lane::open(settings).await?);
    }
    let lane = lane.as_mut().ok_or(Trouble::Lost)?;
    // A hint need not survive a crash: waiting for the disk would hold up the commits that must.
    lane.query("SELECT set_config('synchronous_commit', 'off', true), pg_notify('medorder', $1)")
        .bind(own)
        .execute(&mut lane.conn)
        .await?;
    Ok(())
}

/// Looks at the heads, often if messages do not come.
async fn look(weak: Weak<Shared>, settings: Settings) {
    let mut lane: Option<Lane> = None;
    let (mut last, mut heard, mut missed) = (None, 0, false);
    loop {
        let Some(shared) = weak.upgrade() else { return };
        if shared.live().is_err() {
            return;
        }
        let calm = shared.news.listening.load(Ordering::Relaxed) && !missed;
        let watched = shared.is_watched();
        drop(shared);
        sleep(if calm { CALM } else { ALONE }).await;
        if !watched {
            // Whoever comes next has read before the next look: what was seen until then does not count.
            last = None;
            continue;
        }
        let Some(shared) = weak.upgrade() else { return };
        // Counted before the look, so that a commit of our own during it does not pass for somebody else's.
        let commits = shared.commits();
        drop(shared);
        let now = limited(pulse(&mut lane, &settings)).await;
        let Some(shared) = weak.upgrade() else { return };
        match now {
            Ok(now) => {
                let changed = last.is_none_or(|last| last != (now, commits));
                let heard_now = shared.news.heard.load(Ordering::Relaxed);
                // Somebody else committed and no message came.
                let others = last.is_some_and(|(before, own)| before != now && own == shared.commits());
                missed = if others { heard_now == heard } else { missed && heard_now == heard };
                heard = heard_now;
                last = Some((now, commits));
                if changed {
                    shared.tick();
                }
            }
            Err(_) => (lane, last) = (None, None),
        }
    }
}

async fn pulse(lane: &mut Option<Lane>, settings: &Settings) -> Rows<(i64, i64)> {
    if lane.is_none() {
        *lane = Some(Lane::open(settings).await?);
    }
    read::pulse(lane.as_mut().ok_or(Trouble::Lost)?).await
}
