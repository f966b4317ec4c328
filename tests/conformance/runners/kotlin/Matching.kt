// What a step must answer, beside what it did.

package conformance

import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

private val ANY = JsonPrimitive("<any>")
private val ABSENT = JsonPrimitive("<absent>")

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
