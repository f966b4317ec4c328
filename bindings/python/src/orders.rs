//! Orders as they come out: frozen values. Their `repr` holds nothing but ids, words and numbers; PHI stays wiped
//! memory of the engine until an attribute is read.

use std::fmt::Write as _;
use std::sync::Arc;

use medorder::{Insurance as CoreInsurance, Order as CoreOrder, OrderSummary as CoreSummary, PhiField, wire};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::convert::{html, loads};
use crate::time::Time;

/// The plain columns of an order: the answer of a change.
///
/// An aware datetime tells when it was created and when it changed last.
#[pyclass(frozen, eq, hash, get_all, subclass, module = "medorder")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct OrderSummary {
    /// The order: a UUID of version 7.
    id: String,
    /// Where it lives.
    territory_id: String,
    /// For whom.
    patient_id: String,
    /// By whom.
    provider_id: String,
    /// Where it stands: a word of `OrderStatus`.
    status: String,
    /// From 1, one more with every change.
    version: u64,
    /// When it was created.
    created_at: Time,
    /// When it changed last.
    updated_at: Time,
}

impl From<CoreSummary> for OrderSummary {
    fn from(summary: CoreSummary) -> Self {
        Self {
            id: summary.id.to_string(),
            territory_id: summary.territory_id.as_str().to_owned(),
            patient_id: summary.patient_id.as_str().to_owned(),
            provider_id: summary.provider_id.as_str().to_owned(),
            status: summary.status.name().to_owned(),
            version: summary.version,
            created_at: summary.created_at.into(),
            updated_at: summary.updated_at.into(),
        }
    }
}

#[pymethods]
impl OrderSummary {
    #[new]
    #[pyo3(signature = (*, id, territory_id, patient_id, provider_id, status, version, created_at, updated_at))]
    #[expect(clippy::too_many_arguments, reason = "one for each column")]
    const fn new(
        id: String,
        territory_id: String,
        patient_id: String,
        provider_id: String,
        status: String,
        version: u64,
        created_at: Time,
        updated_at: Time,
    ) -> Self {
        Self { id, territory_id, patient_id, provider_id, status, version, created_at, updated_at }
    }

    /// The same as the wire's JSON has it: times are RFC 3339 text.
    #[pyo3(signature = () -> "dict[str, Any]")]
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("id", &self.id)?;
        dict.set_item("territory_id", &self.territory_id)?;
        dict.set_item("patient_id", &self.patient_id)?;
        dict.set_item("provider_id", &self.provider_id)?;
        dict.set_item("status", &self.status)?;
        dict.set_item("version", self.version)?;
        dict.set_item("created_at", self.created_at.text())?;
        dict.set_item("updated_at", self.updated_at.text())?;
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        format!("OrderSummary({})", self.shown())
    }

    fn _repr_html_(&self) -> String {
        html("OrderSummary", &self.cells())
    }

    #[pyo3(signature = () -> "tuple[tuple[()], dict[str, Any]]")]
    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
        let members = self.to_dict(py)?;
        members.set_item("created_at", self.created_at)?;
        members.set_item("updated_at", self.updated_at)?;
        Ok((PyTuple::empty(py), members))
    }
}

impl OrderSummary {
    fn shown(&self) -> String {
        format!(
            "id='{}', territory_id='{}', status='{}', version={}",
            self.id, self.territory_id, self.status, self.version
        )
    }

    fn cells(&self) -> Vec<(&'static str, String)> {
        vec![
            ("id", self.id.clone()),
            ("territory_id", self.territory_id.clone()),
            ("status", self.status.clone()),
            ("version", self.version.to_string()),
            ("created_at", self.created_at.text()),
            ("updated_at", self.updated_at.text()),
        ]
    }
}

