// Answers of the face as the JSON that the wire has for them, made of nothing but getters.

package conformance

import java.time.Instant
import java.time.ZoneOffset
import java.time.format.DateTimeFormatter
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import medorder.AuditPage
import medorder.AuditRecord
import medorder.BatchItem
import medorder.ChainReport
import medorder.ErrorCode
import medorder.ErrorDetails
import medorder.Insurance
import medorder.InsuranceVerification
import medorder.MedorderException
import medorder.Order
import medorder.OrderEvent
import medorder.OrderPage
import medorder.OrderSummary
import medorder.PhiField
import medorder.Relationship
import medorder.RelationshipPage
import medorder.RotationReport
import medorder.TransitionOption
import medorder.VerifyReport

private val TIME = DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSSSSS'Z'").withZone(ZoneOffset.UTC)

fun summaryJson(summary: OrderSummary): JsonElement =
    json(
        "id" to text(summary.id()),
        "territory_id" to text(summary.territoryId()),
        "patient_id" to text(summary.patientId()),
        "provider_id" to text(summary.providerId()),
        "status" to text(summary.status()),
        "version" to number(summary.version()),
        "created_at" to time(summary.createdAt()),
        "updated_at" to time(summary.updatedAt()),
    )

fun orderJson(order: Order): JsonElement {
    val plain =
        json(
            "id" to text(order.id()),
            "territory_id" to text(order.territoryId()),
            "patient_id" to text(order.patientId()),
            "provider_id" to text(order.providerId()),
            "status" to text(order.status()),
            "version" to number(order.version()),
            "created_at" to time(order.createdAt()),
            "updated_at" to time(order.updatedAt()),
            "disclosed" to words(order.disclosed()),
            "withheld" to words(order.withheld()),
        )
    val fields =
        PhiField.entries.mapNotNull { field ->
            val value =
                when (field) {
                    PhiField.SERVICE_TYPE -> text(order.serviceType())
                    PhiField.DIAGNOSIS_CODES -> order.diagnosisCodes()?.let(::words)
                    PhiField.NOTES -> text(order.notes())
                    PhiField.INSURANCE -> order.insurance()?.let(::insuranceJson)
                    PhiField.INSURANCE_VERIFICATION -> order.insuranceVerification()?.let(::verificationJson)
                }
            // A value that nobody disclosed must not hide from a scenario that expects none.
            if (field in order.disclosed() || value != null) field.toString() to (value ?: JsonNull) else null
        }
    return JsonObject(plain + fields)
}

private fun insuranceJson(insurance: Insurance) =
    json(
        "carrier" to text(insurance.carrier()),
        "policy_number" to text(insurance.policyNumber()),
        "group_number" to text(insurance.groupNumber()),
    )

private fun verificationJson(verification: InsuranceVerification) =
    json(
        "status" to text(verification.status()),
        "coverage_details" to verification.coverageDetails()?.let(Json::parseToJsonElement),
        "authorization_number" to text(verification.authorizationNumber()),
        "verified_by" to text(verification.verifiedBy()),
        "verification_method" to text(verification.verificationMethod()),
        "verified_at" to verification.verifiedAt()?.let(::time),
        "valid_until" to verification.validUntil()?.let(::time),
    )

fun orderPageJson(page: OrderPage): JsonElement =
    json(
        "orders" to list(page.orders(), ::orderJson),
        "next_cursor" to (text(page.nextCursor()) ?: JsonNull),
        "feed_cursor" to text(page.feedCursor()),
    )

fun batchJson(items: List<BatchItem>): JsonElement =
    list(items) { item ->
        when (item) {
            is BatchItem.Done -> json("status" to text("success"), "data" to summaryJson(item.summary))
            is BatchItem.Failed -> {
                val failure = item.failure
                val error =
                    json(
                        "code" to text(failure.code),
                        "message" to text(failure.explanation),
                        "details" to detailsJson(failure.details),
                    )
                json("status" to text("error"), "error" to error)
            }
            BatchItem.NotApplied -> json("status" to text("not_applied"))
        }
    }

fun eventJson(event: OrderEvent): JsonElement =
    json(
        "type" to text(event.kind),
        "order_id" to text(event.orderId),
        "territory_id" to text(event.territoryId),
        "old_status" to (text(event.oldStatus) ?: JsonNull),
        "new_status" to text(event.newStatus),
        "timestamp" to time(event.timestamp),
        "context" to json("user_id" to text(event.userId), "reason" to text(event.reason)),
        "version" to number(event.version),
        "cursor" to text(event.cursor),
    )

