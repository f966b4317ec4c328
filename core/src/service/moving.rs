//! From one file to a server: the same keys, chains and ciphertext in PostgreSQL.

use std::sync::Arc;

use super::admin::{Admin, Progress};
use crate::audit::Action;
use crate::error::Result;
use crate::model::{Chain, Permission};
use crate::storage::postgres::{self, PostgresInit, PostgresOptions, PostgresStorage};
use crate::storage::{Initial, Storage, copy};

impl Admin {
    /// Moves this database into PostgreSQL: makes the schema with the owner's url, then copies every row as the
    /// runtime role. Nobody may write this database meanwhile, nor afterwards: the copy carries its generation, so
    /// cursors and checkpoints go on there. Writes a `backup` entry first, which is copied too. Answers how many
    /// orders and entries were copied; verify the audit of the copy with [`Admin::verify_audit`].
    ///
    /// # Errors
    /// `VALIDATION_ERROR` if the target holds anything, `AUDIT_BROKEN` if somebody wrote meanwhile or a chain is
    /// cut (make the target anew), `SCHEMA_UNSUPPORTED`, `ACCESS_DENIED`, `TERRITORY_MISMATCH`,
    /// `STORAGE_UNAVAILABLE`, `KEY_UNAVAILABLE`, `OUTCOME_UNKNOWN`, `CLOSED`.
    pub async fn move_to_postgres(
        &self,
        owner_url: &str,
        settings: &PostgresInit,
        url: &str,
        mut progress: impl FnMut(Progress) + Send + 'static,
    ) -> Result<u64> {
        self.permit_all(Permission::KeysManage, Action::Backup).await?;
        // Both urls, before anything is made: a schema without its rows is in the way of the next try.
        postgres::reach(owner_url).await?;
        postgres::reach(url).await?;
        self.system_act(Action::Backup, "postgres", Vec::new()).await?;
        let source = Arc::clone(&self.core.storage);
        let generation = source.meta().await?.generation;
        let initial = Initial { generation, keys: source.keys(&Chain::System).await? };
        postgres::init(owner_url, settings, &initial).await?;
        let target = PostgresStorage::connect(url, PostgresOptions::default()).await?;
        let copied = self.core.background.offload(false, async move {
            let heads = source.territories().await?;
            let mut total: u64 = heads.iter().map(|row| row.head.seq).sum();
            for row in &heads {
                if let Chain::Territory(territory) = &row.chain {
                    total += source.order_count(territory).await?;
                }
            }
            let copied = copy(&*source, &target, &mut |done| progress(Progress { done, total })).await;
            let closed = target.close().await;
            let copied = copied?;
            closed.map(|()| copied)
        });
        copied.await
    }
}
