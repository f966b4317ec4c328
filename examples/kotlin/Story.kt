// One order from its creation to its end, watched, listed and audited. In an empty folder; see bindings/kotlin/README.md.

import java.io.File
import medorder.*

fun main() {
    // Once. Whoever loses this file loses the data.
    if (!File("root.key").exists()) generateKeyFile("root.key")

    OrderService.open("orders.db", Keys.File("root.key")).use { service ->
        // Whom your software has authenticated. One person with every role is for examples alone.
        val actor = Actor("u-7", Purpose.TREATMENT)
        listOf("requester", "verifier", "fulfiller", "auditor", "administrator").forEach(actor::addRole)
        actor.addTerritory("north")

        val admin = service.admin(actor)
        admin.registerTerritory("north")
        admin.registerRelationship("north", "p-1", "npi-17")

        val session = service.session(actor, "north")
        session.subscribe().use { events ->
            val draft = OrderDraft("p-1", "npi-17", "MRI brain")
            draft.addDiagnosisCode("R51.9")
            draft.setNotes("anxious")
            val order = session.createOrder(draft)

            val proof = VerificationData("u-7", "phone")
            val verified = StatusChange(OrderStatus.VERIFIED)
            verified.setVerification(proof)
            verified.setExpectedVersion(order.version())
            session.updateStatus(order.id(), verified)
            session.updateStatus(order.id(), StatusChange(OrderStatus.IN_PROGRESS))
            session.updateStatus(order.id(), StatusChange(OrderStatus.COMPLETED).apply { setReason("images sent") })

            repeat(4) {
                val event = events.nextEvent(5_000)
                println("event: ${event?.oldStatus ?: "new"} -> ${event?.newStatus}")
            }

            val done = OrderFilter().apply { addStatus(OrderStatus.COMPLETED) }
            val fields = listOf(PhiField.SERVICE_TYPE, PhiField.NOTES)
            for (listed in session.orders(filter = done, fields = fields).orders()) {
                println("listed: v${listed.version()}, ${listed.serviceType()}, ${listed.notes()}")
                println("shown: ${listed.toString().replace(listed.id(), "ID")}")
            }

            try {
                session.updateStatus(order.id(), verified.apply { setExpectedVersion(null) })
            } catch (refused: MedorderException.InvalidStatusTransition) {
                println("refused: ${refused.code()}, from ${refused.details().currentStatus}: ${refused.details().why}")
            }

            for (record in session.audit(AuditFilter().apply { setOrderId(order.id()) }).records) {
                println("audit: ${record.userId} ${record.action} ${record.fields}")
            }
        }
        println("verified: ${session.verifyAudit().verdict}")
    }
}
