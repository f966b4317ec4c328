package medorder

import com.sun.jna.Callback
import com.sun.jna.CallbackThreadInitializer
import com.sun.jna.Native
import com.sun.jna.Pointer
import medorder.uniffiCallbackInterfaceAnchorSink as GeneratedAnchor
import medorder.uniffiCallbackInterfaceCareDirectory as GeneratedDirectory
import medorder.uniffiCallbackInterfaceKeyProvider as GeneratedKeys
import medorder.uniffiCallbackInterfaceProgressListener as GeneratedListener

/**
 * How the engine calls the host, in place of how the generated sources have it:
 *
 * They let what is no `Exception` through to JNA, which writes it on stderr with its text; it may hold a secret, so that
 * here all of it is a call that failed, and no more.
 *
 * A thread of the engine that calls the host is one of the JVM meanwhile, and by default no daemon: a callback that
 * hangs, which the engine gives up after 5 seconds, would keep the program from ending.
 */
internal object HostCalls {
    private val threads = CallbackThreadInitializer(true, true, "medorder")

    // JNA holds callbacks weakly, so that all of this stays here.
    private val keys =
        run {
            val wrap =
                object : UniffiCallbackInterfaceKeyProviderMethod0 {
                    override fun callback(
                        uniffiHandle: Long,
                        key: RustBuffer.ByValue,
                        context: RustBuffer.ByValue,
                        uniffiOutReturn: RustBuffer,
                        uniffiCallStatus: UniffiRustCallStatus,
                    ) = quietly(uniffiCallStatus) {
                        GeneratedKeys.wrap.callback(uniffiHandle, key, context, uniffiOutReturn, uniffiCallStatus)
                    }
                }
            val unwrap =
                object : UniffiCallbackInterfaceKeyProviderMethod1 {
                    override fun callback(
                        uniffiHandle: Long,
                        blob: RustBuffer.ByValue,
                        context: RustBuffer.ByValue,
                        uniffiOutReturn: RustBuffer,
                        uniffiCallStatus: UniffiRustCallStatus,
                    ) = quietly(uniffiCallStatus) {
                        GeneratedKeys.unwrap.callback(uniffiHandle, blob, context, uniffiOutReturn, uniffiCallStatus)
                    }
                }
            UniffiVTableCallbackInterfaceKeyProvider.UniffiByValue(
                GeneratedKeys.uniffiFree,
                GeneratedKeys.uniffiClone,
                onDaemon(wrap),
                onDaemon(unwrap),
            )
        }

    private val directory =
        run {
            val territory =
                object : UniffiCallbackInterfaceCareDirectoryMethod0 {
                    override fun callback(
                        uniffiHandle: Long,
                        territoryId: RustBuffer.ByValue,
                        uniffiOutReturn: RustBuffer,
                        uniffiCallStatus: UniffiRustCallStatus,
                    ) = quietly(uniffiCallStatus) {
                        GeneratedDirectory.territoryExists
                            .callback(uniffiHandle, territoryId, uniffiOutReturn, uniffiCallStatus)
                    }
                }
            val relationship =
                object : UniffiCallbackInterfaceCareDirectoryMethod1 {
                    override fun callback(
                        uniffiHandle: Long,
                        patientId: RustBuffer.ByValue,
                        providerId: RustBuffer.ByValue,
                        territoryId: RustBuffer.ByValue,
                        uniffiOutReturn: RustBuffer,
                        uniffiCallStatus: UniffiRustCallStatus,
                    ) = quietly(uniffiCallStatus) {
                        GeneratedDirectory.relationshipExists
                            .callback(uniffiHandle, patientId, providerId, territoryId, uniffiOutReturn, uniffiCallStatus)
                    }
                }
            UniffiVTableCallbackInterfaceCareDirectory.UniffiByValue(
                GeneratedDirectory.uniffiFree,
                GeneratedDirectory.uniffiClone,
                onDaemon(territory),
                onDaemon(relationship),
            )
        }

    private val anchor =
        run {
            val keep =
                object : UniffiCallbackInterfaceAnchorSinkMethod0 {
                    override fun callback(
                        uniffiHandle: Long,
                        note: RustBuffer.ByValue,
                        uniffiOutReturn: RustBuffer,
                        uniffiCallStatus: UniffiRustCallStatus,
                    ) = quietly(uniffiCallStatus) {
                        GeneratedAnchor.keep.callback(uniffiHandle, note, uniffiOutReturn, uniffiCallStatus)
                    }
                }
            val newest =
                object : UniffiCallbackInterfaceAnchorSinkMethod1 {
                    override fun callback(
                        uniffiHandle: Long,
                        chain: RustBuffer.ByValue,
                        uniffiOutReturn: RustBuffer,
                        uniffiCallStatus: UniffiRustCallStatus,
                    ) = quietly(uniffiCallStatus) {
                        GeneratedAnchor.newest.callback(uniffiHandle, chain, uniffiOutReturn, uniffiCallStatus)
                    }
                }
            UniffiVTableCallbackInterfaceAnchorSink.UniffiByValue(
                GeneratedAnchor.uniffiFree,
                GeneratedAnchor.uniffiClone,
                onDaemon(keep),
                onDaemon(newest),
            )
        }

    private val listener =
        run {
            val progress =
                object : UniffiCallbackInterfaceProgressListenerMethod0 {
                    override fun callback(
                        uniffiHandle: Long,
                        done: Long,
                        total: Long,
                        uniffiOutReturn: Pointer,
                        uniffiCallStatus: UniffiRustCallStatus,
                    ) = quietly(uniffiCallStatus) {
                        GeneratedListener.progress.callback(uniffiHandle, done, total, uniffiOutReturn, uniffiCallStatus)
                    }
                }
            UniffiVTableCallbackInterfaceProgressListener.UniffiByValue(
                GeneratedListener.uniffiFree,
                GeneratedListener.uniffiClone,
                onDaemon(progress),
            )
        }

    /** Done again, it is done. */
    fun register() {
        UniffiLib.uniffi_medorder_uniffi_fn_init_callback_vtable_keyprovider(keys)
        UniffiLib.uniffi_medorder_uniffi_fn_init_callback_vtable_caredirectory(directory)
        UniffiLib.uniffi_medorder_uniffi_fn_init_callback_vtable_anchorsink(anchor)
        UniffiLib.uniffi_medorder_uniffi_fn_init_callback_vtable_progresslistener(listener)
    }

    private inline fun quietly(status: UniffiRustCallStatus, call: () -> Unit) =
        try {
            call()
        } catch (_: Throwable) {
            status.code = UNIFFI_CALL_UNEXPECTED_ERROR
        }

    /** Of use only before JNA sees the callback. */
    private fun <C : Callback> onDaemon(callback: C): C =
        callback.also { Native.setCallbackThreadInitializer(it, threads) }
}