/// An order as one actor may see it. `disclosed` names the fields that are shown here, with or without a value;
/// `withheld` those that the actor's roles may not see. Every other field is None.
///
/// `repr`, `str`, a notebook and `pickle` show no PHI: what is unpickled discloses nothing. Attributes are plain
/// text and not wiped from memory, so do not keep an order longer than you need it.
#[pyclass(frozen, extends = OrderSummary, module = "medorder")]
pub(crate) struct Order {
    /// None in an order that was made of plain columns.
    pub(crate) order: Option<Arc<CoreOrder>>,
}

impl Order {
    pub(crate) fn of(py: Python<'_>, order: CoreOrder) -> PyResult<Py<Self>> {
        let summary = OrderSummary::from(order.summary.clone());
        let order = Self { order: Some(Arc::new(order)) };
        Py::new(py, PyClassInitializer::from(summary).add_subclass(order))
    }

    fn names(&self, fields: impl Fn(&CoreOrder) -> medorder::FieldSet) -> Vec<&'static str> {
        self.order.as_ref().map_or_else(Vec::new, |order| fields(order).names())
    }
}

#[pymethods]
impl Order {
    /// An order that discloses nothing but its plain columns.
    #[new]
    #[pyo3(signature = (*, id, territory_id, patient_id, provider_id, status, version, created_at, updated_at))]
    #[expect(clippy::too_many_arguments, reason = "one for each column")]
    fn new(
        id: String,
        territory_id: String,
        patient_id: String,
        provider_id: String,
        status: String,
        version: u64,
        created_at: Time,
        updated_at: Time,
    ) -> PyClassInitializer<Self> {
        let summary = OrderSummary {
            id,
            territory_id,
            patient_id,
            provider_id,
            status,
            version,
            created_at,
            updated_at,
        };
        PyClassInitializer::from(summary).add_subclass(Self { order: None })
    }

    /// PHI: what is ordered.
    #[getter]
    fn service_type(&self) -> Option<&str> {
        Some(self.order.as_ref()?.service_type.as_ref()?.expose())
    }

    /// PHI: why.
    #[getter]
    fn diagnosis_codes(&self) -> Option<Vec<&str>> {
        let codes = self.order.as_ref()?.diagnosis_codes.as_ref()?.expose();
        Some(codes.iter().map(String::as_str).collect())
    }

    /// PHI: all notes so far; empty if they are disclosed and there are none.
    #[getter]
    fn notes(&self) -> Option<&str> {
        let order = self.order.as_ref().filter(|order| order.disclosed.contains(PhiField::Notes))?;
        Some(order.notes.as_ref().map_or("", |notes| notes.expose()))
    }

    /// PHI: who pays.
    #[getter]
    fn insurance(&self) -> Option<Insurance> {
        let order = self.order.as_ref().filter(|order| order.insurance.is_some())?;
        Some(Insurance { order: Arc::clone(order) })
    }

    /// PHI: what the payer said.
    #[getter]
    fn insurance_verification(&self) -> Option<InsuranceVerification> {
        let order = self.order.as_ref().filter(|order| order.insurance_verification.is_some())?;
        Some(InsuranceVerification { order: Arc::clone(order) })
    }

    /// The fields shown here.
    #[getter]
    fn disclosed(&self) -> Vec<&'static str> {
        self.names(|order| order.disclosed)
    }

    /// The fields asked for that the actor may not see.
    #[getter]
    fn withheld(&self) -> Vec<&'static str> {
        self.names(|order| order.withheld)
    }

    /// The same as the wire's JSON has it, PHI included; a field that is not disclosed is not there.
    #[pyo3(signature = () -> "dict[str, Any]")]
    fn to_dict<'py>(slf: PyRef<'py, Self>, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match &slf.order {
            Some(order) => loads(py, &wire::order_json(order)),
            None => {
                let dict = slf.as_super().to_dict(py)?;
                dict.set_item("disclosed", PyList::empty(py))?;
                dict.set_item("withheld", PyList::empty(py))?;
                Ok(dict.into_any())
            }
        }
    }

    fn __eq__(slf: PyRef<'_, Self>, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| {
            let other = other.borrow();
            let (own, others): (&OrderSummary, &OrderSummary) = (slf.as_super(), other.as_super());
            own == others && slf.order == other.order
        })
    }

    fn __hash__(slf: PyRef<'_, Self>) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        slf.as_super().hash(&mut hasher);
        hasher.finish()
    }

    /// The same order: it cannot change, and by way of `pickle` a copy would have lost its PHI without a word.
    const fn __copy__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    const fn __deepcopy__(slf: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        slf
    }

    fn __repr__(slf: PyRef<'_, Self>) -> String {
        let mut text = format!("Order({}", slf.as_super().shown());
        for name in slf.disclosed() {
            let _ = write!(text, ", {name}=<phi>");
        }
        text + ")"
    }

    fn _repr_html_(slf: PyRef<'_, Self>) -> String {
        let mut cells = slf.as_super().cells();
        cells.extend(slf.disclosed().into_iter().map(|name| (name, "<phi>".to_owned())));
        html("Order", &cells)
    }
}

