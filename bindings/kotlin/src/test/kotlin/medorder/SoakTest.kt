package medorder

import java.io.File
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/**
 * 100,000 calls in flat memory, in a program of its own with a small heap, so that garbage of the JVM does not hide that of
 * the engine. Nothing is closed by hand but half of the subscriptions: the cleaner of the JVM has to let go of every order,
 * page, draft and filter.
 *
 * It would see, between the first and the last fifth: a handle that is not freed (each order of the engine with its notes is
 * over 6 KiB, and some 4,000 of them come out in that time: 23 MiB), a buffer that is not freed (notes come out 5,300 times with
 * 6 KiB each: 31 MiB), a subscription that goes on after its handle with 14 KiB or more, as a thread would, and what the
 * sources of the JVM's side keep for each of 80,000 calls (50 bytes each are 4 MiB).
 */
class SoakTest {
    @Test
    fun `a hundred thousand calls leave nothing behind`() {
        Folder().use { folder ->
            folder.keys()
            val arguments = arrayOf("-Xmx48m", "-XX:+UseSerialGC", "-cp", System.getProperty("java.class.path"))
            val ran = run(folder.path, "java", *arguments, "medorder.Soak", folder.url, folder.file("root.key"))
            assertEquals("", ran.err)
            assertEquals(0, ran.status)
            val lines = ran.out.trim().lines()
            println(lines)
            val parts = lines.map { line -> line.split(' ').map(String::toLong) }
            assertEquals(Soak.PARTS, parts.size)
            assertTrue(parts.last()[0] >= 100_000, "${parts.last()[0]} calls")
            val grown = listOf(1, 2).map { parts.last()[it] - parts.first()[it] }
            assertTrue(grown[0] < RESIDENT_KIB, "resident grew by ${grown[0]} KiB: $lines")
            assertTrue(grown[1] < HEAP_KIB, "the heap grew by ${grown[1]} KiB: $lines")
        }
    }

    private companion object {
        /** Compiled code and the caches of SQLite grow by some 8 MiB. */
        const val RESIDENT_KIB = 16 * 1024

        const val HEAP_KIB = 2 * 1024
    }
}

/** Prints after each part the calls so far, the resident set and the used heap in KiB. */
object Soak {
    const val PARTS = 5

    private const val TURNS = 330
    private const val NOTES = 6_000
    private var calls = 0

    @JvmStatic
    fun main(arguments: Array<String>) {
        val options = OpenOptions().apply { setSynchronous(Synchronous.NORMAL) }
        OrderService.open(arguments[0], Keys.File(arguments[1]), options).use { service ->
            service.admin(everyone()).registerTerritory("north")
            service.admin(everyone()).registerRelationship("north", "p-1", "npi-1")
            val session = service.session(everyone(), "north")
            // The JVM compiles what is hot, and the caches fill.
            repeat(TURNS) { turn(session, it) }
            calls = 0
            repeat(PARTS) {
                repeat(TURNS) { turn(session, it) }
                val (resident, heap) = measure()
                println("$calls $resident $heap")
            }
        }
    }

    private fun turn(session: Session, turn: Int) {
        if (turn % 50 == 0) {
            val id = call { session.createOrder(full()).id() }
            call { session.updateStatus(id, verified()) }
        }
        val id = call { session.orders(limit = 1, fields = emptyList()).orders().first().id() }
        val order = call { session.order(id) }
        repeat(4) { read(order) }
        val filter = OrderFilter().apply { addStatus(OrderStatus.VERIFIED) }
        call { session.orders(filter, limit = 2, fields = PhiField.entries) }.orders().forEach { check(call { it.version() } == 2L) }
        call { check(code { session.updateStatus(id, StatusChange(OrderStatus.COMPLETED)) } == ErrorCode.INVALID_STATUS_TRANSITION) }
        call { check(code { session.createOrder(draft("")) } == ErrorCode.VALIDATION_ERROR) }
        val events = call { session.subscribe() }
        call { check(events.nextEvent(0) == null) }
        if (turn % 2 == 0) events.close()
        call { check(session.call("orders", "{\"limit\": 1}").isNotEmpty()) }
    }

    private fun <R> call(call: () -> R): R = call().also { calls++ }

    private fun full() = draft().apply {
        addDiagnosisCode("R51.9")
        setNotes("n".repeat(NOTES))
        setInsurance(Insurance("carrier", "policy"))
    }

    private fun read(order: Order) {
        call { check(order.notes()!!.length == NOTES) }
        call { check(order.serviceType() == "MRI brain") }
        call { check(order.diagnosisCodes() == listOf("R51.9")) }
        call { check(order.insurance()!!.carrier() == "carrier") }
        call { check(order.insuranceVerification()!!.verifiedBy() == "u-7") }
        call { check(order.patientId() == "p-1") }
        call { check(order.providerId() == "npi-1") }
        call { check(order.territoryId() == "north") }
        call { check(order.createdAt() <= order.updatedAt()) }
        call { check(order.disclosed() == PhiField.entries) }
        call { check(order.withheld().isEmpty()) }
        call { check(order.status() == OrderStatus.VERIFIED) }
        call { check(order.toString().startsWith("Order(")) }
    }

    /** What one collection finds, the cleaners let go of, and the next collection is rid of: until nothing more goes. */
    private fun measure(): Pair<Long, Long> {
        var before = Long.MAX_VALUE
        for (round in 0 until 50) {
            System.gc()
            Thread.sleep(50)
            val now = heap()
            if (before - now < 64 && round > 3) break
            before = now
        }
        val resident = File("/proc/self/status").readLines().first { it.startsWith("VmRSS:") }
        return resident.filter(Char::isDigit).toLong() to heap()
    }

    private fun heap(): Long = Runtime.getRuntime().run { totalMemory() - freeMemory() } / 1024
}
