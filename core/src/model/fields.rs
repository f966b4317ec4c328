//! The encrypted fields of an order, and sets of them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::words::words;

words!(
    /// An encrypted field of an order.
    PhiField, "fields" {
        /// What is ordered.
        ServiceType = "service_type",
        /// Why: ICD-10-CM codes or FHIR tokens `system|code`.
        DiagnosisCodes = "diagnosis_codes",
        /// Free text that grows with the changes of status.
        Notes = "notes",
        /// Who pays.
        Insurance = "insurance",
        /// What the payer said.
        InsuranceVerification = "insurance_verification",
    }
);

impl PhiField {
    /// The number of the field in the stored format, 1 to 5.
    #[must_use]
    pub const fn id(self) -> u16 {
        self as u16 + 1
    }

    /// The bit of the field in the audit's `fields`.
    #[must_use]
    pub const fn bit(self) -> u32 {
        1 << (self.id() - 1)
    }
}

/// A set of [`PhiField`]s.
///
/// ```
/// use medorder::{FieldSet, PhiField};
///
/// let set = FieldSet::EMPTY.with(PhiField::Notes).with(PhiField::ServiceType);
/// assert_eq!(set.names(), ["service_type", "notes"]);
/// assert_eq!(set.bits(), 0b101);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct FieldSet(u32);

impl FieldSet {
    /// No field.
    pub const EMPTY: Self = Self(0);
    /// Every field.
    pub const ALL: Self = Self((1 << PhiField::ALL.len()) - 1);

    /// The bits as the audit stores them: bit `id - 1` for each field.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The set with these bits; `None` if a bit belongs to no field.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Option<Self> {
        if bits & !Self::ALL.0 == 0 { Some(Self(bits)) } else { None }
    }

    /// True if `field` is in the set.
    #[must_use]
    pub const fn contains(self, field: PhiField) -> bool {
        self.0 & field.bit() != 0
    }

    /// True if no field is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The set and `field`.
    #[must_use]
    pub const fn with(self, field: PhiField) -> Self {
        Self(self.0 | field.bit())
    }

    /// The fields of either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The fields of both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The fields of this set that are not in `other`.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The fields, by ascending id.
    pub fn iter(self) -> impl Iterator<Item = PhiField> {
        PhiField::ALL.iter().copied().filter(move |field| self.contains(*field))
    }

    /// The names of the fields, by ascending id.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        self.iter().map(PhiField::name).collect()
    }
}

impl FromIterator<PhiField> for FieldSet {
    fn from_iter<I: IntoIterator<Item = PhiField>>(fields: I) -> Self {
        fields.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Debug for FieldSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl Serialize for FieldSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for FieldSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<PhiField>::deserialize(deserializer).map(|fields| fields.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_bits_are_those_of_the_stored_format() {
        let table: Vec<_> = PhiField::ALL.iter().map(|f| (f.id(), f.name(), f.bit())).collect();
        assert_eq!(
            table,
            [
                (1, "service_type", 1),
                (2, "diagnosis_codes", 2),
                (3, "notes", 4),
                (4, "insurance", 8),
                (5, "insurance_verification", 16),
            ]
        );
        assert_eq!(FieldSet::ALL.bits(), 31);
        assert_eq!(FieldSet::from_bits(32), None);
    }

    #[test]
    fn sets_do_what_sets_do() {
        for a in 0..32 {
            let set = FieldSet::from_bits(a).unwrap();
            assert_eq!(set.iter().collect::<FieldSet>(), set);
            assert_eq!(set.is_empty(), a == 0);
            let json = serde_json::to_string(&set).unwrap();
            assert_eq!(serde_json::from_str::<FieldSet>(&json).unwrap(), set);
            for b in 0..32 {
                let other = FieldSet::from_bits(b).unwrap();
                assert_eq!(set.union(other).bits(), a | b);
                assert_eq!(set.intersection(other).bits(), a & b);
                assert_eq!(set.difference(other).bits(), a & (31 - b));
            }
        }
        assert!(serde_json::from_str::<FieldSet>("[\"ssn\"]").is_err());
    }
}
