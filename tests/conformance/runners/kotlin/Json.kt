// JSON of scenarios: how it is read, and how an answer is compared with it.

package conformance

import java.io.File
import java.time.DateTimeException
import java.time.Instant
import java.time.OffsetDateTime
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.booleanOrNull
import kotlinx.serialization.json.intOrNull
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.longOrNull
import medorder.PhiField

private val ANY = JsonPrimitive("<any>")
private val ABSENT = JsonPrimitive("<absent>")

/** Why a scenario does not hold. */
class Failed(why: String) : Exception(why)

fun read(path: String): JsonObject = Json.parseToJsonElement(File(path).readText()).jsonObject

/** A text that must be there. */
fun JsonObject.text(name: String): String = this[name]?.jsonPrimitive?.content ?: throw Failed("there is no `$name`")

/** Fails unless the value, null if there is none, is what is wanted at this path. */
fun matches(value: JsonElement?, wanted: JsonElement, path: String) {
    val right =
        when (wanted) {
            ANY -> value != null && value !is JsonNull
            ABSENT -> value == null
            is JsonObject -> value is JsonObject
            is JsonArray -> value is JsonArray && value.size == wanted.size
            is JsonPrimitive -> value is JsonPrimitive && same(value, wanted)
        }
    if (!right) throw Failed("$path is ${value ?: "absent"}, not $wanted")
    if (wanted is JsonObject && value is JsonObject) {
        wanted.forEach { (name, member) -> matches(value[name], member, "$path.$name") }
    }
    if (wanted is JsonArray && value is JsonArray) {
        wanted.forEachIndexed { at, item -> matches(value[at], item, "$path[$at]") }
    }
}

/** Equal, and numbers also if they are written in another way. */
private fun same(one: JsonPrimitive, other: JsonPrimitive): Boolean {
    if (one == other) return true
    if (one.isString || other.isString) return false
    val (left, right) = listOf(one, other).map { it.content.toBigDecimalOrNull() }
    return left != null && right != null && left.compareTo(right) == 0
}

/** What accessors with types cannot say: a member that is unknown, missing or of another type. */
class Unsayable(what: String) : Exception(what)

/** The members of an object, each of which must be known and of its type. Null is as good as absent. */
class Members(json: JsonElement?, vararg known: String) {
    private val members = json as? JsonObject ?: throw Unsayable("no object: $json")

    init {
        val strange = members.keys - known.toSet()
        if (strange.isNotEmpty()) throw Unsayable("unknown members $strange")
    }

    operator fun get(name: String): JsonElement? = members[name].takeUnless { it is JsonNull }

    fun text(name: String): String? = get(name)?.let { text(name, it) }

    fun texts(name: String): List<String>? = list(name)?.map { text(name, it) }

    fun list(name: String): List<JsonElement>? =
        get(name)?.let { it as? JsonArray ?: throw Unsayable("`$name` is no list") }

    fun number(name: String): Long? = primitive(name) { it.longOrNull }

    fun small(name: String): Int? = primitive(name) { it.intOrNull }

    fun flag(name: String): Boolean? = primitive(name) { it.booleanOrNull }

    /** Any offset of RFC 3339. */
    fun time(name: String): Instant? =
        text(name)?.let {
            try {
                OffsetDateTime.parse(it).toInstant()
            } catch (_: DateTimeException) {
                throw Unsayable("`$name` is no time")
            }
        }

    fun fields(name: String): List<PhiField>? = texts(name)?.map { word(it, PhiField.entries) }

    fun needed(name: String): String = text(name) ?: throw Unsayable("`$name` is missing")

    private fun text(name: String, value: JsonElement): String =
        (value as? JsonPrimitive)?.takeIf { it.isString }?.content ?: throw Unsayable("`$name` is no text")

    private fun <T> primitive(name: String, read: (JsonPrimitive) -> T?): T? =
        get(name)?.let { value ->
            (value as? JsonPrimitive)?.takeUnless { it.isString }?.let(read)
                ?: throw Unsayable("`$name` is of another type")
        }
}

/** The word of an enumeration, whose text is what the wire has. */
fun <E : Enum<E>> word(text: String, words: List<E>): E =
    words.find { it.toString() == text } ?: throw Unsayable("no such word: $text")

/** An object of the members that are there. */
fun json(vararg members: Pair<String, JsonElement?>): JsonObject =
    JsonObject(members.mapNotNull { (name, value) -> value?.let { name to it } }.toMap())

fun <T> list(items: List<T>, item: (T) -> JsonElement): JsonArray = JsonArray(items.map(item))
