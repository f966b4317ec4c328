//! Reading, verifying and exporting the audit.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use medorder::service::{ChainReport, ExportedEntry, VerifyReport};
use medorder::{Error, ErrorCode, PatientId, Result, Verdict};

use crate::cli::{Database, Format};
use crate::connect::{
    administrator, anchor_exists, auditor, create_private, file_error, open_beside, territories, with,
};
use crate::lines::Members;
use crate::notes::Notes;
use crate::terminal::{closed, say, tell};

/// How many entries a page of disclosures holds.
const PAGE: usize = 500;

pub(crate) async fn checkpoint(database: &Database) -> Result<()> {
    let actor = administrator(&database.access)?;
    let notes = with(database, async |service| service.admin(actor).checkpoint().await).await?;
    notes.iter().for_each(|note| say!("{}", note.strip_suffix('\n').unwrap_or(note)));
    tell!("signed {} chains", notes.len());
    Ok(())
}

/// The exit code says what was found. The anchor, and a file of notes, is read and never written.
pub(crate) async fn verify(
    database: &Database,
    territory: Option<&str>,
    checkpoint: Option<&Path>,
) -> Result<u8> {
    let actor = auditor(&database.access)?;
    let territory = territory.map(str::parse).transpose()?;
    let beside = checkpoint.or(database.access.anchor.as_deref());
    let notes = beside.map(Notes::read).transpose()?;
    if let (Some(path), Some(notes)) = (checkpoint, &notes)
        && notes.is_empty()
    {
        let message = format!("--checkpoint {} holds no whole note of `checkpoint`", path.display());
        return Err(Error::new(ErrorCode::ValidationError, message));
    }
    let service = open_beside(&database.db, &database.access, notes).await?;
    let report = match territory {
        Some(territory) => service.session(actor, territory).verify_audit(None).await,
        None => service.admin(actor).verify_audit().await,
    };
    let closed = service.close().await;
    let report = report?;
    print_report(&report);
    if report.verdict != Verdict::Intact {
        return Ok(report.verdict.exit_code());
    }
    // Beside an anchor a close looks at every chain, also at those that nobody asked about.
    closed.or_else(|error| match error.code() {
        ErrorCode::AuditBroken if beside.is_some() => Ok(()),
        _ => Err(error),
    })?;
    match beside {
        Some(path) if !report.anchored => {
            let missing = report.chains.iter().filter(|chain| !chain.anchored).map(name);
            let missing = missing.collect::<Vec<_>>().join(", ");
            tell!("not compared: {} holds no checkpoint of {missing}", path.display());
            Ok(UNCOMPARED)
        }
        _ => Ok(0),
    }
}

/// An intact record that was to be compared and was not.
const UNCOMPARED: u8 = 1;

fn name(chain: &ChainReport) -> &str {
    if chain.territory_id.is_empty() { "(system)" } else { &chain.territory_id }
}

pub(crate) fn print_report(report: &VerifyReport) {
    for chain in &report.chains {
        let name = name(chain);
        let (verdict, entries, orders) = (chain.verdict.name(), chain.entries, chain.orders);
        say!("{name}: {verdict}, {entries} entries, {orders} orders");
        if let Some(bad) = &chain.first_bad {
            let mut place = String::new();
            if let Some(seq) = bad.seq {
                place += &format!("entry {seq}: ");
            }
            if let Some(order) = &bad.order_id {
                place += &format!("order {order}: ");
            }
            say!("{name}: first bad record: {place}{}", bad.what);
        }
    }
    say!("not covered: relationships and idempotency rows carry no MAC");
    if report.anchored {
        say!("anchored: compared with checkpoints from outside the database");
    } else {
        say!("not anchored: a database that was put back as a whole does not show");
    }
    say!("verdict: {}", report.verdict.name());
}

pub(crate) async fn export(
    database: &Database,
    territory: Option<&str>,
    format: Format,
    out: Option<&Path>,
) -> Result<()> {
    let actor = auditor(&database.access)?;
    anchor_exists(&database.access)?;
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
    Csv { writer: Box<csv::Writer<Target>>, begun: bool },
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
            Format::Csv => Self::Csv { writer: Box::new(csv::Writer::from_writer(target)), begun: false },
        })
    }

    fn write(&mut self, entry: &ExportedEntry) -> io::Result<()> {
        match self {
            Self::Ndjson(writer) => {
                serde_json::to_writer(&mut *writer, entry)?;
                writer.write_all(b"\n")
            }
            Self::Csv { writer, begun } => {
                let row = serde_json::to_string(entry)?;
                let Members(members) = serde_json::from_str(&row)?;
                if !std::mem::replace(begun, true) {
                    writer.write_record(members.iter().map(|(name, _)| name))?;
                }
                let cells = members.iter().map(|(_, value)| cell(value.get()));
                writer.write_record(cells.collect::<io::Result<Vec<_>>>()?)?;
                Ok(())
            }
        }
    }

    fn finish(self) -> io::Result<()> {
        let mut target = match self {
            Self::Ndjson(writer) => writer.into_inner().map_err(io::IntoInnerError::into_error)?,
            Self::Csv { writer, .. } => writer.into_inner().map_err(|e| io::Error::other(e.to_string()))?,
        };
        target.flush()?;
        if let Target::File(file) = &target { file.sync_all() } else { Ok(()) }
    }
}

/// A value as it stands in CSV. A spreadsheet takes a text that begins like a formula for one: that text
/// gets a `'`.
fn cell(json: &str) -> io::Result<String> {
    if !json.starts_with('"') {
        return Ok(json.to_owned());
    }
    let text: String = serde_json::from_str(json)?;
    Ok(if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text })
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
    anchor_exists(&database.access)?;
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
        tell!("{total} disclosures");
        Ok(())
    })
    .await
}

fn unwritten(path: Option<&Path>, error: &io::Error) -> Error {
    match path {
        Some(path) => file_error(path, "written", error),
        None => closed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_cell_begins_like_a_formula() {
        for (json, text) in [
            (r#""=1+1""#, "'=1+1"),
            (r#""+1""#, "'+1"),
            (r#""-1""#, "'-1"),
            (r#""@a""#, "'@a"),
            (r#""a=""#, "a="),
        ] {
            assert_eq!(cell(json).unwrap(), text);
        }
        assert_eq!(cell("-1").unwrap(), "-1");
        assert_eq!(cell(r#""""#).unwrap(), "");
    }
}
