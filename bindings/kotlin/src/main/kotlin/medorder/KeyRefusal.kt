package medorder

/** For key providers in Java, where the compiler does not let [KeyProvider.unwrap] throw a checked exception. */
object KeyRefusal {
    /**
     * Throws [KeyException.Refused]: the blob does not authenticate under this root key and context.
     *
     * @return nothing, so that Java can write `throw KeyRefusal.refused();`
     */
    @JvmStatic
    fun refused(): RuntimeException = throw KeyException.Refused()
}
