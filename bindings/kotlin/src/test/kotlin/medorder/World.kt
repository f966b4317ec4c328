package medorder

import java.io.File
import java.nio.file.Files
import java.nio.file.Path
import java.util.concurrent.TimeUnit
import javax.crypto.AEADBadTagException
import javax.crypto.Cipher
import javax.crypto.spec.GCMParameterSpec
import javax.crypto.spec.SecretKeySpec
import kotlin.concurrent.thread
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue

/** What stands in every member that must not be shown. */
const val SECRET = "CANARY"

/** A folder that goes when the test ends. */
class Folder : AutoCloseable {
    val path: Path = Files.createTempDirectory("medorder-test-")

    val url = file("orders.db")

    fun file(name: String): String = path.resolve(name).toString()

    /** The root key of the folder, made when it is first asked for. */
    fun keys(): Keys {
        if (!File(file("root.key")).exists()) generateKeyFile(file("root.key"))
        return Keys.File(file("root.key"))
    }

    override fun close() {
        assertTrue(path.toFile().deleteRecursively())
    }
}

/** An open service in a folder of its own, with the territory `north` and the pair `p-1`, `npi-1`. */
class World(
    keys: Keys? = null,
    options: OpenOptions? = null,
    directory: CareDirectory? = null,
    anchor: AnchorSink? = null,
) : AutoCloseable {
    val folder = Folder()
    val keys = keys ?: folder.keys()
    val service = OrderService.open(folder.url, this.keys, options, directory, anchor)
    val admin: Admin = service.admin(everyone())
    val session: Session

    init {
        admin.registerTerritory("north")
        admin.registerRelationship("north", "p-1", "npi-1")
        session = service.session(everyone(), "north")
    }

    /** The same database again; close it before this world. */
    fun reopened(keys: Keys = this.keys, directory: CareDirectory? = null): OrderService =
        OrderService.open(folder.url, keys, directory = directory)

    override fun close() {
        service.close()
        folder.close()
    }
}

/** Somebody with every role, everywhere. */
fun everyone(): Actor =
    Actor("u-all", Purpose.TREATMENT).apply {
        listOf("requester", "verifier", "fulfiller", "auditor", "administrator").forEach(::addRole)
        allowAllTerritories()
    }

/** An order that is accepted. */
fun draft(patient: String = "p-1"): OrderDraft = OrderDraft(patient, "npi-1", "MRI brain")

fun verified(): StatusChange =
    StatusChange(OrderStatus.VERIFIED).apply { setVerification(VerificationData("u-7", "phone")) }

/** The failure of a call that must fail. */
fun refused(call: () -> Unit): MedorderException = assertThrows(MedorderException::class.java, call)

fun code(call: () -> Unit): ErrorCode = refused(call).code()

/** `path rule` of every fault, sorted. */
fun faults(call: () -> Unit): List<String> {
    val error = refused(call)
    assertEquals(ErrorCode.VALIDATION_ERROR, error.code(), error.toString())
    return error.details().errors.map { "${it.path} ${it.rule}" }.sorted()
}

/** Nothing that must not be shown is in it. */
fun clean(text: String) {
    assertTrue(text.isNotEmpty())
    assertFalse(SECRET in text, text)
}

/** A place that the build gives. */
fun place(name: String): Path = Path.of(checkNotNull(System.getProperty("medorder.$name")) { "run this with Maven" })

/** The jar as it is given away, and what it needs. */
fun shipped(): List<Path> = listOf(place("jar"), library("jna"), library("kotlin-stdlib"))

fun library(name: String): Path = place("libraries").resolve("$name.jar")

fun classPath(entries: List<Any>): String = entries.joinToString(File.pathSeparator)

/** What a program left. */
data class Ran(val status: Int, val out: String, val err: String)

/** Runs a program of the JVM that runs this, in `folder`. */
fun run(folder: Path, tool: String, vararg arguments: String, limitSeconds: Long = 600): Ran {
    val command = listOf(Path.of(System.getProperty("java.home"), "bin", tool).toString(), *arguments)
    val process = ProcessBuilder(command).directory(folder.toFile()).apply {
        // The JVM tells on stderr that it reads the first of these; in the last JNA looks for libraries before the jar.
        val names = setOf("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH", "LD_LIBRARY_PATH")
        environment().keys.removeAll(names)
    }.start()
    try {
        process.outputStream.close()
        var err = ""
        val reader = thread { err = process.errorStream.reader().readText() }
        val killer = thread(isDaemon = true) {
            if (!process.waitFor(limitSeconds, TimeUnit.SECONDS)) process.destroyForcibly()
        }
        val out = process.inputStream.reader().readText()
        reader.join()
        killer.join()
        return Ran(process.waitFor(), out, err)
    } finally {
        process.destroyForcibly()
    }
}

/** Runs `main` of a class of this suite in a JVM of its own. */
fun child(folder: Path, main: String, vararg arguments: String, limitSeconds: Long = 600): Ran =
    run(folder, "java", "-cp", System.getProperty("java.class.path"), main, *arguments, limitSeconds = limitSeconds)

/** Stands for the machine that keeps the root key; binds the context, and can be told what to do instead. */
open class Vault : KeyProvider {
    private val root = SecretKeySpec(ByteArray(32) { it.toByte() }, "AES")

    /** Called before a key is wrapped and unwrapped; what it answers, if anything, is the answer. */
    @Volatile var wraps: () -> ByteArray? = { null }
    @Volatile var unwraps: () -> ByteArray? = { null }

    override fun wrap(key: ByteArray, context: ByteArray): ByteArray = wraps() ?: seal(Cipher.ENCRYPT_MODE, key, context)

    override fun unwrap(blob: ByteArray, context: ByteArray): ByteArray =
        try {
            unwraps() ?: seal(Cipher.DECRYPT_MODE, blob, context)
        } catch (_: AEADBadTagException) {
            throw KeyException.Refused()
        }

    // One nonce for all is good enough for keys that protect nothing.
    private fun seal(mode: Int, text: ByteArray, context: ByteArray): ByteArray =
        Cipher.getInstance("AES/GCM/NoPadding").run {
            init(mode, root, GCMParameterSpec(128, ByteArray(12)))
            updateAAD(context)
            doFinal(text)
        }
}

/** A directory that knows everybody, and can be told what to do instead. */
open class Ward : CareDirectory {
    @Volatile var territory: () -> Boolean? = { true }
    @Volatile var relationship: () -> Boolean? = { true }

    override fun territoryExists(territoryId: String): Boolean? = territory()

    override fun relationshipExists(patientId: String, providerId: String, territoryId: String): Boolean? = relationship()
}

/** An anchor in memory, which can be told what to do instead. */
open class Notes : AnchorSink {
    val kept = java.util.concurrent.CopyOnWriteArrayList<String>()
    @Volatile var keeps: () -> Boolean? = { true }
    @Volatile var reads: () -> Unit = {}

    override fun keep(note: String): Boolean? = keeps().also { if (it == true) kept.add(note) }

    override fun newest(chain: String): String? {
        reads()
        return kept.lastOrNull { it.lineSequence().first().substringAfterLast('/') == chain }
    }
}
