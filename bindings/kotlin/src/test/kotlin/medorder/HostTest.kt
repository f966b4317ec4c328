package medorder

import com.sun.jna.Native
import java.lang.reflect.Proxy
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.CountDownLatch
import java.util.concurrent.atomic.AtomicInteger
import kotlin.concurrent.thread
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** Keys, directory, anchor and listener of the host: asked with what is needed, and never believed more than they say. */
class HostTest {
    @Test
    fun `keys of the host open a database and other keys do not`() {
        val vault = Vault()
        World(Keys.Host(vault)).use { world ->
            val order = world.session.createOrder(draft().apply { setNotes("calm") }).id()
            world.service.close()
            world.reopened().use { assertEquals("calm", it.session(everyone(), "north").order(order).notes()) }
            assertEquals(ErrorCode.KEY_MISMATCH, code { world.reopened(Keys.Host(Other())).close() })
            assertEquals(ErrorCode.KEY_MISMATCH, code { world.reopened(world.folder.keys()).close() })
        }
    }

    /** A vault of another root. */
    private class Other : Vault() {
        override fun wrap(key: ByteArray, context: ByteArray) = super.wrap(key, context + 1)

        override fun unwrap(blob: ByteArray, context: ByteArray) = super.unwrap(blob, context + 1)
    }

    @Test
    fun `a root is changed to keys of the host and back`() {
        World().use { world ->
            val order = world.session.createOrder(draft()).id()
            val vault = Vault()
            val steps = ArrayList<Long>()
            world.admin.changeRoot(Keys.Host(vault), steps(steps))
            assertTrue(steps.isNotEmpty())
            world.service.close()
            assertEquals(ErrorCode.KEY_MISMATCH, code { world.reopened().close() })
            world.reopened(Keys.Host(vault)).use { service ->
                assertEquals("MRI brain", service.session(everyone(), "north").order(order).serviceType())
                // A root that cannot be asked is no new root.
                val closed = Vault().apply { wraps = { throw OutOfMemoryError(SECRET) } }
                assertEquals(ErrorCode.KEY_UNAVAILABLE, code { service.admin(everyone()).changeRoot(Keys.Host(closed)) })
                service.admin(everyone()).changeRoot(world.folder.keys())
            }
            world.reopened().close()
        }
    }

    private fun steps(steps: MutableList<Long>) = object : ProgressListener {
        override fun progress(done: Long, total: Long) {
            assertTrue(done <= total)
            steps.add(done)
        }
    }

    @Test
    fun `a listener hears how far a rotation is`() {
        World().use { world ->
            world.session.createOrders(List(600) { draft() }, BatchMode.ATOMIC)
            val heard = ArrayList<Long>()
            assertEquals(RotationReport(2, 600, false), world.admin.rotateKeys("north", steps(heard)))
            assertEquals(heard.sorted(), heard)
            assertEquals(600, heard.last())
        }
    }

    @Test
    fun `a directory of the host decides`() {
        val asked = ConcurrentLinkedQueue<List<String>>()
        val directory = object : CareDirectory {
            override fun territoryExists(territoryId: String) = territoryId == "north"

            override fun relationshipExists(patientId: String, providerId: String, territoryId: String): Boolean {
                asked.add(listOf(patientId, providerId, territoryId))
                return patientId == "p-9"
            }
        }
        World(directory = directory).use { world ->
            world.session.createOrder(draft("p-9"))
            // The registry of the database says yes here; it is not asked.
            assertEquals(ErrorCode.PATIENT_PROVIDER_MISMATCH, code { world.session.createOrder(draft()) })
            assertEquals(ErrorCode.TERRITORY_NOT_FOUND, code { world.service.session(everyone(), "south").createOrder(draft()) })
            assertEquals(listOf(listOf("p-9", "npi-1", "north"), listOf("p-1", "npi-1", "north")), asked.toList())
        }
    }

    @Test
    fun `whatever a host throws nothing of it is seen and nothing passes for an answer`() {
        Folder().use { folder ->
            val ran = child(folder.path, "medorder.Trials")
            assertFalse(SECRET in ran.err + ran.out, ran.err)
            assertEquals("", ran.err)
            assertEquals(expected().joinToString("\n", postfix = "\n"), ran.out)
            assertEquals(0, ran.status)
        }
    }

    private fun expected(): List<String> =
        Asked.entries.flatMap { asked -> Mishap.entries.map { mishap -> "$asked $mishap ${expected(asked, mishap)}" } }

    private fun expected(asked: Asked, mishap: Mishap): String =
        when (asked) {
            Asked.WRAP, Asked.FIRST_WRAP -> "KEY_UNAVAILABLE"
            Asked.UNWRAP -> if (mishap == Mishap.REFUSED) "KEY_MISMATCH" else "KEY_UNAVAILABLE"
            Asked.PROGRESS -> "passed"
            else -> "STORAGE_UNAVAILABLE"
        }