fun transitionJson(option: TransitionOption): JsonElement =
    json(
        "status" to text(option.status),
        "allowed" to JsonPrimitive(option.allowed),
        "why" to text(option.why),
        "needs" to words(option.needs),
    )

fun relationshipPageJson(page: RelationshipPage): JsonElement =
    json(
        "relationships" to list(page.relationships, ::relationshipJson),
        "next" to (page.next?.let(::relationshipJson) ?: JsonNull),
    )

private fun relationshipJson(pair: Relationship) =
    json("patient_id" to text(pair.patientId()), "provider_id" to text(pair.providerId()))

fun auditPageJson(page: AuditPage): JsonElement =
    json("records" to list(page.records, ::recordJson), "next" to (page.next?.let(::number) ?: JsonNull))

private fun recordJson(record: AuditRecord): JsonElement {
    val details = record.details
    return json(
        "timestamp" to time(record.timestamp),
        "user_id" to text(record.userId),
        "territory_id" to text(record.territoryId),
        "order_id" to (text(record.orderId) ?: JsonNull),
        "action" to text(record.action),
        "details" to
            json(
                "old_status" to text(details.oldStatus),
                "new_status" to text(details.newStatus),
                "reason" to text(details.reason),
                "subject" to text(details.subject),
            ),
        "seq" to number(record.seq),
        "role" to text(record.role),
        "purpose" to text(record.purpose),
        "outcome" to text(record.outcome),
        "fields" to words(record.fields),
        "request_id" to text(record.requestId),
        "source" to text(record.source),
        "row_version" to number(record.rowVersion),
        "hash" to text(record.hash),
    )
}

fun verifyReportJson(report: VerifyReport): JsonElement =
    json(
        "verdict" to text(report.verdict),
        "anchored" to JsonPrimitive(report.anchored),
        "chains" to list(report.chains, ::chainJson),
    )

private fun chainJson(chain: ChainReport): JsonElement =
    json(
        "territory_id" to text(chain.territoryId),
        "verdict" to text(chain.verdict),
        "anchored" to JsonPrimitive(chain.anchored),
        "entries" to number(chain.entries),
        "orders" to number(chain.orders),
        "first_bad" to
            chain.firstBad?.let { bad ->
                json("seq" to bad.seq?.let(::number), "order_id" to text(bad.orderId), "what" to text(bad.what))
            },
    )

fun rotationJson(report: RotationReport): JsonElement =
    json(
        "version" to number(report.version),
        "rewrapped" to number(report.rewrapped),
        "resumed" to JsonPrimitive(report.resumed),
    )

/** What a scenario says of an error. */
fun errorJson(error: MedorderException): JsonElement {
    val code = error.code()
    // A program catches the class: it must be that of the code.
    val words = code.toString().split("_").joinToString("") { it[0] + it.drop(1).lowercase() }
    val name = words.replace(Regex("Error$"), "Exception")
    if (error.javaClass.simpleName != name) throw Failed("$code is a ${error.javaClass.simpleName}")
    return json(
        "code" to text(code),
        "number" to number(code.number().toLong()),
        "kind" to text(error.kind()),
        "retryable" to JsonPrimitive(error.retryable()),
        "details" to detailsJson(error.details()),
    )
}

private fun detailsJson(details: ErrorDetails): JsonElement {
    val faults = list(details.errors) { json("path" to text(it.path), "rule" to text(it.rule)) }
    return json(
        "errors" to faults.takeUnless { it.isEmpty() },
        "order_id" to text(details.orderId),
        "current_status" to text(details.currentStatus),
        "requested_status" to text(details.requestedStatus),
        "allowed" to details.allowed?.let(::words),
        "why" to text(details.why),
        "current_version" to details.currentVersion?.let(::number),
        "seq" to details.seq?.let(::number),
    )
}

/** The table of errors, in the order of the numbers. */
fun errorTableJson(): JsonElement =
    list(ErrorCode.entries.sortedBy { it.number() }) { code ->
        json(
            "code" to text(code),
            "number" to number(code.number().toLong()),
            "kind" to text(code.kind()),
            "retryable" to JsonPrimitive(code.retryable()),
        )
    }

/** A text, or the word of an enumeration, which is its text. */
private fun text(value: Any?): JsonElement? = value?.let { JsonPrimitive(it.toString()) }

private fun words(values: List<Any>): JsonElement = list(values) { JsonPrimitive(it.toString()) }

private fun number(value: Long): JsonElement = JsonPrimitive(value)

private fun time(moment: Instant): JsonElement = JsonPrimitive(TIME.format(moment))
