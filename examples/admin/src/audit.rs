//! Reading, verifying and exporting the audit.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use medorder::service::{ExportedEntry, VerifyReport};
use medorder::{Error, ErrorCode, PatientId, Result, Verdict};

use crate::cli::{Database, Format};
use crate::connect::{
    administrator, auditor, create_private, file_error, open, open_beside, territories, with,
};

/// How many entries a page of disclosures holds.
const PAGE: usize = 500;

pub(crate) async fn checkpoint(database: &Database) -> Result<()> {
    let actor = administrator(&database.access)?;
    let notes = with(database, async |service| service.admin(actor).checkpoint().await).await?;
    notes.iter().for_each(|note| print!("{note}"));
    eprintln!("signed {} chains", notes.len());
    Ok(())
}

/// The exit code says what was found.
pub(crate) async fn verify(
    database: &Database,
    territory: Option<&str>,
    checkpoint: Option<&Path>,
) -> Result<u8> {
    let actor = auditor(&database.access)?;
    let territory = territory.map(str::parse).transpose()?;
    let service = match checkpoint {
        Some(notes) => open_beside(database, notes).await?,
        None => open(&database.db, &database.access).await?,
    };
    let report = match territory {
        Some(territory) => service.session(actor, territory).verify_audit(None).await,
        None => service.admin(actor).verify_audit().await,
    };
    let closed = service.close().await;
    let report = report?;
    print_report(&report);
    // A close signs a last checkpoint. Notes that are only read take none, and of a database that is not
    // intact the engine signs none: neither is news after the verdict.
    if report.verdict == Verdict::Intact && checkpoint.is_none() {
        closed?;
    }
    Ok(report.verdict.exit_code())
}

fn print_report(report: &VerifyReport) {
    for chain in &report.chains {
        let name = if chain.territory_id.is_empty() { "(system)" } else { &chain.territory_id };
        let (verdict, entries, orders) = (chain.verdict.name(), chain.entries, chain.orders);
        println!("{name}: {verdict}, {entries} entries, {orders} orders");
        if let Some(bad) = &chain.first_bad {
            let seq = bad.seq.map(|seq| format!(" entry {seq}")).unwrap_or_default();
            let order = bad.order_id.as_ref().map(|id| format!(" order {id}")).unwrap_or_default();
            println!("{name}: first bad record:{seq}{order}: {}", bad.what);
        }
    }
    if report.anchored {
        println!("anchored: compared with checkpoints from outside the database");
    } else {
        println!("not anchored: a database that was put back as a whole does not show");
    }
    println!("verdict: {}", report.verdict.name());
}

pub(crate) async fn export(
    database: &Database,
    territory: Option<&str>,
    format: Format,
    out: Option<&Path>,
) -> Result<()> {
    let actor = auditor(&database.access)?;
    with(database, async |service| {
        let chains = territories(service, &database.access, territory).await?;
        let mut writer = Writer::new(format, out)?;
        for territory in chains {
            let mut export = service.session(actor.clone(), territory).export_audit().await?;
            loop {
                let page = export.next_page().await?;
                if page.is_empty() {
                    break;
                }
                for entry in &page {
                    writer.write(entry).map_err(|e| unwritten(out, &e))?;
                }
            }
        }
        writer.finish().map_err(|e| unwritten(out, &e))
    })
    .await
}

/// An export in one of its forms.
enum Writer {
    Ndjson(BufWriter<Target>),
    Csv(Box<csv::Writer<Target>>),
}

/// The file given, or the terminal.
enum Target {
    File(File),
    Stdout(io::Stdout),
}

impl Writer {
    fn new(format: Format, out: Option<&Path>) -> Result<Self> {
        let target = match out {
            Some(path) => Target::File(create_private(path)?),
            None => Target::Stdout(io::stdout()),
        };
        Ok(match format {
            Format::Ndjson => Self::Ndjson(BufWriter::new(target)),
            Format::Csv => Self::Csv(Box::new(csv::Writer::from_writer(target))),
        })
    }

    fn write(&mut self, entry: &ExportedEntry) -> io::Result<()> {
        match self {
            Self::Ndjson(writer) => {
                serde_json::to_writer(&mut *writer, entry)?;
                writer.write_all(b"\n")
            }
            Self::Csv(writer) => writer.serialize(entry).map_err(io::Error::other),
        }
    }

    fn finish(self) -> io::Result<()> {
        let mut target = match self {
            Self::Ndjson(writer) => writer.into_inner().map_err(io::IntoInnerError::into_error)?,
            Self::Csv(writer) => writer.into_inner().map_err(|e| io::Error::other(e.to_string()))?,
        };
        target.flush()?;
        if let Target::File(file) = &target { file.sync_all() } else { Ok(()) }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stdout(stdout) => stdout.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stdout(stdout) => stdout.flush(),
        }
    }
}

pub(crate) async fn disclosures(database: &Database, territory: Option<&str>, patient: &str) -> Result<()> {
    let actor = auditor(&database.access)?;
    let patient: PatientId = patient.parse()?;
    with(database, async |service| {
        let mut out = BufWriter::new(io::stdout());
        let mut total = 0;
        for territory in territories(service, &database.access, territory).await? {
            let session = service.session(actor.clone(), territory.clone());
            let mut after = 0;
            loop {
                let page = session.disclosures(&patient, after, PAGE).await?;
                total += page.records.len();
                for record in &page.records {
                    let order = record.order_id.map(|id| id.to_string()).unwrap_or_default();
                    let (fields, at) = (record.fields.names().join(","), record.timestamp);
                    let (who, role, why) = (&record.user_id, &record.role, &record.purpose);
                    writeln!(out, "{at}\t{territory}\t{who}\t{role}\t{why}\t{order}\t{fields}")
                        .map_err(|e| unwritten(None, &e))?;
                }
                match page.next {
                    Some(next) => after = next,
                    None => break,
                }
            }
        }
        out.flush().map_err(|e| unwritten(None, &e))?;
        eprintln!("{total} disclosures");
        Ok(())
    })
    .await
}

fn unwritten(path: Option<&Path>, error: &io::Error) -> Error {
    match path {
        Some(path) => file_error(path, "written", error),
        None => Error::new(ErrorCode::StorageUnavailable, "standard output is closed"),
    }
}