    /** A call that JNA ended, as it does with an error of the JVM in the generated sources, is no answer for the engine. */
    @Test
    fun `the engine believes no call that did not end`() {
        val before = Native.getCallbackExceptionHandler()
        val seen = ConcurrentLinkedQueue<Throwable>()
        Native.setCallbackExceptionHandler { _, error -> seen.add(error) }
        // The generated callbacks, as they are without those which are written by hand.
        uniffiCallbackInterfaceKeyProvider.register(UniffiLib)
        uniffiCallbackInterfaceCareDirectory.register(UniffiLib)
        uniffiCallbackInterfaceAnchorSink.register(UniffiLib)
        uniffiCallbackInterfaceProgressListener.register(UniffiLib)
        try {
            for (asked in Asked.entries) {
                for (mishap in listOf(Mishap.NO_MEMORY, Mishap.DEEP, Mishap.THROWABLE)) {
                    assertEquals(expected(asked, mishap), asked.meets(mishap.throws), "$asked $mishap")
                }
            }
        } finally {
            Native.setCallbackExceptionHandler(before)
            HostCalls.register()
        }
        assertTrue(seen.isNotEmpty(), "the generated callbacks were not used")
    }

    @Test
    fun `null is no answer`() {
        for (asked in listOf("wrap", "unwrap")) {
            val vault = Vault()
            World(Keys.Host(vault)).use { world ->
                world.service.close()
                // As a class of Java can.
                val silent = Proxy.newProxyInstance(javaClass.classLoader, arrayOf(KeyProvider::class.java)) { _, method, given ->
                    when (method.name) {
                        asked -> null
                        "hashCode" -> 1
                        "wrap" -> vault.wrap(given[0] as ByteArray, given[1] as ByteArray)
                        else -> vault.unwrap(given[0] as ByteArray, given[1] as ByteArray)
                    }
                } as KeyProvider
                val act = { world.reopened(Keys.Host(silent)).use { it.admin(everyone()).registerTerritory("south") } }
                assertEquals(ErrorCode.KEY_UNAVAILABLE, code(act), asked)
            }
        }
        val ward = Ward()
        World(directory = ward, options = OpenOptions().apply { setKeyCacheTtlMs(0) }).use { world ->
            ward.relationship = { null }
            assertEquals(ErrorCode.STORAGE_UNAVAILABLE, code { world.session.createOrder(draft()) })
            ward.relationship = { true }
            ward.territory = { null }
            assertEquals(ErrorCode.STORAGE_UNAVAILABLE, code { world.session.createOrder(draft()) })
        }
        val notes = Notes()
        World(anchor = notes).use { world ->
            for (answer in listOf(null, false)) {
                notes.keeps = { answer }
                assertEquals(ErrorCode.STORAGE_UNAVAILABLE, code { world.admin.checkpoint() })
            }
            notes.keeps = { true }
        }
    }

    @Test
    fun `a key of another length is no key`() {
        for (length in listOf(0, 1, 31, 33, 64, 1 shl 20)) {
            val vault = Vault()
            World(Keys.Host(vault)).use { world ->
                world.service.close()
                vault.unwraps = { ByteArray(length) }
                val expected = if (length == 0) ErrorCode.KEY_UNAVAILABLE else ErrorCode.KEY_MISMATCH
                assertEquals(expected, code { world.reopened().close() }, "$length bytes")
                // The right length, and another key.
                vault.unwraps = { ByteArray(32) }
                assertEquals(ErrorCode.KEY_MISMATCH, code { world.reopened().close() })
                vault.unwraps = { null }
                vault.wraps = { ByteArray(0) }
                val act = { world.reopened().use { it.admin(everyone()).registerTerritory("south") } }
                assertEquals(ErrorCode.KEY_UNAVAILABLE, code(act))
                vault.wraps = { null }
                act()
            }
        }
    }

    @Test
    fun `a callback that is late is given up and everybody else goes on`() {
        val asked = AtomicInteger()
        val gate = CountDownLatch(1)
        val ward = Ward()
        World(directory = ward).use { world ->
            ward.relationship = {
                asked.incrementAndGet()
                gate.await()
                true
            }
            val begun = System.nanoTime()
            var seen: ErrorCode? = null
            val late = thread { seen = code { world.session.createOrder(draft("p-late")) } }
            while (asked.get() == 0) Thread.sleep(5)
            assertEquals(0, world.session.orders().orders().size)
            assertTrue(late.isAlive)
            late.join()
            val seconds = (System.nanoTime() - begun) / 1e9
            assertEquals(ErrorCode.STORAGE_UNAVAILABLE, seen)
            assertTrue(seconds > 4.5 && seconds < 30, "$seconds s")
            assertEquals(1, asked.get())
            gate.countDown()
            ward.relationship = { true }
            world.session.createOrder(draft("p-late"))
        }
    }

