package medorder

import com.sun.jna.Callback
import com.sun.jna.CallbackThreadInitializer
import com.sun.jna.Native

// What the host brings, before the generated sources get it. They let what is no `Exception` through to JNA, which writes
// it on stderr with its text; it may hold a secret, so that nothing but the kind of the failure leaves here.

internal fun Keys.guarded(): Keys =
    if (this is Keys.Host && provider !is KeyProviderImpl) Keys.Host(GuardedKeys(provider)) else this

internal fun CareDirectory.guarded(): CareDirectory = if (this is CareDirectoryImpl) this else GuardedDirectory(this)

internal fun AnchorSink.guarded(): AnchorSink = if (this is AnchorSinkImpl) this else GuardedAnchor(this)

internal fun ProgressListener.guarded(): ProgressListener =
    if (this is ProgressListenerImpl) this else GuardedListener(this)

private class GuardedKeys(private val own: KeyProvider) : KeyProvider {
    init {
        CallbackThreads
    }

    override fun wrap(key: ByteArray, context: ByteArray): ByteArray = ask { own.wrap(key, context) }

    override fun unwrap(blob: ByteArray, context: ByteArray): ByteArray = ask { own.unwrap(blob, context) }

    private inline fun ask(call: () -> ByteArray): ByteArray =
        try {
            call()
        } catch (_: KeyException.Refused) {
            throw KeyException.Refused()
        } catch (_: Throwable) {
            throw KeyException.Unavailable()
        }
}

private class GuardedDirectory(private val own: CareDirectory) : CareDirectory {
    init {
        CallbackThreads
    }

    override fun territoryExists(territoryId: String): Boolean? = askHost { own.territoryExists(territoryId) }

    override fun relationshipExists(patientId: String, providerId: String, territoryId: String): Boolean? =
        askHost { own.relationshipExists(patientId, providerId, territoryId) }
}

private class GuardedAnchor(private val own: AnchorSink) : AnchorSink {
    init {
        CallbackThreads
    }

    override fun keep(note: String): Boolean? = askHost { own.keep(note) }

    override fun newest(chain: String): String? = askHost { own.newest(chain) }
}

private class GuardedListener(private val own: ProgressListener) : ProgressListener {
    init {
        CallbackThreads
    }

    override fun progress(done: Long, total: Long) = askHost { own.progress(done, total) }
}

private inline fun <R> askHost(call: () -> R): R =
    try {
        call()
    } catch (_: Throwable) {
        throw HostException.Unavailable()
    }

/** An administrator whose host is guarded. */
internal class GuardedAdmin(admin: Admin) : Admin(UniffiWithHandle, admin.uniffiCloneHandle()) {
    override fun rotateKeys(territoryId: String, progress: ProgressListener?): RotationReport =
        super.rotateKeys(territoryId, progress?.guarded())

    override fun changeRoot(keys: Keys, progress: ProgressListener?) =
        super.changeRoot(keys.guarded(), progress?.guarded())
}

/**
 * A thread of the engine is one of the JVM while it calls the host. Without this it would be no daemon, and a callback
 * that hangs, which the engine gives up after 5 seconds, would keep the program from ending.
 */
private object CallbackThreads {
    init {
        val threads = CallbackThreadInitializer(true, true, "medorder")
        val callbacks: List<Callback> =
            listOf(
                uniffiCallbackInterfaceKeyProvider.wrap,
                uniffiCallbackInterfaceKeyProvider.unwrap,
                uniffiCallbackInterfaceCareDirectory.territoryExists,
                uniffiCallbackInterfaceCareDirectory.relationshipExists,
                uniffiCallbackInterfaceAnchorSink.keep,
                uniffiCallbackInterfaceAnchorSink.newest,
                uniffiCallbackInterfaceProgressListener.progress,
            )
        for (callback in callbacks) Native.setCallbackThreadInitializer(callback, threads)
    }
}