/// PHI: who pays.
#[pyclass(frozen, module = "medorder")]
pub(crate) struct Insurance {
    order: Arc<CoreOrder>,
}

impl Insurance {
    fn get(&self) -> Option<&CoreInsurance> {
        self.order.insurance.as_ref().map(|insurance| insurance.expose())
    }
}

#[pymethods]
impl Insurance {
    /// The insurer.
    #[getter]
    fn carrier(&self) -> &str {
        self.get().map_or("", |insurance| &insurance.carrier)
    }

    /// The number of the policy.
    #[getter]
    fn policy_number(&self) -> &str {
        self.get().map_or("", |insurance| &insurance.policy_number)
    }

    /// The number of the group, if there is one.
    #[getter]
    fn group_number(&self) -> Option<&str> {
        self.get()?.group_number.as_deref()
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| self.order.insurance == other.get().order.insurance)
    }

    fn __repr__(&self) -> &'static str {
        "Insurance(<phi>)"
    }

    #[pyo3(signature = () -> "str")]
    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("an Insurance holds PHI and cannot be pickled"))
    }
}

/// PHI: what the payer said.
#[pyclass(frozen, module = "medorder")]
pub(crate) struct InsuranceVerification {
    order: Arc<CoreOrder>,
}

impl InsuranceVerification {
    fn get(&self) -> Option<&medorder::InsuranceVerification> {
        self.order.insurance_verification.as_ref().map(|verification| verification.expose())
    }
}

#[pymethods]
impl InsuranceVerification {
    /// A word of `InsuranceStatus`.
    #[getter]
    fn status(&self) -> &str {
        self.get().map_or("", |verification| verification.status.name())
    }

    /// What the payer said in full, as parsed JSON.
    #[getter]
    fn coverage_details<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let details = self.get().and_then(|verification| verification.coverage_details.as_ref());
        details.map(|json| loads(py, json.as_bytes())).transpose()
    }

    /// The payer's number of the authorisation.
    #[getter]
    fn authorization_number(&self) -> Option<&str> {
        self.get()?.authorization_number.as_deref()
    }

    /// Who verified.
    #[getter]
    fn verified_by(&self) -> &str {
        self.get().map_or("", |verification| &verification.verified_by)
    }

    /// How.
    #[getter]
    fn verification_method(&self) -> &str {
        self.get().map_or("", |verification| &verification.verification_method)
    }

    /// When; the engine's clock says so.
    #[getter]
    fn verified_at(&self) -> Option<Time> {
        self.get()?.verified_at.map(Time::from)
    }

    /// The last moment at which work may start.
    #[getter]
    fn valid_until(&self) -> Option<Time> {
        self.get()?.valid_until.map(Time::from)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        let own = &self.order.insurance_verification;
        other.cast::<Self>().is_ok_and(|other| *own == other.get().order.insurance_verification)
    }

    fn __repr__(&self) -> &'static str {
        "InsuranceVerification(<phi>)"
    }

    #[pyo3(signature = () -> "str")]
    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("an InsuranceVerification holds PHI and cannot be pickled"))
    }
}
