// Plays scenarios through the face for Kotlin, as ../../README.md says: `java -cp .. conformance.RunKt JOBS.json`.

package conformance

import java.io.FileDescriptor
import java.io.FileOutputStream
import java.io.PrintStream
import kotlin.system.exitProcess
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import medorder.Admin
import medorder.Keys
import medorder.MedorderException
import medorder.OrderService
import medorder.Session
import medorder.Subscription

/** What a runner is told about one run of a scenario. */
class Job(job: JsonObject) {
    val scenario = job.text("scenario")
    val engine = job.text("engine")
    val url = job.text("url")
    val keys = job.getValue("keys").jsonObject
    val paths = job.getValue("paths").jsonObject
    val actors = job.text("actors")
    val damage = job.getValue("damage").jsonArray.map { it.jsonPrimitive.content }
}

/** One scenario on one database, with what the host brings and what was saved. */
class Play(val job: Job, private val scenario: JsonObject) {
    val keys = HostKeys()
    val directory = HostDirectory()
    val subscriptions = mutableMapOf<String, Subscription>()
    var url = job.url
        private set

    /** The step that is played, from 1. */
    var at = 0
        private set

    private val saved = mutableMapOf<String, JsonElement>("paths" to job.paths)
    private val actors = read(job.actors) + (scenario["actors"]?.jsonObject ?: JsonObject(emptyMap()))
    private val hosted = scenario["directory"] == JsonPrimitive("host")
    private val sessions = mutableMapOf<Pair<String, String>, Session>()
    private var key = "a"
    private lateinit var service: OrderService

    fun play() {
        known(scenario, "name", "why", "skip", "directory", "options", "world", "actors", "steps")
        open(JsonObject(emptyMap()))
        try {
            if (scenario["world"] != JsonPrimitive(false)) makeWorld()
            for (step in scenario.getValue("steps").jsonArray) {
                at += 1
                step(step.jsonObject)
            }
        } finally {
            // What the scenario is about was told by its steps.
            runCatching { service.close() }
        }
    }

    /** Opens the service, with what is given in place of what was before. */
    fun open(given: JsonObject) {
        val members = Members(given, "keys", "url", "options")
        key = members.text("keys") ?: key
        url = members.text("url") ?: url
        val options = openOptions(members["options"] ?: filled(scenario["options"] ?: JsonObject(emptyMap())))
        service = OrderService.open(url, rootKeys(key), options, directory.takeIf { hosted })
        sessions.clear()
    }

    fun close() = service.close()

    fun rootKeys(name: String): Keys = if (name == "host") Keys.Host(keys) else Keys.File(job.keys.text(name))

    /** One session for each actor and territory until the service is opened anew. */
    fun session(step: JsonObject): Session {
        val territory = (step["in"] ?: JsonPrimitive("north")).jsonPrimitive.content
        return sessions.getOrPut(step.text("as") to territory) { service.session(actorOf(step.text("as")), territory) }
    }

    fun admin(name: String): Admin = service.admin(actorOf(name))

    private fun actorOf(name: String) = actor(actors[name] ?: throw Failed("there is no actor $name"))

    private fun makeWorld() {
        val admin = admin("root")
        for (territory in listOf("north", "south")) {
            admin.registerTerritory(territory)
            if (!hosted) for (patient in listOf("p-1", "p-2")) admin.registerRelationship(territory, patient, "npi-1")
        }
    }

    private fun step(step: JsonObject) {
        known(step, "do", "as", "in", "with", "save", "expect", "error")
        val wanted = step["error"]?.let(::filled)
        val given = filled(step["with"] ?: JsonObject(emptyMap())).jsonObject
        val answer =
            try {
                call(step, given)
            } catch (error: MedorderException) {
                val told = errorJson(error)
                matches(told, wanted ?: throw Failed("$told"), "error")
                return
            }
        if (wanted != null) throw Failed("expected $wanted, got $answer")
        step["save"]?.let { saved[it.jsonPrimitive.content] = answer }
        step["expect"]?.let { matches(answer, filled(it), "answer") }
    }

    /** The value with what was saved in the place of its names. */
    private fun filled(value: JsonElement): JsonElement =
        when {
            value is JsonObject -> JsonObject(value.mapValues { (_, member) -> filled(member) })
            value is JsonArray -> JsonArray(value.map(::filled))
            value is JsonPrimitive && value.isString && value.content.startsWith("$") -> find(value.content)
            else -> value
        }

    private fun find(name: String): JsonElement =
        name.drop(1).split(".").fold<String, JsonElement?>(JsonObject(saved)) { found, member ->
            when (found) {
                is JsonObject -> found[member]
                is JsonArray -> member.toIntOrNull()?.let(found::getOrNull)
                else -> null
            }
        } ?: throw Failed("nothing was saved as $name")
}

private fun known(value: JsonObject, vararg names: String) {
    val strange = value.keys - names.toSet()
    if (strange.isNotEmpty()) throw Failed("unknown members $strange")
}

/** Why the play came to an end, in one line. */
private fun told(error: Throwable): String {
    val why = if (error is Failed) error.message else error.toString()
    return why.orEmpty().replace("\n", " ")
}

fun main(arguments: Array<String>) {
    // What the JVM writes is in the words of its locale otherwise.
    val out = PrintStream(FileOutputStream(FileDescriptor.out), true, "UTF-8")
    var ran = 0
    var failed = 0
    var skipped = 0
    for (job in read(arguments.single()).getValue("jobs").jsonArray.map { Job(it.jsonObject) }) {
        val scenario = read(job.scenario)
        val name = scenario.text("name")
        val reason = scenario["skip"]?.jsonObject?.get(job.engine)
        if (reason != null) {
            skipped += 1
            out.println("skipped $name: ${reason.jsonPrimitive.content}")
            continue
        }
        ran += 1
        val play = Play(job, scenario)
        try {
            play.play()
            out.println("ok $name")
        } catch (error: Exception) {
            failed += 1
            out.println("failed $name: step ${play.at}: ${told(error)}")
        }
    }
    out.println("ran $ran, failed $failed, skipped $skipped")
    exitProcess(if (failed == 0) 0 else 1)
}
