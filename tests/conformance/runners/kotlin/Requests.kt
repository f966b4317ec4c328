// Requests of scenarios as the objects that the face has for them.

package conformance

import kotlinx.serialization.json.JsonElement
import medorder.AuditFilter
import medorder.Insurance
import medorder.InsuranceStatus
import medorder.OrderChange
import medorder.OrderDraft
import medorder.OrderFilter
import medorder.OrderStatus
import medorder.Relationship
import medorder.RelationshipFilter
import medorder.StatusChange
import medorder.VerificationData

fun draft(json: JsonElement): OrderDraft {
    val members =
        Members(
            json,
            "patient_id",
            "provider_id",
            "service_type",
            "diagnosis_codes",
            "notes",
            "insurance",
            "idempotency_key",
        )
    val (patientId, providerId) = members.needed("patient_id") to members.needed("provider_id")
    val draft = OrderDraft(patientId, providerId, members.needed("service_type"))
    draft.setDiagnosisCodes(members.texts("diagnosis_codes") ?: throw Unsayable("`diagnosis_codes` are missing"))
    draft.setNotes(members.text("notes"))
    draft.setInsurance(members["insurance"]?.let(::insurance))
    draft.setIdempotencyKey(members.text("idempotency_key"))
    return draft
}

private fun insurance(json: JsonElement): Insurance {
    val members = Members(json, "carrier", "policy_number", "group_number")
    val insurance = Insurance(members.needed("carrier"), members.needed("policy_number"))
    insurance.setGroupNumber(members.text("group_number"))
    return insurance
}

/** A change with the order that it is for. */
fun change(json: JsonElement): OrderChange {
    val members =
        Members(
            json,
            "order_id",
            "status",
            "notes",
            "reason",
            "verification_data",
            "expected_version",
            "idempotency_key",
        )
    val change = StatusChange(word(members.needed("status"), OrderStatus.entries))
    change.setNotes(members.text("notes"))
    change.setReason(members.text("reason"))
    change.setVerification(members["verification_data"]?.let(::verification))
    change.setExpectedVersion(members.number("expected_version"))
    change.setIdempotencyKey(members.text("idempotency_key"))
    return OrderChange(members.needed("order_id"), change)
}

private fun verification(json: JsonElement): VerificationData {
    val members =
        Members(
            json,
            "verified_by",
            "verification_method",
            "coverage_details",
            "authorization_number",
            "insurance_status",
            "valid_until",
        )
    val data = VerificationData(members.needed("verified_by"), members.needed("verification_method"))
    data.setCoverageDetails(members["coverage_details"]?.toString())
    data.setAuthorizationNumber(members.text("authorization_number"))
    data.setInsuranceStatus(members.text("insurance_status")?.let { word(it, InsuranceStatus.entries) })
    data.setValidUntil(members.time("valid_until"))
    return data
}

fun orderFilter(json: JsonElement): OrderFilter {
    val members = Members(json, "status", "patient_id", "provider_id", "created_from", "created_to")
    val filter = OrderFilter()
    members.texts("status").orEmpty().forEach { filter.addStatus(word(it, OrderStatus.entries)) }
    filter.setPatientId(members.text("patient_id"))
    filter.setProviderId(members.text("provider_id"))
    filter.setCreatedFrom(members.time("created_from"))
    filter.setCreatedTo(members.time("created_to"))
    return filter
}

fun auditFilter(json: JsonElement): AuditFilter {
    val members = Members(json, "order_id", "patient_id", "user_id", "from", "to")
    val filter = AuditFilter()
    filter.setOrderId(members.text("order_id"))
    filter.setPatientId(members.text("patient_id"))
    filter.setUserId(members.text("user_id"))
    filter.setFrom(members.time("from"))
    filter.setTo(members.time("to"))
    return filter
}

fun relationshipFilter(json: JsonElement): RelationshipFilter {
    val members = Members(json, "patient_id", "provider_id")
    val filter = RelationshipFilter()
    filter.setPatientId(members.text("patient_id"))
    filter.setProviderId(members.text("provider_id"))
    return filter
}

fun relationship(json: JsonElement): Relationship {
    val members = Members(json, "patient_id", "provider_id")
    return Relationship(members.needed("patient_id"), members.needed("provider_id"))
}