    @Test
    fun `the service cannot be called from inside a callback`() {
        val seen = ConcurrentLinkedQueue<ErrorCode>()
        val ward = Ward()
        World(directory = ward).use { world ->
            val events = world.session.subscribe()
            ward.relationship = {
                seen.add(code { world.session.orders() })
                seen.add(code { world.session.createOrder(draft("p-2")) })
                seen.add(code { world.admin.territories() })
                seen.add(code { world.service.generation() })
                seen.add(code { events.nextEvent(0) })
                seen.add(code { OrderService.open(world.folder.url, world.keys) })
                true
            }
            world.session.createOrder(draft())
            assertEquals(List(6) { ErrorCode.CLOSED }, seen.toList())
            ward.relationship = { true }
            assertEquals(1, world.session.orders().orders().size)
        }
    }

    /** Closing from inside is refused as well, and leaves the service open; `use` says so too, which the generated one hides. */
    @Test
    fun `the service cannot be closed from inside a callback`() {
        val seen = ConcurrentLinkedQueue<ErrorCode>()
        val ward = Ward()
        World(directory = ward).use { world ->
            ward.relationship = {
                seen.add(code { world.service.close() })
                seen.add(code { world.service.use { } })
                true
            }
            world.session.createOrder(draft())
            assertEquals(listOf(ErrorCode.CLOSED, ErrorCode.CLOSED), seen.toList())
            assertEquals(1, world.session.orders().orders().size)
            world.service.generation()
        }
    }

    @Test
    fun `several threads ask at once`() {
        val meeting = CountDownLatch(3)
        val threads = ConcurrentHashMap.newKeySet<Long>()
        val ward = Ward()
        World(directory = ward).use { world ->
            ward.relationship = {
                threads.add(Thread.currentThread().id)
                meeting.countDown()
                // Nobody comes through unless all are here.
                meeting.await()
                true
            }
            val failures = ConcurrentLinkedQueue<Throwable>()
            List(3) {
                thread {
                    runCatching { world.session.createOrder(draft("p-$it")) }.onFailure(failures::add)
                }
            }.forEach(Thread::join)
            assertEquals(emptyList<Throwable>(), failures.toList())
            assertEquals(3, threads.size)
            assertEquals(3, world.session.orders().orders().size)
        }
    }

    @Test
    fun `checkpoints go to the anchor of the host`() {
        val notes = Notes()
        World(anchor = notes).use { world ->
            world.session.createOrder(draft())
            val made = world.admin.checkpoint()
            assertEquals(made, notes.kept.takeLast(made.size))
            assertTrue(made.isNotEmpty())
            assertTrue(world.admin.verifyAudit().anchored)
            // An anchor that lost what it kept, or holds what nobody signed, does not vouch.
            val kept = notes.kept.toList()
            notes.kept.clear()
            assertFalse(world.admin.verifyAudit().anchored)
            notes.kept.addAll(kept.map { it.replace("\n1\n", "\n7\n") + "x" })
            val forged = runCatching { world.admin.verifyAudit() }.getOrNull()
            assertTrue(forged == null || !forged.anchored || forged.verdict != Verdict.INTACT, "$forged")
            notes.kept.clear()
            notes.kept.addAll(kept)
            val before = notes.kept.size
            world.session.createOrder(draft())
            world.service.close()
            assertTrue(notes.kept.size > before, "a close signs a last checkpoint")
        }
    }

    /** A callback that never answers keeps neither the service nor the program from ending. */
    @Test
    fun `a program ends while a callback hangs`() {
        Folder().use { folder ->
            val ran = child(folder.path, "medorder.Hanging", folder.url, folder.file("root.key"), limitSeconds = 40)
            assertEquals(Ran(0, "STORAGE_UNAVAILABLE on medorder, a daemon: true\n", ""), ran)
        }
    }
}

object Hanging {
    @JvmStatic
    fun main(arguments: Array<String>) {
        generateKeyFile(arguments[1])
        var thread = ""
        val ward = Ward().apply {
            relationship = {
                thread = Thread.currentThread().run { "$name, a daemon: $isDaemon" }
                Thread.sleep(Long.MAX_VALUE).let { true }
            }
        }
        OrderService.open(arguments[0], Keys.File(arguments[1]), directory = ward).use { service ->
            service.admin(everyone()).registerTerritory("north")
            println("${code { service.session(everyone(), "north").createOrder(draft()) }} on $thread")
        }
    }
}
