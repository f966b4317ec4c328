//! Backup and restore.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use medorder::{Error, ErrorCode, Result, Rule, Verdict};

use crate::audit::print_report;
use crate::cli::{Access, Database, Schema};
use crate::connect::{
    administrator, auditor, create_private, exists, file_error, is_url, open, open_beside, settings, shown,
    with,
};
use crate::keys::{bar, show};
use crate::terminal::{say, tell};

pub(crate) async fn backup(database: &Database, to: &Path) -> Result<()> {
    let actor = administrator(&database.access)?;
    if to.exists() {
        return Err(exists("--to", to));
    }
    with(database, async |service| service.admin(actor).backup(to).await).await?;
    say!("copied to {}; the copy needs the same root key", to.display());
    Ok(())
}

/// The exit code is that of what is found in the copy.
pub(crate) async fn move_to(database: &Database, owner: &str, to: &str, schema: &Schema) -> Result<u8> {
    let (actor, settings) = (administrator(&database.access)?, settings(schema)?);
    let bar = bar("orders and entries")?;
    let shown_bar = bar.clone();
    let moved = with(database, async |service| {
        service.admin(actor).move_to_postgres(owner, &settings, to, move |step| show(&shown_bar, step)).await
    })
    .await;
    bar.finish_and_clear();
    let count = moved?;
    let url = Path::new(to);
    let service = open_beside(url, &database.access, None).await?;
    let report = service.admin(auditor(&database.access)?).verify_audit().await;
    let closed = service.close().await;
    let report = report?;
    closed?;
    say!("moved {count} orders and entries to {}", shown(url));
    say!("move {} away now: what is written there from now on is in no other place", shown(&database.db));
    print_report(&report);
    Ok(report.verdict.exit_code())
}

/// The exit code is that of what was found in a backup that is not taken into use.
pub(crate) async fn restore(from: Option<&Path>, to: &Path, access: &Access, force: bool) -> Result<u8> {
    let from = match (from, is_url(to)) {
        // The server's own tools have put it back already; one that is not intact stays as it is.
        (None, true) => return check_and_use(to, access, force).await,
        (Some(_), true) => return Err(Error::fault("from", Rule::NotAllowed)),
        (None, false) => return Err(Error::fault("from", Rule::Required)),
        (Some(from), false) => from,
    };
    // A log beside it belongs to a database that is open or was not closed: the file alone is not all of it.
    if beside(from).iter().any(|file| file.exists()) {
        let message = format!("{} is open or was not closed: make a copy with backup", from.display());
        return Err(Error::new(ErrorCode::ValidationError, message));
    }
    if to.exists() || beside(to).iter().any(|file| file.exists()) {
        return Err(exists("--to", to));
    }
    copy(from, to)?;
    let used = check_and_use(to, access, force).await;
    if !matches!(used, Ok(0)) {
        // A copy that was not taken into use must not be mistaken for one that was.
        for file in beside(to).iter().map(PathBuf::as_path).chain([to]) {
            let _ = std::fs::remove_file(file);
        }
    }
    used
}

async fn check_and_use(to: &Path, access: &Access, force: bool) -> Result<u8> {
    // Alone: a backup is older than the anchor, and that is no fault of it.
    let service = open_beside(to, access, None).await?;
    let report = service.admin(auditor(access)?).verify_audit().await;
    let closed = service.close().await;
    let report = report?;
    closed?;
    if report.verdict != Verdict::Intact {
        print_report(&report);
        if !force {
            tell!("not restored: the backup is not intact; --force takes it into use as it is");
            return Ok(report.verdict.exit_code());
        }
    }
    let actor = administrator(access)?;
    let service = open(to, access).await?;
    let restored = service.admin(actor).restore().await;
    let closed = service.close().await;
    let notes = restored?;
    // What is not intact was said; of it a close signs no further checkpoint.
    if report.verdict == Verdict::Intact {
        closed?;
    }
    say!("restored to {}; {} chains have fresh checkpoints", shown(to), notes.len());
    Ok(0)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut source = File::open(from).map_err(|e| file_error(from, "read", &e))?;
    let mut target = create_private(to)?;
    io::copy(&mut source, &mut target).and_then(|_| target.sync_all()).map_err(|e| {
        let _ = std::fs::remove_file(to);
        file_error(to, "written", &e)
    })
}

/// The files that SQLite keeps beside an open database.
fn beside(path: &Path) -> [PathBuf; 2] {
    ["-wal", "-shm"].map(|ending| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    })
}
