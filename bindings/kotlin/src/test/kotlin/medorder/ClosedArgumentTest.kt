package medorder

import java.util.concurrent.atomic.AtomicInteger
import kotlin.concurrent.thread
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/**
 * What was closed goes into no call: its memory may be another object's by then, the draft of another patient or the actor
 * of another user. uniffi 0.32 does not see to that; `cargo xtask bindings` adds it.
 */
class ClosedArgumentTest {
    @Test
    fun `a closed argument is refused wherever it stands`() {
        World().use { world ->
            val id = world.session.createOrder(draft()).id()
            val (session, service) = world.session to world.service
            val positions = listOf<Pair<AutoCloseable, (AutoCloseable) -> Any?>>(
                draft() to { session.createOrder(it as OrderDraft) },
                draft() to { session.createOrders(listOf(draft(), it as OrderDraft), BatchMode.EACH) },
                verified() to { session.updateStatus(id, it as StatusChange) },
                verified() to { session.updateStatuses(listOf(OrderChange(id, it as StatusChange)), BatchMode.EACH) },
                Insurance("a", "b") to { draft().setInsurance(it as Insurance) },
                VerificationData("a", "b") to { verified().setVerification(it as VerificationData) },
                OrderFilter() to { session.orders(it as OrderFilter) },
                AuditFilter() to { session.audit(it as AuditFilter) },
                AuditFilter() to { world.admin.audit(it as AuditFilter) },
                RelationshipFilter() to { session.relationships(it as RelationshipFilter) },
                Relationship("a", "b") to { session.relationships(after = it as Relationship) },
                everyone() to { service.session(it as Actor, "north") },
                everyone() to { service.admin(it as Actor) },
                OpenOptions() to { OrderService.open(world.folder.file("other.db"), world.keys, it as OpenOptions) },
            )
            for ((one, call) in positions) {
                one.close()
                val error = assertThrows(IllegalStateException::class.java) { call(one) }
                assertEquals("${one.javaClass.simpleName} object has already been destroyed", error.message)
            }
            assertEquals(1, session.orders().orders().size)
        }
    }

    @Test
    fun `a draft that is closed while it is sent is sent whole or not at all`() {
        World().use { world ->
            world.admin.registerRelationship("north", "p-2", "npi-1")
            val sent = AtomicInteger()
            repeat(300) {
                val mine = draft("p-1")
                val closer = thread { mine.close() }
                try {
                    val order = world.session.createOrder(mine)
                    assertEquals("p-1", order.patientId())
                    sent.incrementAndGet()
                } catch (_: IllegalStateException) {
                    // Closed before it went in.
                }
                // Takes the place that was freed.
                draft("p-2")
                closer.join()
            }
            val stored = generateSequence(world.session.orders(limit = 500)) { page ->
                page.nextCursor()?.let { world.session.orders(cursor = it, limit = 500) }
            }.flatMap { it.orders() }.toList()
            assertEquals(sent.get(), stored.size)
            assertTrue(stored.all { it.patientId() == "p-1" })
        }
    }
}
