//! `medorder-admin`: what an administrator does with a database, from the command line.
//!
//! It holds no rules: it reads options, makes one call of the engine (an import: one a batch) and prints the
//! answer. Every act is in the audit under the user given with `--user`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program talks to its terminal"
)]

mod audit;
mod cli;
mod connect;
mod copies;
mod import;
mod keys;
mod lines;
mod register;

use std::process::ExitCode;

use clap::Parser;
use medorder::{Error, ErrorCode, Result, generate_key_file};

use crate::cli::{Cli, Command};

/// What every failure to run answers; `verify-audit` has its own numbers for what it finds.
const FAILED: u8 = 1;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // If the terminal is gone there is nobody to tell.
            let _ = error.print();
            // Not clap's own 2, which means `tampered` here.
            return ExitCode::from(if error.use_stderr() { FAILED } else { 0 });
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(cli.command)),
        Err(_) => Err(Error::new(ErrorCode::Internal, "the runtime does not start")),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{}: {error}", error.code().name());
            // One fault stands in the message already.
            if error.faults().len() > 1 {
                for fault in error.faults() {
                    eprintln!("  {fault}");
                }
            }
            ExitCode::from(FAILED)
        }
    }
}

async fn run(command: Command) -> Result<u8> {
    match command {
        Command::Keygen { key_file } => {
            generate_key_file(&key_file)?;
            println!("wrote a root key to {}", key_file.display());
            println!("Losing this file loses the data. Keep a copy apart from the database and its backups.");
        }
        Command::Init(database) => {
            connect::init(&database).await?;
            println!("made {}", database.db.display());
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
        Command::Restore { from, to, access } => copies::restore(&from, &to, access).await?,
    }
    Ok(0)
}
