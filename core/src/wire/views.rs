//! Views and errors as JSON: the only place that writes PHI out.

use serde::Serialize;
use zeroize::Zeroizing;

use super::stored;
use super::write::{Members, Writer};
use crate::error::Error;
use crate::model::{
    AuditRecord, BatchItem, Order, OrderEvent, OrderPage, OrderSummary, PhiField, TransitionOption,
};
use crate::phi::Phi;

/// An order: the plain columns, the disclosed fields, and the names in `disclosed` and `withheld`.
///
/// A disclosed field without a value is null (notes: `""`); a field withheld or not asked for is absent.
#[must_use]
pub fn order_json(order: &Order) -> Zeroizing<Vec<u8>> {
    written(|out| write_order(order, out))
}

/// A page: `{orders, next_cursor, feed_cursor}`; the last page has the `next_cursor` null.
#[must_use]
pub fn order_page_json(page: &OrderPage) -> Zeroizing<Vec<u8>> {
    written(|out| {
        out.object(|out| {
            out.name("orders").items(&page.orders, |out, order| write_order(order, out));
            match &page.next_cursor {
                Some(cursor) => out.text("next_cursor", cursor),
                None => out.json("next_cursor", "null"),
            }
            out.text("feed_cursor", &page.feed_cursor);
        });
    })
}

/// The plain columns of an order.
#[must_use]
pub fn summary_json(summary: &OrderSummary) -> Zeroizing<Vec<u8>> {
    written(|out| out.object(|out| write_summary(summary, out)))
}

/// An event.
#[must_use]
pub fn event_json(event: &OrderEvent) -> Zeroizing<Vec<u8>> {
    plain_json(event)
}

/// An entry of the audit.
#[must_use]
pub fn audit_record_json(record: &AuditRecord) -> Zeroizing<Vec<u8>> {
    plain_json(record)
}

/// A list of transitions.
#[must_use]
pub fn transitions_json(options: &[TransitionOption]) -> Zeroizing<Vec<u8>> {
    plain_json(options)
}

/// A view that holds no PHI, which its type tells: PHI has no `Serialize`. Pages and entries of the audit,
/// reports, relationships.
#[must_use]
pub fn plain_json<T: Serialize + ?Sized>(value: &T) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(
        serde_json::to_vec(value).expect("INVARIANT: views are texts, numbers and lists with names"),
    )
}

/// The results of a batch, in its order: `{status: "success", data}`, `{status: "error", error}` or
/// `{status: "not_applied"}`.
#[must_use]
pub fn batch_json(items: &[BatchItem]) -> Zeroizing<Vec<u8>> {
    written(|out| {
        out.items(items, |out, item| match item {
            BatchItem::Done(summary) => {
                write_success(out, |out| out.object(|out| write_summary(summary, out)))
            }
            BatchItem::Failed(error) => write_error(error, out),
            BatchItem::NotApplied => out.raw(r#"{"status":"not_applied"}"#),
        });
    })
}

/// The body of a failure: `{status: "error", error: {code, message, details}}`.
///
/// ```
/// use medorder::{Error, ErrorCode, wire};
///
/// let body = wire::error_json(&Error::new(ErrorCode::OrderNotFound, "there is no such order"));
/// assert_eq!(
///     std::str::from_utf8(&body).unwrap(),
///     r#"{"status":"error","error":{"code":"ORDER_NOT_FOUND","message":"there is no such order","details":{}}}"#
/// );
/// ```
#[must_use]
pub fn error_json(error: &Error) -> Zeroizing<Vec<u8>> {
    written(|out| write_error(error, out))
}

/// The body of a success around JSON that one of the other functions wrote: `{status: "success", data}`.
#[must_use]
pub fn success_json(data: &[u8]) -> Zeroizing<Vec<u8>> {
    written(|out| write_success(out, |out| out.bytes(data)))
}

fn written(write: impl FnOnce(&mut Writer)) -> Zeroizing<Vec<u8>> {
    let mut out = Writer::default();
    write(&mut out);
    out.finish()
}

fn write_success(out: &mut Writer, data: impl FnOnce(&mut Writer)) {
    out.object(|out| {
        out.text("status", "success");
        data(out.name("data"));
    });
}

fn write_error(error: &Error, out: &mut Writer) {
    out.object(|out| {
        out.text("status", "error");
        out.name("error").object(|out| {
            out.text("code", error.code().name());
            out.text("message", &error.to_string());
            out.name("details").bytes(&plain_json(error.details()));
        });
    });
}

fn write_summary(summary: &OrderSummary, out: &mut Members<'_>) {
    out.text("id", &summary.id.to_string());
    out.text("territory_id", summary.territory_id.as_str());
    out.text("patient_id", summary.patient_id.as_str());
    out.text("provider_id", summary.provider_id.as_str());
    out.text("status", summary.status.name());
    out.json("version", &summary.version.to_string());
    out.text("created_at", &summary.created_at.to_string());
    out.text("updated_at", &summary.updated_at.to_string());
}

fn write_order(order: &Order, out: &mut Writer) {
    out.object(|out| {
        write_summary(&order.summary, out);
        for field in order.disclosed.iter() {
            write_field(order, field, out.name(field.name()));
        }
        out.name("disclosed").strings(order.disclosed.names());
        out.name("withheld").strings(order.withheld.names());
    });
}

fn write_field(order: &Order, field: PhiField, out: &mut Writer) {
    fn value<T: zeroize::Zeroize>(
        value: Option<&Phi<T>>,
        out: &mut Writer,
        write: impl FnOnce(&T, &mut Writer),
    ) {
        match value {
            Some(value) => write(value.expose(), out),
            None => out.raw("null"),
        }
    }
    match field {
        PhiField::ServiceType => value(order.service_type.as_ref(), out, |text, out| out.string(text)),
        PhiField::DiagnosisCodes => value(order.diagnosis_codes.as_ref(), out, |codes, out| {
            out.strings(codes.iter().map(String::as_str));
        }),
        // Absent notes read as empty ones.
        PhiField::Notes => out.string(order.notes.as_ref().map_or("", |notes| notes.expose())),
        PhiField::Insurance => value(order.insurance.as_ref(), out, stored::write_insurance),
        PhiField::InsuranceVerification => {
            value(order.insurance_verification.as_ref(), out, stored::write_verification);
        }
    }
}
