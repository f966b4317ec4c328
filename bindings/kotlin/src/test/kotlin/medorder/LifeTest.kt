package medorder

import java.io.File
import java.lang.ref.WeakReference
import java.nio.file.Files
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.zip.ZipFile
import java.util.zip.ZipOutputStream
import kotlin.concurrent.thread
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** How services, sessions and what they hand out begin and end. */
class LifeTest {
    @Test
    fun `closing again is nothing`() {
        World().use { world ->
            val order = world.session.createOrder(draft())
            val all: List<AutoCloseable> = listOf(
                order, world.session.order(order.id()), world.session.orders(), world.session.subscribe(),
                world.session.exportAudit(), draft(), verified(), VerificationData("a", "b"), Insurance("a", "b"),
                OrderFilter(), AuditFilter(), RelationshipFilter(), Relationship("a", "b"), OpenOptions(), everyone(),
                world.admin, world.session, world.service,
            )
            repeat(3) { for (one in all) one.close() }
        }
    }

    @Test
    fun `what was closed is an illegal state and nothing worse`() {
        World().use { world ->
            val order = world.session.createOrder(draft())
            val (page, events) = world.session.orders() to world.session.subscribe()
            val calls = mapOf<AutoCloseable, () -> Any?>(
                order to { order.id() },
                page to { page.orders() },
                events to { events.nextEvent(0) },
                world.admin to { world.admin.territories() },
                world.session to { world.session.orders() },
            )
            for ((one, call) in calls) {
                call()
                one.close()
                assertThrows(IllegalStateException::class.java) { call() }
            }
        }
    }

    @Test
    fun `what a closed service made is closed`() {
        World().use { world ->
            val id = world.session.createOrder(draft()).id()
            val (events, export, order) = Triple(world.session.subscribe(), world.session.exportAudit(), world.session.order(id))
            world.service.close()
            for (call in listOf<() -> Any?>(
                { world.session.orders() }, { world.session.createOrder(draft()) }, { world.session.subscribe() },
                { world.admin.territories() }, { events.nextEvent(0) }, { export.nextPage() }, { world.session.call("orders", "{}") },
                { world.service.generation() }, { world.service.checkpointPublicKey() },
                { world.service.session(everyone(), "north").orders() }, { world.service.admin(everyone()).territories() },
            )) {
                val error = refused { call() }
                assertTrue(error is MedorderException.Closed, error.toString())
                assertEquals(ErrorKind.USAGE, error.kind())
            }
            // A value is a value.
            assertEquals("MRI brain", order.serviceType())
        }
    }

    /** `use` of Kotlin takes the most special one there is, and the generated one keeps failures to itself. */
    @Test
    fun `use closes the engine`() {
        Folder().use { folder ->
            val session = OrderService.open(folder.url, folder.keys()).use { service ->
                service.admin(everyone()).registerTerritory("north")
                service.session(everyone(), "north")
            }
            assertEquals(ErrorCode.CLOSED, code { session.orders() })
            val other: Disposable = OrderService.open(folder.url, folder.keys())
            val second = (other as OrderService).session(everyone(), "north")
            other.destroy()
            assertEquals(ErrorCode.CLOSED, code { second.orders() })
            assertEquals(7, OrderService.open(folder.url, folder.keys()).use { 7 })
        }
    }

    @Test
    fun `a close that fails is heard and keeps no service open`() {
        val notes = Notes()
        World(anchor = notes).use { world ->
            world.session.createOrder(draft())
            notes.keeps = { false }
            val failed = runCatching { world.service.use { it.generation() } }.exceptionOrNull()
            // The last checkpoint is signed in the close itself: the next one of its own is due in ten minutes.
            assertTrue(failed is MedorderException.StorageUnavailable, "$failed")
            assertEquals(ErrorCode.CLOSED, code { world.session.orders() })
            world.reopened().use { assertEquals(1, it.session(everyone(), "north").orders().orders().size) }
        }
    }

    @Test
    fun `a service that is forgotten does not end its sessions`() {
        Folder().use { folder ->
            var service: OrderService? = OrderService.open(folder.url, folder.keys())
            service!!.admin(everyone()).registerTerritory("north")
            val session = service.session(everyone(), "north")
            val forgotten = WeakReference(service)
            service = null
            collect { forgotten.get() == null }
            assertNull(forgotten.get(), "something holds the service")
            assertEquals(0, session.orders().orders().size)
            session.revoke()
            session.close()
        }
    }

    /** A collector that was asked may take its time. */
    private fun collect(done: () -> Boolean) {
        repeat(100) {
            if (done()) return
            System.gc()
            Thread.sleep(20)
        }
    }

    @Test
    fun `a provider that nobody needs any more is let go of`() {
        Folder().use { folder ->
            var vault: Vault? = Vault()
            var ward: Ward? = Ward()
            OrderService.open(folder.url, Keys.Host(vault!!), directory = ward).close()
            val held = listOf(WeakReference<Any>(vault), WeakReference<Any>(ward))
            vault = null
            ward = null
            collect { held.all { it.get() == null } }
            assertEquals(listOf(null, null), held.map { it.get() })
        }
    }

