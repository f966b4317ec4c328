//! Backup and restore.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use medorder::{Error, Result, Rule};

use crate::cli::{Access, Database};
use crate::connect::{administrator, create_private, file_error, open, with};

pub(crate) async fn backup(database: &Database, to: &Path) -> Result<()> {
    let actor = administrator(&database.access)?;
    with(database, async |service| service.admin(actor).backup(to).await).await?;
    println!("copied to {}; the copy needs the same root key", to.display());
    Ok(())
}

pub(crate) async fn restore(from: &Path, to: &Path, access: Access) -> Result<()> {
    let actor = administrator(&access)?;
    // A log beside it belongs to a database that is open or was not closed: the file alone is not all of it.
    if beside(from).iter().any(|file| file.exists()) {
        return Err(Error::fault("--from", Rule::NotAllowed));
    }
    if to.exists() || beside(to).iter().any(|file| file.exists()) {
        return Err(Error::fault("--to", Rule::Duplicate));
    }
    copy(from, to)?;
    let restored = async {
        let service = open(to, &access).await?;
        let restored = service.admin(actor).restore().await;
        let closed = service.close().await;
        restored.and_then(|notes| closed.map(|()| notes))
    };
    match restored.await {
        Ok(notes) => {
            println!("restored to {}; {} chains have fresh checkpoints", to.display(), notes.len());
            Ok(())
        }
        Err(error) => {
            // A copy that was not taken into use must not be mistaken for one that was.
            for file in beside(to).iter().map(PathBuf::as_path).chain([to]) {
                let _ = std::fs::remove_file(file);
            }
            Err(error)
        }
    }
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
