// The call of a step, made with the types of the face.

package conformance

import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import medorder.Admin
import medorder.AuditExport
import medorder.BatchItem
import medorder.BatchMode
import medorder.Session

/** Makes the call of a step; answers as the wire does, and null where it has nothing to say. */
fun Play.call(step: JsonObject, given: JsonObject): JsonElement {
    val act = step.text("do")
    val answer =
        when (act.substringBefore(".", "")) {
            "admin" -> administer(admin(step.text("as")), act.substringAfter("."), given)
            "service" -> serve(act, given)
            "host" -> disturb(act, given)
            else -> feed(step, act, given)
        }
    return answer as? JsonElement ?: JsonNull
}

/** Subscriptions, which a step finds by the name of another one. */
private fun Play.feed(step: JsonObject, act: String, given: JsonObject): Any? {
    val subscription = { subscriptions[given.text("from")] ?: throw Failed("there is no such subscription") }
    return when (act) {
        "next" -> {
            val timeout = Members(given, "from", "timeout_ms").number("timeout_ms") ?: throw Failed("how long?")
            subscription().nextEvent(timeout)?.let(::eventJson)
        }
        "cursor" -> JsonPrimitive(subscription().cursor())
        "subscribe" -> {
            val members = Members(given, "order_id", "since")
            val opened = session(step).subscribe(members.text("order_id"), members.text("since"))
            subscriptions[step.text("save")] = opened
            null
        }
        else -> converse(session(step), act, given)
    }
}

private fun converse(session: Session, act: String, given: JsonObject): Any? =
    when (act) {
        "create_order" -> summaryJson(session.createOrder(draft(given)))
        "create_orders" ->
            batch(session, act, given) {
                val members = Members(given, "requests", "mode")
                session.createOrders(members.items("requests", ::draft), members.mode())
            }
        "update_status" -> {
            val (orderId, change) = change(given)
            summaryJson(session.updateStatus(orderId, change))
        }
        "update_statuses" ->
            batch(session, act, given) {
                val members = Members(given, "changes", "mode")
                session.updateStatuses(members.items("changes", ::change), members.mode())
            }
        "delete_order" -> {
            val members = Members(given, "order_id", "reason", "expected_version")
            val version = members.number("expected_version")
            summaryJson(session.deleteOrder(members.needed("order_id"), members.needed("reason"), version))
        }
        "order" -> {
            val members = Members(given, "order_id", "fields")
            orderJson(session.order(members.needed("order_id"), members.fields("fields")))
        }
        "order_by_key" -> {
            val members = Members(given, "idempotency_key")
            summaryJson(session.orderByKey(members.needed("idempotency_key")))
        }
        "orders" -> {
            val members = Members(given, "filter", "cursor", "limit", "fields")
            val filter = members["filter"]?.let(::orderFilter)
            val (cursor, limit) = members.text("cursor") to members.small("limit")
            orderPageJson(session.orders(filter, cursor, limit, members.fields("fields")))
        }
        "allowed_transitions" -> {
            val members = Members(given, "order_id")
            list(session.allowedTransitions(members.needed("order_id")), ::transitionJson)
        }
        "relationships" -> {
            val members = Members(given, "filter", "after", "limit")
            val filter = members["filter"]?.let(::relationshipFilter)
            val after = members["after"]?.let(::relationship)
            relationshipPageJson(session.relationships(filter, after, members.small("limit")))
        }
        "audit" -> {
            val members = Members(given, "filter", "after", "limit")
            val filter = members["filter"]?.let(::auditFilter)
            auditPageJson(session.audit(filter, members.number("after"), members.small("limit")))
        }
        "disclosures" -> {
            val members = Members(given, "patient_id", "after", "limit")
            val (after, limit) = members.number("after") to members.small("limit")
            auditPageJson(session.disclosures(members.needed("patient_id"), after, limit))
        }
        "verify_audit" -> verifyReportJson(session.verifyAudit(Members(given, "checkpoint").text("checkpoint")))
        "export_audit" -> session.exportAudit().use { export -> json("entries" to entries(export)) }
        "revoke" -> session.revoke()
        else -> throw Failed("no such step: $act")
    }

