//! The requests that are made most often, straight from a dict into the engine's own values. Only what is plainly well
//! formed: exact types, known names, nothing missing. Everything else goes the way of [`crate::request`], so that the
//! wire alone says what is wrong.

use medorder::{CreateOrder, FieldSet, Insurance, OrderId, PhiField};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

/// A new order, if `request` is plainly one.
pub(crate) fn create_order(request: &Bound<'_, PyAny>) -> Option<CreateOrder> {
    let py = request.py();
    let mut members = Members::of(request)?;
    let patient = members.take(intern!(py, "patient_id"))?;
    let provider = members.take(intern!(py, "provider_id"))?;
    let service = members.take(intern!(py, "service_type"))?;
    let mut order = CreateOrder::new(text(&patient)?, text(&provider)?, text(&service)?);
    let codes = members.take(intern!(py, "diagnosis_codes"))?;
    for code in codes.cast_exact::<PyList>().ok()?.iter() {
        order = order.diagnosis_code(text(&code)?);
    }
    if let Some(notes) = members.optional(intern!(py, "notes")) {
        order = order.notes(text(&notes)?);
    }
    if let Some(payer) = members.optional(intern!(py, "insurance")) {
        order = order.insurance(insurance(&payer)?);
    }
    if let Some(key) = members.optional(intern!(py, "idempotency_key")) {
        order = order.idempotency_key(text(&key)?);
    }
    members.end()?;
    Some(order)
}

/// The arguments of `order`, if `request` plainly holds them.
pub(crate) fn order(request: &Bound<'_, PyAny>) -> Option<(OrderId, Option<FieldSet>)> {
    let py = request.py();
    let mut members = Members::of(request)?;
    let id = members.take(intern!(py, "order_id"))?;
    let fields = members.optional(intern!(py, "fields"));
    members.end()?;
    Some((text(&id)?.parse().ok()?, fields.map(|names| field_set(&names).ok_or(())).transpose().ok()?))
}

fn insurance(value: &Bound<'_, PyAny>) -> Option<Insurance> {
    let py = value.py();
    let mut members = Members::of(value)?;
    let carrier = members.take(intern!(py, "carrier"))?;
    let policy = members.take(intern!(py, "policy_number"))?;
    let mut insurance = Insurance::new(text(&carrier)?, text(&policy)?);
    if let Some(group) = members.optional(intern!(py, "group_number")) {
        insurance = insurance.group_number(text(&group)?);
    }
    members.end()?;
    Some(insurance)
}

fn field_set(names: &Bound<'_, PyAny>) -> Option<FieldSet> {
    let mut set = FieldSet::EMPTY;
    for name in names.cast_exact::<PyList>().ok()?.iter() {
        let field: PhiField = text(&name)?.parse().ok()?;
        if set.contains(field) {
            return None;
        }
        set = set.with(field);
    }
    Some(set)
}

/// Exact text that is valid UTF-8; half of a surrogate pair is none.
fn text<'a>(value: &'a Bound<'_, PyAny>) -> Option<&'a str> {
    value.cast_exact::<PyString>().ok()?.to_str().ok()
}

/// A dict whose members are looked up by name, so that another thread that changes it meanwhile does no harm.
struct Members<'a, 'py> {
    dict: &'a Bound<'py, PyDict>,
    taken: usize,
}

impl<'a, 'py> Members<'a, 'py> {
    fn of(value: &'a Bound<'py, PyAny>) -> Option<Self> {
        Some(Self { dict: value.cast_exact().ok()?, taken: 0 })
    }

    fn take(&mut self, name: &Bound<'py, PyString>) -> Option<Bound<'py, PyAny>> {
        let value = self.dict.get_item(name).ok()??;
        self.taken += 1;
        Some(value)
    }

    /// A member that may be None, which is the same as absent.
    fn optional(&mut self, name: &Bound<'py, PyString>) -> Option<Bound<'py, PyAny>> {
        self.take(name).filter(|value| !value.is_none())
    }

    /// None if there are members that nobody took.
    fn end(&self) -> Option<()> {
        (self.taken == self.dict.len()).then_some(())
    }
}
