// What a call costs through this face: `target/faces/kotlin/bench [CALLS]` after `cargo xtask faces --release`. Prints lines
// of name and microseconds: the median of calls one after the other, and the whole time by the number of calls with many
// threads at once. `throughput --faces` compares them with the Rust API.

package bench

import java.nio.file.Files
import java.util.concurrent.atomic.AtomicInteger
import kotlin.concurrent.thread
import medorder.*

private const val CALLERS = 64

fun main(arguments: Array<String>) {
    val count = arguments.firstOrNull()?.toInt() ?: 4000
    val folder = Files.createTempDirectory("medorder-bench").toFile()
    val key = folder.resolve("root.key").path
    generateKeyFile(key)
    val options = OpenOptions().apply { setSynchronous(Synchronous.NORMAL) }
    OrderService.open(folder.resolve("orders.db").path, Keys.File(key), options).use { service ->
        val actor = Actor("u-1", Purpose.TREATMENT)
        listOf("requester", "administrator").forEach(actor::addRole)
        actor.allowAllTerritories()
        val admin = service.admin(actor)
        admin.registerTerritory("north")
        admin.registerRelationship("north", "p-1", "npi-1")
        val session = service.session(actor, "north")

        val ids = ArrayList<String>(2 * count)
        val create = { _: Int -> ids.add(session.createOrder(request()).id()) }
        val get = { n: Int -> session.order(ids[n % ids.size]) }
        // The virtual machine compiles what runs often; what is asked is what a call costs after that.
        middle(count) { create(it) }
        middle(count) { readAll(get(it)) }
        middle(count) { session.call("create_order", JSON) }
        println("create ${middle(count) { create(it) }}")
        println("get ${middle(count) { get(it) }}")
        println("get and read ${middle(count) { readAll(get(it)) }}")
        println("create by call ${middle(count) { session.call("create_order", JSON) }}")
        println("get by call ${middle(count) { session.call("order", """{"order_id":"${ids[it % ids.size]}"}""") }}")
        println("create $CALLERS ${together(count) { session.createOrder(request()) }}")
        println("get $CALLERS ${together(count) { get(it) }}")
    }
    folder.deleteRecursively()
}

private fun request(): OrderDraft {
    val draft = OrderDraft("p-1", "npi-1", "MRI brain series 001")
    draft.setDiagnosisCodes(listOf("G43.01", "G43.11"))
    draft.setNotes("claustrophobic, prefers mornings; ".repeat(6).take(200))
    val insurance = Insurance("Prairie Mutual Health Insurance Company", "POL-00010001")
    insurance.setGroupNumber("G001")
    draft.setInsurance(insurance)
    return draft
}

/** The same order for those who hold JSON anyway. */
private val JSON =
    """{"patient_id":"p-1","provider_id":"npi-1","service_type":"MRI brain series 001","diagnosis_codes":["G43.01","G43.11"],
    "notes":"${"claustrophobic, prefers mornings; ".repeat(6).take(200)}","insurance":{"carrier":
    "Prairie Mutual Health Insurance Company","policy_number":"POL-00010001","group_number":"G001"}}"""

/** What a form on a screen shows. */
private fun readAll(order: Order): Int {
    val insurance = order.insurance()
    val texts =
        listOf(order.id(), order.patientId(), order.providerId(), order.serviceType(), order.notes(), insurance?.carrier()) +
            order.diagnosisCodes().orEmpty()
    val rest = listOf(order.status(), order.version(), order.createdAt(), order.updatedAt(), order.disclosed())
    return texts.sumOf { it?.length ?: 0 } + rest.hashCode()
}

/** The median microseconds of a call. */
private fun middle(count: Int, call: (Int) -> Unit): Double {
    val times = DoubleArray(count) { n ->
        val started = System.nanoTime()
        call(n)
        (System.nanoTime() - started) / 1e3
    }
    return times.sorted()[count / 2]
}

/** Microseconds a call with several threads, by the whole time. */
private fun together(count: Int, call: (Int) -> Unit): Double {
    val (next, started) = AtomicInteger() to System.nanoTime()
    val callers = List(CALLERS) {
        thread { generateSequence { next.getAndIncrement().takeIf { it < count } }.forEach(call) }
    }
    callers.forEach(Thread::join)
    return (System.nanoTime() - started) / 1e3 / count
}
