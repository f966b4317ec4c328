package medorder

import java.io.File
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/**
 * 100,000 calls in flat memory. Nothing is closed by hand but half of the subscriptions, so that the cleaner of the JVM
 * has to let go of every order, page, draft, filter and error.
 *
 * It would see: a handle that the cleaner does not reach (an order of the engine is over 500 bytes, and 50,000 of them are
 * made between the two measures), a buffer of the native side that is not freed (over 100 bytes for each of some 300,000
 * getters and errors), a subscription that goes on after its handle (a channel of several kilobytes for each of 2,000), and
 * anything that the generated sources keep on the heap for each call.
 */
class SoakTest {
    private class Measure(val resident: Long, val heap: Long)

    private fun measure(): Measure {
        // What is unreachable is found by one collection, let go of by the cleaner's thread, and gone with the next.
        repeat(3) {
            System.gc()
            Thread.sleep(150)
        }
        val resident = File("/proc/self/status").readLines().first { it.startsWith("VmRSS:") }.filter(Char::isDigit).toLong()
        val heap = Runtime.getRuntime().run { totalMemory() - freeMemory() } / 1024
        return Measure(resident, heap)
    }

    @Test
    fun `a hundred thousand calls leave nothing behind`() {
        val options = OpenOptions().apply { setSynchronous(Synchronous.NORMAL) }
        World(options = options).use { world ->
            val session = world.session
            var id = session.createOrder(full()).id()
            session.updateStatus(id, verified())
            var calls = 0
            fun part() {
                repeat(CALLS / PARTS / 10) { turn ->
                    if (turn % 50 == 0) {
                        id = session.createOrder(full()).id()
                        session.updateStatus(id, verified())
                    }
                    repeat(4) { read(session, id) }
                    assertEquals(5, session.orders(OrderFilter().apply { addStatus(OrderStatus.VERIFIED) }, limit = 5, fields = PhiField.entries).orders().size)
                    assertEquals(ErrorCode.INVALID_STATUS_TRANSITION, code { session.updateStatus(id, StatusChange(OrderStatus.COMPLETED)) })
                    assertEquals(ErrorCode.VALIDATION_ERROR, code { session.createOrder(draft("")) })
                    val events = session.subscribe()
                    assertEquals(null, events.nextEvent(0))
                    if (turn % 2 == 0) events.close()
                    assertTrue(session.call("orders", "{\"limit\": 1}").isNotEmpty())
                    calls += 10
                }
            }
            repeat(4) {
                id = session.createOrder(full()).id()
                session.updateStatus(id, verified())
            }
            val measures = List(PARTS) {
                part()
                measure()
            }
            assertEquals(CALLS, calls)
            val (first, last) = measures.first() to measures.last()
            println(measures.joinToString(prefix = "resident and heap in KiB: ") { "${it.resident} ${it.heap}" })
            assertTrue(last.resident - first.resident < RESIDENT_KIB, "resident ${first.resident} to ${last.resident} KiB")
            assertTrue(last.heap - first.heap < HEAP_KIB, "heap ${first.heap} to ${last.heap} KiB")
        }
    }

    private fun full() = draft().apply {
        addDiagnosisCode("R51.9")
        setNotes("n".repeat(500))
        setInsurance(Insurance("carrier", "policy"))
    }

    private fun read(session: Session, id: String) {
        val order = session.order(id)
        assertEquals(500, order.notes()!!.length)
        assertEquals("MRI brain", order.serviceType())
        assertEquals(listOf("R51.9"), order.diagnosisCodes())
        assertEquals("carrier", order.insurance()!!.carrier())
        assertEquals("u-7", order.insuranceVerification()!!.verifiedBy())
        assertEquals("p-1npi-1north", order.patientId() + order.providerId() + order.territoryId())
        assertTrue(order.createdAt() <= order.updatedAt())
        assertEquals(PhiField.entries, order.disclosed())
        assertEquals(OrderStatus.VERIFIED, order.status())
    }

    private companion object {
        const val CALLS = 100_000
        const val PARTS = 5

        /** The engine's own caches and the JVM's compiled code grow a little; a leak of 300 bytes a call is over it. */
        const val RESIDENT_KIB = 24 * 1024

        /** A leak of 50 bytes a call is over it. */
        const val HEAP_KIB = 4 * 1024
    }
}
