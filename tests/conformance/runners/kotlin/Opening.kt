// What a service is opened with, and for whom: callbacks of the host, options and actors.

package conformance

import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonPrimitive
import medorder.Actor
import medorder.CareDirectory
import medorder.KeyException
import medorder.KeyProvider
import medorder.OpenOptions
import medorder.Purpose
import medorder.Synchronous

/** Keeps keys in memory; a blob is the position of what it keeps. The engine asks on any thread. */
class HostKeys : KeyProvider {
    @Volatile
    var failing = false
    private val kept = mutableListOf<Pair<ByteArray, ByteArray>>()

    override fun wrap(key: ByteArray, context: ByteArray): ByteArray {
        answer()
        return synchronized(kept) {
            kept.add(context to key)
            "${kept.size - 1}".toByteArray()
        }
    }

    override fun unwrap(blob: ByteArray, context: ByteArray): ByteArray {
        answer()
        val position = String(blob).toIntOrNull() ?: throw KeyException.Refused()
        val (bound, key) = synchronized(kept) { kept.getOrNull(position) } ?: throw KeyException.Refused()
        if (!bound.contentEquals(context)) throw KeyException.Refused()
        return key
    }

    private fun answer() {
        // Not one of the face's exceptions, as a client of a network would not throw one either.
        if (failing) throw java.io.IOException("the machine that keeps keys is away")
    }
}

/** Knows two territories and two patients, with any provider. */
class HostDirectory : CareDirectory {
    @Volatile
    var failing = false

    override fun territoryExists(territoryId: String): Boolean {
        if (failing) throw java.io.IOException("the directory is away")
        return territoryId in listOf("north", "south")
    }

    override fun relationshipExists(patientId: String, providerId: String, territoryId: String): Boolean =
        territoryExists(territoryId) && patientId in listOf("p-1", "p-2")
}

/** Options as `wire::open_options` reads them. */
fun openOptions(json: JsonElement): OpenOptions {
    val members =
        Members(
            json,
            "create",
            "synchronous",
            "key_cache_ttl_ms",
            "commit_timeout_ms",
            "access",
            "cancel_before_start",
            "anchor_file",
            "connections",
            "listen_url",
            "patience_ms",
        )
    val options = OpenOptions()
    members.flag("create")?.let(options::setCreate)
    members.text("synchronous")?.let { options.setSynchronous(word(it, Synchronous.entries)) }
    members.number("key_cache_ttl_ms")?.let(options::setKeyCacheTtlMs)
    members.number("commit_timeout_ms")?.let(options::setCommitTimeoutMs)
    members["access"]?.let { options.setAccessJson("$it") }
    members.flag("cancel_before_start")?.let(options::setCancelBeforeStart)
    members.text("anchor_file")?.let(options::setAnchorFile)
    members.small("connections")?.let(options::setConnections)
    members.text("listen_url")?.let(options::setListenUrl)
    members.number("patience_ms")?.let(options::setPatienceMs)
    return options
}

/** An actor as `wire::actor` reads it. */
fun actor(json: JsonElement): Actor {
    val members =
        Members(json, "user_id", "purpose", "roles", "territories", "expires_at", "request_id", "source")
    val actor = Actor(members.needed("user_id"), word(members.needed("purpose"), Purpose.entries))
    members.texts("roles").orEmpty().forEach(actor::addRole)
    when (val territories = members["territories"]) {
        is JsonArray -> members.texts("territories").orEmpty().forEach(actor::addTerritory)
        JsonPrimitive("*") -> actor.allowAllTerritories()
        else -> throw Unsayable("territories are $territories")
    }
    actor.setExpiresAt(members.time("expires_at"))
    actor.setRequestId(members.text("request_id"))
    actor.setSource(members.text("source"))
    return actor
}
