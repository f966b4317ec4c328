package medorder

import java.io.File
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** What is planted in every member that is PHI, and in the ids of people, is in no text that a program shows or logs. */
class SecrecyTest {
    private val patient = "$SECRET-patient"
    private val provider = "$SECRET-provider"

    private fun secretDraft() = OrderDraft(patient, provider, "$SECRET service").apply {
        addDiagnosisCode("$SECRET-code")
        setNotes("$SECRET notes")
        setInsurance(Insurance("$SECRET carrier", "$SECRET policy").apply { setGroupNumber("$SECRET group") })
    }

    private fun secretChange() = StatusChange(OrderStatus.VERIFIED).apply {
        setNotes("$SECRET more")
        setVerification(VerificationData("$SECRET verifier", "$SECRET method").apply {
            setCoverageDetails("{\"$SECRET plan\": \"$SECRET cover\"}")
            setAuthorizationNumber("$SECRET authorisation")
            setInsuranceStatus(InsuranceStatus.CONFIRMED)
        })
    }

    private fun filter() = OrderFilter().apply {
        setPatientId(patient)
        setProviderId(provider)
    }

    private fun auditFilter() = AuditFilter().apply {
        setPatientId(patient)
        setOrderId(SECRET)
        setUserId(SECRET)
    }

    private fun pairs() = RelationshipFilter().apply {
        setPatientId(patient)
        setProviderId(provider)
    }

    private fun options() = OpenOptions().apply {
        setListenUrl("postgres://u:$SECRET@localhost/x")
        setAnchorFile(SECRET)
        setAccessJson("{\"roles\": \"$SECRET\"}")
    }

    private class Secrets(world: World, test: SecrecyTest) {
        init {
            world.admin.registerRelationship("north", test.patient, test.provider)
        }

        val events = world.session.subscribe()
        val summary = world.session.createOrder(test.secretDraft())
        val changed = world.session.updateStatus(summary.id(), test.secretChange())
        val order = world.session.order(summary.id())
        val page = world.session.orders(fields = PhiField.entries)
        val relationships = world.session.relationships(test.pairs())
    }

    /** One object of every class that the library has, each full of what must not be shown. */
    private fun objects(world: World, secrets: Secrets): Map<Class<*>, Any> {
        val all: List<Any> = listOf(
            secrets.summary, secrets.order, secrets.page, secrets.order.insurance()!!, secrets.order.insuranceVerification()!!,
            secretDraft(), secretChange(), secretChange().verification()!!, filter(), auditFilter(), pairs(), options(),
            Relationship(patient, provider), Actor("u-1", Purpose.TREATMENT).apply { setRequestId(SECRET); setSource(SECRET) },
            secrets.events, world.session, world.admin, world.service, world.session.exportAudit(),
            secrets.relationships, OrderChange(secrets.summary.id(), secretChange()),
            BatchItem.Done(secrets.summary), Keys.Host(SecretVault()),
        )
        return all.associateBy { it.javaClass }
    }

    private class SecretVault : Vault()

    /** Classes of handles, and of values that hold some, as the generator wrote them. */
    private fun classes(): List<Class<*>> {
        val folder = File(OrderService::class.java.protectionDomain.codeSource.location.toURI())
        val names = folder.resolve("medorder").list()!!.filter { it.endsWith(".class") }.map { it.removeSuffix(".class") }
        return names.map { Class.forName("medorder.$it", false, javaClass.classLoader) }
            .filter { Disposable::class.java.isAssignableFrom(it) && it != Disposable::class.java }
    }

    @Test
    fun `every class is looked at and none shows what it holds`() {
        World().use { world ->
            val objects = objects(world, Secrets(world, this))
            // What the host brings, and the classes under which others are handed out.
            val handedOut = setOf(
                "NativeOrderService", "AnchorSinkImpl", "CareDirectoryImpl", "KeyProviderImpl", "ProgressListenerImpl",
                "BatchItem", "BatchItem\$Failed", "BatchItem\$NotApplied", "Keys", "Keys\$File", "Keys\$Env",
            )
            val classes = classes().filter { it.name.removePrefix("medorder.") !in handedOut }
            assertTrue(classes.size >= 20, "$classes")
            assertEquals(classes.map { it.name }.toSet(), objects.keys.map { it.name }.toSet())
            for ((_, value) in objects) clean(value.toString())
        }
    }

