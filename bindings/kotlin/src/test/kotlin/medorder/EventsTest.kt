package medorder

import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit
import kotlin.concurrent.thread
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** Subscriptions: each event once and in order, a wait that ends when it should, and no gap. */
class EventsTest {
    private fun Session.create(count: Int): List<String> = List(count) { createOrder(draft()).id() }

    private fun Subscription.all(count: Int): List<OrderEvent> =
        List(count) { checkNotNull(nextEvent(10_000)) { "event $it is missing" } }

    @Test
    fun `no time does not wait and a wait without an event is null`() {
        World().use { world ->
            val events = world.session.subscribe()
            val begun = System.nanoTime()
            repeat(20) { assertNull(events.nextEvent(0)) }
            assertTrue(System.nanoTime() - begun < 5_000_000_000)
            assertNull(events.nextEvent(30))
            val id = world.session.create(1).single()
            assertEquals(id, events.nextEvent(10_000)!!.orderId)
            assertNull(events.nextEvent(0))
        }
    }

    @Test
    fun `a negative time is a fault and the longest one is none`() {
        World().use { world ->
            val events = world.session.subscribe()
            for (time in listOf(-1L, Long.MIN_VALUE)) {
                assertEquals(listOf("timeout_ms format"), faults { events.nextEvent(time) })
            }
            val id = world.session.create(1).single()
            assertEquals(id, events.nextEvent(Long.MAX_VALUE)!!.orderId)
            // A wait without an end ends with the session.
            val seen = ConcurrentLinkedQueue<ErrorCode>()
            val waiting = thread { seen.add(code { events.nextEvent(Long.MAX_VALUE) }) }
            Thread.sleep(100)
            world.session.revoke()
            waiting.join(10_000)
            assertEquals(listOf(ErrorCode.ACCESS_DENIED), seen.toList())
        }
    }

    @Test
    fun `an event says what happened and holds no PHI`() {
        World().use { world ->
            val events = world.session.subscribe()
            val id = world.session.create(1).single()
            world.session.updateStatus(id, StatusChange(OrderStatus.REJECTED).apply { setReason("no cover") })
            world.session.deleteOrder(id, "a mistake")
            val (created, rejected, deleted) = events.all(3)
            assertEquals(listOf(id, id, id), listOf(created, rejected, deleted).map { it.orderId })
            assertEquals(listOf(null, OrderStatus.PENDING_VERIFICATION), listOf(created.oldStatus, rejected.oldStatus))
            assertEquals(listOf(1L, 2L), listOf(created.version, rejected.version))
            assertEquals("no cover", rejected.reason)
            assertEquals(EventKind.DELETED, deleted.kind)
            assertEquals("u-all", deleted.userId)
            assertTrue(created.timestamp <= deleted.timestamp)
        }
    }

    @Test
    fun `one order alone`() {
        World().use { world ->
            val (first, second) = world.session.create(2)
            val events = world.session.subscribe(second)
            world.session.updateStatus(first, verified())
            world.session.updateStatus(second, verified())
            assertEquals(second, events.nextEvent(10_000)!!.orderId)
            assertNull(events.nextEvent(50))
            assertEquals(ErrorCode.ORDER_NOT_FOUND, code { world.session.subscribe("00000000-0000-4000-8000-000000000000") })
        }
    }

    @Test
    fun `a cursor resumes without a gap and without a second time`() {
        World().use { world ->
            val events = world.session.subscribe()
            val start = events.cursor()
            val ids = world.session.create(10)
            val read = events.all(4)
            assertEquals(read.last().cursor, events.cursor())
            events.close()
            assertEquals(ids.drop(4), world.session.subscribe(null, read.last().cursor).all(6).map { it.orderId })
            assertEquals(ids, world.session.subscribe(null, start).all(10).map { it.orderId })
            val page = world.session.orders()
            val more = world.session.create(2)
            assertEquals(more, world.session.subscribe(null, page.feedCursor()).all(2).map { it.orderId })
        }
    }

