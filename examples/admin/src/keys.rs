//! New keys for old data.

use indicatif::{ProgressBar, ProgressStyle};
use medorder::service::Progress;
use medorder::{Error, ErrorCode, Result};

use crate::cli::{Database, NewRoot};
use crate::connect::{RootKey, administrator, territories, with};
use crate::terminal::say;

pub(crate) async fn rotate(database: &Database, territory: Option<&str>) -> Result<()> {
    let actor = administrator(&database.access)?;
    with(database, async |service| {
        let admin = service.admin(actor);
        for territory in territories(service, &database.access, territory).await? {
            let bar = bar(&format!("{territory}: orders"))?;
            let report = admin.rotate_keys(&territory, |progress| show(&bar, progress)).await;
            bar.finish_and_clear();
            let report = report?;
            say!(
                "{territory}: key {}, {} orders wrapped anew{}",
                report.version,
                report.rewrapped,
                if report.resumed { ", finishing a rotation that had stopped" } else { "" }
            );
        }
        Ok(())
    })
    .await
}

pub(crate) async fn change_root(database: &Database, new: &NewRoot) -> Result<()> {
    let actor = administrator(&database.access)?;
    let new = RootKey::try_from(new)?;
    with(database, async |service| {
        let bar = bar("keys")?;
        let mut total = 0;
        let progress = |progress: Progress| {
            total = progress.total;
            show(&bar, progress);
        };
        let changed = service.admin(actor).change_root(new, progress).await;
        bar.finish_and_clear();
        changed?;
        say!("{total} keys are wrapped under the new root");
        say!("Backups made before still need the old root key.");
        Ok(())
    })
    .await
}

pub(crate) fn bar(what: &str) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} {eta}")
        .map_err(|_| Error::new(ErrorCode::Internal, "the progress bar has no form"))?;
    Ok(ProgressBar::new(0).with_style(style).with_message(what.to_owned()))
}

pub(crate) fn show(bar: &ProgressBar, progress: Progress) {
    bar.set_length(progress.total);
    bar.set_position(progress.done);
}
