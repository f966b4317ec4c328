package medorder

/**
 * An open database. Threads share it; sessions and administrators made of it keep it open until [close].
 *
 * Close it, best with `use { }` in Kotlin and try-with-resources in Java. A service that is forgotten loses nothing that
 * was acknowledged: the garbage collector lets go of it, and the engine goes with the last of its sessions.
 */
class OrderService private constructor(
    url: String,
    keys: Keys,
    options: OpenOptions?,
    directory: CareDirectory?,
    anchor: AnchorSink?,
) : NativeOrderService(url, keys, options, directory, anchor) {
    /**
     * Commits what was accepted and closes the database, for the service and everything that was made of it: later calls are
     * `CLOSED`. Closing again does nothing. (The handle itself goes with the garbage collector.)
     *
     * @throws MedorderException `STORAGE_UNAVAILABLE` or `OUTCOME_UNKNOWN`, and the service is closed all the same; `CLOSED`
     *   if it is called from inside a callback, and the service stays open.
     */
    @Throws(MedorderException::class)
    override fun close() = shutDown()

    /** What generated code calls to close. */
    override fun destroy() = close()

    /**
     * Calls [block] and closes the service. A member, since the `use` of this package would keep from the caller that the
     * close failed.
     */
    inline fun <R> use(block: (OrderService) -> R): R = (this as AutoCloseable).use { block(this) }

    companion object {
        init {
            HostCalls.register()
        }

        /**
         * Opens a SQLite file, which is made if it is missing, or a `postgres://` url.
         *
         * @throws MedorderException `VALIDATION_ERROR` for options and keys, `KEY_UNAVAILABLE`, `KEY_MISMATCH` (the root
         *   key is another database's), `SCHEMA_UNSUPPORTED`, `INTEGRITY_VIOLATION`, `AUDIT_BROKEN`,
         *   `STORAGE_UNAVAILABLE`.
         */
        @JvmStatic
        @JvmOverloads
        @Throws(MedorderException::class)
        fun open(
            url: String,
            keys: Keys,
            options: OpenOptions? = null,
            directory: CareDirectory? = null,
            anchor: AnchorSink? = null,
        ): OrderService = OrderService(url, keys, options, directory, anchor)
    }
}
