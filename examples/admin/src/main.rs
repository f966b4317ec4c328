//! `medorder-admin`: what an administrator does with a database, from the command line.
//!
//! It holds no rules: it reads options, makes one call of the engine (an import: one a batch) and prints the
//! answer. Every act is in the audit under the user given with `--user`.

mod audit;
mod cli;
mod connect;
mod copies;
mod import;
mod keys;
mod lines;
mod notes;
mod register;
mod terminal;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use medorder::{Error, ErrorCode, Result, generate_key_file};

use crate::cli::{Cli, Command};
use crate::connect::{exists, key_trouble, shown};
use crate::terminal::{say, tell};

/// What every failure to run answers; `verify-audit` has its own numbers for what it finds.
const FAILED: u8 = 1;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let printed = error.print().and_then(|()| std::io::stdout().flush());
            // Not clap's own 2, which means `tampered` here.
            return ExitCode::from(if error.use_stderr() || printed.is_err() { FAILED } else { 0 });
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(cli.command)),
        Err(_) => Err(Error::new(ErrorCode::Internal, "the runtime does not start")),
    };
    // The work is done by then, whatever became of what it printed.
    match done.and_then(|code| terminal::finish().map(|()| code)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tell!("{}: {error}", error.code().name());
            // One fault stands in the message already.
            if error.faults().len() > 1 {
                for fault in error.faults() {
                    tell!("  {fault}");
                }
            }
            ExitCode::from(FAILED)
        }
    }
}

async fn run(command: Command) -> Result<u8> {
    match command {
        Command::Keygen { key_file } => {
            generate_key_file(&key_file).map_err(|error| match error.faults() {
                [_] => exists("--key-file", &key_file),
                _ => key_trouble(&key_file, error),
            })?;
            say!("wrote a root key to {}", key_file.display());
            say!("Losing this file loses the data. Keep a copy apart from the database and its backups.");
        }
        Command::Init { database, schema } => {
            connect::init(&database, &schema).await?;
            say!("ready: {}", shown(&database.db));
        }
        Command::Register { database, what } => register::register(&database, &what).await?,
        Command::Import { database, territory, file } => {
            return import::import(&database, territory.as_deref(), &file).await;
        }
        Command::RotateKeys { database, territory } => keys::rotate(&database, territory.as_deref()).await?,
        Command::ChangeRoot { database, new } => keys::change_root(&database, &new).await?,
        Command::Checkpoint(database) => audit::checkpoint(&database).await?,
        Command::VerifyAudit { database, territory, checkpoint } => {
            return audit::verify(&database, territory.as_deref(), checkpoint.as_deref()).await;
        }
        Command::ExportAudit { database, territory, format, out } => {
            audit::export(&database, territory.as_deref(), format, out.as_deref()).await?;
        }
        Command::Disclosures { database, territory, patient } => {
            audit::disclosures(&database, territory.as_deref(), &patient).await?;
        }
        Command::Backup { database, to } => copies::backup(&database, &to).await?,
        Command::MoveTo { database, to, owner, schema } => {
            return copies::move_to(&database, &owner, &to, &schema).await;
        }
        Command::Restore { from, to, access, force } => {
            return copies::restore(from.as_deref(), &to, &access, force).await;
        }
    }
    Ok(0)
}