    @Test
    fun `the members are there all the same`() {
        World().use { world ->
            val order = Secrets(world, this).order
            assertEquals(patient, order.patientId())
            assertEquals("$SECRET service", order.serviceType())
            assertEquals(listOf("$SECRET-code"), order.diagnosisCodes())
            assertTrue(order.notes()!!.contains("$SECRET notes") && order.notes()!!.contains("$SECRET more"))
            assertEquals("$SECRET group", order.insurance()!!.groupNumber())
            val verification = order.insuranceVerification()!!
            assertEquals("{\"$SECRET plan\":\"$SECRET cover\"}", verification.coverageDetails())
            assertEquals(InsuranceStatus.CONFIRMED, verification.status())
            assertEquals("Order(${order.id()}, verified, version 2)", order.toString())
        }
    }

    @Test
    fun `texts of lists and of what surrounds an order show nothing`() {
        World().use { world ->
            val secrets = Secrets(world, this)
            clean(secrets.page.orders().toString())
            clean(secrets.relationships.relationships.toString())
            clean(secrets.events.nextEvent(5_000).toString() + secrets.events.cursor())
            // The registry's own acts have the pair they are about as their subject, which no text shows.
            clean(world.session.audit().records.toString())
            clean(world.session.disclosures(patient).toString())
            clean(world.admin.audit().records.toString())
            clean(world.session.verifyAudit().toString() + world.session.exportAudit().nextPage())
            clean(world.session.createOrders(List(2) { secretDraft() }, BatchMode.EACH).toString())
            clean(world.session.allowedTransitions(secrets.summary.id()).toString())
            clean(secrets.page.feedCursor())
            clean(world.session.orders(filter(), limit = 1).nextCursor() ?: "none")
        }
    }