    @Test
    fun `two threads share a subscription and miss nothing`() {
        World().use { world ->
            val events = world.session.subscribe()
            val seen = ConcurrentLinkedQueue<String>()
            val ids = world.session.create(100)
            List(4) { thread { repeat(25) { seen.add(events.nextEvent(10_000)!!.orderId) } } }.forEach(Thread::join)
            assertEquals(ids.sorted(), seen.sorted())
        }
    }

    /** Closing lets go of the handle; a wait that has begun ends in its own time, and the next one is refused. */
    @Test
    fun `a subscription that another thread closes ends`() {
        World().use { world ->
            val events = world.session.subscribe()
            val seen = ConcurrentLinkedQueue<Any>()
            val begun = CountDownLatch(1)
            val waiting = thread {
                val end = runCatching {
                    while (true) {
                        begun.countDown()
                        events.nextEvent(100)
                    }
                }
                seen.add(end.exceptionOrNull()!!.javaClass)
            }
            begun.await()
            events.close()
            waiting.join(10_000)
            assertEquals(listOf<Any>(IllegalStateException::class.java), seen.toList())
            assertEquals(1, world.session.create(1).size)
        }
    }

    @Test
    fun `a wait ends when the service is closed`() {
        World().use { world ->
            val events = world.session.subscribe()
            val seen = ConcurrentLinkedQueue<ErrorCode>()
            val waiting = thread { seen.add(code { events.nextEvent(60_000) }) }
            Thread.sleep(100)
            world.service.close()
            waiting.join(10_000)
            assertEquals(listOf(ErrorCode.CLOSED), seen.toList())
        }
    }

    @Test
    fun `a flow gives each event once and in order`() {
        World().use { world ->
            val events = world.session.subscribe()
            runBlocking {
                withTimeout(30_000) {
                    val collected = CompletableDeferred<List<String>>()
                    launch { collected.complete(events.events().take(50).toList().map { it.orderId }) }
                    val ids = withContext(Dispatchers.IO) { world.session.create(50) }
                    assertEquals(ids, collected.await())
                }
            }
        }
    }

    /** If it did, the event after the last one of a collector that ends would be lost. */
    @Test
    fun `a flow reads no event before the collector is done with the one before`() {
        World().use { world ->
            val events = world.session.subscribe()
            val ids = world.session.create(3)
            runBlocking {
                withTimeout(30_000) {
                    events.events().take(1).collect { event ->
                        // Whoever reads ahead has done so by then.
                        delay(300)
                        assertEquals(event.cursor, events.cursor())
                    }
                }
            }
            assertEquals(ids.drop(1), events.all(2).map { it.orderId })
        }
    }

    @Test
    fun `a flow that is cancelled ends promptly`() {
        World().use { world ->
            val events = world.session.subscribe()
            runBlocking {
                val collector = launch(Dispatchers.Default) { events.events().collect {} }
                Thread.sleep(50)
                val begun = System.nanoTime()
                withTimeout(10_000) { collector.cancelAndJoin() }
                assertTrue(TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begun) < 5_000)
            }
            // It was not closed by that, and goes on with what nobody has seen.
            val id = world.session.create(1).single()
            assertEquals(id, events.nextEvent(10_000)!!.orderId)
        }
    }

    @Test
    fun `a flow resumes by the cursor of the last event that was dealt with`() {
        World().use { world ->
            val events = world.session.subscribe()
            val ids = world.session.create(30)
            runBlocking {
                withTimeout(30_000) {
                    val dealtWith = events.events().take(7).toList()
                    assertEquals(ids.take(7), dealtWith.map { it.orderId })
                    val resumed = world.session.subscribe(null, dealtWith.last().cursor)
                    assertEquals(ids.drop(7), resumed.events().take(23).toList().map { it.orderId })
                }
            }
        }
    }

    @Test
    fun `a flow ends with what ends the subscription`() {
        World().use { world ->
            val events = world.session.subscribe()
            world.session.revoke()
            val seen = runCatching { runBlocking { withTimeout(10_000) { events.events().first() } } }.exceptionOrNull()
            assertTrue(seen is MedorderException.AccessDenied, "$seen")
        }
    }
}