/**
 * A batch with types. One that holds what types cannot say (an item that is no request, a member that is missing or
 * unknown or of another type, a word or a mode that nobody knows) goes through the door for JSON as a whole, where a
 * host that holds JSON sends it: the faults of its items are the engine's to find.
 */
private fun batch(session: Session, act: String, given: JsonObject, typed: () -> List<BatchItem>): JsonElement {
    val items =
        try {
            typed()
        } catch (_: Unsayable) {
            return Json.parseToJsonElement(session.call(act, "$given"))
        }
    return batchJson(items)
}

private fun <T> Members.items(name: String, read: (JsonElement) -> T): List<T> =
    list(name)?.map(read) ?: throw Unsayable("`$name` are missing")

private fun Members.mode(): BatchMode = word(needed("mode"), BatchMode.entries)

private fun entries(export: AuditExport): JsonArray {
    val lines = generateSequence { export.nextPage().takeUnless { it.isEmpty() } }.flatten().toList()
    if (lines.size.toLong() != export.total()) throw Failed("${lines.size} entries of ${export.total()}")
    return list(lines, Json::parseToJsonElement)
}

private fun Play.administer(admin: Admin, act: String, given: JsonObject): Any? {
    val territory = { Members(given, "territory_id").needed("territory_id") }
    return when (act) {
        "register_territory" -> admin.registerTerritory(territory())
        "unregister_territory" -> admin.unregisterTerritory(territory())
        "register_relationship" -> relate(given, admin::registerRelationship)
        "unregister_relationship" -> relate(given, admin::unregisterRelationship)
        "territories" -> list(admin.territories(), ::JsonPrimitive)
        "rotate_keys" -> rotationJson(admin.rotateKeys(territory()))
        "change_root" -> admin.changeRoot(rootKeys(Members(given, "keys").needed("keys")))
        "checkpoint" -> list(admin.checkpoint(), ::JsonPrimitive)
        "audit" -> {
            val members = Members(given, "filter", "after", "limit")
            val filter = members["filter"]?.let(::auditFilter)
            auditPageJson(admin.audit(filter, members.number("after"), members.small("limit")))
        }
        "verify_audit" -> verifyReportJson(admin.verifyAudit())
        "backup" -> admin.backup(Members(given, "path").needed("path"))
        "restore" -> list(admin.restore(), ::JsonPrimitive)
        else -> throw Failed("no such step: admin.$act")
    }
}

private fun relate(given: JsonObject, act: (String, String, String) -> Unit) {
    val members = Members(given, "territory_id", "patient_id", "provider_id")
    act(members.needed("territory_id"), members.needed("patient_id"), members.needed("provider_id"))
}

private fun Play.serve(act: String, given: JsonObject): Any? =
    when (act) {
        "service.close" -> close()
        "service.open" -> open(given)
        "service.error_table" -> errorTableJson()
        else -> throw Failed("no such step: $act")
    }

private fun Play.disturb(act: String, given: JsonObject): Any? =
    when (act) {
        "host.fail" -> fail(given.text("what"), true)
        "host.mend" -> fail(given.text("what"), false)
        "host.damage" -> damage(given.text(job.engine))
        else -> throw Failed("no such step: $act")
    }

private fun Play.fail(what: String, failing: Boolean) =
    when (what) {
        "keys" -> keys.failing = failing
        "directory" -> directory.failing = failing
        else -> throw Failed("the host has no $what")
    }

/** Runs SQL behind the engine's back. */
private fun Play.damage(sql: String) {
    val program = ProcessBuilder(job.damage + url + sql).redirectError(ProcessBuilder.Redirect.INHERIT).start()
    // Nobody needs what it says, and a full pipe would stop it.
    program.inputStream.use { it.readBytes() }
    val code = program.waitFor()
    if (code != 0) throw Failed("the damage ends with $code")
}