    /** Every failure that a caller can make with PHI in its hands. */
    private fun failures(world: World, secrets: Secrets): Map<String, () -> Unit> {
        val (session, admin) = world.session to world.admin
        val id = secrets.summary.id()
        val json = "{\"patient_id\": 7, \"order_id\": \"$SECRET\", \"status\": \"$SECRET\"}"
        fun mended(change: OrderDraft.() -> Unit): () -> Unit = { session.createOrder(secretDraft().apply(change)) }
        return mapOf(
            "unknown pair" to mended { setPatientId("$SECRET-other") },
            "patient" to mended { setPatientId("$SECRET\n") },
            "long patient" to mended { setPatientId(SECRET.repeat(30)) },
            "service" to mended { setServiceType(SECRET.repeat(90)) },
            "codes" to mended { setDiagnosisCodes(List(60) { "$SECRET$it" }) },
            "twice" to mended { setDiagnosisCodes(listOf(SECRET, SECRET, "$SECRET\u0000")) },
            "notes" to mended { setNotes(SECRET.repeat(20_000)) },
            "insurance" to mended { setInsurance(Insurance("", "$SECRET\u0000")) },
            "key" to mended { setIdempotencyKey("$SECRET\n") },
            "order" to { session.order(SECRET) },
            "order of uuid" to { session.order("00000000-0000-4000-8000-000000000000") },
            "order by key" to { session.orderByKey(SECRET) },
            "transitions" to { session.allowedTransitions(SECRET) },
            "update" to { session.updateStatus(SECRET, secretChange()) },
            "again" to { session.updateStatus(id, secretChange()) },
            "coverage" to { session.updateStatus(id, secretChange().apply { verification()!!.setCoverageDetails("{$SECRET") }) },
            "reason" to { session.updateStatus(id, secretChange().apply { setReason(SECRET.repeat(60)) }) },
            "delete" to { session.deleteOrder(SECRET, SECRET) },
            "delete reason" to { session.deleteOrder(id, "$SECRET\u0001") },
            "cursor" to { session.orders(cursor = SECRET) },
            "subscribe" to { session.subscribe(SECRET, null) },
            "since" to { session.subscribe(null, SECRET) },
            "filter" to { session.orders(OrderFilter().apply { setPatientId("$SECRET\n") }) },
            "audit" to { session.audit(auditFilter()) },
            "disclosures" to { session.disclosures("$SECRET\n") },
            "checkpoint" to { session.verifyAudit(SECRET) },
            "relationships" to { session.relationships(null, Relationship("$SECRET\n", "")) },
            "json" to { session.call("create_order", json) },
            "name" to { session.call(SECRET, "{}") },
            "no json" to { session.call("create_order", "{\"patient_id\": \"$SECRET") },
            "json update" to { session.call("update_status", json) },
            "admin json" to { admin.call("register_relationship", json) },
            "admin name" to { admin.call(SECRET, json) },
            "territory" to { admin.registerTerritory("$SECRET $SECRET") },
            "pair" to { admin.registerRelationship("north", "$SECRET\n", SECRET) },
            "elsewhere" to { admin.registerRelationship("$SECRET-unknown", SECRET, SECRET) },
            "rotate" to { admin.rotateKeys("$SECRET-unknown") },
            "backup" to { admin.backup("/$SECRET/$SECRET") },
            "session" to { world.service.session(everyone(), "$SECRET $SECRET") },
            "nowhere" to { world.service.session(everyone(), "$SECRET-unknown").orders() },
            "actor" to { world.service.admin(Actor("$SECRET\n", Purpose.LEGAL).apply { addRole("$SECRET\n") }) },
            "role" to { world.service.admin(Actor("u", Purpose.LEGAL).apply { addRole(SECRET) }).territories() },
            "key file" to { admin.changeRoot(Keys.File("/$SECRET")) },
            "environment" to { admin.changeRoot(Keys.Env(SECRET)) },
            "url" to { OrderService.open("postgres://u:$SECRET@127.0.0.1:1/x", world.keys, OpenOptions().apply { setPatienceMs(100) }) },
            "scheme" to { OrderService.open("mysql://u:$SECRET@localhost/x", world.keys) },
            "options" to { OrderService.open(world.folder.url, world.keys, options()) },
            "access" to { OrderService.open(world.folder.url, world.keys, OpenOptions().apply { setAccessJson("{\"roles\": {\"$SECRET") }) },
            "roles" to {
                val access = "{\"roles\": {\"nurse\": {\"permissions\": [\"$SECRET\"], \"fields\": [\"$SECRET\"]}}}"
                OrderService.open(world.folder.url, world.keys, OpenOptions().apply { setAccessJson(access) })
            },
            "make key file" to { generateKeyFile("/$SECRET/$SECRET") },
        )
    }

    @Test
    fun `no failure shows what it was given`() {
        World().use { world ->
            for ((name, call) in failures(world, Secrets(world, this))) {
                val error = runCatching(call).exceptionOrNull()
                assertTrue(error is MedorderException, "$name: $error")
                error as MedorderException
                clean(error.toString())
                clean(error.message!!)
                clean(error.explanation())
                clean(error.details().toString())
                clean(error.stackTraceToString())
                assertNull(error.cause)
                assertTrue(error.code() != ErrorCode.INTERNAL, "$name: $error")
            }
        }
    }

    @Test
    fun `a batch says of each item what is wrong and not what is in it`() {
        World().use { world ->
            val drafts = listOf(secretDraft(), secretDraft().apply { setPatientId("$SECRET\n") }, draft())
            for (mode in BatchMode.entries) {
                val items = world.session.createOrders(drafts, mode)
                clean(items.toString())
                assertEquals(3, items.size)
                assertTrue(items[1] is BatchItem.Failed)
            }
            val changes = listOf(OrderChange("00000000-0000-4000-8000-000000000000", secretChange()))
            clean(changes.toString())
            clean(world.session.updateStatuses(changes, BatchMode.EACH).toString())
        }
    }
}