    @Test
    fun `what was acknowledged outlives a program that does not close`() {
        Folder().use { folder ->
            folder.keys()
            val ran = child(folder.path, "medorder.Halting", folder.url, folder.file("root.key"))
            assertEquals(9, ran.status, ran.err)
            val ids = ran.out.trim().lines()
            assertEquals(20, ids.toSet().size)
            OrderService.open(folder.url, folder.keys()).use { service ->
                val session = service.session(everyone(), "north")
                for (id in ids) assertEquals("MRI brain", session.order(id).serviceType())
                assertEquals(Verdict.INTACT, session.verifyAudit().verdict)
            }
        }
    }

    @Test
    fun `many threads work on one session`() {
        World().use { world ->
            val ids = ConcurrentLinkedQueue<String>()
            val failures = ConcurrentLinkedQueue<Throwable>()
            List(16) {
                thread {
                    runCatching {
                        repeat(10) {
                            val id = world.session.createOrder(draft()).id()
                            ids.add(id)
                            world.session.updateStatus(id, verified())
                            check(world.session.order(id).status() == OrderStatus.VERIFIED)
                            check(code { world.session.updateStatus(id, verified()) } == ErrorCode.INVALID_STATUS_TRANSITION)
                        }
                    }.onFailure(failures::add)
                }
            }.forEach(Thread::join)
            assertEquals(emptyList<Throwable>(), failures.toList())
            assertEquals(160, ids.toSet().size)
            assertEquals(160, world.session.orders(limit = 500).orders().size)
            assertEquals(Verdict.INTACT, world.session.verifyAudit().verdict)
        }
    }

    @Test
    fun `a close while others call lets each call end one way or the other`() {
        World().use { world ->
            val seen = ConcurrentLinkedQueue<String>()
            val made = ConcurrentLinkedQueue<String>()
            val threads = List(4) {
                thread {
                    val end = runCatching { while (true) made.add(world.session.createOrder(draft()).id()) }
                    val error = end.exceptionOrNull()!!
                    seen.add((error as? MedorderException)?.code()?.name ?: error.toString())
                }
            }
            while (made.size < 20) Thread.sleep(1)
            world.service.close()
            threads.forEach(Thread::join)
            assertTrue(seen.all { it == "CLOSED" || it == "OUTCOME_UNKNOWN" }, "$seen")
            world.reopened().use { service ->
                val session = service.session(everyone(), "north")
                for (id in made) session.order(id)
            }
        }
    }

    /** For tests of a host's own. */
    @Test
    fun `a fake answers what it is told`() {
        World().use { world ->
            val made = object : OrderSummary(NoHandle) {
                override fun id() = "o-1"
            }
            val fake = object : SessionInterface by world.session {
                override fun createOrder(draft: OrderDraft): OrderSummary = made
            }
            assertEquals("o-1", fake.createOrder(draft()).id())
            made.close()
            assertEquals(0, world.session.orders().orders().size)
        }
    }

    /** A platform without a library in the jar: the message of JNA names the file and where it looked. */
    @Test
    fun `a jar without the native library says what is missing`() {
        Folder().use { folder ->
            val bare = folder.path.resolve("bare.jar")
            ZipFile(place("jar").toFile()).use { jar ->
                ZipOutputStream(Files.newOutputStream(bare)).use { out ->
                    for (entry in jar.entries().asSequence().filter { !it.name.endsWith(".so") }) {
                        out.putNextEntry(java.util.zip.ZipEntry(entry.name))
                        jar.getInputStream(entry).copyTo(out)
                        out.closeEntry()
                    }
                }
            }
            val needs = listOf(bare, library("jna"), library("kotlin-stdlib"), place("tests"))
            val arguments = arrayOf("-cp", classPath(needs), "medorder.Halting", folder.url, folder.file("root.key"))
            val ran = run(folder.path, "java", *arguments)
            assertEquals(1, ran.status)
            assertEquals("", ran.out)
            // `Unable to load library 'medorder_uniffi': libmedorder_uniffi.so: cannot open shared object file`, and then
            // `Native library (linux-x86-64/libmedorder_uniffi.so) not found in resource path (…)`.
            val name = System.mapLibraryName("medorder_uniffi")
            assertTrue("UnsatisfiedLinkError: Unable to load library 'medorder_uniffi'" in ran.err, ran.err)
            assertTrue(Regex("Native library \\(\\S+/${Regex.escape(name)}\\) not found in resource path").containsMatchIn(ran.err), ran.err)
            // A folder that has it, named as JNA says, is enough.
            val folderOfLibrary = folder.path.resolve("lib")
            Files.createDirectory(folderOfLibrary)
            ZipFile(place("jar").toFile()).use { jar ->
                val entry = jar.entries().asSequence().single { File(it.name).name == name && "linux-x86-64" in it.name }
                Files.copy(jar.getInputStream(entry), folderOfLibrary.resolve(name))
            }
            folder.keys()
            val found = run(folder.path, "java", "-Djna.library.path=$folderOfLibrary", *arguments)
            assertEquals(9, found.status, found.err)
        }
    }
}

/** Creates orders and ends as if it was killed. */
object Halting {
    @JvmStatic
    fun main(arguments: Array<String>) {
        val service = OrderService.open(arguments[0], Keys.File(arguments[1]))
        service.admin(everyone()).registerTerritory("north")
        service.admin(everyone()).registerRelationship("north", "p-1", "npi-1")
        val session = service.session(everyone(), "north")
        repeat(20) { println(session.createOrder(draft()).id()) }
        Runtime.getRuntime().halt(9)
    }
}
