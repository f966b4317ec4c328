//! Lists and audits as Arrow tables, by the Arrow C stream interface: whatever takes it needs no copy and no Arrow
//! library of ours. Texts are `utf8`, times `timestamp[us, UTC]`, PHI that is not disclosed is null.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{
    Array, ArrayRef, Int64Array, RecordBatch, RecordBatchIterator, StringArray, StructArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow_schema::{ArrowError, Field, Schema};
use medorder::service::ExportedEntry;
use medorder::{Insurance, InsuranceVerification, Order as CoreOrder, PhiField, Timestamp};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::orders::Order;
use crate::records::AuditRecord;
use crate::time::Time;

/// The orders of a page as a stream.
#[pyfunction]
#[pyo3(signature = (orders: "list[Order]") -> "object")]
pub(crate) fn orders_stream<'py>(
    py: Python<'py>,
    orders: Vec<Bound<'py, Order>>,
) -> PyResult<Bound<'py, PyCapsule>> {
    let rows: Vec<Row<'_>> = orders.iter().map(|order| Row { order: order.get().order.as_deref() }).collect();
    // The plain columns are those of the base class, also of an order without an engine's order behind it.
    let text = |name: &str| {
        let texts = orders.iter().map(|order| order.getattr(name)?.extract::<String>());
        texts.collect::<PyResult<Vec<String>>>().map(StringArray::from)
    };
    let time = |name: &str| {
        let times = orders.iter().map(|order| Ok(order.getattr(name)?.extract::<Time>()?.micros()));
        times.collect::<PyResult<Vec<i64>>>().map(|times| utc(times.into_iter().map(Some)))
    };
    let versions = orders.iter().map(|order| order.getattr("version")?.extract::<u64>());
    let versions = versions.collect::<PyResult<Vec<u64>>>()?;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(text("id")?)),
        ("territory_id", Arc::new(text("territory_id")?)),
        ("patient_id", Arc::new(text("patient_id")?)),
        ("provider_id", Arc::new(text("provider_id")?)),
        ("status", Arc::new(text("status")?)),
        ("version", Arc::new(UInt64Array::from(versions))),
        ("created_at", time("created_at")?),
        ("updated_at", time("updated_at")?),
        ("service_type", texts(rows.iter().map(Row::service_type))),
        ("diagnosis_codes", lists(rows.iter().map(Row::diagnosis_codes))),
        ("notes", texts(rows.iter().map(Row::notes))),
        ("insurance", insurances(&rows)?),
        ("insurance_verification", verifications(&rows)?),
    ];
    capsule(py, columns)
}

/// The entries of a page of the audit as a stream.
#[pyfunction]
#[pyo3(signature = (records: "list[AuditRecord]") -> "object")]
pub(crate) fn audit_stream<'py>(
    py: Python<'py>,
    records: Vec<Bound<'py, AuditRecord>>,
) -> PyResult<Bound<'py, PyCapsule>> {
    let records: Vec<&AuditRecord> = records.iter().map(|record| record.get()).collect();
    let text = |get: fn(&AuditRecord) -> &str| texts(records.iter().map(|record| Some(get(record))));
    let maybe =
        |get: fn(&AuditRecord) -> &Option<String>| texts(records.iter().map(|record| get(record).as_deref()));
    let number = |get: fn(&AuditRecord) -> u64| -> ArrayRef {
        Arc::new(records.iter().map(|record| Some(get(record))).collect::<UInt64Array>())
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("timestamp", utc(records.iter().map(|record| Some(record.timestamp.micros())))),
        ("user_id", text(|record| &record.user_id)),
        ("territory_id", text(|record| &record.territory_id)),
        ("order_id", maybe(|record| &record.order_id)),
        ("action", text(|record| &record.action)),
        ("old_status", maybe(|record| &record.old_status)),
        ("new_status", maybe(|record| &record.new_status)),
        ("reason", maybe(|record| &record.reason)),
        ("subject", maybe(|record| &record.subject)),
        ("seq", number(|record| record.seq)),
        ("role", text(|record| &record.role)),
        ("purpose", text(|record| &record.purpose)),
        ("outcome", text(|record| &record.outcome)),
        ("fields", lists(records.iter().map(|record| Some(record.fields.iter().map(String::as_str))))),
        ("request_id", text(|record| &record.request_id)),
        ("source", text(|record| &record.source)),
        ("row_version", number(|record| record.row_version)),
        ("hash", text(|record| &record.hash)),
    ];
    capsule(py, columns)
}

