//! The stored registry: territories, and who may order for whom.

use std::collections::BTreeSet;

use medorder::{Error, ErrorCode, Result};

use crate::cli::{Database, Registration};
use crate::connect::{administrator, with};
use crate::lines::{Lines, relationship};
use crate::terminal::say;

pub(crate) async fn register(database: &Database, what: &Registration) -> Result<()> {
    let actor = administrator(&database.access)?;
    let mut pairs = BTreeSet::new();
    if let Some(file) = &what.from_ndjson {
        let mut lines = Lines::open(file)?;
        while let Some(number) = lines.advance()? {
            pairs.insert(relationship(&lines.bytes).map_err(|error| at_line(number, &error))?);
        }
        if pairs.is_empty() {
            let message = format!("{} holds no order: nothing is registered", file.display());
            return Err(Error::new(ErrorCode::ValidationError, message));
        }
    }
    with(database, async |service| {
        let admin = service.admin(actor);
        let mut registered = BTreeSet::new();
        for (territory, patient, provider) in &pairs {
            if registered.insert(territory) {
                admin.register_territory(territory).await?;
            }
            admin.register_relationship(territory, &patient.parse()?, &provider.parse()?).await?;
        }
        if what.from_ndjson.is_some() {
            say!("registered {} territories and {} relationships", registered.len(), pairs.len());
            return Ok(());
        }
        let territory = what.territory.as_deref().unwrap_or_default().parse()?;
        match (&what.patient, &what.provider) {
            (Some(patient), Some(provider)) => {
                admin.register_relationship(&territory, &patient.parse()?, &provider.parse()?).await?;
                say!("registered a relationship in {territory}");
            }
            _ => {
                admin.register_territory(&territory).await?;
                say!("registered {territory}");
            }
        }
        Ok(())
    })
    .await
}

/// The same fault, with the line in its path.
fn at_line(number: u64, error: &Error) -> Error {
    let path = error.faults().first().map_or("", |fault| fault.path.as_str());
    match error.faults().first() {
        Some(fault) => Error::fault(format!("line {number} {path}").trim_end(), fault.rule),
        None => error.clone(),
    }
}
