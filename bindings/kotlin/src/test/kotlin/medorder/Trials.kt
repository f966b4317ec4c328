package medorder

/** What a callback may do instead of answering. Each text holds what nobody may see. */
enum class Mishap(val throws: () -> Nothing) {
    REFUSED({ throw KeyException.Refused().apply { initCause(RuntimeException(SECRET)) } }),
    UNAVAILABLE({ throw KeyException.Unavailable().apply { addSuppressed(RuntimeException(SECRET)) } }),
    HOST({ throw HostException.Unavailable().apply { initCause(RuntimeException(SECRET)) } }),
    RUNTIME({ throw IllegalStateException(SECRET, RuntimeException(SECRET)) }),
    CHECKED({ throw java.io.IOException(SECRET) }),
    OWN_ERROR({ throw MedorderException.ValidationException(Failure(ErrorCode.VALIDATION_ERROR, SECRET, nothing)) }),
    NO_MEMORY({ throw OutOfMemoryError(SECRET) }),
    DEEP({ throw StackOverflowError(SECRET) }),
    REALLY_DEEP({ fall(0) }),
    ASSERTION({ throw AssertionError(SECRET) }),
    LINKAGE({ throw NoClassDefFoundError(SECRET) }),
    THROWABLE({ throw Throwable(SECRET) }),
    INTERRUPTED({
        Thread.currentThread().interrupt()
        throw InterruptedException(SECRET)
    }),
    UNREADABLE({
        throw object : RuntimeException() {
            override val message: String get() = throw IllegalStateException(SECRET)
        }
    }),
}

private val nothing = ErrorDetails(emptyList(), null, null, null, null, null, null, null)

private fun fall(depth: Int): Nothing = if (depth >= 0) fall(depth + 1) else throw AssertionError()

/** Every method of a host, and the call which asks it. Answers what the caller sees, and checks that nothing is lost. */
enum class Asked(val meets: (() -> Nothing) -> String) {
    WRAP({ mishap ->
        val vault = Vault()
        World(Keys.Host(vault)).use { world ->
            vault.wraps = mishap
            val seen = outcome { world.admin.registerTerritory("south") }
            vault.wraps = { null }
            // Nothing was stored in place of a key: the same act passes now, and its territory is of use.
            world.admin.registerTerritory("south")
            world.admin.registerRelationship("south", "p-1", "npi-1")
            world.service.session(everyone(), "south").createOrder(draft())
            check(world.admin.verifyAudit().verdict == Verdict.INTACT)
            seen
        }
    }),
    FIRST_WRAP({ mishap ->
        Folder().use { folder ->
            val vault = Vault().apply { wraps = mishap }
            val seen = outcome { OrderService.open(folder.url, Keys.Host(vault)).close() }
            vault.wraps = { null }
            OrderService.open(folder.url, Keys.Host(vault)).close()
            OrderService.open(folder.url, Keys.Host(vault)).close()
            seen
        }
    }),
    UNWRAP({ mishap ->
        val vault = Vault()
        World(Keys.Host(vault)).use { world ->
            val order = world.session.createOrder(draft()).id()
            world.service.close()
            vault.unwraps = mishap
            val seen = outcome { world.reopened().close() }
            vault.unwraps = { null }
            world.reopened().use { check(it.session(everyone(), "north").order(order).serviceType() == "MRI brain") }
            seen
        }
    }),
    TERRITORY({ mishap -> asDirectory({ territory = mishap }, { territory = { true } }) }),
    RELATIONSHIP({ mishap -> asDirectory({ relationship = mishap }, { relationship = { true } }) }),
    KEEP({ mishap -> asAnchor({ keeps = mishap }, { keeps = { true } }) { it.checkpoint() } }),
    NEWEST({ mishap -> asAnchor({ reads = mishap }, { reads = {} }) { it.verifyAudit() } }),
    PROGRESS({ mishap ->
        World().use { world ->
            world.session.createOrder(draft())
            var told = 0
            val seen = outcome {
                val report = world.admin.rotateKeys("north", object : ProgressListener {
                    override fun progress(done: Long, total: Long) {
                        told++
                        mishap()
                    }
                })
                check(report == RotationReport(2, 1, false))
            }
            check(told > 0)
            seen
        }
    }),
}

private fun asDirectory(breaks: Ward.() -> Unit, mends: Ward.() -> Unit): String =
    World().use { world ->
        world.service.close()
        val ward = Ward()
        // Nothing is remembered, so that each order asks.
        val options = OpenOptions().apply { setKeyCacheTtlMs(0) }
        OrderService.open(world.folder.url, world.keys, options, ward).use { service ->
            val session = service.session(everyone(), "north")
            ward.breaks()
            val seen = outcome { session.createOrder(draft("p-unknown")) }
            ward.mends()
            check(session.orders().orders().isEmpty())
            session.createOrder(draft("p-unknown"))
            seen
        }
    }

private fun asAnchor(breaks: Notes.() -> Unit, mends: Notes.() -> Unit, act: (Admin) -> Unit): String =
    World().use { world ->
        world.service.close()
        val notes = Notes()
        OrderService.open(world.folder.url, world.keys, anchor = notes).use { service ->
            val admin = service.admin(everyone())
            notes.breaks()
            val seen = outcome { act(admin) }
            notes.mends()
            admin.checkpoint()
            check(admin.verifyAudit().let { it.anchored && it.verdict == Verdict.INTACT })
            seen
        }
    }

/** The code of a failure, which shows nothing; or that there was none. */
private fun outcome(call: () -> Unit): String =
    try {
        call()
        "passed"
    } catch (error: MedorderException) {
        clean(error.stackTraceToString() + error.message + error.explanation() + error.details())
        check(error.cause == null && error.suppressed.isEmpty())
        error.code().name
    }

/** A program in which every method of a host meets every mishap. */
object Trials {
    @JvmStatic
    fun main(arguments: Array<String>) {
        for (asked in Asked.entries) {
            for (mishap in Mishap.entries) println("$asked $mishap ${asked.meets(mishap.throws)}")
        }
    }
}