/// The columns of an export, by their names in FORMAT section 3.
pub(crate) fn entries(entries: &[ExportedEntry]) -> PyResult<Vec<(&'static str, ArrayRef)>> {
    let text = |get: fn(&ExportedEntry) -> &str| texts(entries.iter().map(|entry| Some(get(entry))));
    let number = |get: fn(&ExportedEntry) -> u64| -> ArrayRef {
        Arc::new(entries.iter().map(|entry| Some(get(entry))).collect::<UInt64Array>())
    };
    let at: Int64Array = entries.iter().map(|entry| Some(entry.at)).collect();
    Ok(vec![
        ("territory_id", text(|entry| &entry.territory_id)),
        ("seq", number(|entry| entry.seq)),
        ("prev_hash", text(|entry| &entry.prev_hash)),
        ("at", Arc::new(at)),
        ("user_id", text(|entry| &entry.user_id)),
        ("role", text(|entry| &entry.role)),
        ("purpose", text(|entry| &entry.purpose)),
        ("order_id", text(|entry| &entry.order_id)),
        ("action", text(|entry| &entry.action)),
        ("outcome", text(|entry| &entry.outcome)),
        ("old_status", text(|entry| &entry.old_status)),
        ("new_status", text(|entry| &entry.new_status)),
        ("row_version", number(|entry| entry.row_version)),
        ("row_mac", text(|entry| &entry.row_mac)),
        ("fields", number(|entry| u64::from(entry.fields))),
        ("request_id", text(|entry| &entry.request_id)),
        ("source", text(|entry| &entry.source)),
        ("details_hash", text(|entry| &entry.details_hash)),
        ("hash", text(|entry| &entry.hash)),
        ("mac", text(|entry| &entry.mac)),
    ])
}

/// Columns as a capsule that owns them until a consumer takes them over.
pub(crate) fn capsule<'py>(
    py: Python<'py>,
    columns: Vec<(&str, ArrayRef)>,
) -> PyResult<Bound<'py, PyCapsule>> {
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns
        .into_iter()
        .map(|(name, column)| (Field::new(name, column.data_type().clone(), true), column))
        .unzip();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(broken)?;
    let stream = FFI_ArrowArrayStream::new(Box::new(RecordBatchIterator::new([Ok(batch)], schema)));
    PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
}

/// What a row shows of an order; nothing if it has no engine's order behind it.
struct Row<'a> {
    order: Option<&'a CoreOrder>,
}

impl<'a> Row<'a> {
    fn service_type(&self) -> Option<&'a str> {
        Some(self.order?.service_type.as_ref()?.expose())
    }

    fn diagnosis_codes(&self) -> Option<impl Iterator<Item = &'a str>> {
        Some(self.order?.diagnosis_codes.as_ref()?.expose().iter().map(String::as_str))
    }

    fn notes(&self) -> Option<&'a str> {
        let order = self.order.filter(|order| order.disclosed.contains(PhiField::Notes))?;
        Some(order.notes.as_ref().map_or("", |notes| notes.expose()))
    }

    fn insurance(&self) -> Option<&'a Insurance> {
        Some(self.order?.insurance.as_ref()?.expose())
    }

    fn verification(&self) -> Option<&'a InsuranceVerification> {
        Some(self.order?.insurance_verification.as_ref()?.expose())
    }
}

fn insurances(rows: &[Row<'_>]) -> PyResult<ArrayRef> {
    let all = || rows.iter().map(Row::insurance);
    structs(
        all().map(|one| one.is_some()).collect(),
        vec![
            ("carrier", texts(all().map(|one| one.map(|one| one.carrier.as_str())))),
            ("policy_number", texts(all().map(|one| one.map(|one| one.policy_number.as_str())))),
            ("group_number", texts(all().map(|one| one?.group_number.as_deref()))),
        ],
    )
}

fn verifications(rows: &[Row<'_>]) -> PyResult<ArrayRef> {
    let all = || rows.iter().map(Row::verification);
    structs(
        all().map(|one| one.is_some()).collect(),
        vec![
            ("status", texts(all().map(|one| one.map(|one| one.status.name())))),
            ("coverage_details", texts(all().map(|one| one?.coverage_details.as_deref()))),
            ("authorization_number", texts(all().map(|one| one?.authorization_number.as_deref()))),
            ("verified_by", texts(all().map(|one| one.map(|one| one.verified_by.as_str())))),
            ("verification_method", texts(all().map(|one| one.map(|one| one.verification_method.as_str())))),
            ("verified_at", utc(all().map(|one| one?.verified_at.map(Timestamp::as_micros)))),
            ("valid_until", utc(all().map(|one| one?.valid_until.map(Timestamp::as_micros)))),
        ],
    )
}

fn structs(there: Vec<bool>, columns: Vec<(&str, ArrayRef)>) -> PyResult<ArrayRef> {
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns
        .into_iter()
        .map(|(name, column)| (Field::new(name, column.data_type().clone(), true), column))
        .unzip();
    let made = StructArray::try_new(fields.into(), columns, Some(there.into())).map_err(broken)?;
    Ok(Arc::new(made))
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn lists<'a, I: Iterator<Item = &'a str>>(values: impl Iterator<Item = Option<I>>) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for value in values {
        match value {
            Some(items) => builder.append_value(items.map(Some)),
            None => builder.append_null(),
        }
    }
    Arc::new(builder.finish())
}

fn utc(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

/// Columns of one length and type each cannot fail to be a table.
fn broken(error: ArrowError) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}
